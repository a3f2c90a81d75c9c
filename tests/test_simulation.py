"""The simulated model, through the graph and without it."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import MCTSrContext, solve
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.text.final_answer import extract_final_answer

WORLD = World(skill=0.4, auc=0.7, class_spread=10.0, seed=3)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "settings",
    [
        {"profile": "paper", "max_rollouts": 6, "seed": 5},
        {"profile": "paper", "max_rollouts": 6, "width": 3, "reward_samples": 2},
        {"profile": "official", "max_rollouts": 6},
        {"profile": "official", "max_rollouts": 6, "seed": 2, "width": 2},
        {"choice": "majority", "max_rollouts": 6, "drafts": 2},
        {
            "profile": "tuned",
            "max_rollouts": 12,
            "agree": None,
            "confidence": None,
            "settle": False,
        },
        {"profile": "rsa", "drafts": 4, "max_rollouts": 10, "width": 3},
        {"profile": "tuned", "max_rollouts": 12, "width": 4, "agree": None, "confidence": None},
    ],
)
def test_the_same_tree_with_and_without_the_graph(settings: dict[str, Any], number: int) -> None:
    context = MCTSrContext(**settings)
    found = solve(WORLD.problem(number).text, WORLD.model(), context=context)
    for moment in simulated_search(WORLD, number, context):
        if moment.rollouts == found.rollouts:
            break
    assert moment.tree == found.tree
    assert moment.calls == total_cost(found.usage)["calls"]


@pytest.mark.parametrize(
    ("picks", "keeps", "expected"),
    [
        (1.0, 1.0, "1000"),  # the right answer that was shown is recognised, and kept
        (0.0, 1.0, "1001"),  # else what most state, which a model without skill cannot mend
    ],
)
def test_a_simulated_merge_picks_the_right_answer_or_goes_with_most(
    picks: float, keeps: float, expected: str
) -> None:
    world = World(skill=0.0, picks=picks, keeps_merging=keeps, mends=0.0, sticks=1.0)
    shown = [f"Attempt {n}. The final answer is \\boxed{{{n}}}" for n in (1001, 1000, 1001)]
    assert {extract_final_answer(world.merge(0, shown, seed)) for seed in range(20)} == {expected}
    alone = [world.merge(0, shown[1:2], seed) for seed in range(20)]
    assert {extract_final_answer(answer) for answer in alone} == {"1000"}
