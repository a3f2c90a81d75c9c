"""A seed gives the same tree, also where the budget runs out while replies are asked for again."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    MCTSrContext,
    SearchFailedError,
    SearchInterrupted,
    Solution,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.budget import Budget
from mctsr_graph.calls.usage import Cost, no_cost, no_usage, total_cost
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges import Case, JudgeCalls, SelfEvaluation
from mctsr_graph.models.scripted import ScriptedCall

from .test_width import Restless, told

WORLD = World(skill=0.4, auc=0.7, seed=3)
PROBLEM = WORLD.problem(1).text
PLENTY: dict[str, Any] = {"max_rollouts": 64, "max_failures": 64, "max_failure_share": 1.0}


def drawn(call: ScriptedCall) -> float:
    """A number in [0, 1) that only the call's place in the search decides."""
    place = f"{call.role}/{call.rollout}/{call.sample}/{call.attempt}"
    return random.Random(place).random()


def careless(call: ScriptedCall) -> Any:
    """A quarter of the replies is no use."""
    if 0.05 <= drawn(call) < 0.3:
        return "" if call.role != "evaluate" else "I cannot say."
    return WORLD.reply(call)


def unreliable(call: ScriptedCall) -> Any:
    """As `careless`, and a twentieth of the calls fails."""
    return ValueError("gone") if call.rollout and drawn(call) < 0.05 else careless(call)


def found(context: MCTSrContext, awaited: bool, reply: Any = unreliable, **given: Any) -> Solution:
    model = Restless(replies=reply)
    given |= {"context": context}
    try:
        solution = (
            asyncio.run(asolve(PROBLEM, model, **given))
            if awaited
            else solve(PROBLEM, model, **given)
        )
    except SearchFailedError as error:
        solution = error.solution
    if context.max_calls is not None:
        assert total_cost(solution.usage)["calls"] <= context.max_calls
    return solution


WAYS = [(False, False), (True, False), (False, True), (True, True), (True, False), (False, True)]
"""Awaited or not, and pipelined or not."""


def in_all_ways(context: MCTSrContext, **given: Any) -> set[str]:
    return {
        told(found(context.model_copy(update={"pipelined": pipelined}), awaited, **given))
        for awaited, pipelined in WAYS
    }


def test_the_last_calls_are_not_given_to_whoever_comes_first() -> None:
    context = MCTSrContext(profile="paper", width=16, max_calls=70, max_rollouts=64)
    assert len({told(found(context, True)) for _ in range(6)}) == 1


@pytest.mark.parametrize("width", [1, 3, 16])
@pytest.mark.parametrize("profile", ["paper", "official", "tuned"])
def test_a_seed_gives_the_same_tree_where_calls_are_scarce(profile: str, width: int) -> None:
    settings: dict[str, Any] = {"lead": None, "confidence": None} if profile == "tuned" else {}
    context = MCTSrContext(profile=profile, width=width, max_calls=45, **PLENTY, **settings)
    assert len(in_all_ways(context)) == 1


@dataclass(frozen=True)
class Thorough(SelfEvaluation):
    """Asks for two scores at once, and then for a third."""

    name: ClassVar = "thorough"
    reward_calls: ClassVar[int] = 3

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        request = self.first_request(case, calls)
        first, second = await calls.ask_all([request, request])
        third: float = await calls.ask(request)
        return float(first + second + third) / 3


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"judge": "pairwise"}, {}),
        ({"reward_samples": 2}, {"judge": Thorough()}),
        ({"judge": "rubric", "drafts": 3}, {}),
    ],
    ids=["pairwise", "thorough", "rubric"],
)
def test_judges_of_several_calls_keep_to_the_same_tree(
    settings: dict[str, Any], given: dict[str, Any]
) -> None:
    context = MCTSrContext(profile="paper", width=5, max_calls=61, **PLENTY, **settings)
    # A pipelined leaf meets the answers of the waves before it, and not those of its own
    trees = 2 if settings.get("judge") == "pairwise" else 1
    assert len(in_all_ways(context, reply=comparing, **given)) == trees


def comparing(call: ScriptedCall) -> Any:
    """As `unreliable`, for whichever judge asks."""
    usual, asked = unreliable(call), str(call.messages[-1].content)
    if call.role != "evaluate" or not str(usual).startswith("Score"):
        return usual
    if "Understanding" in asked:
        return "Understanding: 1\nReasoning: 2\nCalculation: 3\nAnswer: 4"
    return "Better: A" if "solution_b" in asked else usual


class Giving(Restless):
    """Gives several replies to one request, as OpenAI's protocol has it."""

    n: int | None = 1

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, n: int = 1, **more: Any
    ) -> Any:
        own = run_manager.metadata
        given = []
        for i in range(n):
            run_manager.metadata = {**own, "mctsr_sample": own["mctsr_sample"] + i}
            made = await super()._agenerate(messages, stop, run_manager, **more)
            given += made.generations
        return ChatResult(generations=given)


