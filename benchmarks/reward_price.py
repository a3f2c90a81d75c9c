"""What it is worth that selection by information knows what a reward costs. All is simulated.

    python -m benchmarks.reward_price [--problems 25]        # two minutes on two cores

Prints one JSON line for each number of calls that a reward takes and each budget: percent right
where the selection counts a reward as those calls, and where it takes it for one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from benchmarks.policy_peers import BUDGETS
from benchmarks.policy_searches import TUNED
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.strategies.enough import why_enough
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.strategies.tuned.strategy import TunedStrategy
from mctsr_graph.tree.task import Task

CELLS = [(skill, auc) for skill in (0.2, 0.4, 0.6, 0.8) for auc in (0.6, 0.75, 0.9)]
REWARD_CALLS = (0, 2, 4, 10)


class OneCallAReward(TunedStrategy):
    """Takes a reward for one call, whatever it is."""

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """As if every judge asked once."""
        return super().next_tasks(replace(search, reward_calls=1))


def right(world: World, number: int, budget: int, reward_calls: int, knows: bool) -> bool:
    """Whether a search of a problem, in which a reward takes so many calls, chooses the truth."""
    strategy = TunedStrategy() if knows else OneCallAReward()
    for moment in simulated_search(world, number, TUNED, strategy, budget, reward_calls):
        left = budget - moment.calls
        if left <= 0 or why_enough(moment.tree, left, TUNED):
            break
    node = strategy.choose(moment.tree, TUNED)
    return node is not None and moment.tree[node]["final_answer"] == world.problem(number).gold


def percent_right(problems: int, reward_calls: int, budget: int, knows: bool) -> float:
    """Over all cells."""
    worlds = [World(skill, auc, wrong_ratio=0.6, class_spread=0.03) for skill, auc in CELLS]
    found = [
        right(world, number, budget, reward_calls, knows)
        for world in worlds
        for number in range(problems)
    ]
    return round(100 * sum(found) / len(found), 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=25, help="problems a cell, of 12 cells")
    problems = parser.parse_args(arguments).problems
    with ProcessPoolExecutor(2) as pool:
        jobs = {
            (calls, budget): [
                pool.submit(percent_right, problems, calls, budget, knows)
                for knows in (True, False)
            ]
            for calls in REWARD_CALLS
            for budget in BUDGETS
        }
        for (calls, budget), (knowing, one) in jobs.items():
            row = {"reward_calls": calls, "budget": budget}
            print(
                json.dumps({**row, "known": knowing.result(), "as_one": one.result()}), flush=True
            )


if __name__ == "__main__":
    main()
