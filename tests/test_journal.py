"""The call journal and the lease: a search is taken up as itself or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    FingerprintMismatchError,
    JournalMismatchError,
    MCTSrContext,
    Prompts,
    ScriptedChatModel,
    SearchLockedError,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.calls.journal import CallJournal, Slot, hash_request
from mctsr_graph.calls.sync_async import Awaiting
from mctsr_graph.run.lease import file_lease

from .conftest import keyed_reply

Make = Callable[..., ScriptedChatModel]
SLOT = Slot("search", 3, "refine", 0, 1)
USAGE: Any = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}


# --------------------------------------------------------------------------- the journal
def test_a_reply_is_found_again_in_its_slot_only(tmp_path: Path) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        journal.put(SLOT, "hash", AIMessage("text \ud800", usage_metadata=USAGE))
        assert journal.get(SLOT._replace(attempt=2), "hash") is None
    with CallJournal(tmp_path / "calls.db") as journal:
        found = journal.get(SLOT, "hash")
        assert found is not None
        assert (found.text[:5], found.usage_metadata) == ("text ", USAGE)
        assert journal.count() == 1


@pytest.mark.parametrize("reading", [True, False])
def test_a_reply_that_was_taken_over_is_kept_though_nobody_came_to_write_it(
    reading: bool, tmp_path: Path
) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        write = journal.writing([(SLOT, "hash", AIMessage("text"))])  # a cancelled task never will
        if reading:
            assert journal.get(SLOT, "hash") is not None
    with CallJournal(tmp_path / "calls.db") as journal:
        found = journal.get(SLOT, "hash")
        assert found is not None
        assert (found.text, journal.count()) == ("text", 1)
    write()  # has nothing left to do, on a file that is closed by now


async def test_a_reply_is_looked_for_without_a_thread_unless_it_had_to_be_waited_for(
    tmp_path: Path,
) -> None:
    hops: list[str] = []

    class Counting(Awaiting):
        async def call(self, function: Any, *args: Any) -> Any:
            hops.append("a thread")
            return await super().call(function, *args)

    one, other = (SLOT, "hash"), (SLOT._replace(attempt=2), "hash")
    with CallJournal(tmp_path / "calls.db") as journal:
        journal.put(*one, AIMessage("text"))
        found = await journal.known([one, other], Counting())
        assert [reply and reply.text for reply in found] == ["text", None]
        assert hops == []
        journal.writing([(*other, AIMessage("later"))])  # is still to be written
        [found_later] = await journal.known([other], Counting())
        assert (found_later and found_later.text, len(hops)) == ("later", 1)
        released, held = threading.Event(), threading.Event()

        def hold() -> None:
            with journal.without_waiting():
                held.set()
                released.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        waiting = asyncio.create_task(journal.known([one], Counting()))
        await asyncio.sleep(0.01)
        assert (waiting.done(), len(hops)) == (False, 2)  # and the loop goes on meanwhile
        released.set()
        [found_then] = await waiting
        assert found_then is not None
        assert found_then.text == "text"
        holder.join()


def test_another_request_in_the_same_slot_fails_loudly(tmp_path: Path) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        journal.put(SLOT, "hash", AIMessage("text"))
        with pytest.raises(JournalMismatchError, match="another request for refine of rollout 3"):
            journal.get(SLOT, "other")


def test_the_hash_tells_messages_and_settings_apart() -> None:
    base = hash_request([HumanMessage("a")], {"temperature": 1})
    assert base == hash_request([HumanMessage("a")], {"temperature": 1})
    assert base != hash_request([HumanMessage("b")], {"temperature": 1})
    assert base != hash_request([AIMessage("a")], {"temperature": 1})
    assert base != hash_request([HumanMessage("a")], {"temperature": 0})


async def test_a_journal_alone_replays_a_whole_search(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=3, width=2)
    with CallJournal(tmp_path / "calls.db") as journal:
        model = ScriptedChatModel(replies=keyed_reply)
        first = solve("How many?", model, context=context, journal=journal)
        silent = ScriptedChatModel(replies=[])  # any call to it is an error
        assert solve("How many?", silent, context=context, journal=journal).tree == first.tree
        again = await asolve("How many?", silent, context=context, journal=journal)
        assert (again.tree, again.usage) == (first.tree, first.usage)
        assert journal.count() == len(model.calls)


def test_a_finished_search_on_a_thread_is_made_anew(tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "1"}}
    context = MCTSrContext(profile="paper", max_rollouts=1)
    with CallJournal(tmp_path / "calls.db") as journal:
        model = ScriptedChatModel(replies=keyed_reply)
        graph = create_mctsr(model, journal=journal).compile(checkpointer=InMemorySaver())
        for made in (6, 12, 18):
            graph.invoke({"problem": "How many?"}, config, context=context)
            assert len(model.calls) == made


def test_an_edited_checkpoint_needs_a_branch_of_its_own(tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "1"}}
    context = MCTSrContext(profile="paper", max_rollouts=1)
    with CallJournal(tmp_path / "calls.db") as journal:
        model = ScriptedChatModel(replies=keyed_reply)
        graph = create_mctsr(model, journal=journal).compile(checkpointer=InMemorySaver())
        graph.invoke({"problem": "How many?"}, config, context=context)
        past = next(s for s in graph.get_state_history(config) if s.next == ("refine",))
        edit = {"wave": {"1": {"critique": "Think of zero."}}}
        edited = graph.update_state(past.config, edit)
        with pytest.raises(JournalMismatchError, match=r'update_state\(config, \{"branch": NAME\}'):
            graph.invoke(None, edited, context=context)
        branched = graph.update_state(past.config, {**edit, "branch": "zero"})
        graph.invoke(None, branched, context=context)
        assert graph.get_state(config).values["tree"]["1"]["critique"] == "Think of zero."


def test_each_call_can_be_read_again_with_what_was_asked(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1)
    file, model = tmp_path / "calls.db", ScriptedChatModel(replies=keyed_reply)
    with CallJournal(file) as journal:
        solve("How many?", model, context=context, journal=journal, thread_id="mine")
        [search] = {row[0] for row in journal._connection.execute("SELECT search FROM mctsr_calls")}
        calls = journal.recorded(search)
        assert journal.recorded("another") == []
    # A draft and its reward; then critique, refinement, and a reward of the new and the old answer
    assert [(call["rollout"], call["role"]) for call in calls] == [
        *[(0, "draft"), (0, "evaluate")],
        *[(1, "critique"), (1, "refine"), (1, "evaluate"), (1, "evaluate")],
    ]
    draft, critique = calls[0], calls[2]
    assert [who for who, _ in draft["asked"]] == ["System", "Asked"]
    assert draft["asked"][1][1].startswith("How many?")
    assert (critique["text"], critique["asked"][2]) == (
        "Flaw number 1.",
        ["Answered before", draft["text"]],
    )
    # One that was recorded before prompts were, and one that is damaged
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM mctsr_prompts")
        connection.execute("UPDATE mctsr_calls SET reply = 'x' WHERE role = 'critique'")
    connection.close()
    with CallJournal(file) as journal:
        kept = journal.recorded(search)
    assert [(call["asked"], call["role"]) for call in kept][:2] == [([], "draft"), ([], "evaluate")]
    assert len(kept) == 5


# --------------------------------------------------------------------------- one runner
def test_a_second_runner_in_this_process_is_refused_at_once(tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(call: Any) -> str:
        inside.set()
        assert go_on.wait(10)
        return keyed_reply(call)

    for saver in (tmp_path / "search.db", InMemorySaver()):
        inside.clear()
        go_on.clear()
        context = MCTSrContext(profile="paper", max_rollouts=1)
        first = threading.Thread(
            target=solve,
            args=("How many?", ScriptedChatModel(replies=slow)),
            kwargs={"context": context, "checkpointer": saver},
        )
        first.start()
        assert inside.wait(10)
        second = ScriptedChatModel(replies=keyed_reply)
        with pytest.raises(SearchLockedError, match="another runner"):
            solve("How many?", second, context=context, checkpointer=saver)
        assert not second.calls
        # Another search in the same file is nobody's business
        assert solve("How few?", second, context=context, checkpointer=saver).rollouts == 1
        go_on.set()
        first.join()
        assert solve("How many?", second, context=context, checkpointer=saver).rollouts == 1


def test_a_second_runner_by_a_link_to_the_file_is_refused(tmp_path: Path) -> None:
    file, link = tmp_path / "search.db", tmp_path / "link.db"
    link.symlink_to(file)
    with (
        file_lease(file, "mine"),
        pytest.raises(SearchLockedError, match="another runner"),
        file_lease(link, "mine"),
    ):
        pass


async def test_two_tasks_on_one_search_likewise(tmp_path: Path) -> None:
    slow = ScriptedChatModel(replies=keyed_reply, latency=0.05)
    file = tmp_path / "search.db"
    first = asyncio.create_task(asolve("How many?", slow, checkpointer=file))
    async with asyncio.timeout(30):
        while not slow.calls:
            await asyncio.sleep(0.001)
    with pytest.raises(SearchLockedError):
        await asolve("How many?", slow, checkpointer=file)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


def test_a_runner_in_another_process_is_seen_and_its_death_frees_the_search(
    tmp_path: Path,
) -> None:
    code = """
