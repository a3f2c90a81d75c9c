"""Plots with a row for each thing that is compared, and its intervals beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.benchmark.statistics import Interval

from . import words
from .conclusions import FINDING_SIGNS, SIGNS
from .drawing import INK, STYLE, Look, Percents, Plot, errors, panels
from .looks import BLUE, ORANGE, cut_name, looks_of, plain_of

_MOST_GROUPS, _MOST_PANELS = 24, 3  # more are in the table alone


class _Series(NamedTuple):
    """What is drawn alike, at most once a row."""

    name: str
    look: Look
    values: Sequence[tuple[int, Interval]]
    """Row, counted from above, and share."""


# ------------------------------------------------------------------------------ differences


def differences(run: RunMetrics, narrow: bool) -> Plot | None:
    """Differences around zero: the primary comparisons, then others at equal tokens."""
    first = [one for one in run.comparisons if one.primary]
    rest = [one for one in run.comparisons if not one.primary]
    shown = [*first, *(one for one in rest if one.second.budget == "tokens" or not first)]
    if not shown:
        return None
    looks = looks_of(run)
    rows = [_Row(_between(one), one, looks[one.first.method].colour) for one in shown]
    note = (
        f"Filled: primary, with its sign ({SIGNS}); these intervals hold together with 95 %. "
        "Hollow: exploratory, with an interval of its own. Right of the line the first of the two "
        "is better."
    )
    title = "Differences at equal tokens" if _equal(shown) else "Differences"
    return Plot("differences", title, note, _around_zero(rows, narrow), narrow)


def across(found: Sequence[AcrossRuns], narrow: bool) -> Plot:
    """Differences of runs around zero, method by method."""
    runs = dict.fromkeys(one.this for one in found)
    colours = {run: (BLUE, ORANGE)[place % 2] for place, run in enumerate(runs)}
    several = len(colours) > 1
    rows = []
    for one in found:
        name = words.brief_name(one.comparison.first)
        name = f"{name}, {cut_name(one.this)}" if several else name
        rows.append(_Row(name, one.comparison, colours[one.this]))
    note = (
        f"Points, with the sign of each ({SIGNS}). The intervals hold together with 95 %. Right of "
        f"the line the run beats {found[0].that}."
    )
    with matplotlib.rc_context(STYLE):
        return Plot("differences", "Differences", note, _around_zero(rows, narrow), narrow)


class _Row(NamedTuple):
    name: str
    comparison: Comparison
    colour: str


def _around_zero(rows: Sequence[_Row], narrow: bool) -> Figure:
    figure, (axes,) = panels(9.2, 1.0 + (0.78 if narrow else 0.42) * len(rows), 1, narrow=narrow)
    for place, row in enumerate(rows):
        _difference(axes, -place, row.comparison, row.colour)
        _tell(axes, -place, row, narrow)
    axes.axvline(0, color=INK, linewidth=1.1, zorder=2)
    axes.set_ylim(0.6 - len(rows), 0.8 if narrow else 0.6)
    shown = [row.comparison.difference for row in rows]
    furthest = max(abs(end) for one in shown for end in (one.low, one.high)) or 0.01
    axes.set_xlim(-1.05 * furthest, 1.05 * furthest)
    axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 9, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: _points(share)))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in points")
    return figure


def _equal(shown: Sequence[Comparison]) -> bool:
    return all(one.second.budget == "tokens" for one in shown)


def _between(one: Comparison) -> str:
    name = f"{plain_of(one.first)} − {plain_of(one.second)}"
    if one.second.budget != "tokens" and one.second.budget != "own":
        name += f", {cut_name(words.budget_name(one.second))}"
    return name


def _difference(axes: Axes, height: float, one: Comparison, colour: str) -> None:
    axes.errorbar(
        [one.difference.value],
        [height],
        xerr=errors([one.difference]),
        color=colour,
        marker="o",
        markersize=8 if one.primary else 6,
        markerfacecolor=colour if one.primary else "#ffffff",
        markeredgecolor=colour,
        elinewidth=3 if one.primary else 1.2,
        zorder=4,
    )


def _tell(axes: Axes, height: float, row: _Row, narrow: bool) -> None:
    """Say beside a row what it is, or above it where there is no room."""
    name, one = row.name, row.comparison
    sign = FINDING_SIGNS[one.finding]
    number = f"{words.points(one.difference)} {sign}".rstrip()
    weight = "bold" if one.primary else "normal"
    where: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "fontweight": weight}
    if narrow:  # over the line at 0
        where |= {"zorder": 5, "bbox": {"facecolor": "#ffffff", "edgecolor": "none", "pad": 1}}
        axes.text(0, height + 0.56, name, ha="left", **where)
        axes.text(1, height + 0.29, number, ha="right", **where)
        axes.set_yticks([])
        return
    axes.text(-0.02, height, name, ha="right", **where)
    axes.text(1.02, height, number, ha="left", **where)
    axes.set_yticks([])


def _points(share: float) -> str:
    value = 100 * share
    return words.signed(value).removesuffix(".0") if abs(value) > 1e-9 else "0"


# ------------------------------------------------------------------------------- refinement


def refinement(run: RunMetrics, narrow: bool) -> Plot | None:
    """What refinement mends and spoils."""
    refined = [run.methods[key] for key in run.at_most() if any(run.methods[key].refined)]
    if not refined:
        return None
    mended = [(row, one.fix) for row, one in enumerate(refined) if one.fix is not None]
    spoilt = [(row, one.breakage) for row, one in enumerate(refined) if one.breakage is not None]
    series = [
        _Series("wrong answers made right", Look(BLUE, "o"), mended),
        _Series("right answers made wrong", Look(ORANGE, "s"), spoilt),
    ]
    note = (
        "Refinement earns its calls where it mends more than it spoils. Bars are 95 % intervals, "
        "wider where several refinements are of one problem."
    )
    names = [plain_of(one.key) for one in refined]
    unit = "share of such refinements"
    figure = _rows(names, [("", series)], unit, narrow)
    return Plot("refinement", "What refinement mends and spoils", note, figure, narrow)


def redrafting(run: RunMetrics, narrow: bool) -> Plot | None:
    """Refinements of wrong answers beside fresh drafts of the same problems."""
    found = list(run.refining.items())
    if not any(one.fresh is not None for _, one in found):
        return None
    mended = [(row, one.mended) for row, (_, one) in enumerate(found)]
    fresh = [(row, one.fresh) for row, (_, one) in enumerate(found) if one.fresh is not None]
    series = [
        _Series("refinements of wrong answers", Look(BLUE, "o"), mended),
        _Series("fresh drafts of the same problems", Look(ORANGE, "s"), fresh),
    ]
    note = (
        "Where a wrong answer was refined: how often the refinement is right, and how often a "
        "draft from nothing is. A draft is the cheaper of the two. Bars are 95 % intervals."
    )
    names = [plain_of(key) for key, _ in found]
    figure = _rows(names, [("", series)], "share that is right", narrow)
    return Plot("redrafting", "Refining against drafting anew", note, figure, narrow)


# --------------------------------------------------------------------------- level, subject


def by_level(run: RunMetrics, narrow: bool) -> Plot | None:
    """Accuracy by level."""
    return _groups(run, "level", narrow)


def by_subject(run: RunMetrics, narrow: bool) -> Plot | None:
    """Accuracy by subject."""
    return _groups(run, "subject", narrow)


def _groups(run: RunMetrics, kind: str, narrow: bool) -> Plot | None:
    groups = [group for group in run.groups if group.kind == kind][:_MOST_GROUPS]
    primary = [one for one in run.comparisons if one.primary][:_MOST_PANELS]
    if len(groups) < 2 or not primary:
        return None
    looks = looks_of(run)

    def series(key: Key) -> _Series:
        shares = [(row, one.selected[key]) for row, one in enumerate(groups) if key in one.selected]
        return _Series(plain_of(key), looks[key.method], shares)

    names = [f"{cut_name(group.name)} ({words.count(group.problems)})" for group in groups]
    note = (
        "The two sides of each primary comparison, at the largest budget, with the problems of "
        "each row in brackets. Bars are 95 % intervals: with few problems they tell little."
    )
    parts = [
        (
            plain_of(one.first) if len(primary) > 1 else "",
            [series(one.first), series(one.second)],
        )
        for one in primary
    ]
    figure = _rows(names, parts, "accuracy of the answer returned", narrow)
    return Plot(kind, f"Accuracy by {kind}", note, figure, narrow)


def _rows(
    names: Sequence[str],
    parts: Sequence[tuple[str, Sequence[_Series]]],
    unit: str,
    narrow: bool,
) -> Figure:
    """Draw panels with the same rows, each of a title and of what is in its rows."""
    height = 1.3 + (0.78 if narrow else 0.58) * len(names)
    width = 8.6 if len(parts) == 1 else 11.2
    figure, all_axes = panels(width, height, len(parts), narrow=narrow, sharey=True)
    drawn: dict[str, Any] = {}
    for axes, (title, series) in zip(all_axes, parts, strict=True):
        axes.set_title(title)
        for place, one in enumerate(series):
            shift = 0.5 * (place + 0.5) / len(series) - 0.25 + (0.14 if narrow else 0)
            drawn[one.name] = axes.errorbar(
                [share.value for _, share in one.values],
                [row + shift for row, _ in one.values],
                xerr=errors([share for _, share in one.values]),
                color=one.look.colour,
                marker=one.look.marker,
                markersize=7,
                markeredgecolor="#ffffff",
                elinewidth=2,
                linestyle="",
            )
        _name_rows(axes, names, narrow)
        axes.set_xlim(-0.015, 1.015)  # no mark at 0 or 100 % is cut
        axes.xaxis.set_major_formatter(Percents())
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(unit)
    columns = 1 if narrow else 4
    figure.legend(
        list(drawn.values()), list(drawn), loc="outside upper left", ncols=columns, frameon=False
    )
    return figure


def _name_rows(axes: Axes, names: Sequence[str], narrow: bool) -> None:
    """Name rows beside the axes, or above each row where there is no room."""
    if narrow:
        for row, text in enumerate(names):
            axes.text(0, row - 0.4, text, transform=axes.get_yaxis_transform(), va="center")
        axes.set_yticks([])
    else:
        axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
