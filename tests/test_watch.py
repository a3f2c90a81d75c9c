"""What a terminal shows of a search: the limit that ends it, the answer first, in any width."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import pytest
from rich.console import Console

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, asolve, solve
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.cli.doing import hearing
from mctsr_graph.cli.streams import SafeConsole
from mctsr_graph.cli.terminal import cost_table, show
from mctsr_graph.cli.watch import answer_first, line, place, progress
from mctsr_graph.models.scripted import ScriptedCall

from .conftest import keyed_reply
from .test_golden import PROBLEM, reply

EVENT: Any = {
    **{"type": "mctsr.rollout", "index": 7, "calls": 12, "tokens": 3400, "seconds": 8.4},
    **{"price": 0.012, "task": "refine", "q": 40.0, "final_answer": "24", "failure": None},
    "best": {"node": "3", "q": 61.0, "final_answer": "26", "chance": 0.584},
}


@pytest.mark.parametrize(
    ("settings", "share", "words"),
    [
        ({}, 12 / 35, "call 12 of 35"),
        ({"max_rollouts": 8}, 7 / 8, "rollout 7 of 8"),
        ({"profile": "paper"}, 7 / 8, "rollout 7 of 8"),
        ({"profile": "paper", "max_calls": 13}, 12 / 13, "call 12 of 13"),
        ({"profile": "paper", "max_tokens": 3400}, 1.0, "3,400 of 3,400 tokens"),
        ({"profile": "paper", "max_tokens": 3000}, 1.0, "3,400 of 3,000 tokens"),
        ({"profile": "paper", "max_seconds": 8.5}, 8 / 8.5, "8 of 8.5 s"),
        ({"max_cost": 0.02}, 0.6, "price 0.012 of 0.02"),
    ],
)
def test_progress_counts_in_the_unit_of_the_limit_that_is_nearest(
    settings: dict[str, Any], share: float, words: str
) -> None:
    assert place(EVENT, MCTSrContext(**settings)) == (pytest.approx(share), words)


def test_a_line_tells_what_was_done_and_the_best_with_its_chance() -> None:
    context = MCTSrContext()
    assert line(EVENT, context) == "call 12 of 35: q 40.0, best 26, 58 % likely"
    unjudged = {**EVENT, "q": None, "task": "draft"}
    assert line(unjudged, context) == "call 12 of 35: draft: 24, best 26, 58 % likely"
    lost = {**EVENT, "failure": {"role": "refine", "code": "empty"}, "best": None}
    assert line(lost, context) == "call 12 of 35: failed (refine: empty), no answer yet"
    large = {**EVENT, "best": {**EVENT["best"], "chance": None}}
    assert line(large, context) == "call 12 of 35: q 40.0, best 26, q 61.0"


@pytest.mark.parametrize("width", range(40, 201, 20))
def test_a_screen_of_any_width_shows_answer_chance_and_place(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    with progress(console, MCTSrContext()) as on_event:
        on_event({"type": "mctsr.start"})  # type: ignore[typeddict-item,misc]
        on_event(EVENT)
    shown = out.getvalue().replace("\r", "\n").split("\n")
    rows = [row for row in shown if "best" in row]
    assert rows
    for row in rows:
        assert "best 26, 58 % likely; call" in row
        assert len(row.rpartition("\x1b[2K")[2].rstrip()) <= width
    assert width < 60 or any("call 12 of 35" in row for row in rows)


def test_a_long_answer_leaves_room_for_its_chance() -> None:
    best = {**EVENT["best"], "final_answer": "x" * 500}
    told = answer_first({**EVENT, "best": best}, MCTSrContext(), 40)
    assert told.startswith(f"best {'x' * 10}..., 58 % likely; call 12 of 35")


def test_the_verdict_is_printed_whatever_the_profile(capsys: pytest.CaptureFixture[str]) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4)
    found = solve(PROBLEM, ScriptedChatModel(replies=reply), context=context)
    show(found, False, False)
    told = capsys.readouterr().out
    for words in found.verdict["says"].values():
        assert words in told


class Narrow(SafeConsole):
    """A terminal of so many columns."""

    def __init__(self, columns: int) -> None:
        super().__init__(soft_wrap=True)
        self.file, self.room = io.StringIO(), columns

    @property
    def is_terminal(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (40, ["cost", "calls", "in", "out"]),
        (60, ["cost", "calls", "in", "out", "price"]),
        (
            120,
            [
                "cost",
                "calls",
                "input tokens",
                "cached tokens",
                "output tokens",
                "reasoning tokens",
                "price",
            ],
        ),
    ],
)
def test_a_narrow_terminal_shows_the_counts_that_matter(columns: int, names: list[str]) -> None:
    large = {**no_cost(), "calls": 999, "input_tokens": 9_999_999, "output_tokens": 999_999}
    usage: Any = {role: large for role in ("draft", "critique", "refine", "evaluate")}
    given = {**usage, "merge": no_cost()}
    out = Narrow(columns)
    table = cost_table(given, out)
    assert [column.header for column in table.columns] == names
    assert [*table.columns[0].cells] == [*usage, "total"]  # and none that was never asked
    assert [*table.columns[1].cells] == ["999"] * 4 + ["3,996"]
    out.print(table)
    rows = re.sub("\x1b\\[[0-9;]*m", "", out.file.getvalue()).splitlines()
    assert len(rows) >= 6
    assert max(len(row.rstrip()) for row in rows) <= columns


def test_a_search_interrupted_says_the_best_with_its_chance() -> None:
    from mctsr_graph.cli.terminal import _so_far

    found: Solution = solve(
        "p", ScriptedChatModel(replies=keyed_reply), context=MCTSrContext(max_calls=5)
    )
    assert _so_far(found) == f"best so far: {found.verdict['says']['likely']}"


def test_what_is_asked_for_is_told_as_each_call_begins() -> None:
    told: list[str] = []
    model, context = ScriptedChatModel(replies=keyed_reply), MCTSrContext(profile="paper")
    one = context.model_copy(update={"max_rollouts": 1})
    with hearing(told.append):
        solve("How many?", model, context=one)
    assert told == ["drafting", "judging", "criticising", "refining", "judging", "judging"]
    solve("How many?", model, context=one)
    assert len(told) == 6


def test_a_bar_names_what_is_asked_for_and_the_best_so_far() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    model, context = ScriptedChatModel(replies=keyed_reply), MCTSrContext()
    with progress(console, context) as on_event:
        on_event(EVENT)
        solve("How many?", model, context=context.model_copy(update={"max_calls": 2}))
    assert "drafting; best 26, 58 % likely; call 12 of 35" in screen.getvalue()


def test_of_several_calls_at_once_is_told_how_many_are_done() -> None:
    def reply(call: ScriptedCall) -> str:
        if call.role == "evaluate" and call.rollout == 1 and call.sample == 1:
            raise OSError("no connection")  # is done, too
        return keyed_reply(call)

    told: list[str] = []
    model = ScriptedChatModel(replies=reply, latency=0.01)
    context = MCTSrContext(profile="paper", max_rollouts=1, reward_samples=3, max_attempts=1)
    with hearing(told.append):
        asyncio.run(asolve("How many?", model, context=context))
    judging = ["judging", "judging 0 of 2", "judging 0 of 3", "judging 1 of 3", "judging 2 of 3"]
    assert told[:8] == ["drafting", *judging, "criticising", "refining"]
    assert told[8:12] == ["judging", *(f"judging 0 of {begun}" for begun in range(2, 5))]
    assert told[-1] == "judging 3 of 4"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_breaks_no_word_of_a_verdict(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4)
    found = solve(PROBLEM, ScriptedChatModel(replies=reply), context=context)
    out = Narrow(columns)
    monkeypatch.setattr("mctsr_graph.cli.terminal.stdout", lambda: out)
    show(found, False, False)
    told = re.sub("\x1b\\[[0-9;]*m", "", out.file.getvalue())
    shown = told.partition("Final answer: ")[2].splitlines()
    assert max(len(row.rstrip()) for row in shown) <= columns
    for words in found.verdict["says"].values():
        assert words in " ".join(told.split())
