"""Several leaves at once: the same tree whatever finishes first, pipelined or not."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    MCTSrContext,
    ScriptedChatModel,
    SearchInterrupted,
    Solution,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.steering import edit_critique, steer
from mctsr_graph.strategies.strategy import Strategy

from .conftest import as_json, keyed_reply
from .strategies import Drawing

PROBLEM = "How many?"
WORLD = World(skill=0.4, auc=0.7, seed=3)
ROLLOUTS = 12
ENDLESS: dict[str, Any] = {"lead": None, "confidence": None}


class Restless(ScriptedChatModel):
    """Each call takes another time whenever it is made."""

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any
    ) -> Any:
        time.sleep(random.uniform(0, 0.004))
        return super()._generate(messages, stop, run_manager, **more)

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any
    ) -> Any:
        await asyncio.sleep(random.uniform(0, 0.004))
        return await super()._agenerate(messages, stop, run_manager, **more)


def found(
    context: MCTSrContext,
    model: Any,
    problem: str = PROBLEM,
    awaited: bool = True,
    strategy: Strategy | None = None,
) -> Any:
    given: Any = {"context": context, "strategy": strategy}
    if awaited:
        return asyncio.run(asolve(problem, model, **given))
    return solve(problem, model, **given)


def told(solution: Solution) -> str:
    return as_json([solution.tree, solution.failures, solution.usage, solution.answer])


@pytest.mark.parametrize("awaited", [True, False])
@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize(
    ("settings", "strategy"),
    [
        ({"profile": "paper"}, None),
        ({"profile": "paper", "reward_samples": 2}, Drawing()),
        ({"profile": "tuned", **ENDLESS}, None),
    ],
)
def test_a_seed_gives_the_same_tree_whatever_finishes_first(
    settings: dict[str, Any], strategy: Strategy | None, width: int, awaited: bool
) -> None:
    context = MCTSrContext(
        **{"profile": "paper", "max_rollouts": ROLLOUTS, "width": width, "seed": 5, **settings}
    )
    problem = WORLD.problem(1).text
    calm = told(found(context, WORLD.model(), problem, strategy=strategy))
    for pipelined in (False, True):
        restless = Restless(replies=WORLD.reply)
        again = context.model_copy(update={"pipelined": pipelined})
        assert told(found(again, restless, problem, awaited, strategy)) == calm


def test_another_seed_gives_another_tree() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=ROLLOUTS, width=4, seed=5)
    trees = [
        found(context.model_copy(update={"seed": seed}), WORLD.model(), WORLD.problem(1).text).tree
        for seed in (5, 6)
    ]
    assert trees[0] != trees[1]


def test_a_pipelined_leaf_does_not_wait_for_the_slowest() -> None:
    ends: list[tuple[str | None, int]] = []
    others = [("evaluate", 2), ("evaluate", 3)]

    class Uneven(ScriptedChatModel):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **k: Any
        ):
            role, rollout = (run_manager.metadata[f"mctsr_{n}"] for n in ("role", "rollout"))
            if (role, rollout) == ("critique", 1) and pipelined:
                async with asyncio.timeout(10):
                    while not set(others) <= set(ends):
                        await asyncio.sleep(0.001)
            ends.append((role, rollout))
            return await super()._agenerate(messages, stop, run_manager, **k)

    for pipelined in (False, True):
        ends.clear()
        context = MCTSrContext(profile="paper", max_rollouts=3, width=3, pipelined=pipelined)
        found(context, Uneven(replies=keyed_reply))
        judged = min(i for i, end in enumerate(ends) if end in others)
        assert (judged < ends.index(("critique", 1))) is pipelined


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("max_calls", [2, 5, 6, 17, 18, 30])
def test_the_budget_of_calls_is_never_exceeded(max_calls: int, pipelined: bool) -> None:
    def reply(call: ScriptedCall) -> str:  # every third score is asked for again
        unusable = call.role == "evaluate" and (call.rollout + call.attempt) % 3 == 1
        return "No." if unusable else keyed_reply(call)

    model = Restless(replies=reply)
    context = MCTSrContext(
        profile="paper",
        max_rollouts=64,
        width=5,
        max_calls=max_calls,
        pipelined=pipelined,
        max_failures=64,
    )
    solution = found(context, model)
    assert len(model.calls) == total_cost(solution.usage)["calls"] <= max_calls


@pytest.mark.parametrize("awaited", [True, False])
def test_a_leaf_that_fails_does_not_touch_the_others(awaited: bool) -> None:
    def reply(call: ScriptedCall) -> Any:
        failing = (call.role, call.rollout) in (("refine", 2), ("critique", 3))
        return ValueError("gone") if failing else keyed_reply(call)

    seen = []
    for pipelined in (False, True):
        context = MCTSrContext(profile="paper", max_rollouts=4, width=4, pipelined=pipelined)
        solution = found(context, Restless(replies=reply), awaited=awaited)
        assert sorted(node["rollout"] for node in solution.tree.values()) == [0, 1, 4]
        seen.append(told(solution))
    assert seen[0] == seen[1]


def test_after_an_interruption_no_finished_call_is_made_again(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=6, width=3, pipelined=True, max_retries=0)
    whole, file = ScriptedChatModel(replies=keyed_reply), tmp_path / "search.db"
    uninterrupted = found(context, whole)
    calls: Counter[tuple[Any, ...]] = Counter()
    broken: set[tuple[Any, ...]] = set()

    def others_are_recorded(rollout: int) -> bool:
        others = tuple({*(range(1, 4) if rollout < 4 else range(4, 7))} - {rollout})
        with contextlib.closing(sqlite3.connect(file)) as connection:
            count = "SELECT COUNT(*) FROM mctsr_calls WHERE rollout IN (?, ?)"
            [made] = connection.execute(count, others).fetchone()
        return made == sum(call.rollout in others for call in whole.calls)

    class Interrupted(ScriptedChatModel):
        def _generate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any
        ) -> Any:
            key = tuple(run_manager.metadata[f"mctsr_{n}"] for n in ("role", "rollout", "sample"))
            calls[key] += 1
            if key in (("refine", 2, 0), ("evaluate", 5, 0)) and key not in broken:
                broken.add(key)
                deadline = time.monotonic() + 30
                while not others_are_recorded(key[1]) and time.monotonic() < deadline:
                    time.sleep(0.01)
                raise KeyboardInterrupt
            return super()._generate(messages, stop, run_manager, **more)

    def run() -> Solution:
        model = Interrupted(replies=keyed_reply)
        return solve(PROBLEM, model, context=context, checkpointer=file)

    for _ in range(2):
        with pytest.raises(SearchInterrupted):
            run()
    assert told(run()) == told(uninterrupted)
    assert {key for key, count in calls.items() if count > 1} == broken


def test_a_pipelined_wave_is_complete_when_it_can_be_interrupted() -> None:
    model = ScriptedChatModel(replies=keyed_reply)
    context = MCTSrContext(profile="paper", max_rollouts=1, pipelined=True)
    graph = create_mctsr(model).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"problem": PROBLEM}, config, context=context, interrupt_before=["refine"])
    [leaf] = graph.get_state(config).values["wave"].values()
    assert leaf["answer"] is not None
    assert leaf["rewards"]
    # A person who edits the critique all the same gets an answer that came of it
    steer(graph, config, edit_critique("Look at the units."), by="Ann", context=context)
    graph.invoke(None, config, context=context)
    assert "Look at the units." in str(
        next(c for c in reversed(model.calls) if c.role == "refine").messages
    )
    node = graph.get_state(config).values["tree"]["1"]
    assert node["critique"] == "Look at the units."
    assert len(node["rewards"]) == 1


@pytest.mark.parametrize("budget", [7, 18, 35])
def test_a_simulated_search_is_cut_to_its_budget_as_the_graph_is(budget: int) -> None:
    for profile in ("paper", "tuned"):
        ended = ENDLESS if profile == "tuned" else {}
        context = MCTSrContext(
            profile=profile, width=8, max_calls=budget, max_rollouts=4096, **ended
        )
        solution = solve(WORLD.problem(2).text, WORLD.model(), context=context)
        *_, last = simulated_search(WORLD, 2, context, budget=budget)
        assert last.tree == solution.tree
        assert last.calls == total_cost(solution.usage)["calls"]
