"""The difference of two methods on the same problems: an interval, and a test that agrees with it.

The interval is the widest of three. The cluster bootstrap's alone is a mere point where nothing
but gains was seen. The score interval has Wilson's intervals of gains and of losses, joined by
their squares (Newcombe). The exact one holds what the exact McNemar test does not refuse. So an
interval that leaves 0 out says at least as much as each of the three tests, and "p" is the
smallest chance of error at which it leaves 0 out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy

from .statistics import Interval, between, mcnemar, resampled_means, wilson

_STEPS = 50  # of a search by halves: more than a float can tell


class Paired:
    """Differences of two methods, one a problem."""

    def __init__(self, differences: Sequence[float]) -> None:
        """Take the differences.

        Args:
            differences: Each in [-1, 1], one or more; problems are independent of each other.
        """
        self.count = len(differences)
        self.gains = sum(one > 0 for one in differences)
        """Problems on which the first did better."""
        self.losses = sum(one < 0 for one in differences)
        self._gained = sum(max(one, 0.0) for one in differences)
        self._lost = sum(max(-one, 0.0) for one in differences)
        self.value, self._means = resampled_means(differences, range(self.count))

    @property
    def exact(self) -> float:
        """Two-sided exact McNemar test; of differences that are no whole numbers, a sign test."""
        return mcnemar(self.gains, self.losses)

    def interval(self, level: float) -> Interval:
        """Give the mean difference with its interval.

        Args:
            level: How sure, inside (0, 1).
        """
        parts = (between(self.value, self._means, level), self._score(level), self._exact(level))
        return Interval(self.value, min(one.low for one in parts), max(one.high for one in parts))

    @cached_property
    def p(self) -> float:
        """Smallest chance of error, two-sided, at which the interval leaves 0 out; 1 for none."""
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._leaves_out(1 - middle) else (middle, high)
        return max(self.exact, high)

    def _leaves_out(self, level: float) -> bool:
        """Whether the bootstrap and the score interval leave 0 out."""
        drawn, score = between(self.value, self._means, level), self._score(level)
        return not (drawn.holds(0) or score.holds(0))

    def _score(self, level: float) -> Interval:
        gains, losses = (
            wilson(self._gained, self.count, level),
            wilson(self._lost, self.count, level),
        )
        down = math.hypot(gains.value - gains.low, losses.high - losses.value)
        up = math.hypot(gains.high - gains.value, losses.value - losses.low)
        return Interval(self.value, max(-1.0, self.value - down), min(1.0, self.value + up))

    def _exact(self, level: float) -> Interval:
        """Hold how much differed, and ask which share of it may be gains (Clopper and Pearson)."""
        differed = (self._gained + self._lost) / self.count
        either = self.gains + self.losses
        low = _least_share(self.gains, either, level)
        high = 1 - _least_share(self.losses, either, level)
        return Interval(self.value, (2 * low - 1) * differed, (2 * high - 1) * differed)


def _least_share(hits: int, count: int, level: float) -> float:
    """Lower end of the exact interval of a share; 0 where nothing was tried."""
    if hits == 0:
        return 0.0
    factorials = numpy.concatenate([[0.0], numpy.cumsum(numpy.log(numpy.arange(1, count + 1)))])
    many = numpy.arange(hits, count + 1)
    ways = factorials[count] - factorials[many] - factorials[count - many]
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        chance = numpy.exp(
            ways + many * math.log(share) + (count - many) * math.log1p(-share)
        ).sum()
        low, high = (share, high) if chance < (1 - level) / 2 else (low, share)
    return low
