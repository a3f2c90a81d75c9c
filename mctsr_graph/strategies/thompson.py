"""Selection by Thompson sampling, where a fresh answer competes with every refinement.

After AB-MCTS-A (arXiv 2503.04412): each node has one arm for refining it, and the root one arm
for an independent answer. What an arm has earned are the first rewards of the answers it made.
An arm's mean reward has a normal posterior; one draw from each decides.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.task import Task
from mctsr_graph.strategies.uct import is_candidate
from mctsr_graph.strategies.values import NOISE
from mctsr_graph.tree.steered import in_play, live_children
from mctsr_graph.tree.tree import Node

_PRIOR_WEIGHT = 1.0  # rewards that the prior of an arm counts as


def thompson(
    tree: Mapping[str, Node], context: MCTSrContext, rng: random.Random, width: int
) -> list[Task]:
    """Draw `width` tasks; an arm in flight counts as having earned its mean once more."""
    nodes = [node for node in in_play(tree).values() if not node["dummy"]]
    fresh = [node["rewards"][0] for node in nodes if node["parent"] is None and node["rewards"]]
    arms: dict[Task, tuple[float, list[float]]] = {
        Task("draft"): (sum(fresh) / len(fresh) if fresh else 0.0, fresh)
    }
    for node in nodes:
        if node["rewards"] and is_candidate(tree, node, context):
            own = sum(node["rewards"]) / len(node["rewards"])
            made = [c["rewards"][0] for c in live_children(tree, node) if c["rewards"]]
            arms[Task("refine", node["id"])] = (own, made)
    tasks: list[Task] = []
    in_flight: Counter[Task] = Counter()
    while len(tasks) < width:
        draws = {
            task: _draw(prior, earned, in_flight[task], rng)
            for task, (prior, earned) in arms.items()
        }
        best = max(draws, key=lambda task: draws[task])
        in_flight[best] += 1
        tasks.append(best)
    return tasks


def _draw(prior: float, earned: list[float], in_flight: int, rng: random.Random) -> float:
    weight = _PRIOR_WEIGHT + len(earned)
    mean = (_PRIOR_WEIGHT * prior + sum(earned)) / weight
    return rng.gauss(mean, NOISE / math.sqrt(weight + in_flight))
