"""The report as Markdown, and its main tables for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from mctsr_graph.benchmark import refining
from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.text.printable import printable

from . import words
from .drawing import Plot
from .table import Table
from .tables import facts, tables

_MARKS = re.compile(r"([\\`*_\[\]<>|~&$])")
_IN_TERMINAL = {  # the columns that fit
    "accuracy": ("method", "budget", "selected", "oracle upper bound"),
    "comparisons": ("this", "against", "difference", "p (Holm)", "finding"),
    "calibration": ("method", "budget", "confidence", "right", "error", "Brier score"),
    "missing": ("state", "why", "problems", "which"),
    "endings": ("method", "budget", "right", "wrong", "no answer", "undecided", "failed"),
}


def markdown(run: RunMetrics, plots: list[tuple[Plot, str]]) -> str:
    """Write a run as Markdown.

    Args:
        run: What was measured.
        plots: Its plots, each with the path of its file as seen from the Markdown file.
    """
    return "\n".join(_markdown(run, plots))


def _markdown(run: RunMetrics, plots: list[tuple[Plot, str]]) -> Iterator[str]:
    yield f"## {escaped(run.settings['dataset'])}, {escaped(run.settings['model'])}\n"
    if words.is_simulation(run.settings):
        yield f"**{words.SIMULATION}**\n"
    for name, value in facts(run):
        yield f"- {name}: {escaped(value)}"
    yield ""
    for plot, path in plots:
        yield f"### {plot.title}\n\n![{plot.title}]({path})\n\n{plot.note}\n"
    for table in tables(run):
        yield _markdown_table(table)


def _markdown_table(table: Table) -> str:
    rows = [table.head, *(table.rows)]
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    lines.insert(1, f"|{' --- |' * len(table.head)}")
    return f"### {table.title}\n\n{table.note}\n\n" + "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text on one line, of which Markdown shows every character as it is."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _MARKS.sub(r"\\\1", flat)


def terminal(run: RunMetrics) -> Iterator[RichTable | Text]:
    """Yield what a terminal shows of a run. No text is taken for markup or control codes."""
    yield _plain(f"{run.settings['dataset']}, {run.settings['model']}", style="bold")
    if words.is_simulation(run.settings):
        yield _plain(words.SIMULATION, style="bold")
    if run.missing:
        yield _plain(f"{words.progress(run)} problems", style="bold")
    for table in tables(run):
        if table.name in _IN_TERMINAL:
            yield _terminal_table(table, _IN_TERMINAL[table.name])
    for sentence in refining.told(run.refining):
        yield _plain(f"Refining: {sentence}")


def across_runs(table: Table) -> RichTable:
    """What a terminal shows of a comparison of runs."""
    names = ("run", "against", "method", "problems", "difference", "p (Holm)", "finding")
    return _terminal_table(table, names)


def _terminal_table(table: Table, names: Sequence[str]) -> RichTable:
    title = _plain(table.title)
    drawn = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        numbers = name in ("selected", "oracle upper bound", "difference")
        drawn.add_column(_plain(name), no_wrap=numbers, overflow="fold")
    places = [table.head.index(name) for name in names]
    for row, following in zip_longest(table.rows, table.rows[1:]):
        # What costs alike stands together
        ends = table.head[0] == "rollouts" and following is not None and row[0] != following[0]
        drawn.add_row(*(_plain(row[place]) for place in places), end_section=ends)
    return drawn


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
