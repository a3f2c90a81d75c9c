"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mctsr_graph.benchmark.metrics import RunMetrics

from . import words
from .conclusions import conclusions, how_sure
from .drawing import Plot
from .table import Table
from .tables import facts, tables

_MARKS = re.compile(r"([\\`*_\[\]<>|~&$])")


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
    for one in conclusions(run):
        yield f"- {one.sign} {escaped(one.text)}"
    yield f"\n{how_sure(run)}\n"
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
