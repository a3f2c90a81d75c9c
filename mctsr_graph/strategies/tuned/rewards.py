"""What the rewards of a problem say, if one class of its answers is the right one.

The mean rewards of wrong classes scatter around a level of the problem's own, which scatters from
problem to problem; the right class's is higher by the judge's discrimination. How far the judge's
errors are shared by a class is one of SPREAD.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mctsr_graph.settings.prior import DISCRIMINATION, SPREAD, Prior, Spread
from mctsr_graph.strategies.tuned.evidence import Evidence

_NOISE_WEIGHT = 4.0  # the noise that is expected counts as so many rewards
Judged = Sequence[tuple[float, int]]


def weight_of_rewards(judged: Judged, spread: Spread) -> float:
    """Precision of a class's mean reward, in units of one reward's variance."""
    if not judged:
        return 0.0
    return 1 / (spread.of_class**2 + 1 / sum(_precision(count, spread) for _, count in judged))


def _precision(count: int, spread: Spread) -> float:
    return 1 / (spread.of_answer + (1 - spread.of_answer) / count)


class RewardLikelihood:
    """How the classes' rewards stand, in standard deviations of a reward, under each of SPREAD."""

    def __init__(self, evidence: Evidence, prior: Prior) -> None:
        self.deviation = noise_of([evidence], prior)
        level = prior.level / self.deviation, (self.deviation / prior.level_spread) ** 2
        self._under = [_Scatter(evidence.rewards, self.deviation, *level, one) for one in SPREAD]

    def log_likelihoods(self, right: str | None) -> list[float]:
        """Over DISCRIMINATION for each of SPREAD, one after the other."""
        return [log for under in self._under for log in under.log_likelihoods(right)]

    def level(
        self, told: Iterable[tuple[float, str | None, Sequence[float]]]
    ) -> tuple[float, float]:
        """Mean and standard deviation of what is believed of the problem's level, points.

        Args:
            told: Chance of each class to be right, the class, and the judge's weights then.
        """
        first = second = 0.0
        steps = len(DISCRIMINATION)
        for chance, right, weights in told:
            for i, under in enumerate(self._under):
                for by, weight in zip(
                    DISCRIMINATION, weights[i * steps : (i + 1) * steps], strict=True
                ):
                    mean, variance = under.level(right, by)
                    first += chance * weight * mean
                    second += chance * weight * (mean * mean + variance)
        return first * self.deviation, math.sqrt(max(second - first * first, 0.0)) * self.deviation


class _Scatter:
    """The mean rewards of classes around their level, under one of SPREAD."""

    def __init__(
        self,
        rewards: Mapping[str, Judged],
        deviation: float,
        level: float,
        precision: float,
        spread: Spread,
    ) -> None:
        self._means: dict[str, float] = {}
        self._precisions: dict[str, float] = {}
        for key, judged in rewards.items():
            parts = [_precision(count, spread) for _, count in judged]
            mean = sum(value * part for (value, _), part in zip(judged, parts, strict=True))
            self._means[key] = mean / sum(parts) / deviation
            self._precisions[key] = weight_of_rewards(judged, spread)
        self._total = precision + sum(self._precisions.values())
        seen = [(precision, level), *((p, self._means[key]) for key, p in self._precisions.items())]
        self._level = sum(p * mean for p, mean in seen) / self._total
        """If nothing that was judged is right, or the judge does not tell."""
        scatter = sum(p * (mean - self._level) ** 2 for p, mean in seen)
        logs = sum(math.log(p) for p, _ in seen) - math.log(self._total)
        self._log = (logs - scatter) / 2

    def log_likelihoods(self, right: str | None) -> list[float]:
        if right is None or right not in self._means:
            return [self._log for _ in DISCRIMINATION]
        precision = self._precisions[right]
        lead = precision * (self._means[right] - self._level)
        loss = precision * (1 - precision / self._total) / 2
        return [self._log + lead * by - loss * by * by for by in DISCRIMINATION]

    def level(self, right: str | None, by: float) -> tuple[float, float]:
        """Mean and variance of the level, if a class is right and its reward higher by so much."""
        share = self._precisions.get(right or "", 0.0) / self._total
        return self._level - share * by, 1 / self._total


def noise_of(evidences: Iterable[Evidence], prior: Prior) -> float:
    """Standard deviation of the rewards within a class, points; the prior's counts as a few."""
    squares, freedom = _NOISE_WEIGHT * prior.noise**2, _NOISE_WEIGHT
    for evidence in evidences:
        for judged in evidence.rewards.values():
            mean = sum(value for value, _ in judged) / len(judged)
            squares += sum((value - mean) ** 2 for value, _ in judged)
            freedom += len(judged) - 1
    return math.sqrt(squares / freedom)
