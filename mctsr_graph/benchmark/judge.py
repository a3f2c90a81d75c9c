"""How much a judge's rewards know of the truth, which no search ever sees."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from .outcomes import Outcome
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


def judge_of(results: Sequence[Outcome]) -> Judge | None:
    """Measure the judge of a method at one budget; None where no answer has rewards."""
    right, wrong = array("d"), array("d")
    clusters: tuple[list[str], list[str]] = ([], [])
    won, pairs = [], []
    for result in results:
        good = result.rewards[: result.right_rewards]
        bad = result.rewards[result.right_rewards :]
        right.extend(good)
        wrong.extend(bad)
        clusters[0].extend([result.id] * len(good))
        clusters[1].extend([result.id] * len(bad))
        won.append(pairs_won(good, bad))
        pairs.append(len(good) * len(bad))
    if not (right or wrong):
        return None
    rights = [True] * len(right) + [False] * len(wrong)
    return Judge(
        auc=auc(right + wrong, rights, [*clusters[0], *clusters[1]]),
        pairwise=_pairwise(won, pairs, [r.id for r in results]),
        pairs=sum(pairs),
        answers=len(rights),
        right=right,
        wrong=wrong,
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
