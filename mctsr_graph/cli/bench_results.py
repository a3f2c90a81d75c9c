"""The commands `mctsr bench ...` and `mctsr export` that work on a run that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mctsr_graph.cli.bench import RunArgument, bench_app, explained
from mctsr_graph.cli.streams import stderr, stdout
from mctsr_graph.cli.terminal import notes, written
from mctsr_graph.errors import MissingExtraError
from mctsr_graph.text.packages import install_line


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
    with explained(err), notes(err):
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

    What was found goes to stdout, then accuracies with their intervals. report.html shows
    everything, each problem's tree included, and needs nothing else; report.md, metrics.json, the
    plots, and the tables as CSV and LaTeX lie beside it.
    """
    err = stderr()
    with explained(err), notes(err):
        try:
            from mctsr_graph.benchmark.report.terminal import terminal
            from mctsr_graph.benchmark.report.write import measure_runs, write_report
        except ModuleNotFoundError as error:
            needed = f"a report needs {error.name}: {install_line('bench')}"
            raise MissingExtraError(needed) from None

        measured = measure_runs(runs, baseline)
        out_console = stdout()
        for _, metrics in measured:
            for part in terminal(metrics, out_console.width):
                out_console.print(part)
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
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file for a page with a plot: .html.")
    ] = None,
) -> None:
    """Compare runs of other models or settings on the problems that they share.

    Pairs problems by id and right answer, and takes seeds of one problem together. Each folder is
    a run of its own, whatever its settings. All intervals hold together with 95 %.
    """
    err = stderr()
    with explained(err), notes(err):
        from mctsr_graph.benchmark.across import compare_runs
        from mctsr_graph.benchmark.report.terminal import across_terminal
        from mctsr_graph.benchmark.report.write import each_run

        read = each_run(runs)
        names = _names([(one.settings["model"], one.folders[0]) for one in read])
        given = [(name, one.settings, one) for name, one in zip(names, read, strict=True)]
        found = compare_runs(given, method)
        console = stdout()
        for part in across_terminal(found, console.width):
            console.print(part)
        if out is not None:
            from mctsr_graph.benchmark.report.page import write_across

            with written("--out", out):
                write_across(out, found)
            console.print(f"{out} has all of it")


def _names(runs: list[tuple[str, Path]]) -> list[str]:
    """Different names of runs: model and folder, with as many parents as tell folders apart."""
    whole = [folder.resolve().parts for _, folder in runs]
    depths = range(1, max(map(len, whole)) + 1)
    apart = (depth for depth in depths if len({parts[-depth:] for parts in whole}) == len(whole))
    folders = ["/".join(parts[-depth:]) for depth in [next(apart)] for parts in whole]
    if len({model for model, _ in runs}) == 1:
        return folders
    return [f"{model} ({name})" for (model, _), name in zip(runs, folders, strict=True)]


@bench_app.command("merge")
def merge_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of parts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the whole run.")],
) -> None:
    """Put the parts of a run together, as --shard makes them: lines, calls and plan."""
    err = stderr()
    with explained(err), notes(err):
        from mctsr_graph.benchmark.merging import merge_runs
        from mctsr_graph.benchmark.store import RunFolder

        count = merge_runs([RunFolder(run) for run in runs], RunFolder(out))
        stdout().print(f"{count} lines in {out}")


@bench_app.command("convert")
def convert_command(
    run: RunArgument,
    to: Annotated[str, typer.Option(help="csv, latex, inspect or lm-eval.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to; by default a folder of that name in the run."),
    ] = None,
) -> None:
    """Write a run for other programs.

    csv: outcomes.csv, a row for each problem, method and budget, and each table of the report.
    latex: the tables. inspect: a log of inspect_ai for each method at the largest budget. lm-eval:
    results and samples as lm-evaluation-harness writes them.
    """
    err = stderr()
    with explained(err), notes(err):
        from mctsr_graph.benchmark.convert import convert

        files = convert(run, to, out or run / to)
        stdout().print(f"{len(files)} files in {out or run / to}")


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
    with explained(err), notes(err):
        from mctsr_graph.benchmark.export import export

        found = export(run, out, gold=by_truth, same_answer=same_answer, steps=steps)
        told = f"{found.rows} rows in {out / 'sft.jsonl'}, {found.pairs} in {out / 'pairs.jsonl'}"
        told += f", {found.steps} in {out / 'steps.jsonl'}" if steps else ""
        if found.contradicted:
            told += f"; {found.contradicted} are contradicted by others, and marked"
        stdout().print(told)
