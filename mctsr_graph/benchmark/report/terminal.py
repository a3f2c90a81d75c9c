"""The report for a terminal of 80 columns: what was found first, then the main figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.outcomes import VERDICTS
from mctsr_graph.text.printable import printable

from . import words
from .conclusions import (
    FINDING_SIGNS,
    SIGNS,
    Conclusion,
    across_conclusions,
    across_sure,
    conclusions,
    how_sure,
)
from .order import beside, by_search
from .problems import VERDICT_SIGNS

_WIDEST = 100  # columns; longer lines of prose are hard to read


def terminal(run: RunMetrics, width: int) -> Iterator[Table | Text]:
    """Yield what a terminal shows of a run. No text is taken for markup or control codes.

    Args:
        run: What was measured.
        width: Columns of the terminal.
    """
    yield _plain(f"{run.settings['dataset']}, {run.settings['model']}", style="bold")
    if words.is_simulation(run.settings):
        yield _prose(Conclusion("part", "!", words.SIMULATION), width)
    for one in conclusions(run):
        yield _prose(one, width)
    yield _prose(Conclusion("", " ", how_sure(run)), width)
    yield _accuracy(run)
    for first in dict.fromkeys(one.first for one in run.comparisons):
        found = [one for one in run.comparisons if one.first == first]
        title = f"{words.brief_name(first)}, less each of ({SIGNS})"
        yield _differences(title, [(beside(one.second, first), one) for one in found])
    if run.calibrations:
        yield _calibrations(run)
    yield from _missing(run)
    yield _endings(run)


def across_terminal(found: Sequence[AcrossRuns], width: int) -> Iterator[Table | Text]:
    """Yield what a terminal shows of a comparison of runs."""
    for told in across_conclusions(found):
        yield _prose(told, width)
    yield _plain(across_sure(found), style="dim")
    for (this, that), rows in groupby(found, key=lambda one: (one.this, one.that)):
        title = f"{this}\nless {that} ({SIGNS})"
        yield _differences(title, [(_method(one), one.comparison) for one in rows])


def _method(one: AcrossRuns) -> str:
    return words.brief_name(one.comparison.first)


def _prose(one: Conclusion, width: int) -> Table:
    """A sentence whose lines stand beneath each other."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(max_width=min(width, _WIDEST) - 2)
    style = "bold" if one.about == "finding" else ""
    table.add_row(_plain(one.sign, style), _plain(one.text, style))
    return table


def _table(title: str, first: str, *numbers: str) -> Table:
    """A table of names, which may be folded, and of numbers, which may not."""
    table = Table(
        title=_plain(title, "bold"),
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    table.add_column(_plain(first), overflow="fold")
    for name in numbers:
        table.add_column(_plain(name), justify="right", no_wrap=True)
    return table


def _accuracy(run: RunMetrics) -> Table:
    title = f"\nRight answers, % of {words.count(run.problems)} problems, and 95 % intervals"
    table = _table(title, "method", "right", "oracle", "tokens", "calls")
    for name, below, one in by_search(run):
        table.add_row(
            _plain("  " * below + name),
            words.percent(one.selected),
            f"{100 * one.oracle.value:.1f}",
            words.NONE if one.tokens is None else words.count(one.tokens.mean),
            words.count(one.calls.mean, 1),
        )
    return table


def _differences(title: str, rows: Sequence[tuple[str, Comparison]]) -> Table:
    table = _table(f"\n{title}", "", "", "difference", "p", "problems")
    for name, one in rows:
        table.add_row(
            _plain(name),
            FINDING_SIGNS[one.finding],
            words.points(one.difference),
            words.p_value(one.corrected),
            words.count(one.problems),
        )
    return table


def _calibrations(run: RunMetrics) -> Table:
    title = "\nHow sure, and how often right, %"
    table = _table(title, "method", "sure", "right", "error", "Brier")
    for key, one in run.calibrations.items():
        table.add_row(
            _plain(words.brief_name(key)),
            f"{100 * one.confidence:.0f}",
            words.percent(one.right),
            f"{one.error:.3f}",
            f"{one.brier:.3f}",
        )
    return table


def _endings(run: RunMetrics) -> Table:
    signs = [VERDICT_SIGNS[name] for name in VERDICTS]
    told = [f"{sign} {name.replace('_', ' ')}" for sign, name in zip(signs, VERDICTS, strict=True)]
    table = _table(f"\nHow problems ended ({', '.join(told)})", "method", *signs)
    for name, below, one in by_search(run):
        table.add_row(_plain("  " * below + name), *map(words.count, one.verdicts.values()))
    return table


def _missing(run: RunMetrics) -> Iterator[Table]:
    states = (("Missing", run.missing), ("Failed", run.failed))
    for state, found in states:
        reasons: dict[str, list[str]] = {}
        for one in found:
            reasons.setdefault(one.why, []).append(one.id)
        if reasons:
            table = _table(f"\n{state} problems", "why", "problems", "first")
            for why, ids in reasons.items():
                table.add_row(_plain(why), words.count(len(ids)), _plain(ids[0][:24]))
            yield table


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text, keep="\n"), style=style)
