"""What `mctsr bench run` shows while it runs: accuracy so far, cost and the time left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mctsr_graph.benchmark.records import Line, MethodRecord, Point, outcome
from mctsr_graph.benchmark.statistics import wilson

_SECONDS_BETWEEN_LINES = 10.0


class RunningFigures:
    """Accuracy and cost over the lines seen so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.tokens = 0
        self._right: Counter[str] = Counter()

    def add(self, line: Line) -> None:
        """Count a line. Each method counts at its last point: the most rollouts or calls."""
        self.lines += 1
        for name, method in line["methods"].items():
            self._right[name] += 0
            for point in _headline(method):
                self._right[name] += outcome(method, point["selected"]) == "right"
                self.tokens += point["cost"]["input_tokens"] + point["cost"]["output_tokens"]

    def text(self) -> str:
        """Say it in one line: percent right with a Wilson 95 % interval, and tokens."""
        shares = {name: wilson(right, self.lines) for name, right in self._right.items()}
        parts = [
            f"{name} {100 * share.value:.1f} % [{100 * share.low:.0f}-{100 * share.high:.0f}]"
            for name, share in shares.items()
        ]
        return f"{', '.join(parts)}; {self.tokens:,} tokens" if parts else "solving"


def _headline(method: MethodRecord) -> list[Point]:
    """The last point, and the one by calls where there is one; none where the method failed."""
    budgets = ("rollouts", "calls", "own")
    found = [point for point in method["points"] if point["budget"] in budgets]
    return (found or method["points"])[-1:]


@contextmanager
def bench_progress(err: Console, total: int) -> Iterator[Callable[[Line], None]]:
    """A bar on a terminal; elsewhere a line now and then, and one at the end."""
    figures = RunningFigures()
    if not err.is_terminal:
        yield _lines_now_and_then(err, figures, total)
        return
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
    )
    task = bar.add_task("", total=total)
    words = Text(figures.text())
    with Live(Group(bar, words), console=err):

        def advance(line: Line) -> None:
            figures.add(line)
            bar.update(task, completed=figures.lines)
            words.plain = figures.text()

        yield advance


def _lines_now_and_then(
    err: Console, figures: RunningFigures, total: int
) -> Callable[[Line], None]:
    began = told = time.monotonic()
    old: int | None = None

    def note(line: Line) -> None:
        nonlocal told, old
        figures.add(line)
        now = time.monotonic()
        if figures.lines < total and now - told < _SECONDS_BETWEEN_LINES:
            return
        told = now
        each = (now - began) / figures.lines
        left = f", {each * (total - figures.lines):.0f} s left" if figures.lines < total else ""
        err.print(f"{figures.lines} of {total}{left}: {figures.text()}")

    return note
