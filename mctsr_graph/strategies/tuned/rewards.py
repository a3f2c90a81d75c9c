"""What the rewards of a problem say, if one class of its answers is the right one.

The mean rewards of wrong classes scatter around a level of the problem's own, which scatters from
problem to problem; the right class's is higher by the judge's discrimination. Where nothing is
known of the level, only the differences of a problem's rewards tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mctsr_graph.settings.prior import DISCRIMINATION, Prior
from mctsr_graph.strategies.tuned.evidence import Evidence

_NOISE_WEIGHT = 4.0  # the noise that is expected counts as so many rewards
_OWN_SHARE = 0.3  # share of a reward's variance that is the answer's own: no repetition removes it
_CLASS_SPREAD = 0.25  # standard deviation of what a judge holds for or against a class as such


def weight_of_rewards(judged: Sequence[tuple[float, int]]) -> float:
    """Precision of a class's mean reward, in units of one reward's variance."""
    if not judged:
        return 0.0
    return 1 / (_CLASS_SPREAD**2 + 1 / sum(_precision(count) for _, count in judged))


def _precision(count: int) -> float:
    return 1 / (_OWN_SHARE + (1 - _OWN_SHARE) / count)


class RewardLikelihood:
    """How the classes' rewards stand, in standard deviations of a reward."""

    def __init__(self, evidence: Evidence, prior: Prior) -> None:
        self.deviation = noise_of([evidence], prior)
        self._means: dict[str, float] = {}
        self._precisions: dict[str, float] = {}
        for key, judged in evidence.rewards.items():
            parts = [_precision(count) for _, count in judged]
            mean = sum(value * part for (value, _), part in zip(judged, parts, strict=True))
            self._means[key] = mean / sum(parts) / self.deviation
            self._precisions[key] = weight_of_rewards(judged)
        level, precision = prior.level / self.deviation, (self.deviation / prior.level_spread) ** 2
        self._total = precision + sum(self._precisions.values())
        seen = [(precision, level), *((p, self._means[key]) for key, p in self._precisions.items())]
        self._level = sum(p * mean for p, mean in seen) / self._total
        """If nothing that was judged is right, or the judge does not tell."""
        scatter = sum(p * (mean - self._level) ** 2 for p, mean in seen)
        self.log = (math.log(precision / self._total) - scatter) / 2
        """Log likelihood of the rewards if the judge does not tell, but for a constant."""

    def log_likelihoods(self, right: str | None) -> list[float]:
        """Over DISCRIMINATION, against no discrimination."""
        if right is None or right not in self._means:
            return [0.0 for _ in DISCRIMINATION]
        precision = self._precisions[right]
        lead = precision * (self._means[right] - self._level)
        loss = precision * (1 - precision / self._total) / 2
        return [lead * by - loss * by * by for by in DISCRIMINATION]

    def level(
        self, worlds: Iterable[tuple[float, str | None, Sequence[float]]]
    ) -> tuple[float, float]:
        """Mean and standard deviation of what is believed of the problem's level, points.

        Args:
            worlds: Chance of each class to be right, the class, and weights of DISCRIMINATION then.
        """
        first = second = 0.0
        for chance, right, weights in worlds:
            if right is None or right not in self._precisions:
                continue  # it is as where nothing that was judged is right
            share = self._precisions[right] / self._total
            lower = [share * by for by in DISCRIMINATION]
            first += chance * sum(w * less for w, less in zip(weights, lower, strict=True))
            second += chance * sum(w * less * less for w, less in zip(weights, lower, strict=True))
        variance = max(second - first * first, 0.0) + 1 / self._total
        return (self._level - first) * self.deviation, math.sqrt(variance) * self.deviation


def noise_of(evidences: Iterable[Evidence], prior: Prior) -> float:
    """Standard deviation of the rewards within a class, points; the prior's counts as a few."""
    squares, freedom = _NOISE_WEIGHT * prior.noise**2, _NOISE_WEIGHT
    for evidence in evidences:
        for judged in evidence.rewards.values():
            mean = sum(value for value, _ in judged) / len(judged)
            squares += sum((value - mean) ** 2 for value, _ in judged)
            freedom += len(judged) - 1
    return math.sqrt(squares / freedom)
