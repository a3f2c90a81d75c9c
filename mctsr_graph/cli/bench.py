"""The commands `mctsr bench ...` and `mctsr export`: arguments in, text out."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mctsr_graph.cli.bench_config import read_config, written_config
from mctsr_graph.cli.common import ends
from mctsr_graph.cli.options import own_settings
from mctsr_graph.cli.streams import stderr, stdout
from mctsr_graph.cli.terminal import notes
from mctsr_graph.errors import (
    ConfigError,
)
from mctsr_graph.models.load import load_model
from mctsr_graph.text.figures import counted

if TYPE_CHECKING:
    from mctsr_graph.benchmark.plan import Plan
    from mctsr_graph.benchmark.problems import DataSet
    from mctsr_graph.benchmark.ray_engine import ModelMaker
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
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="arithmetic (comes with this package), gsm8k, gsm_hard, math, math500, aime, "
            "aime24, aime25, math_odyssey, olympiadbench; hub:OWNER/NAME or "
            "hub:OWNER/NAME:CONFIG; simulated:COUNT; or a .jsonl or .jsonl.gz file of {problem, "
            "answer, id, level, subject}."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="As for `mctsr solve`, or py:FILE:NAME, or simulated:skill=0.4,auc=0.7. Given "
            "several times, each model makes a run of its own.",
        ),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Comma-separated: cot, self-refine, self-consistency, best-of-n, "
            "adaptive-consistency, cisc, self-certainty, deepconf, tournament, and profiles of "
            "MCTSr such as paper, official, tuned, rsa."
        ),
    ] = "cot,self-refine,self-consistency,best-of-n,paper",
    rollouts: Annotated[
        str,
        typer.Option(
            help="Comma-separated numbers of rollouts to compare at; 0 is what a search has before "
            "its first."
        ),
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
        int | None, typer.Option(metavar="N", help="Tokens of each reply at most.")
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
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of problems that the server may fail before the run stops.",
        ),
    ] = 1.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Solve anew what the server has failed.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Problems at once.")] = 8,
    engine: Annotated[str, typer.Option(help="local: this process. ray: a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Cluster of --engine ray; by default one of this machine.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit of the data set on the hub, instead of ours.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of a set given as hub:OWNER/NAME.")] = "test",
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=THEIRS", help="What a file or hub: set calls problem, answer, id, ..."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only the I-th of N parts; join them by `bench merge`."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of options by their long names; the command line goes before it.",
            is_eager=True,
            callback=read_config,
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Write such a file of this command, and end.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option(help="Make this run's lines again from its recorded calls, without a model."),
    ] = None,
) -> None:
    """Solve every problem of a data set by every method, and grade the answers.

    The same command goes on with a run that was stopped or killed.
    """
    err = stderr()
    with explained(err), notes(err):
        if print_config:
            stdout().print(written_config(context), end="", soft_wrap=True, markup=False)
            return
        if replay is not None:
            _replay(err, replay, out or replay.with_name(f"{replay.name}-replay"))
            return
        if dataset is None:
            raise ConfigError("no data set is given; `mctsr bench run --help` names them")
        from mctsr_graph.benchmark.data_sets import load_problems
        from mctsr_graph.benchmark.plan import Plan
        from mctsr_graph.benchmark.problems import FIELDS, choose
        from mctsr_graph.benchmark.run import Job

        given = own_settings(max_reply_tokens, settings)
        plan = Plan(_words(methods), _numbers("--rollouts", rollouts), given)
        if equal is not None:
            plan = replace(plan, equal=_words(equal))
        fields = _fields(field or [], FIELDS)
        data = load_problems(dataset, revision=revision, split=split, fields=fields)
        chosen = choose(data, levels=_words(levels), subjects=_words(subjects), limit=limit)
        jobs = [Job(problem, one) for one in _seeds(seed) for problem in chosen]
        options = {
            "planned": jobs,
            "concurrency": concurrency,
            "max_failed": max_failed,
            "retry_failed": retry_failed,
        }
        part = _part(shard, jobs)
        names: list[str | None] = [*(model or [])] or [None]
        for name in names:
            where = out if out is None or len(names) < 2 else out / _file_name(name)
            _run_model(err, data, plan, part, name, where, equal, engine, ray_address, options)


def _run_model(
    err: Console,
    data: DataSet,
    plan: Plan,
    jobs: list[Job],
    model: str | None,
    out: Path | None,
    equal: str | None,
    engine: str,
    ray_address: str | None,
    options: dict[str, Any],
) -> None:
    from mctsr_graph.benchmark.environment import environment_of
    from mctsr_graph.benchmark.model_names import maker_of
    from mctsr_graph.benchmark.records import FORMER
    from mctsr_graph.benchmark.run import settings_of
    from mctsr_graph.benchmark.stand_in import about
    from mctsr_graph.benchmark.store import RunFolder

    make, named = maker_of(model), model or "default"
    loaded = load_model(model) if make is None else make()
    begun = settings_of(data, named, about(loaded), plan)
    folder = RunFolder(out or _usual_folder(begun))
    if equal is None:  # a run of an earlier version goes on under its own rule
        former = settings_of(data, named, about(loaded), replace(plan, equal=FORMER))
        before = RunFolder(out or _usual_folder(former))
        if (before.settings() or begun)["run"] == former["run"]:
            folder, begun = before, former
    where = _engine(engine, loaded, make or model, ray_address)
    _run(err, folder, begun, jobs, where, {**options, "environment": environment_of(loaded)})


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

        # A run makes objects by the million, and what was loaded before stays
        usual = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(10_000)
        try:
            work = run(folder, settings, jobs, engine, on_line=on_line, **options)
            unfinished = asyncio.run(work)
        finally:
            gc.unfreeze()
            gc.set_threshold(*usual)
    if failed:
        some = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:5])
        lost = counted(len(failed), "problem")
        err.print(f"the server failed {lost}, counted as not right ({some})")
    if unfinished:
        err.print(
            f"error: the model's server failed {counted(len(unfinished), 'problem')} "
            f"({', '.join(unfinished[:5])}); the same command tries them again"
        )
        raise typer.Exit(1)
    stdout().print(f"done; for the tables: mctsr bench report {folder.path}")


def _usual_folder(settings: RunSettings) -> Path:
    return Path("runs") / f"{settings['dataset']}-{settings['run'][:8]}"


def _engine(
    name: str, loaded: object, model: str | ModelMaker | None, ray_address: str | None
) -> Engine:
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


def _fields(given: list[str], allowed: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, _, theirs = text.partition("=")
        if name not in allowed or not theirs:
            raise ConfigError(f"--field is {text!r}, allowed NAME=THEIRS of {', '.join(allowed)}")
        found[name] = theirs
    return found


def _part(shard: str | None, jobs: list[Job]) -> list[Job]:
    """The jobs of a shard: every N-th, so that all shards are alike."""
    if shard is None:
        return jobs
    number, _, count = shard.partition("/")
    whole = number.isdecimal() and count.isdecimal()
    if not whole or not 1 <= int(number) <= int(count) <= len(jobs):
        raise ConfigError(f"--shard is {shard!r}, allowed I/N, from 1/1 to {len(jobs)}/{len(jobs)}")
    return jobs[int(number) - 1 :: int(count)]


def _file_name(model: str | None) -> str:
    return re.sub(r"[^\w.=,-]+", "-", model or "default")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError:
        raise ConfigError(f"{option} is {text!r}, allowed whole numbers and commas") from None


def _seeds(text: str) -> list[int]:
    seeds = _numbers("--seed", text)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seed is {text!r}, allowed whole numbers, each once")
    return seeds


@contextmanager
def explained(err: Console) -> Iterator[None]:
    """Turn every end into a line for people and an exit code."""
    try:
        with ends(err):
            yield
    except KeyboardInterrupt:
        err.print("stopped; what is done is kept, and the same command goes on from there")
        raise typer.Exit(130) from None
