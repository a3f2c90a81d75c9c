"""The commands `mctsr bench ...` and `mctsr export`: arguments in, text out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mctsr_graph.calls.usage import ROLES
from mctsr_graph.cli.arguments import parse_setting
from mctsr_graph.cli.common import ends
from mctsr_graph.cli.streams import stderr, stdout
from mctsr_graph.cli.terminal import notes
from mctsr_graph.errors import (
    ConfigError,
    MissingExtraError,
)
from mctsr_graph.models.load import load_model

if TYPE_CHECKING:
    from mctsr_graph.benchmark.records import Line, RunSettings
    from mctsr_graph.benchmark.run import Engine, Job
    from mctsr_graph.benchmark.store import RunFolder

bench_app = typer.Typer(
    help="Measure methods against problems whose answers are known.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunArgument = Annotated[Path, typer.Argument(help="The folder of a run.")]


@bench_app.command("run")
def run_command(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="gsm8k, gsm_hard, math, math500, aime, aime24, aime25, math_odyssey, "
            "olympiadbench, or a .jsonl or .jsonl.gz file of {id, problem, answer, level, subject}."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="As for `mctsr solve`.")
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Comma-separated: cot, self-refine, self-consistency, best-of-n, and profiles "
            "of MCTSr such as paper, official."
        ),
    ] = "cot,self-refine,self-consistency,best-of-n,paper",
    rollouts: Annotated[
        str, typer.Option(help="Comma-separated numbers of rollouts to compare at.")
    ] = "0,1,4,8",
    equal: Annotated[
        str | None,
        typer.Option(
            help="What baselines get as much of as each search took on the same problem: calls, "
            "tokens, or both, which is the default; formula: 3 + 4 calls a rollout."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    levels: Annotated[str, typer.Option(help="Only these levels, comma-separated.")] = "",
    subjects: Annotated[str, typer.Option(help="Only these subjects, comma-separated.")] = "",
    seed: Annotated[str, typer.Option(help="One seed or several, comma-separated.")] = "0",
    max_reply_tokens: Annotated[
        int | None, typer.Option(help="Tokens of each reply at most.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, for all methods."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder; by default one under runs/."),
    ] = None,
    max_failed: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of problems that the server may fail before the run stops."
        ),
    ] = 1.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Solve anew what the server has failed.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Problems at once.")] = 8,
    engine: Annotated[str, typer.Option(help="local: this process. ray: a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Cluster of --engine ray; by default one of this machine.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit of the data set on the hub, instead of ours.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Make this run's lines again from its recorded calls, without a model."),
    ] = None,
) -> None:
    """Solve every problem of a data set by every method, and grade the answers.

    The same command goes on with a run that was stopped or killed.
    """
    err = stderr()
    with _explained(err), notes(err):
        if replay is not None:
            _replay(err, replay, out or replay.with_name(f"{replay.name}-replay"))
            return
        if dataset is None:
            raise ConfigError("no data set is given; `mctsr bench run --help` names them")
        from mctsr_graph.benchmark.data_sets import load_problems
        from mctsr_graph.benchmark.environment import environment_of
        from mctsr_graph.benchmark.plan import Plan
        from mctsr_graph.benchmark.problems import choose
        from mctsr_graph.benchmark.records import FORMER
        from mctsr_graph.benchmark.run import Job, settings_of
        from mctsr_graph.benchmark.stand_in import about
        from mctsr_graph.benchmark.store import RunFolder

        limits = {f"{role}_max_tokens": max_reply_tokens for role in ROLES}
        given = limits if max_reply_tokens is not None else {}
        given |= dict(parse_setting(text) for text in settings or [])
        plan = Plan(_words(methods), _numbers("--rollouts", rollouts), given)
        if equal is not None:
            plan = replace(plan, equal=_words(equal))
        data = load_problems(dataset, revision=revision)
        chosen = choose(data, levels=_words(levels), subjects=_words(subjects), limit=limit)
        seeds = _numbers("--seed", seed)
        if len(set(seeds)) < len(seeds):
            raise ConfigError(f"--seed is {seed!r}, allowed whole numbers, each once")
        jobs = [Job(problem, one) for one in seeds for problem in chosen]
        loaded, named = load_model(model), model or "default"
        options = {
            "concurrency": concurrency,
            "max_failed": max_failed,
            "retry_failed": retry_failed,
            "environment": environment_of(loaded),
        }
        begun = settings_of(data, named, about(loaded), plan)
        folder = RunFolder(out or _usual_folder(begun))
        if equal is None:  # a run of an earlier version goes on under its own rule
            former = settings_of(data, named, about(loaded), replace(plan, equal=FORMER))
            before = RunFolder(out or _usual_folder(former))
            if (before.settings() or begun)["run"] == former["run"]:
                folder, begun = before, former
        where = _engine(engine, loaded, model, ray_address)
        _run(err, folder, begun, jobs, where, options)


@bench_app.command("regrade")
def regrade_command(
    run: RunArgument,
    golds: Annotated[
        Path | None,
        typer.Option(
            "--gold",
            help="A .jsonl file of corrected answers, {id, answer} a line; others stay.",
        ),
    ] = None,
) -> None:
    """Grade a run's answers anew, without a model."""
    err = stderr()
    with _explained(err), notes(err):
        from mctsr_graph.benchmark.again import regrade
        from mctsr_graph.benchmark.store import RunFolder

        found = regrade(RunFolder(run), golds)
        told = f"{found.graded} answers graded, {found.changed} verdicts changed"
        if golds is not None:
            told += f", {found.replaced} lines with a corrected answer"
        if found.foreign:
            err.print(f"{found.foreign} corrected answers are to problems that the run has not")
        stdout().print(told)


