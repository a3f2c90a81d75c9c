"""The simulated model, through the graph and without it."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import MCTSrContext, solve
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost

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
