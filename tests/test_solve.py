"""The one call: what it returns, and that a search can be left and taken up again."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    MissingExtraError,
    ScriptedChatModel,
    SearchFailedError,
    SearchInterrupted,
    Solution,
    asolve,
    solve,
)
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.spec import SearchControl

from .conftest import keyed_reply

Make = Callable[..., ScriptedChatModel]
ROOT = Path(__file__).parent.parent


def test_a_solution_holds_the_answer_the_tree_and_the_cost(keyed: ScriptedChatModel) -> None:
    solution = solve("How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=3))
    assert solution.best is not None
    assert solution.tree[solution.best]["answer"] == solution.answer
    assert solution.final_answer == solution.tree[solution.best]["final_answer"]
    assert (solution.problem, solution.rollouts) == ("How many?", 3)
    assert solution.stop_reason == "max_rollouts"
    assert sum(cost["calls"] for cost in solution.usage.values()) == len(keyed.calls) == 14
    assert json.loads(solution.to_json())["tree"] == solution.tree


async def test_asolve_finds_the_same(keyed: ScriptedChatModel) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=5, width=2)
    assert (await asolve("How many?", keyed, context=context)).tree == solve(
        "How many?", keyed, context=context
    ).tree


def test_events_arrive_while_it_runs(keyed: ScriptedChatModel) -> None:
    seen: list[Any] = []
    solve(
        "How many?",
        keyed,
        context=MCTSrContext(profile="paper", max_rollouts=2),
        on_event=seen.append,
    )
    kinds = [event["type"] for event in seen]
    assert kinds == ["mctsr.start", "mctsr.rollout", "mctsr.rollout", "mctsr.stop"]


def test_where_nobody_listens_it_runs_in_the_thread_of_its_caller() -> None:
    threads = set()

    def reply(call: ScriptedCall) -> Any:
        if call.role == "refine":  # Ctrl-C ends such a call at once
            threads.add(threading.get_ident())
        return keyed_reply(call)

    solve(
        "How many?",
        ScriptedChatModel(replies=reply),
        context=MCTSrContext(profile="paper", max_rollouts=2),
    )
    assert threads == {threading.get_ident()}


async def test_each_change_of_the_tree_is_shown(keyed: ScriptedChatModel) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4, width=2)
    seen: list[Solution] = []
    solution = solve("How many?", keyed, context=context, on_change=seen.append)
    assert [len(s.tree) for s in seen] == [1, 3, 5]
    assert [s.best in s.tree for s in seen] == [True] * 3
    assert seen[-1].tree == solution.tree
    again: list[Solution] = []
    await asolve("How many?", keyed, context=context, on_change=again.append)
    assert again == seen


def test_a_search_that_gave_up_is_an_error_that_carries_everything(scripted: Make) -> None:
    broken = {("refine", n, 0): OSError("down") for n in range(2, 20)}
    with pytest.raises(SearchFailedError, match=r"5 of 6 rollouts failed.*OSError: down") as caught:
        solve("How many?", scripted(broken), context=MCTSrContext(profile="paper"))
    solution = caught.value.solution
    assert (solution.best, solution.final_answer, solution.rollouts) == ("1", "1", 6)
    assert len(solution.failures) == 5


def test_a_key_that_becomes_invalid_ends_the_search_and_loses_nothing(scripted: Make) -> None:
    class AuthenticationError(Exception):
        status_code = 401

    model = scripted({("critique", 3, 0): AuthenticationError("the key has expired")})
    with pytest.raises(
        SearchFailedError, match=r"after 2 rollouts by AuthenticationError"
    ) as caught:
        solve("How many?", model, context=MCTSrContext(profile="paper"))
    assert list(caught.value.solution.tree) == ["0", "1", "2"]
    assert sum(call.rollout == 3 for call in model.calls) == 1


def test_a_server_that_comes_back_costs_no_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mctsr_graph.calls.retry.FIRST_DELAY", 0.001)
    down = [TimeoutError("late"), ConnectionError("refused"), None]  # two failures, then a reply
    failing = iter(down * 3)

    def reply(call: ScriptedCall) -> Any:
        return next(failing, None) or keyed_reply(call)

    model = ScriptedChatModel(replies=reply)
    solution = solve("How many?", model, context=MCTSrContext(profile="paper", max_rollouts=2))
    assert (len(solution.tree), solution.failures) == (3, [])
    assert len(model.calls) == 10 + 6
    assert sum(cost["calls"] for cost in solution.usage.values()) == 10


def test_more_than_half_of_the_rollouts_failing_ends_the_search(scripted: Make) -> None:
    broken = {("refine", n, 0): OSError("down") for n in (1, 2, 4, 5, 7, 8)}
    with pytest.raises(SearchFailedError):
        solve("How many?", scripted(broken), context=MCTSrContext(profile="paper", max_rollouts=30))
    fewer = {key: value for key, value in broken.items() if key[1] < 7}
    assert (
        solve(
            "How many?", scripted(fewer), context=MCTSrContext(profile="paper", max_rollouts=9)
        ).rollouts
        == 9
    )


def test_ctrl_c_carries_the_best_so_far(scripted: Make) -> None:
    with pytest.raises(SearchInterrupted) as caught:
        solve(
            "How many?",
            scripted({("refine", 3, 0): KeyboardInterrupt()}),
            context=MCTSrContext(profile="paper"),
        )
    solution = caught.value.solution
    assert (solution.rollouts, solution.stop_reason) == (2, "interrupted")
    assert solution.best in solution.tree


# --------------------------------------------------------------------------- leave and come back
@pytest.mark.parametrize("where", ["file", "memory"])
def test_the_same_call_returns_at_once_when_it_is_over(
    keyed: ScriptedChatModel, where: str, tmp_path: Path
) -> None:
    saver: Any = tmp_path / "search.db" if where == "file" else InMemorySaver()
    context = MCTSrContext(profile="paper", max_rollouts=3)
    first = solve("How many?", keyed, context=context, checkpointer=saver)
    made = len(keyed.calls)
    assert solve("How many?", keyed, context=context, checkpointer=saver) == first
    assert len(keyed.calls) == made


def test_a_higher_limit_goes_on_where_it_stopped(keyed: ScriptedChatModel, tmp_path: Path) -> None:
    whole = solve("How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=6))
    file = tmp_path / "search.db"
    for rollouts, calls in ((2, 10), (4, 8), (6, 8)):
        made = len(keyed.calls)
        context = MCTSrContext(profile="paper", max_rollouts=rollouts)
        solution = solve("How many?", keyed, context=context, checkpointer=file)
        assert len(keyed.calls) - made == calls
    assert solution.tree == whole.tree
    assert solution.usage == whole.usage


async def test_sync_and_async_can_take_turns(keyed: ScriptedChatModel, tmp_path: Path) -> None:
    whole = solve("How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=6))
    file = tmp_path / "search.db"
    solve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=2), checkpointer=file
    )
    await asolve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=4), checkpointer=file
    )
    last = solve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=6), checkpointer=file
    )
    assert last.tree == whole.tree


def test_another_problem_or_setting_is_another_search(
    keyed: ScriptedChatModel, tmp_path: Path
) -> None:
    file = tmp_path / "search.db"
    short = MCTSrContext(profile="paper", max_rollouts=1)
    solve("How many?", keyed, context=short, checkpointer=file)
    for problem, context in (
        ("How few?", short),
        ("How many?", MCTSrContext(profile="paper", max_rollouts=1, seed=1)),
        ("How many?", MCTSrContext(max_rollouts=1, profile="official")),
    ):
        made = len(keyed.calls)
        solution = solve(problem, keyed, context=context, checkpointer=file)
        assert solution.problem == problem
        assert len(keyed.calls) - made >= 6


def test_a_model_that_raised_can_be_asked_again(scripted: Make, tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    broken = {("refine", n, 0): OSError("down") for n in range(2, 20)}
    with pytest.raises(SearchFailedError):
        solve(
            "How many?", scripted(broken), checkpointer=file, context=MCTSrContext(profile="paper")
        )
    solution = solve(
        "How many?", scripted({}), checkpointer=file, context=MCTSrContext(profile="paper")
    )  # the server is back
    assert (solution.stop_reason, solution.rollouts) == ("max_rollouts", 8)
    assert len(solution.tree) == 1 + 8 - 5


def test_after_ctrl_c_the_same_call_goes_on(scripted: Make, tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    context = MCTSrContext(profile="paper", max_rollouts=4)
    whole = solve("How many?", scripted({}), context=context)
    interrupted = scripted({("refine", 3, 0): KeyboardInterrupt()})
    with pytest.raises(SearchInterrupted):
        solve("How many?", interrupted, context=context, checkpointer=file)
    model = scripted({})
    assert solve("How many?", model, context=context, checkpointer=file).tree == whole.tree
    # critique 3 was on disk: what is left is refine 3, its two rewards, and rollout 4
    assert [call.role for call in model.calls][:3] == ["refine", "evaluate", "evaluate"]
    assert len(model.calls) == 3 + 4


@pytest.mark.parametrize("after", range(3, 15))
async def test_a_cancelled_task_leaves_a_search_that_goes_on(
    keyed: ScriptedChatModel, tmp_path: Path, after: int
) -> None:
    file = tmp_path / "search.db"
    context = MCTSrContext(profile="paper", max_rollouts=6)
    whole = solve("How many?", keyed, context=context)
    slow = ScriptedChatModel(replies=keyed_reply, latency=0.01)
    task = asyncio.create_task(asolve("How many?", slow, context=context, checkpointer=file))
    async with asyncio.timeout(30):
        while len(slow.calls) < after:
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rest = ScriptedChatModel(replies=keyed_reply)
    last = await asolve("How many?", rest, context=context, checkpointer=file)
    assert last.tree == whole.tree
    # Repeated at most: the calls in flight, which are two in evaluate
    assert len(slow.calls) + len(rest.calls) <= len(keyed.calls) + 2


CHILD = """
import sys, time
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from tests.conftest import keyed_reply

