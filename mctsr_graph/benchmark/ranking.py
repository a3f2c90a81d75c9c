"""How well numbers rank right answers above wrong ones, with intervals for few problems, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import cast

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
    rewards: Sequence[float] | numpy.ndarray,
    rights: Sequence[bool] | numpy.ndarray,
    clusters: Sequence[int] | numpy.ndarray,
    *,
    level: float = LEVEL,
) -> Interval | None:
    """Chance that a right answer's reward is above a wrong one's; equal rewards count one half.

    It pools all problems, so it also rewards a judge that tells easy problems from hard ones.

    Args:
        rewards: One an answer.
        rights: Whether the answer is right.
        clusters: A number for the cluster of each answer; answers to one problem share theirs.
        level: How sure, inside (0, 1).

    Returns:
        The area under the ROC curve in [0, 1], 0.5 for a judge that knows nothing, with the
        interval of `jackknifed`; None where no answer, or every answer, is right.
    """
    right = numpy.asarray(rights, dtype=bool)
    if not right.any() or right.all():
        return None
    cluster_of = _numbered(clusters)
    count = int(cluster_of.max()) + 1
    levels, level_of = numpy.unique(rewards, return_inverse=True)
    good = numpy.bincount(level_of[right], minlength=len(levels))
    bad = numpy.bincount(level_of[~right], minlength=len(levels))
    # For each answer the answers of the other kind that it wins against, or that win against it
    beaten = numpy.cumsum(bad) - bad / 2
    beating = good.sum() - numpy.cumsum(good) + good / 2
    won = float(good @ beaten)
    taking_part = numpy.bincount(
        cluster_of, numpy.where(right, beaten[level_of], beating[level_of]), count
    )
    goods = numpy.bincount(cluster_of[right], minlength=count)
    bads = numpy.bincount(cluster_of[~right], minlength=count)
    # Pairs within a cluster were taken off twice
    inside = pairs_won(rewards, right, cluster_of, count)
    left = (good.sum() - goods) * (bad.sum() - bads)
    without = (won - taking_part + inside)[left > 0] / left[left > 0]
    return jackknifed(won / float(good.sum() * bad.sum()), without.tolist(), level)


def _numbered(clusters: Sequence[int] | numpy.ndarray) -> numpy.ndarray:
    """Numbers for clusters, in the order in which they are met."""
    _, first, number = numpy.unique(clusters, return_index=True, return_inverse=True)
    return cast(numpy.ndarray, numpy.argsort(numpy.argsort(first))[number])


def pairs_won(
    rewards: Sequence[float] | numpy.ndarray,
    rights: Sequence[bool] | numpy.ndarray,
    groups: Sequence[int] | numpy.ndarray,
    count: int,
) -> numpy.ndarray:
    """Count in each group the pairs of a right and a wrong answer that the right one wins.

    Its reward is higher; equal rewards count one half.

    Args:
        rewards: One an answer.
        rights: Whether the answer is right.
        groups: The group of each answer, from 0.
        count: How many groups there are.
    """
    levels, level_of = numpy.unique(rewards, return_inverse=True)
    places = numpy.asarray(groups) * len(levels) + level_of
    places, place_of = numpy.unique(places, return_inverse=True)  # by group, then by reward
    right = numpy.asarray(rights, dtype=bool)
    good = numpy.bincount(place_of[right], minlength=len(places))
    bad = numpy.bincount(place_of[~right], minlength=len(places))
    group_of = places // len(levels)
    of_group = numpy.bincount(group_of, bad, count)
    before = numpy.cumsum(of_group) - of_group
    beaten = numpy.cumsum(bad) - bad / 2 - before[group_of]
    return numpy.bincount(group_of, good * beaten, count)
