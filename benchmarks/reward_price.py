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
from functools import partial

from benchmarks.policies import BUDGETS, TUNED
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.choice import CHOICES
from mctsr_graph.deciding import why_decided
from mctsr_graph.selection import by_information
from mctsr_graph.tasks import KINDS

CELLS = [(skill, auc) for skill in (0.2, 0.4, 0.6, 0.8) for auc in (0.6, 0.75, 0.9)]
REWARD_CALLS = (0, 2, 4, 10)


def right(world: World, number: int, budget: int, reward_calls: int, knows: bool) -> bool:
    """Whether a search of a problem, in which a reward takes so many calls, chooses the truth."""
    rule = None if knows else partial(by_information, kinds=KINDS, reward_calls=1)
    for moment in simulated_search(world, number, TUNED, rule, budget, reward_calls):
        left = budget - moment.calls
        if left <= 0 or why_decided(moment.tree, left, TUNED):
            break
    node = CHOICES[TUNED.select](moment.tree, TUNED)
    return node is not None and moment.tree[node]["final_answer"] == world.problem(number).gold


def percent_right(problems: int, reward_calls: int, budget: int, knows: bool) -> float:
    """Over all cells."""
    worlds = [
        World(skill, auc, noise=30.0, wrong_ratio=0.6, class_spread=6.0) for skill, auc in CELLS
    ]
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
