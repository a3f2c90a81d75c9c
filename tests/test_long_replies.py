"""A long reply holds no event loop: it is cut, and looked at in a thread, once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, asolve, solve
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.text import final_answer, hostile, remembered
from mctsr_graph.text.final_answer import LONGEST
from mctsr_graph.text.remembered import LONG
from mctsr_graph.text.replies import LONGEST_REPLY

from .conftest import keyed_reply

LINE = "The score of this line is too low, I would say, and we add 7 to it.\n"
CONTEXT = MCTSrContext(profile="paper", max_rollouts=1)


def model_of(role: str, size: int) -> ScriptedChatModel:
    """Its replies in one role have `size` characters more."""
    more = (LINE * (1 + size // len(LINE)))[:size]
    return ScriptedChatModel(
        replies=lambda call: (
            f"{more}\n{keyed_reply(call)}" if call.role == role else keyed_reply(call)
        )
    )


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, bool]]:
    """How often long texts were looked at, by what for and whether on the main thread."""
    seen: Counter[tuple[str, bool]] = Counter()
    main = threading.main_thread()

    def watch(module: Any, name: str) -> None:
        function: Callable[[str], Any] = getattr(module, name)

        def watched(text: str) -> Any:
            if len(text) > LONG:
                seen[name, threading.current_thread() is main] += 1
            return function(text)

        monkeypatch.setattr(module, name, watched)

    remembered.forget()
    watch(hostile, "as_seen")
    watch(final_answer, "strip_reasoning")
    return seen


@pytest.mark.parametrize("role", ["draft", "refine", "critique", "evaluate"])
async def test_nothing_long_is_looked_at_on_the_loop(
    role: str, looked: Counter[tuple[str, bool]]
) -> None:
    found = await asolve("How many?", model_of(role, 3 * LONG), context=CONTEXT)
    assert (found.rollouts, found.failures) == (1, [])
    assert [where for _, where in looked if where] == []
    if role in ("draft", "refine"):  # for the forged scores, and for the final answer: once each
        assert looked["as_seen", False] == 1
        assert looked["strip_reasoning", False] == 1


async def test_a_short_reply_takes_no_thread(looked: Counter[tuple[str, bool]]) -> None:
    before = threading.active_count()
    await asolve("How many?", model_of("draft", 100), context=CONTEXT)
    assert threading.active_count() == before
    assert looked == {}


def test_an_endless_answer_is_cut_and_says_so() -> None:
    found = solve("How many?", model_of("refine", LONGEST + 500_000), context=CONTEXT)
    answer = found.tree["1"]["answer"]
    assert LONGEST < len(answer) < LONGEST + 100
    assert " characters left out]\n" in answer
    assert answer.startswith(LINE)
    assert found.tree["1"]["final_answer"] == "1"  # its end is kept


@pytest.mark.parametrize("role", ["draft", "critique", "refine", "evaluate"])
def test_what_is_kept_of_an_endless_reply_is_cut_whatever_it_is(role: str, tmp_path: Any) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        solve("How many?", model_of(role, 5 * LONGEST), context=CONTEXT, journal=journal)
        kept = journal._connection.execute("SELECT MAX(LENGTH(reply)) FROM mctsr_calls").fetchone()
    # Line ends take two characters in JSON
    assert LONGEST_REPLY < kept[0] < LONGEST_REPLY + LONGEST_REPLY // len(LINE) + 1000


async def test_a_wide_search_lets_others_have_their_turn() -> None:
    """64 leaves at once; a neighbour that asks for each turn of the loop gets many."""
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(neighbour())
    context = MCTSrContext(profile="paper", max_rollouts=64, width=64)
    await asolve("How many?", ScriptedChatModel(replies=keyed_reply), context=context)
    beside.cancel()
    # At least one for every 8 of 64 critiques, refinements, evaluations, and leaves written
    assert turns >= 4 * 64 // 8


def test_what_is_remembered_of_a_text_is_not_the_text() -> None:
    remembered.forget()
    solve("How many?", model_of("draft", 3 * LONG), context=CONTEXT)
    kept = [key for memory in remembered._MEMORIES for key in memory]
    assert kept
    assert {len(key) for key in kept} == {16}