@pytest.mark.parametrize("pipelined", [False, True])
def test_replies_that_come_together_keep_to_the_same_tree(pipelined: bool) -> None:
    settings: dict[str, Any] = {"drafts": 6, "reward_samples": 3, "pipelined": pipelined}
    context = MCTSrContext(profile="paper", width=4, max_calls=50, **PLENTY, **settings)
    seen = set()
    for _ in range(6):
        solution = asyncio.run(asolve(PROBLEM, Giving(replies=careless), context=context))
        assert total_cost(solution.usage)["calls"] <= 50
        seen.add(told(solution))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "limit", [{"max_tokens": 3000}, {"max_cost": 0.003, "input_price": 1.0}], ids=["tokens", "cost"]
)
def test_tokens_and_money_run_out_in_the_same_place(limit: dict[str, Any]) -> None:
    context = MCTSrContext(profile="paper", width=8, **PLENTY, **limit)
    assert len(in_all_ways(context)) == 1
    assert found(context, True).stop_reason in limit


@pytest.mark.parametrize("most", [1, 2, 7])
def test_how_many_calls_run_at_once_makes_no_difference(most: int) -> None:
    context = MCTSrContext(profile="paper", width=16, max_calls=70, **PLENTY)

    def tree(config: Any) -> Any:
        graph = create_mctsr(Restless(replies=unreliable)).compile()
        values = graph.invoke({"problem": PROBLEM}, config, context=context)
        return values["answer"], values["mctsr"]["usage"], values["mctsr"]["rollouts"]

    assert tree({"max_concurrency": most}) == tree({})


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_search_taken_up_in_the_middle_of_a_wave_is_the_same(
    pipelined: bool, tmp_path: Path
) -> None:
    context = MCTSrContext(profile="paper", width=7, max_calls=45, pipelined=pipelined, **PLENTY)
    whole = told(found(context, True))
    for number, broken in enumerate([("refine", 3), ("evaluate", 9), ("critique", 12)]):
        waiting = [broken]

        def reply(call: ScriptedCall, waiting: list[Any] = waiting) -> Any:
            if waiting and (call.role, call.rollout) == waiting[0]:
                waiting.clear()
                return KeyboardInterrupt()
            return unreliable(call)

        given: Any = {"context": context, "checkpointer": tmp_path / f"{number}.db"}
        with pytest.raises(SearchInterrupted):
            solve(PROBLEM, Restless(replies=reply), **given)
        assert told(solve(PROBLEM, Restless(replies=unreliable), **given)) == whole


def budget(**limits: Any) -> Budget:
    return Budget(MCTSrContext(profile="paper", **limits), [], 0.0)


def claimed(one: Budget) -> int:
    """How many calls it allows."""
    return sum(iter(one.takes, False))


def test_calls_are_shared_out_in_order_and_then_in_equal_parts() -> None:
    assert [claimed(part) for part in budget(max_calls=10).parts([0, 0, 0], 2)] == [4, 3, 3]
    assert [claimed(part) for part in budget(max_calls=5).parts([0, 0, 0], 2)] == [2, 2, 1]
    assert [claimed(part) for part in budget(max_calls=2).parts([0] * 3, 0)] == [1, 1, 0]


def test_a_rollout_keeps_to_its_part_of_the_wave() -> None:
    whole = budget(max_calls=12)
    two: Cost = {**no_cost(), "calls": 2}
    spent = {**no_usage(), "critique": two}
    whole.set_aside({7: (4, spent), 8: (4, no_usage()), 9: (1, no_usage())})  # 5, 5 and 2 of 12
    eighth, seventh, again = whole.parts([8, 7, 8], 1)
    assert [claimed(part) for part in (eighth, seventh, again)] == [3, 3, 2]
    assert [claimed(part) for part in whole.parts([9, 8], 1)] == [2, 0]


def test_nobody_exceeds_the_calls_by_having_more_parts_than_there_are() -> None:
    whole = budget(max_calls=4)
    twice = [*whole.parts([0, 0], 1), *whole.parts([0, 0], 1)]
    assert sum(claimed(part) for part in twice) == 4


def test_a_part_of_the_tokens_allows_one_call_beyond_it() -> None:
    one, other = budget(max_tokens=100).parts([0, 0], 1)
    one.take()
    one.add({**no_cost(), "calls": 1, "output_tokens": 80})
    with pytest.raises(ReplyError, match="max_tokens = 100 leaves nothing for this call"):
        one.take()
    other.take()


def test_a_search_killed_before_its_conclusion_is_concluded() -> None:
    context = MCTSrContext(profile="tuned", max_calls=2, drafts=2)
    whole = solve(PROBLEM, WORLD.model(), context=context, judge=is_even)
    assert [node["rewards"] for node in whole.tree.values()] == [[-100.0], [100.0]]
    broken: list[bool] = []

    def interrupted(problem: str, answer: str) -> bool:
        if not broken:
            broken.append(True)
            raise KeyboardInterrupt
        return is_even(problem, answer)

    given: Any = {"context": context, "judge": interrupted, "checkpointer": InMemorySaver()}
    with pytest.raises(KeyboardInterrupt):
        solve(PROBLEM, WORLD.model(), **given)
    assert told(solve(PROBLEM, WORLD.model(), **given)) == told(whole)


def is_even(problem: str, answer: str) -> bool:
    return answer.rstrip(".}")[-1] in "02468"
