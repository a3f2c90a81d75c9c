"""What the command `mctsr` shows: progress, notes and results, and how it takes a signal."""

from __future__ import annotations

import json
import logging
import shlex
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mctsr_graph.calls import outage
from mctsr_graph.calls.usage import Usage, price_told, total_cost
from mctsr_graph.cli.streams import raw, stdout
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.events import Best, Event, RolloutEvent
from mctsr_graph.run.estimate import Estimate
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import OnChange, OnEvent, SearchControl
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.viewers.rich_tree import rich_tree
from mctsr_graph.viewers.text import points, render_text


@contextmanager
def notes(err: Console) -> Iterator[None]:
    """Show this package's warnings as notes, without file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if category is UserWarning:
                err.print(f"note: {message}")
            else:
                err.print(warnings.formatwarning(message, category, *place[:2]), end="")

        warnings.showwarning = show
        yield


@contextmanager
def polite(
    err: Console, control: SearchControl, is_away: Callable[[], bool]
) -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM finish the step under way; the next one does not wait.

    Nor does the first where the model is away, and the step waits for that alone.
    """
    received: list[int] = []

    def handle(number: int, frame: Any) -> None:
        received.append(number)
        if len(received) > 1 or is_away():
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
        total = context.max_calls if _counts_calls(context) else context.max_rollouts
        task = progress.add_task("drafting an answer", total=total)

        def advance(event: Event) -> None:
            done = None
            if event["type"] == "mctsr.rollout":
                done = event["usage"]["calls"] if _counts_calls(context) else event["index"]
            progress.update(task, completed=done, description=_line(event, context))

        yield advance


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
    parts: list[RenderableType] = [Text("drafting an answer"), ""]
    with Live(Group(*parts), console=err, transient=True, auto_refresh=False) as screen:

        def on_event(event: Event) -> None:
            parts[0] = Text(_line(event, context), style="bold", no_wrap=True, overflow="ellipsis")
            screen.update(Group(*parts), refresh=True)

        def on_change(solution: Solution) -> None:
            parts[1] = rich_tree(solution.tree, solution.best, lines=max(4, err.height - 2))
            screen.update(Group(*parts), refresh=True)

        yield on_event, on_change


def _line(event: Event, context: MCTSrContext) -> str:
    if event["type"] == "mctsr.start":
        return "drafting an answer"
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
        return f"stopped: {event['stop_reason']}, {_best(event['best'])}"
    return _rollout(event, context)


def _rollout(event: RolloutEvent, context: MCTSrContext) -> str:
    if event["failure"] is not None:
        what = f"failed ({event['failure']['role']}: {event['failure']['code']})"
    elif event["q"] is not None:
        what = f"q {points(event['q'])}"
    else:  # it was not judged
        what = f"{event['task']}: {event['final_answer'] or 'no final answer'}"
    place = f"rollout {event['index']} of {context.max_rollouts}"
    if _counts_calls(context):
        place = f"call {event['usage']['calls']} of {context.max_calls}"
    return f"{place}: {what}, {_best(event['best'])}"


def _counts_calls(context: MCTSrContext) -> bool:
    """Whether calls are what ends a search, rather than rollouts."""
    return context.max_calls is not None and context.max_calls < context.max_rollouts


def _best(best: Best | None) -> str:
    if best is None:
        return "no answer yet"
    value = f" (q {points(best['q'])})" if best["q"] is not None else ""
    return f"best {best['final_answer'] or 'no final answer'}{value}"


def show(solution: Solution, show_tree: bool, as_json: bool) -> None:
    """Print what was found, or what there is of it."""
    if as_json:
        raw(solution.to_json() + "\n")
        return
    out = stdout()
    if solution.answer is not None:
        out.print(solution.answer)
        out.print(f"\nFinal answer: {solution.final_answer or 'none stated'}")
    summary = solution.summary().split("\n")
    for line in summary[:-2]:
        out.print(line)
    if show_tree:
        out.print("\nTree (id, q, rewards, final answer)")
        out.print(render_text(solution.tree, solution.best))
    out.print()
    out.print(cost_table(solution.usage))
    for line in summary[-2:]:  # cost, and why it has stopped
        out.print(line)
    for failure in solution.failures:
        out.print(f"Failed in rollout {failure['rollout']}: {failure['message']}")


def show_estimate(estimated: Estimate, as_json: bool) -> None:
    """Print what a search would take."""
    out = stdout()
    if as_json:
        raw(json.dumps(estimated.to_json()) + "\n")
        return
    out.print(cost_table(estimated.usage))
    out.print(f"At most {estimated.calls} calls, price {price_in_words(estimated.cost)}.")
    out.print(estimated.assumptions)


def check_page(file: Path | None) -> None:
    """Refuse a file for a page that cannot be written, before a search costs anything."""
    if file is not None:
        with written("--html", file):
            file.touch()


def save_page(solution: Solution, file: Path | None) -> None:
    """Write a search as one HTML page, if a file is named."""
    if file is not None:
        with written("--html", file):
            file.write_text(solution.to_html(), encoding="utf-8")


@contextmanager
def written(option: str, file: Path) -> Iterator[None]:
    """Turn a failure to write the file of an option into a ConfigError that names both."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{option} is {str(file)!r}: {error.strerror}") from None


def cost_table(usage: Usage) -> Table:
    """Calls, tokens and money by role."""
    kinds = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    table = Table("cost", *(kind.replace("_", " ") for kind in kinds), "price")
    for name, cost in [*usage.items(), ("total", total_cost(usage))]:
        counts = (str(cost[kind]) for kind in kinds)  # type: ignore[literal-required]
        table.add_row(name, *counts, price_in_words(price_told({name: cost})))
    return table


def price_in_words(price: float | None) -> str:
    """A price to 6 decimals."""
    return "unknown" if price is None else f"{price:.6f}".rstrip("0").rstrip(".")


def show_interrupted(
    err: Console,
    solution: Solution,
    checkpoint: Path | None,
    show_tree: bool,
    as_json: bool,
    named: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Print the best so far, and how to go on with the models that were named."""
    show(solution, show_tree, as_json)
    if checkpoint is None:
        go_on = "Nothing was kept: with --checkpoint FILE the search could go on."
    else:
        models = (f" {as_option(role)} {shlex.quote(name)}" for role, name in named.items() if name)
        go_on = f"Go on with: mctsr resume {shlex.quote(str(checkpoint))}{''.join(models)}"
    err.print(f"\n{_so_far(solution)} {go_on}")


def as_option(setting: str) -> str:
    """How a setting is typed."""
    return f"--{setting.replace('_', '-')}"


def _so_far(solution: Solution) -> str:
    if solution.best is None:
        return "interrupted before the first answer was evaluated."
    node = solution.tree[solution.best]
    answer = node["final_answer"] or "no final answer"
    return f"best so far: {answer} (q {points(node['q'])}, {solution.rollouts} rollouts)."