@bench_app.command("report")
def report_command(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs; parts of one run become one."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to; by default `report` in the first run."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Compare all methods with this one, instead of searches with all."),
    ] = None,
) -> None:
    """Make tables, plots and a page of runs, from their lines alone.

    Accuracies with their intervals go to stdout. report.html shows everything, each problem's
    tree included, and needs nothing else; report.md, metrics.json and the plots lie beside it.
    """
    err = stderr()
    with _explained(err), notes(err):
        try:
            from mctsr_graph.benchmark.report.text import terminal
            from mctsr_graph.benchmark.report.write import measure_runs, write_report
        except ModuleNotFoundError as error:
            needed = f'a report needs {error.name}: pip install "mctsr-graph[bench]"'
            raise MissingExtraError(needed) from None

        measured = measure_runs(runs, baseline)
        for _, metrics in measured:
            for part in terminal(metrics):
                stdout().print(part)
        files = write_report(measured, out or runs[0] / "report")
        stdout().print(f"{files[0]} has all of it")


@bench_app.command("compare")
def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Folders of runs; each goes against the first."),
    ],
    method: Annotated[
        str | None, typer.Option(help="Only this method; by default each that two runs have.")
    ] = None,
) -> None:
    """Compare runs of other models or settings on the problems that they share.

    Pairs problems by id and right answer, takes seeds of one problem together, and corrects all p
    values as one family.
    """
    err = stderr()
    with _explained(err), notes(err):
        from mctsr_graph.benchmark.across import compare_runs
        from mctsr_graph.benchmark.report.findings import across_table
        from mctsr_graph.benchmark.report.text import across_runs
        from mctsr_graph.benchmark.report.write import read_runs

        read = read_runs(runs)
        names = [f"{one.settings['model']} ({one.folders[0].name})" for one in read]
        given = [(name, one.settings, one) for name, one in zip(names, read, strict=True)]
        found = compare_runs(given, method)
        stdout().print(across_runs(across_table(found)))
        left_out = {one.this: one.comparison.left_out for one in found}
        for name, ids in left_out.items():
            if ids:
                err.print(f"{name}: {len(ids)} problems are in one run only ({', '.join(ids[:5])})")


