"""How much a judge's rewards know of the truth, which no search ever sees."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from .columns import Results
from .ranking import auc, jackknifed, pairs_won
from .statistics import Interval, clustered_share


@dataclass(frozen=True)
class Judge:
    """How well rewards tell right answers from wrong ones."""

    auc: Interval | None
    """Over all answers pooled; None where all or none are right."""
    pairwise: Interval | None
    """Share of pairs of a right and a wrong answer to the same problem in which the right one
    has the higher reward, a tie being half; None where there is no pair."""
    pairs: int
    answers: int
    right: Sequence[float]
    """Mean rewards of right answers, points."""
    wrong: Sequence[float]
    """Mean rewards of the others, points."""


def judge_of(results: Results) -> Judge | None:
    """Measure the judge of a method at one budget; None where no answer has rewards."""
    rewards = results.rewards
    if rewards is None or not len(rewards.values):
        return None
    count, numbers = len(results), dict[str, int]()
    problems = numpy.array([numbers.setdefault(name, len(numbers)) for name in results.ids])
    counts = numpy.stack([rewards.right, rewards.wrong], axis=1).ravel()
    row_of = numpy.repeat(numpy.repeat(numpy.arange(count), 2), counts)
    is_right = numpy.repeat(numpy.tile([True, False], count), counts)
    # Those of all right answers before all others
    order = numpy.argsort(~is_right, kind="stable")
    values, row_of, is_right = rewards.values[order], row_of[order], is_right[order]
    won = pairs_won(values, is_right, row_of, count)
    pairs = rewards.right.astype("i8") * rewards.wrong
    return Judge(
        auc=auc(values, is_right, problems[row_of]),
        pairwise=_pairwise(won.tolist(), pairs.tolist(), results.ids),
        pairs=int(pairs.sum()),
        answers=len(values),
        right=array("d", values[is_right].tobytes()),
        wrong=array("d", values[~is_right].tobytes()),
    )


def _pairwise(
    won: Sequence[float], pairs: Sequence[int], clusters: Sequence[str]
) -> Interval | None:
    """Share of pairs won, with the wider of two intervals: one knows little of few problems."""
    if not any(pairs):
        return None
    sums: dict[str, tuple[float, int]] = {}
    for cluster, part, whole in zip(clusters, won, pairs, strict=True):
        before = sums.get(cluster, (0.0, 0))
        sums[cluster] = before[0] + part, before[1] + whole
    all_won, all_pairs = sum(won), sum(pairs)
    without = [
        (all_won - part) / (all_pairs - whole)
        for part, whole in sums.values()
        if whole and all_pairs > whole
    ]
    usual = clustered_share(won, clusters, pairs)
    few = jackknifed(usual.value, without)
    return Interval(usual.value, min(usual.low, few.low), max(usual.high, few.high))
