"""What the command `mctsr` shows: progress, notes and results, and how it takes a signal."""

from __future__ import annotations

import shlex
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .config import MCTSrContext
from .events import Best, Event
from .running import SearchControl
from .solution import Solution
from .usage import total_cost
from .viewers.text import render_text


def stderr() -> Console:
    """For progress and notes."""
    return Console(stderr=True, highlight=False, markup=False)


def stdout() -> Console:
    """For results. Model text is never taken for markup."""
    return Console(highlight=False, markup=False, soft_wrap=True)


@contextmanager
def notes(err: Console) -> Iterator[None]:
    """Show this package's warnings as notes, without file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if category is UserWarning:
                err.print(f"note: {message}")
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


@contextmanager
def polite(err: Console, control: SearchControl) -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM finish the step under way; the next one does not wait."""
    received: list[int] = []

    def handle(number: int, frame: Any) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        control.request_drain(signal.Signals(number).name)
        err.print("stopping after the step under way; once more to stop at once")

    usual = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def progress(err: Console, context: MCTSrContext) -> Iterator[Callable[[Event], None]]:
    """A bar on a terminal, a line an event elsewhere."""
    if not err.is_terminal:
        yield lambda event: err.print(_line(event, context))
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("drafting an answer", total=context.max_rollouts)

        def advance(event: Event) -> None:
            done = event["index"] if event["type"] == "mctsr.rollout" else None
            progress.update(task, completed=done, description=_line(event, context))

        yield advance


def _line(event: Event, context: MCTSrContext) -> str:
    if event["type"] == "mctsr.start":
        return "drafting an answer"
    if event["type"] == "mctsr.stop":
        return f"stopped: {event['stop_reason']}, {_best(event['best'])}"
    if event["failure"] is not None:
        what = f"failed ({event['failure']['role']}: {event['failure']['code']})"
    else:
        what = _points(event["q"])
    return f"rollout {event['index']} of {context.max_rollouts}: {what}, {_best(event['best'])}"


def _best(best: Best | None) -> str:
    if best is None:
        return "no answer yet"
    return f"best {safe(best['final_answer'] or 'no final answer')} ({_points(best['q'])})"


def _points(q: float | None) -> str:
    return "not judged" if q is None else f"q {q:.1f}"


def show(solution: Solution, show_tree: bool, as_json: bool) -> None:
    """Print what was found, or what there is of it."""
    if as_json:
        stdout().out(solution.to_json(), highlight=False)
        return
    out = stdout()
    if solution.answer is not None:
        out.print(safe(solution.answer, keep="\n\t"))
        out.print(f"\nFinal answer: {safe(solution.final_answer or 'none stated')}")
    if show_tree:
        out.print("\nTree (id, q, rewards, final answer)")
        out.print(render_text(solution.tree, solution.best))
    out.print()
    out.print(_cost(solution))
    unmetered = total_cost(solution.usage)["unmetered_calls"]
    if unmetered:
        out.print(f"The tokens of {unmetered} calls are not known.")
    out.print(f"Stopped by {solution.stop_reason} after {solution.rollouts} rollouts.")
    for failure in solution.failures:
        out.print(safe(f"Failed in rollout {failure['rollout']}: {failure['message']}"))


def _cost(solution: Solution) -> Table:
    table = Table("cost", "calls", "input tokens", "output tokens")
    costs = [(role, solution.usage[role]) for role in solution.usage]
    for name, cost in [*costs, ("total", total_cost(solution.usage))]:
        counts = (cost["calls"], cost["input_tokens"], cost["output_tokens"])
        table.add_row(name, *(str(count) for count in counts))
    return table


def show_interrupted(
    err: Console, solution: Solution, checkpoint: Path | None, show_tree: bool, as_json: bool
) -> None:
    """Print the best so far, and how to go on."""
    show(solution, show_tree, as_json)
    if checkpoint is None:
        go_on = "Nothing was kept: with --checkpoint FILE the search could go on."
    else:
        go_on = f"Go on with: mctsr resume {shlex.quote(str(checkpoint))}"
    err.print(f"\n{_so_far(solution)} {go_on}")


def _so_far(solution: Solution) -> str:
    if solution.best is None:
        return "interrupted before the first answer was evaluated."
    node = solution.tree[solution.best]
    answer = safe(node["final_answer"] or "no final answer")
    return f"best so far: {answer} ({_points(node['q'])}, {solution.rollouts} rollouts)."


def safe(text: str, keep: str = "") -> str:
    """Text of a model without what a terminal would obey."""
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)
