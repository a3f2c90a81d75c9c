"""A search under way, in a terminal: how far it is, and the best so far with its chance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from mctsr_graph.calls import outage
from mctsr_graph.cli.doing import hearing
from mctsr_graph.graph.events import Best, Event, RolloutEvent
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import OnChange, OnEvent
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.text.figures import percent, points, price_in_words
from mctsr_graph.text.printable import one_line
from mctsr_graph.viewers.rich_tree import rich_tree

_LONGEST = 60  # characters of an answer
_BEGINS = "drafting an answer"


@contextmanager
def watching(
    err: Console, context: MCTSrContext, live: bool
) -> Iterator[tuple[OnEvent, OnChange | None]]:
    """With `live` the tree as it grows, if there is a terminal; else as `progress`."""
    log = logging.getLogger(outage.__name__)
    log.disabled = True  # an event says the same
    try:
        with _shown(err, context, live) as hooks:
            yield hooks
    finally:
        log.disabled = False


@contextmanager
def _shown(
    err: Console, context: MCTSrContext, live: bool
) -> Iterator[tuple[OnEvent, OnChange | None]]:
    if not live or not err.is_terminal:
        with progress(err, context) as on_event:
            yield on_event, None
        return
    parts: list[RenderableType] = [Text(_BEGINS), ""]
    with Live(Group(*parts), console=err, transient=True, auto_refresh=False) as screen:

        def on_event(event: Event) -> None:
            told = answer_first(event, context, err.width)
            parts[0] = Text(told, style="bold", no_wrap=True, overflow="ellipsis")
            screen.update(Group(*parts), refresh=True)

        def on_change(solution: Solution) -> None:
            parts[1] = rich_tree(solution.tree, solution.best, lines=max(4, err.height - 2))
            screen.update(Group(*parts), refresh=True)

        yield on_event, on_change


@contextmanager
def progress(err: Console, context: MCTSrContext) -> Iterator[Callable[[Event], None]]:
    """A bar on a terminal, a line an event elsewhere."""
    if not err.is_terminal:
        yield lambda event: err.print(line(event, context))
        return
    words = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False, table_column=words),
        TimeElapsedColumn(),
    ]
    if err.width >= 60:  # a bar would leave too little of the words
        columns.insert(1, BarColumn(bar_width=24 if err.width >= 100 else 10))
    with Progress(*columns, console=err, transient=True, expand=True) as bar:
        task, best = bar.add_task(_BEGINS, total=1.0), ""

        def advance(event: Event) -> None:
            nonlocal best
            done, told = None, answer_first(event, context, err.width)
            if event["type"] == "mctsr.rollout":
                done, best = place(event, context)[0], told
            bar.update(task, completed=done, description=told)

        def tell(doing: str) -> None:
            bar.update(task, description=f"{doing}; {best}" if best else doing)

        with hearing(tell):
            yield advance


def place(event: RolloutEvent, context: MCTSrContext) -> tuple[float, str]:
    """How far a search is: the share used of the limit that is nearest, and that in its unit."""
    limits = (
        (event["index"], context.max_rollouts, "rollout {:,} of {:,}"),
        (event["calls"], context.max_calls, "call {:,} of {:,}"),
        (event["tokens"], context.max_tokens, "{:,} of {:,} tokens"),
        (round(event["seconds"]), context.max_seconds, "{:,} of {:,g} s"),
    )
    told = [
        (done / most, words.format(done, most)) for done, most, words in limits if most is not None
    ]
    if context.max_cost is not None and event["price"] is not None:
        most = context.max_cost
        spent = f"price {price_in_words(event['price'])} of {price_in_words(most)}"
        told.append((event["price"] / most, spent))
    share, words = max(told, key=lambda one: one[0])
    return min(1.0, share), words


def line(event: Event, context: MCTSrContext) -> str:
    """An event as a line of a log."""
    if event["type"] == "mctsr.start":
        return _BEGINS
    if event["type"] == "mctsr.left_out":
        return f"{event['setting']} is not sent to the model, which does not take it"
    if event["type"] == "mctsr.repeated":
        return f"node {event['node']} is the reply of node {event['repeats']} once more"
    if event["type"] == "mctsr.away":
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + event["left"]))
        since = f"{event['seconds']:.0f} s ({event['error']})"
        return f"the model does not answer since {since}; trying again until {until}"
    if event["type"] == "mctsr.back":
        return f"the model answers again, after {event['seconds']:.0f} s"
    if event["type"] == "mctsr.stop":
        return f"stopped: {event['stop_reason']}, {_best(event['best'], none='no answer')}"
    return f"{place(event, context)[1]}: {_done(event)}, {_best(event['best'])}"


def answer_first(event: Event, context: MCTSrContext, width: int) -> str:
    """An event as a line of a screen, of which a narrow one shows the beginning alone."""
    if event["type"] != "mctsr.rollout":
        return line(event, context)
    best = _best(event["best"], max(8, width // 3))
    return f"{best}; {place(event, context)[1]}; {_done(event)}"


def _done(event: RolloutEvent) -> str:
    if event["failure"] is not None:
        return f"failed ({event['failure']['role']}: {event['failure']['code']})"
    if event["q"] is not None:
        return f"q {points(event['q'])}"
    said = event["final_answer"] or "no final answer"  # it was not judged
    return f"{event['task']}: {one_line(said, _LONGEST)}"


def _best(best: Best | None, most: int = _LONGEST, none: str = "no answer yet") -> str:
    if best is None:
        return none
    said = f"best {one_line(best['final_answer'] or 'no final answer', most)}"
    if best["chance"] is not None:
        return f"{said}, {percent(best['chance'])} likely"
    return said if best["q"] is None else f"{said}, q {points(best['q'])}"
