"""Whether a method is right as often as it believes: its confidence against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from .columns import Results
from .statistics import Interval, clustered_share


@dataclass(frozen=True)
class Bin:
    """Problems of which a method was about equally sure."""

    count: int
    chance: float
    """Mean chance that it gave its answers."""
    right: float
    """Share of its answers that were right."""


@dataclass(frozen=True)
class Calibration:
    """A method's confidence against the truth, at one budget."""

    problems: int
    """Problems times seeds with a confidence."""
    confidence: float
    """Its mean."""
    right: Interval
    """Share of their answers that were right."""
    error: float
    """Expected calibration error, in [0, 1]."""
    brier: float
    bins: list[Bin]


def calibration_of(results: Results) -> Calibration | None:
    """Measure a method at one budget; None where it told no confidence."""
    told = results.where(~numpy.isnan(results["confidence"]))
    if not len(told):
        return None
    chances, rights = told["confidence"].tolist(), told.right.tolist()
    return Calibration(
        problems=len(told),
        confidence=math.fsum(chances) / len(chances),
        right=clustered_share(rights, told.ids),
        error=calibration_error(chances, rights),
        brier=brier(chances, rights),
        bins=binned(chances, rights),
    )


def brier(chances: Sequence[float], rights: Sequence[bool]) -> float:
    """Mean squared distance of chances from what came true (1 or 0): 0 is best, 0.25 a coin's."""
    pairs = zip(chances, rights, strict=True)
    return math.fsum((chance - right) ** 2 for chance, right in pairs) / len(chances)


def calibration_error(chances: Sequence[float], rights: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the distance of mean chance and share right, over equal bins.

    Each bin of chances counts by the number of problems in it (Naeini et al. 2015).
    """
    found = binned(chances, rights, bins)
    return sum(one.count * abs(one.chance - one.right) for one in found) / len(chances)


def binned(chances: Sequence[float], rights: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Group chances into equal bins of [0, 1]; empty ones are left out."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for chance, right in zip(chances, rights, strict=True):
        groups.setdefault(min(int(chance * bins), bins - 1), []).append((chance, right))
    return [
        Bin(
            count=len(group),
            chance=math.fsum(chance for chance, _ in group) / len(group),
            right=sum(right for _, right in group) / len(group),
        )
        for _, group in sorted(groups.items())
    ]