def show(event):
    if event["type"] == "mctsr.rollout":
        print(event["index"], flush=True)

model = ScriptedChatModel(replies=keyed_reply, latency=0.01)
context = MCTSrContext(profile="paper", max_rollouts=40, width=int(sys.argv[2]))
solve("How many?", model, context=context,
      checkpointer=sys.argv[1], on_event=show)
"""


@pytest.mark.parametrize("width", [1, 3])
def test_a_search_survives_kill_9_and_loses_no_finished_rollout(tmp_path: Path, width: int) -> None:
    file = tmp_path / "search.db"
    command = [sys.executable, "-c", CHILD, str(file), str(width)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        told = next(int(line) for line in child.stdout if int(line) >= 7)
        child.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in child.stdout.read().split())])
    model = ScriptedChatModel(replies=keyed_reply)
    context = MCTSrContext(profile="paper", max_rollouts=40, width=width)
    solution = solve("How many?", model, context=context, checkpointer=file)
    uninterrupted = solve("How many?", ScriptedChatModel(replies=keyed_reply), context=context)
    assert solution.tree == uninterrupted.tree
    redone = {call.rollout for call in model.calls}
    # The event of the last wave is sent just before that wave is on disk
    assert min(redone) > told - width


@pytest.mark.parametrize("later", [False, True])
async def test_a_search_can_be_asked_to_stop_and_goes_on_later(
    keyed: ScriptedChatModel, tmp_path: Path, later: bool
) -> None:
    control = SearchControl()

    def stop(event: Any) -> None:
        if event["type"] == "mctsr.rollout" and event["index"] == 2:
            control.request_drain("enough")

    whole = solve("How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=4))
    made = len(keyed.calls)
    options: Any = {
        "context": MCTSrContext(profile="paper", max_rollouts=4),
        "checkpointer": tmp_path / "search.db",
        "on_event": stop,
    }
    if later:
        first = await asolve("How many?", keyed, **options, control=control)
    else:
        first = solve("How many?", keyed, **options, control=control)
    assert (first.stop_reason, first.rollouts, len(first.tree)) == ("interrupted", 2, 3)
    assert solve("How many?", keyed, **options).tree == whole.tree
    assert len(keyed.calls) == 2 * made  # nothing was asked twice


def test_what_is_reported_is_never_ahead_of_a_slow_checkpointer(keyed: ScriptedChatModel) -> None:
    class Slow(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            time.sleep(0.01)
            return super().put(*args, **kwargs)

    saver = Slow()
    behind: list[int] = []

    def compare(event: Any) -> None:
        if event["type"] == "mctsr.rollout":
            [thread] = saver.storage
            [latest] = saver.list({"configurable": {"thread_id": thread}}, limit=1)
            behind.append(event["index"] - latest.checkpoint["channel_values"]["rollouts"])

    context = MCTSrContext(profile="paper", max_rollouts=5)
    solve("How many?", keyed, context=context, checkpointer=saver, on_event=compare)
    assert behind == [1] * 5  # the rollout that is being written


def test_searches_in_threads_do_not_mix(tmp_path: Path) -> None:
    def reply(call: ScriptedCall) -> str:
        number = str(call.messages[1].content).split()[2]
        return keyed_reply(call) if call.role != "refine" else f"It is \\boxed{{{number}}}."

    found: dict[int, str | None] = {}

    def search(number: int) -> None:
        model = ScriptedChatModel(replies=reply)
        context = MCTSrContext(profile="paper", max_rollouts=3, width=2)
        solution = solve(f"How many {number} ?", model, context=context)
        found[number] = solution.tree["1"]["final_answer"]

    threads = [threading.Thread(target=search, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: str(n) for n in range(8)}


def test_without_the_package_for_files_it_says_what_to_install(
    keyed: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["mctsr_graph.run.session"], "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match='pip install "langgraph-checkpoint-sqlite>='):
        solve("How many?", keyed, checkpointer="search.db")


def test_the_bytes_of_a_rollout_do_not_grow_with_the_tree(tmp_path: Path) -> None:
    def reply(call: ScriptedCall) -> str:
        if call.role == "evaluate":
            return keyed_reply(call)
        return f"{call.rollout} ".ljust(1000 if call.role == "critique" else 2000, "x")

    model = ScriptedChatModel(replies=reply)
    sizes = []
    for rollouts in (8, 40, 120, 152):
        file = tmp_path / f"{rollouts}.db"
        context = MCTSrContext(profile="paper", max_rollouts=rollouts)
        solve("How many?", model, context=context, checkpointer=file)
        with sqlite3.connect(file) as connection:
            # What is written, not the pages: how full these are depends on the order of writes
            columns = {
                "checkpoints": "length(checkpoint) + length(metadata)",
                "writes": "length(value)",
                "mctsr_calls": "length(reply)",
            }
            sums = [f"(SELECT SUM({size}) FROM {table})" for table, size in columns.items()]
            sizes.append(connection.execute(f"SELECT {' + '.join(sums)}").fetchone()[0])
        connection.close()
    early, late = (sizes[1] - sizes[0]) / 32, (sizes[3] - sizes[2]) / 32
    assert late <= 1.2 * early
    assert late <= 35_000, late


@pytest.mark.parametrize("problem", [None, 3, " ", b"How many?"])
def test_a_problem_that_is_no_text_is_refused(problem: Any, keyed: ScriptedChatModel) -> None:
    with pytest.raises(ConfigError, match=r"problem is .*, allowed a text that is not blank"):
        solve(problem, keyed)
    assert keyed.calls == []


def test_settings_may_be_a_dict_as_they_may_for_a_graph(keyed: ScriptedChatModel) -> None:
    settings: Any = {"max_rollouts": 2}
    assert solve("How many?", keyed, context=settings).rollouts == 2
    settings = {"max_rollout": 2}
    with pytest.raises(ConfigError, match="did you mean 'max_rollouts'"):
        solve("How many?", keyed, context=settings)
