"""What the plots share: a calm style, panels, and names beside lines instead of a legend."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import Formatter, MultipleLocator

from mctsr_graph.benchmark.statistics import Interval

INK, FAINT, _GRID = "#1F2933", "#5F6B7A", "#E4E7EB"
_NARROW = 3.7  # inches of a figure on a phone
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NAME = re.compile(r' id="[A-Za-z0-9]+_\d+"')  # of groups, which nothing refers to
STYLE: Any = {
    "axes.edgecolor": "#CBD2D9",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 12,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: it can be found and copied
    "text.color": INK,
    "text.parse_math": False,  # a name with a dollar sign is a name
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


@dataclass(frozen=True)
class Plot:
    """A figure with its words."""

    name: str
    """A short word, for file names."""
    title: str
    note: str
    figure: Figure
    narrow: bool = False
    """Whether it is for a phone."""

    def __post_init__(self) -> None:
        # Laid out once, here, instead of at each drawing
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine(None)  # "none" is an engine, which each saving draws for

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG element, the same every time."""
        text = io.StringIO()
        with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"{self.name} {self.narrow}"}):
            self.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()[text.getvalue().index("<svg") :]

    def inline(self, number: int) -> str:
        """The figure for a page, whose style sheet may give each colour another value.

        Args:
            number: Different from that of all others of this name on the page.
        """
        text = _NAME.sub("", self.svg)
        text = re.sub(r'((?: id="|url\(#|href="#))', rf"\g<1>{self.name}-{number}-", text)
        text = _COLOUR.sub(lambda found: f"var(--p{found[0][1:]}, {found[0]})", text)
        label = f"{self.title}. {self.note}"
        return text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)

    def png(self) -> bytes:
        """The figure as a PNG of 200 dots an inch."""
        data = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(data, format="png", dpi=200, metadata={"Software": None})
        return data.getvalue()


class Look(NamedTuple):
    """How a method is drawn everywhere."""

    colour: str
    marker: str


@dataclass
class Label:
    """A name beside the end of a line."""

    x: float
    y: float
    text: str
    colour: str
    weight: str = "normal"
    marker: str = ""


@dataclass
class Panel:
    """Axes whose lines are named at their ends, without names over each other."""

    axes: Axes
    labels: list[Label] = field(default_factory=list)

    def name_lines(self) -> None:
        """Put the names right of the axes, in the order of their ends, apart from each other."""
        low, high = self.axes.get_ylim()
        inches = self.axes.get_window_extent().height / 100  # as high as they are, about
        gap = (high - low) * 0.17 / inches
        wanted = sorted(self.labels, key=lambda label: label.y)
        heights = apart([label.y for label in wanted], gap, low, high)
        right = self.axes.get_xlim()[1]
        for label, height in zip(wanted, heights, strict=True):
            self.axes.annotate(
                label.text,
                xy=(label.x, label.y),
                xytext=(1.025, height),
                xycoords="data",
                textcoords=self.axes.get_yaxis_transform(),
                color=label.colour,
                fontweight=label.weight,
                va="center",
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": label.colour,
                    "alpha": 0.35,
                    "linewidth": 0.8,
                    "relpos": (0, 0.5),
                    "shrinkA": 2,
                    "shrinkB": 5 if label.x < right else 0,
                },
            )


def apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted values as little as need be so that neighbours are a gap apart, within limits."""
    placed: list[list[float]] = []  # runs of neighbours that touch
    for value in values:
        placed.append([value])
        while len(placed) > 1 and _start(placed[-1], gap) < _start(placed[-2], gap) + gap * len(
            placed[-2]
        ):
            last = placed.pop()
            placed[-1] += last
    result: list[float] = []
    for group in placed:
        start = min(max(_start(group, gap), low), high - gap * (len(group) - 1))
        if result:
            start = max(start, result[-1] + gap)
        result += [start + gap * place for place in range(len(group))]
    return result


def _start(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def name_lines(drawn: Sequence[Panel], narrow: bool) -> None:
    """Name the lines of panels beside them, or below the figure where there is no room."""
    if not narrow:
        for panel in drawn:
            panel.name_lines()
        return
    found = {label.text: label for panel in drawn for label in panel.labels}
    handles = [
        Line2D([], [], color=one.colour, marker=one.marker or None, label=one.text)
        for one in found.values()
    ]
    figure: Any = drawn[0].axes.get_figure()
    figure.legend(handles=handles, loc="outside lower left", frameon=False, handlelength=1.8)


def panels(
    width: float, height: float, count: int, *, narrow: bool = False, **more: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure, in inches, with axes side by side; narrow ones stand beneath each other."""
    size = (_NARROW, height * count) if narrow else (width, height)
    figure = Figure(figsize=size, layout="constrained")
    shape = (count, 1) if narrow else (1, count)
    return figure, list(figure.subplots(*shape, squeeze=False, **more).flat)


class Percents(Formatter):
    """Writes shares as percents, with as many decimals as the steps between ticks need."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Write one."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Write all of an axis alike."""
        exact = (
            d for d in range(3) if all(abs(round(100 * v, d) - 100 * v) < 1e-6 for v in values)
        )
        return [f"{100 * value:.{digits}f} %" for digits in [next(exact, 3)] for value in values]


def percent_axis(axes: Axes, values: Iterable[float]) -> None:
    """Percent from zero, unless all is far above it."""
    everything = list(values)
    low, high = min(everything, default=0), max(everything, default=1)
    top = max(min(1.0, high + 0.06), 0.1)
    bottom = low - 0.08 if low > 0.38 else 0.0
    margin = 0.02 * (top - bottom)  # so that no mark at 0 or 100 % is cut in half
    axes.set_ylim(bottom - margin, top + margin)
    axes.yaxis.set_major_locator(MultipleLocator(0.1 if top - bottom > 0.3 else 0.05))
    axes.yaxis.set_major_formatter(Percents())
    axes.grid(axis="x", visible=False)


def errors(intervals: Sequence[Interval]) -> list[list[float]]:
    """Lengths of error bars, down and up; rounding may leave a negative nothing."""
    return [
        [max(0.0, one.value - one.low) for one in intervals],
        [max(0.0, one.high - one.value) for one in intervals],
    ]


def curve(
    axes: Axes, places: Sequence[float], values: Sequence[Interval], look: Look, *, main: bool
) -> None:
    """Draw points with their intervals, joined; the main ones stand out."""
    axes.errorbar(
        places,
        [one.value for one in values],
        yerr=errors(values),
        color=look.colour,
        ecolor=to_rgba(look.colour, 1 if main else 0.4),
        marker=look.marker,
        markersize=6.5,
        markeredgecolor="#ffffff",
        markeredgewidth=0.8,
        linewidth=2.2 if main else 1.4,
        linestyle="-" if main else (0, (5, 2)),
        elinewidth=1,
        zorder=4 if main else 3,
    )
