"""Which answer the judge prefers, where none states a final answer that could be counted.

Answers that the judge calls equally good are a class, as are answers of equal text. A judge that
compares says so in words; of one that gives points, equal mean rewards do. How likely a class is to
be preferred to all others comes from its comparisons, or else from its rewards:

- Comparisons: each class has a worth, by the Bradley-Terry model. One more draw, against nobody,
  keeps the worth of what won each time finite.
- Rewards: each is taken for the answer's worth with an error of one size for all answers. That size
  is 25 points, as of four rewards, corrected by what rewards of the same text differ by.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from mctsr_graph.text.digests import digest_of
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

_ERROR, _WEIGHT = 25.0, 4  # points; judges of the usual models err by 12 to 45
_POINTS = 200  # at which the integral is taken
_WIDE = 6.0  # errors beyond the outermost answers
_ROUNDS, _CLOSE = 500, 1e-4  # of the fit of worths


class Preferred(NamedTuple):
    """Answers that are equally good to the judge."""

    nodes: list[str]
    """Their ids, in order."""
    chance: float
    """That the judge prefers them to all others, 0 to 1."""
    won: float = 0.0
    """How often it called them better than another class, where it compares; a draw is half ..."""
    times: int = 0
    """... of so many comparisons."""


def states_none(tree: Mapping[str, Node]) -> bool:
    """Whether no answer in play states a final one."""
    return all(node["final_answer"] is None for node in in_play(tree).values())


def preferred(tree: Mapping[str, Node]) -> list[Preferred]:
    """The classes of judged answers, the likeliest first. Their chances sum to 1.

    Dummies and pruned answers are in none.
    """
    texts: dict[str, list[Node]] = {}
    for node in in_play(tree).values():
        if node["rewards"] and not node["dummy"]:
            texts.setdefault(node["answer"], []).append(node)
    alike = list(texts.values())
    told = _comparisons(alike)
    rewards = [[reward for node in nodes for reward in node["rewards"]] for nodes in alike]
    means = [sum(own) / len(own) for own in rewards]
    wins: Sequence[Mapping[int, tuple[float, int]]] = ()
    if told:
        of = _classes(len(alike), {pair for pair, shares in told.items() if {*shares} == {0.5}})
        wins = _wins(told, of)
        by_class = _best_of(*_worths(wins))
    else:
        error, places = _error(rewards), dict[float, int]()
        of = [places.setdefault(mean, len(places)) for mean in means]
        chances = _best_of(means, [error / math.sqrt(len(own)) for own in rewards])
        by_class = [0.0] * len(places)
        for place, chance in zip(of, chances, strict=True):
            by_class[place] += chance
    found = [Preferred([], chance, *_sums(one)) for chance, one in zip_longest(by_class, wins)]
    for place, nodes in zip(of, alike, strict=True):
        found[place].nodes.extend(node["id"] for node in nodes)
    return sorted(found, key=lambda one: -one.chance)


def _comparisons(alike: Sequence[Sequence[Node]]) -> dict[tuple[int, int], list[float]]:
    """What was said of each pair of texts, by their places, both ways round."""
    places = {digest_of(nodes[0]["answer"]): place for place, nodes in enumerate(alike)}
    told: dict[tuple[int, int], list[float]] = defaultdict(list)
    for place, nodes in enumerate(alike):
        for node in nodes:
            for digest, shares in node.get("compared", {}).items():
                other = places.get(digest, place)
                if other != place:
                    told[place, other] += shares
                    told[other, place] += [1 - share for share in shares]
    return told


def _classes(count: int, equal: set[tuple[int, int]]) -> list[int]:
    """The class of each text: that of the first one before it that is equal, or a new one."""
    of: list[int] = []
    for place in range(count):
        same = (of[other] for other in range(place) if (place, other) in equal)
        of.append(next(same, max(of, default=-1) + 1))
    return of


def _wins(
    told: Mapping[tuple[int, int], Sequence[float]], of: Sequence[int]
) -> list[dict[int, tuple[float, int]]]:
    """By class: how often it won against each other one, and of how many times."""
    wins: list[dict[int, tuple[float, int]]] = [{} for _ in range(max(of) + 1)]
    for (one, other), shares in told.items():
        own, rival = of[one], of[other]
        if own != rival:
            won, times = wins[own].get(rival, (0.0, 0))
            wins[own][rival] = won + sum(shares), times + len(shares)
    return wins


def _sums(wins: Mapping[int, tuple[float, int]] | None) -> tuple[float, int]:
    told = (wins or {}).values()
    return sum(won for won, _ in told), sum(times for _, times in told)


def _worths(wins: Sequence[Mapping[int, tuple[float, int]]]) -> tuple[list[float], list[float]]:
    """The logarithm of each class's worth, and its error while the others' are as they are.

    Fitted as Hunter does (2004, Annals of Statistics 32, 384-406).
    """
    worths = [1.0] * len(wins)
    for _ in range(_ROUNDS):
        before = worths
        worths = [
            (sum(won for won, _ in own.values()) + 0.5)
            / (sum(n / (worth + before[j]) for j, (_, n) in own.items()) + 1 / (worth + 1))
            for worth, own in zip(before, wins, strict=True)
        ]
        if all(abs(a / b - 1) < _CLOSE for a, b in zip(worths, before, strict=True)):
            break
    told = [
        sum(n * _spread(worth, worths[j]) for j, (_, n) in own.items()) + _spread(worth, 1.0)
        for worth, own in zip(worths, wins, strict=True)
    ]
    return [math.log(worth) for worth in worths], [1 / math.sqrt(one) for one in told]


def _spread(one: float, other: float) -> float:
    """Variance of one comparison."""
    return one * other / (one + other) ** 2


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
        all_below = math.prod(below)
        for i, (z, error) in enumerate(zip(scaled, errors, strict=True)):
            if all_below:  # else some are surely larger
                mass[i] += math.exp(-z * z / 2) / error * (all_below / below[i])
    whole = sum(mass)
    return [own / whole for own in mass]
