"""How well numbers rank right answers above wrong ones, with intervals for few problems, too."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy

from .statistics import LEVEL, Interval, wilson


def jackknifed(value: float, without: Sequence[float], level: float = LEVEL) -> Interval:
    """Give a share with an interval from its values when one cluster after the other is left out.

    On the scale of log odds, with Student's distribution, so that it holds for few clusters, too
    (for an AUC of 4 to 30 problems it held the truth in 95 to 97 % of simulated runs, where a
    bootstrap did in 79 to 93 %). Where leaving one out changes nothing, Wilson's interval for as
    many problems as there are clusters stands in.

    Args:
        value: The share of all clusters.
        without: The share without each cluster, those for which there is none left out.
        level: How sure, inside (0, 1).
    """
    count = len(without)
    if count < 2:
        return Interval(value, 0.0, 1.0)
    values = numpy.asarray(without)
    spread = math.sqrt(float(((values - values.mean()) ** 2).sum()) * (count - 1) / count)
    if not 0 < value < 1 or spread == 0:
        alone = wilson(value * count, count, level)
        return Interval(value, alone.low, alone.high)
    middle = math.log(value / (1 - value))
    half = student(0.5 + level / 2, count - 1) * spread / (value * (1 - value))
    low, high = (1 / (1 + math.exp(min(700.0, -end))) for end in (middle - half, middle + half))
    return Interval(value, low, high)


def student(share: float, freedom: int) -> float:
    """Quantile of Student's distribution (Abramowitz and Stegun 26.7.5; exact for 1 and 2)."""
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    z, n = NormalDist().inv_cdf(share), freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def auc(
    rewards: Sequence[float],
    rights: Sequence[bool],
    clusters: Sequence[Hashable],
    *,
    level: float = LEVEL,
) -> Interval | None:
    """Chance that a right answer's reward is above a wrong one's; equal rewards count one half.

    It pools all problems, so it also rewards a judge that tells easy problems from hard ones.

    Args:
        rewards: One an answer.
        rights: Whether the answer is right.
        clusters: The cluster of each answer; answers to one problem share theirs.
        level: How sure, inside (0, 1).

    Returns:
        The area under the ROC curve in [0, 1], 0.5 for a judge that knows nothing, with the
        interval of `jackknifed`; None where no answer, or every answer, is right.
    """
    if not any(rights) or all(rights):
        return None
    numbers: dict[Hashable, int] = {}
    cluster_of = numpy.array([numbers.setdefault(one, len(numbers)) for one in clusters])
    levels, level_of = numpy.unique(rewards, return_inverse=True)
    right = numpy.asarray(rights, dtype=bool)
    good = numpy.bincount(level_of[right], minlength=len(levels))
    bad = numpy.bincount(level_of[~right], minlength=len(levels))
    # For each answer the answers of the other kind that it wins against, or that win against it
    beaten = numpy.cumsum(bad) - bad / 2
    beating = good.sum() - numpy.cumsum(good) + good / 2
    won = float(good @ beaten)
    taking_part = numpy.bincount(
        cluster_of, numpy.where(right, beaten[level_of], beating[level_of]), len(numbers)
    )
    goods = numpy.bincount(cluster_of[right], minlength=len(numbers))
    bads = numpy.bincount(cluster_of[~right], minlength=len(numbers))
    inside = numpy.zeros(len(numbers))  # pairs within a cluster, which were taken off twice
    groups: dict[int, tuple[list[float], list[float]]] = {}
    for number, is_right, reward in zip(cluster_of.tolist(), rights, rewards, strict=True):
        groups.setdefault(number, ([], []))[not is_right].append(reward)
    for number, (ours, theirs) in groups.items():
        inside[number] = pairs_won(ours, theirs)
    left = (good.sum() - goods) * (bad.sum() - bads)
    without = (won - taking_part + inside)[left > 0] / left[left > 0]
    return jackknifed(won / float(good.sum() * bad.sum()), without.tolist(), level)


def pairs_won(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Count the pairs of a right and a wrong answer in which the right one's reward is higher.

    Equal rewards count one half. There are len(right) * len(wrong) pairs.
    """
    return sum((a > b) + (a == b) / 2 for a in right for b in wrong)