def export_command(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for sft.jsonl and pairs.jsonl.")],
    by_truth: Annotated[
        bool,
        typer.Option(
            "--gold", help="Choose by the truth as well as by rewards; such rows are marked."
        ),
    ] = False,
    same_answer: Annotated[
        bool,
        typer.Option("--same-answer", help="Also pair texts that state the same final answer."),
    ] = False,
    steps: Annotated[
        bool,
        typer.Option(
            "--steps", help="Write steps.jsonl as well: graded steps for a process reward model."
        ),
    ] = False,
) -> None:
    """Write a run's trees as training data: rows for SFT, and pairs for preference tuning."""
    err = stderr()
    with _explained(err), notes(err):
        from mctsr_graph.benchmark.export import export

        found = export(run, out, gold=by_truth, same_answer=same_answer, steps=steps)
        told = f"{found.rows} rows in {out / 'sft.jsonl'}, {found.pairs} in {out / 'pairs.jsonl'}"
        told += f", {found.steps} in {out / 'steps.jsonl'}" if steps else ""
        if found.contradicted:
            told += f"; {found.contradicted} are contradicted by others, and marked"
        stdout().print(told)


def _run(
    err: Console,
    folder: RunFolder,
    settings: RunSettings,
    jobs: list[Job],
    engine: Engine,
    options: dict[str, Any],
) -> None:
    from mctsr_graph.benchmark.records import lost_to_server
    from mctsr_graph.benchmark.run import run
    from mctsr_graph.cli.progress import bench_progress

    failed: dict[str, str] = {}
    err.print(f"{len(jobs)} problems, {', '.join(settings['methods'])}, into {folder.path}")
    with bench_progress(err, len(jobs)) as progress:

        def on_line(line: Line) -> None:
            progress(line)
            if (why := lost_to_server(line)) is not None:
                failed[line["id"]] = why

        unfinished = asyncio.run(run(folder, settings, jobs, engine, on_line=on_line, **options))
    if failed:
        some = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:5])
        err.print(f"the server failed {len(failed)} problems, which count as not right ({some})")
    if unfinished:
        err.print(
            f"error: the model's server failed {len(unfinished)} problems "
            f"({', '.join(unfinished[:5])}); the same command tries them again"
        )
        raise typer.Exit(1)
    stdout().print(f"done; for the tables: mctsr bench report {folder.path}")


def _usual_folder(settings: RunSettings) -> Path:
    return Path("runs") / f"{settings['dataset']}-{settings['run'][:8]}"


def _engine(name: str, loaded: object, model: str | None, ray_address: str | None) -> Engine:
    if name == "local":
        from mctsr_graph.benchmark.run import local

        return local(loaded)  # type: ignore[arg-type]
    if name == "ray":
        from mctsr_graph.benchmark.ray_engine import on_ray

        return on_ray(model, address=ray_address)
    raise ConfigError(f"--engine is {name!r}, allowed local, ray")


def _replay(err: Console, original: Path, out: Path) -> None:
    from mctsr_graph.benchmark.again import replay
    from mctsr_graph.benchmark.store import RunFolder

    lines, differ = asyncio.run(replay(RunFolder(original), RunFolder(out)))
    stdout().print(f"{lines - len(differ)} of {lines} lines came out the same, in {out}")
    if differ:
        err.print(f"error: others came out for {', '.join(differ[:10])}")
        raise typer.Exit(1)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError:
        raise ConfigError(f"{option} is {text!r}, allowed whole numbers and commas") from None


@contextmanager
def _explained(err: Console) -> Iterator[None]:
    """Turn every end into a line for people and an exit code."""
    try:
        with ends(err):
            yield
    except KeyboardInterrupt:
        err.print("stopped; what is done is kept, and the same command goes on from there")
        raise typer.Exit(130) from None
