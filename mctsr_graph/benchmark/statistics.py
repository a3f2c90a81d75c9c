"""Intervals, tests and estimators of the benchmark. Nothing here knows what a model is.

Shares and probabilities are in [0, 1]. What is random takes a seed, and gives the same number for
the same input every time.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy

LEVEL = 0.95
"""How sure an interval is, where nothing else is said."""
DRAWS = 10_000
"""Resamples of a bootstrap."""
_CELLS = 2_000_000  # of one block of resamples: 16 MB


@dataclass(frozen=True)
class Interval:
    """A number with what it may as well be."""

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether `value` is inside, ends included."""
        return self.low <= value <= self.high


def wilson(right: float, count: int, level: float = LEVEL) -> Interval:
    """Give a share with Wilson's score interval, which also holds near 0 and 1 and for few.

    Args:
        right: Successes, 0 to `count`; a draw may be half of one.
        count: Trials, 1 or more.
        level: How sure, inside (0, 1).

    Raises:
        ValueError: A number is out of range.
    """
    if count < 1 or not 0 <= right <= count:
        raise ValueError(f"{right!r} of {count!r} is no share")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = right / count
    spread = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / spread
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / spread
    # At the ends the formula gives 0 and 1 but for rounding
    low = 0.0 if right == 0 else centre - half
    high = 1.0 if right == count else centre + half
    return Interval(share, low, high)


def clustered_share(
    hits: Sequence[float], clusters: Sequence[Hashable], trials: Sequence[int] | None = None
) -> Interval:
    """Give hits by trials, where the trials of one cluster may depend on each other.

    Wilson's interval where each is a cluster of its own. Elsewhere the interval reaches as far
    as Wilson's or the cluster bootstrap's, whichever is farther: the first knows nothing of
    clusters, the second little of small numbers.

    Args:
        hits: One number a problem, from 0 to its number of trials.
        clusters: The cluster of each problem.
        trials: By default 1 a problem. Their sum is above 0.
    """
    trials = [1] * len(hits) if trials is None else trials
    alone = wilson(sum(hits), sum(trials))
    if max(trials) == 1 and len(set(clusters)) == len(clusters):
        return alone
    together = cluster_bootstrap(hits, clusters, trials)
    return Interval(alone.value, min(alone.low, together.low), max(alone.high, together.high))


def pass_at_k(count: int, right: int, k: int) -> float:
    """Chance that at least one of `k` samples is right, unbiased (Chen et al. 2021, 2107.03374).

    Args:
        count: Samples drawn, at least `k`.
        right: Samples that were right, 0 to `count`.
        k: 1 or more.

    Raises:
        ValueError: A number is out of range.
    """
    if not 1 <= k <= count or not 0 <= right <= count:
        raise ValueError(f"pass@{k} cannot be told from {right!r} right of {count!r} samples")
    return 1 - math.comb(count - right, k) / math.comb(count, k)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: the chance of a split at least as uneven, were both equal.

    Args:
        only_first: Problems that the first method alone got right, 0 or more.
        only_second: Problems that the second method alone got right, 0 or more.
    """
    either = only_first + only_second
    few = min(only_first, only_second)
    ways = sum(math.comb(either, number) for number in range(few + 1))
    return min(1.0, 2 * ways / (1 << either))


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    sizes: Sequence[float] | None = None,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Give a mean with a percentile interval from resampling whole clusters.

    Problems that are nearly alike, and the seeds of one problem, rise and fall together: one
    cluster.

    Args:
        values: One number a problem.
        clusters: The cluster of each problem.
        sizes: What each number is a sum over, for a ratio of sums; by default 1, for a mean.
        level: How sure, inside (0, 1).
        draws: Resamples.
        seed: Of the resampling.

    Raises:
        ValueError: There is no value, or the lists differ in length.
    """
    value, means = resampled_means(values, clusters, sizes, draws=draws, seed=seed)
    return between(value, means, level)


def resampled_means(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    sizes: Sequence[float] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, numpy.ndarray]:
    """Give the mean, and those of resamples of whole clusters; as for `cluster_bootstrap`.

    Resamples that are empty tell nothing, and are left out.

    Raises:
        ValueError: There is no value, or the lists differ in length.
    """
    sizes = [1.0] * len(values) if sizes is None else sizes
    if not values or not len(values) == len(clusters) == len(sizes):
        raise ValueError(f"{len(values)} values, {len(clusters)} clusters, {len(sizes)} sizes")
    sums: dict[Hashable, list[float]] = {}
    for value, cluster, size in zip(values, clusters, sizes, strict=True):
        total = sums.setdefault(cluster, [0.0, 0.0])
        total[0] += value
        total[1] += size
    # Clusters of equal sums are drawn as one, which for grades leaves three instead of thousands
    pairs = numpy.array(list(sums.values()))
    kinds, alike = numpy.unique(pairs[:, 0] + 1j * pairs[:, 1], return_counts=True)
    table = numpy.stack([kinds.real, kinds.imag], axis=1)
    totals = numpy.concatenate([times @ table for times in _times_drawn(alike, draws, seed)])
    mean, size = alike @ table
    some = totals[totals[:, 1] > 0]
    return float(mean / size), some[:, 0] / some[:, 1]


def detectable(
    problems: int, differing: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest difference of two accuracies that a paired test would show (Connor 1987).

    Args:
        problems: Problems that both have solved, 1 or more.
        differing: Share of problems on which they differ, in [0, 1].
        alpha: Chance of showing a difference where there is none, two-sided.
        power: Chance of showing one of this size.

    Returns:
        The difference in (0, 1]; 1 where none would show.
    """
    z, more = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)

    def needed(difference: float) -> float:
        share = max(differing, difference)
        return ((z * math.sqrt(share) + more * math.sqrt(share - difference**2)) / difference) ** 2

    low, high = 0.0, 1.0
    if needed(high) > problems:
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if needed(middle) > problems else (low, middle)
    return high


def _times_drawn(alike: numpy.ndarray, draws: int, seed: int) -> Iterator[numpy.ndarray]:
    """Blocks of rows: how often each kind is in a resample, `alike` being how many there are."""
    random = numpy.random.default_rng(seed)
    count = int(alike.sum())
    block = max(1, _CELLS // len(alike))
    for start in range(0, draws, block):
        yield random.multinomial(count, alike / count, min(block, draws - start))


def between(value: float, means: numpy.ndarray, level: float) -> Interval:
    """Percentile interval of a number from its resamples."""
    edge = (1 - level) / 2
    low, high = numpy.quantile(means, [edge, 1 - edge])
    return Interval(value, float(low), float(high))


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which `share` of the values lies, between neighbours by the line.

    Args:
        values: One or more.
        share: In [0, 1]; 0.5 is the median.
    """
    return float(numpy.quantile(numpy.asarray(values, dtype=float), share))
