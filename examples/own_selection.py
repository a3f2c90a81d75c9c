"""A rule of one's own for what to do next: Thompson sampling, after AB-MCTS (arXiv 2503.04412)."""

import math
import random
from collections.abc import Mapping

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.tasks import Task
from mctsr_graph.tree import Node


def thompson(
    tree: Mapping[str, Node], context: MCTSrContext, rng: random.Random, width: int
) -> list[Task]:
    """Draw from what is believed of a fresh answer and of refining each; the highest wins."""
    first = {node["id"]: node["rewards"][0] for node in tree.values() if node["rewards"]}
    fresh = [first[one] for one in first if tree[one]["parent"] is None]
    arms = {Task("draft"): fresh or [0.0]}
    for one in first:  # an answer's own reward counts as one that refining it has earned
        made = [first[child] for child in tree[one]["children"] if child in first]
        arms[Task("refine", one)] = [first[one], *made]

    def drawn(task: Task) -> float:
        earned = arms[task]
        return rng.gauss(sum(earned) / len(earned), 30 / math.sqrt(len(earned)))  # points

    return [max(arms, key=drawn) for _ in range(width)]


def main() -> None:
    """Search with it; the seed of the settings seeds the draws."""
    found = solve(PROBLEM, pupil(), context=MCTSrContext(max_rollouts=4), selection=thompson)
    print(found.final_answer, [node["parent"] for node in found.tree.values()])


if __name__ == "__main__":
    main()