import sys, time
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from tests.conftest import keyed_reply

def reply(call):
    print("at work", flush=True)
    time.sleep(60)

solve("How many?", ScriptedChatModel(replies=reply), checkpointer=sys.argv[1])
"""
    file = tmp_path / "search.db"
    command = [sys.executable, "-c", code, str(file)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at work\n"
        model = ScriptedChatModel(replies=keyed_reply)
        with pytest.raises(SearchLockedError):
            solve("How many?", model, checkpointer=file)
        child.kill()
        child.wait()
    assert solve("How many?", model, checkpointer=file).stop_reason == "max_calls"


# --------------------------------------------------------------------------- the same search
def test_a_thread_with_other_settings_is_not_mixed_in(keyed: ScriptedChatModel) -> None:
    saver = InMemorySaver()
    limit = MCTSrContext(profile="paper", max_rollouts=1)
    solve("How many?", keyed, context=limit, checkpointer=saver, thread_id="mine")
    made = len(keyed.calls)
    for change in (
        {"context": MCTSrContext(profile="paper", max_rollouts=2, exploration_constant=9)},
        {"context": limit, "prompts": Prompts(system="Be brief.")},
    ):
        with pytest.raises(FingerprintMismatchError, match="'mine' holds a search"):
            solve("How many?", keyed, checkpointer=saver, thread_id="mine", **change)
    assert len(keyed.calls) == made
    # A limit may change, and another problem starts afresh
    context = MCTSrContext(profile="paper", max_rollouts=2, width=2)
    more = solve("How many?", keyed, context=context, checkpointer=saver, thread_id="mine")
    assert more.rollouts == 2
    other = solve("How few?", keyed, context=limit, checkpointer=saver, thread_id="mine")
    assert (other.problem, other.rollouts) == ("How few?", 1)
