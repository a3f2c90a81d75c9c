"""treequest's searches over the same simulated model (pip install treequest), for comparison."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.request import derive_seed
from mctsr_graph.text.final_answer import extract_final_answer

BUDGETS = (11, 19, 35, 67)
"""Model calls, as 2, 4, 8 and 16 rollouts of the paper."""


class Outcome(NamedTuple):
    """What came of one problem at one budget."""

    right: bool
    calls: int
    confidence: float | None = None


def _peer(make: Callable[[Any], Any]) -> Callable[[World, int], list[Any]]:
    """A policy: the answer with the highest score after as many steps as the budget allows."""

    def policy(world: World, number: int) -> list[Any]:
        import numpy
        import treequest

        random.seed(number)
        numpy.random.seed(number)
        algorithm = make(treequest)
        state, calls, steps = algorithm.init_tree(), 0, 0
        best: tuple[float, str] = (-1.0, "")
        outcomes: list[Outcome] = []

        def generate(parent: str | None) -> tuple[str, float]:
            nonlocal calls, steps, best
            seed = derive_seed(0, steps, "peer", number)
            if parent is None:
                answer, cost = world.draft(number, seed), 1
            else:
                answer, cost = world.refine(number, parent, seed), 2
            score = (world.reward(number, answer, seed) + 100) / 200
            calls, steps = calls + cost + 1, steps + 1
            while len(outcomes) < len(BUDGETS) and calls > BUDGETS[len(outcomes)]:
                right = extract_final_answer(best[1]) == world.problem(number).gold
                outcomes.append(Outcome(right, BUDGETS[len(outcomes)]))
            best = max(best, (score, answer))
            return answer, score

        while len(outcomes) < len(BUDGETS):
            state = algorithm.step(state, {"answer": generate}, inplace=True)
        return outcomes

    return policy


PEERS: dict[str, Callable[[World, int], list[Any]]] = (
    {
        "treequest StandardMCTS": _peer(lambda treequest: treequest.StandardMCTS()),
        "treequest ABMCTSA": _peer(lambda treequest: treequest.ABMCTSA()),
    }
    if find_spec("treequest")
    else {}
)
