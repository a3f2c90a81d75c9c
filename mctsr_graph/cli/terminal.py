"""What the command `mctsr` shows: progress, notes and results, and how it takes a signal."""

from __future__ import annotations

import json
import shlex
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table

from mctsr_graph.calls.usage import Usage, price_told, total_cost
from mctsr_graph.cli.streams import SafeConsole, raw, stdout
from mctsr_graph.errors import ConfigError
from mctsr_graph.run.estimate import Estimate
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import SearchControl
from mctsr_graph.text.figures import price_in_words
from mctsr_graph.viewers.text import render_text


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
        _say(out, line)
    if show_tree:
        out.print("\nTree (id, final answer, q, rewards)")
        out.print(render_text(solution.tree, solution.best))
    out.print()
    out.print(cost_table(solution.usage, out))
    for line in summary[-2:]:  # cost, and why it has stopped
        _say(out, line)
    for failure in solution.failures:
        _say(out, f"Failed in rollout {failure['rollout']}: {failure['message']}")


def _say(out: SafeConsole, sentences: str) -> None:
    """Print sentences: on a terminal in lines of whole words, elsewhere in one line."""
    if out.is_terminal:
        out.print(sentences, soft_wrap=False, width=out.room)
    else:
        out.print(sentences)


def show_estimate(estimated: Estimate, as_json: bool) -> None:
    """Print what a search would take."""
    out = stdout()
    if as_json:
        raw(json.dumps(estimated.to_json()) + "\n")
        return
    out.print(cost_table(estimated.usage, out))
    _say(out, f"At most {estimated.calls} calls, price {price_in_words(estimated.cost)}.")
    _say(out, estimated.assumptions)


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


def cost_table(usage: Usage, out: SafeConsole) -> Table:
    """Calls, tokens and money by role that was asked; in a narrow terminal what matters most."""
    kinds = {
        "calls": "calls",
        "input_tokens": "input tokens",
        "cached_tokens": "cached tokens",
        "output_tokens": "output tokens",
        "reasoning_tokens": "reasoning tokens",
    }
    is_narrow = out.is_terminal and out.room < _WIDE
    if is_narrow:
        kinds = {"calls": "calls", "input_tokens": "in", "output_tokens": "out"}
    has_price = not is_narrow or out.room >= _MIDDLING
    table = Table("cost", *kinds.values(), *(["price"] if has_price else []))
    if is_narrow:
        table.box, table.pad_edge = None, False
    asked = [(role, cost) for role, cost in usage.items() if cost["calls"]]
    for name, cost in [*asked, ("total", total_cost(usage))]:
        counts = [f"{cost[kind]:,}" for kind in kinds]  # type: ignore[literal-required]
        price = [price_in_words(price_told({name: cost}))] if has_price else []
        table.add_row(name, *counts, *price)
    return table


_WIDE, _MIDDLING = 80, 56  # columns of a terminal for all counts of a cost, and for its price


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
    return f"best so far: {solution.verdict['says']['likely']}"
