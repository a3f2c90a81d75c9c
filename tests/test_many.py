"""Many problems under one budget of calls."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    Solution,
    asolve_many,
    solve,
    solve_many,
)
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.usage import total_cost

WORLD = World(skill=0.5, auc=0.7, seed=9)
PROBLEMS = [WORLD.problem(number) for number in range(30)]
TEXTS = [problem.text for problem in PROBLEMS]


def calls(solutions: list[Solution]) -> int:
    return sum(total_cost(solution.usage)["calls"] for solution in solutions)


def right(solutions: list[Solution]) -> int:
    return sum(s.final_answer == p.gold for s, p in zip(solutions, PROBLEMS, strict=True))


def test_a_shared_budget_is_worth_at_least_what_equal_shares_are() -> None:
    even = MCTSrContext(profile="tuned", max_calls=19)
    apart = [solve(text, WORLD.model(), context=even) for text in TEXTS]
    together = solve_many(TEXTS, WORLD.model(), max_calls=calls(apart), learn=False)
    assert calls(together) <= calls(apart)
    assert right(together) >= right(apart)
    spent = [calls([solution]) for solution in together]
    assert min(spent) < 12
    assert max(spent) > 19


@pytest.mark.parametrize("budget", [30, 100, 333])
def test_the_budget_is_never_exceeded(budget: int) -> None:
    model = WORLD.model()
    found = solve_many(TEXTS, model, max_calls=budget, learn=True)
    assert len(model.calls) == calls(found) <= budget
    assert [solution.problem for solution in found] == TEXTS


async def test_the_result_depends_on_neither_concurrency_nor_luck() -> None:
    one = await asolve_many(TEXTS[:8], WORLD.model(), concurrency=1, learn=True)
    many = await asolve_many(TEXTS[:8], WORLD.model(latency=0.001), concurrency=8, learn=True)
    assert [solution.tree for solution in one] == [solution.tree for solution in many]


def test_a_problem_that_fails_does_not_stop_the_others() -> None:
    def reply(call: Any) -> str:
        if "problem 2." in str(call.messages[-1].content):
            raise ValueError("no")
        return WORLD.reply(call)

    found = solve_many(TEXTS[:4], ScriptedChatModel(replies=reply))
    assert [s.stop_reason == "failed" for s in found] == [False, False, True, False]
    assert "ValueError: no" in found[2].failures[0]["message"]


def test_each_solution_is_told_as_it_comes() -> None:
    told: list[int] = []
    found = solve_many(TEXTS[:3], WORLD.model(), on_solution=lambda n, solution: told.append(n))
    assert told[:3] == [0, 1, 2]
    assert len(found) == 3


def test_no_problem_is_no_work() -> None:
    assert solve_many([], WORLD.model()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_calls": 2}, "max_calls is 2, allowed 3 or more, one a problem"),
        ({"concurrency": 0}, "concurrency is 0, allowed 1 or more"),
    ],
)
def test_wrong_values_are_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        solve_many(TEXTS[:3], WORLD.model(), **given)
