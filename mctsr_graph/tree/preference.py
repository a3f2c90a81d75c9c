"""How likely a judge is to prefer each answer, where no final answers can be counted.

Each reward is taken for the answer's worth with an error of one size for all answers. That size is
25 points, as of four rewards, corrected by what rewards of the same text differ by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

_ERROR, _WEIGHT = 25.0, 4  # points; judges of the usual models err by 12 to 45
_POINTS = 400  # at which the integral is taken
_WIDE = 6.0  # errors beyond the outermost answers


def preferred(tree: Mapping[str, Node]) -> dict[str, float]:
    """The chance of each judged answer to be worth most of all, by id. They sum to 1.

    Answers of equal text share their rewards and are one: the first of them is named. Dummies and
    pruned answers are left out.
    """
    texts: dict[str, tuple[str, list[float]]] = {}
    for node in in_play(tree).values():
        if not node["dummy"] and node["rewards"]:
            texts.setdefault(node["answer"], (node["id"], []))[1].extend(node["rewards"])
    error = _error([rewards for _, rewards in texts.values()])
    names = [node_id for node_id, _ in texts.values()]
    means = [sum(rewards) / len(rewards) for _, rewards in texts.values()]
    errors = [error / math.sqrt(len(rewards)) for _, rewards in texts.values()]
    return dict(zip(names, _best_of(means, errors), strict=True))


def _error(groups: Sequence[Sequence[float]]) -> float:
    """The error of one reward, points."""
    squares, freedom = _WEIGHT * _ERROR**2, _WEIGHT
    for rewards in groups:
        mean = sum(rewards) / len(rewards)
        squares += sum((reward - mean) ** 2 for reward in rewards)
        freedom += len(rewards) - 1
    return math.sqrt(squares / freedom)


def _best_of(means: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Chance of each of some normal variables to be the largest."""
    if not means:
        return []
    low = min(mean - _WIDE * error for mean, error in zip(means, errors, strict=True))
    high = max(mean + _WIDE * error for mean, error in zip(means, errors, strict=True))
    mass = [0.0] * len(means)
    for step in range(_POINTS):
        x = low + (high - low) * (step + 0.5) / _POINTS
        scaled = [(x - mean) / error for mean, error in zip(means, errors, strict=True)]
        below = [0.5 * math.erfc(-z / math.sqrt(2)) for z in scaled]
        for i, (z, error) in enumerate(zip(scaled, errors, strict=True)):
            others = math.prod(share for j, share in enumerate(below) if j != i)
            mass[i] += math.exp(-z * z / 2) / error * others
    whole = sum(mass)
    return [own / whole for own in mass]
