"""What is known of model and judge before a search: weights of what they may be like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import ConfigError

SKILL = (0.01, 0.06, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Chances that an independent answer is right."""


class Refining(NamedTuple):
    """What a refinement does."""

    mends: float
    """Chance that one of a wrong answer is right, as a share of the skill."""
    keeps: float
    """Chance that one of a right answer stays right."""
    stays: float
    """Chance that one that mends nothing leaves a wrong answer; else it strays to another."""


REFINING = (Refining(0.3, 0.8, 0.9), Refining(0.7, 0.88, 0.7), Refining(1.0, 0.95, 0.5))
VARIETY = (0.4, 0.9, 2.0, 4.5, 10.0)
"""How readily a wrong answer differs from those before it: the concentration of an Ewens
process."""
DISCRIMINATION = (0.0, 0.3, 0.6, 0.9, 1.3, 1.8)
"""By how much a right answer's reward is higher, in standard deviations of a reward."""


@dataclass(frozen=True)
class Prior:
    """Weights of the grids, each list of which sums to 1, and what rewards are like.

    Raises:
        ConfigError: one does not or is of another length, or a spread is not above 0.
    """

    skill: tuple[float, ...] = (0.1, 0.1, 0.15, 0.15, 0.15, 0.17, 0.18)
    refining: tuple[float, ...] = (0.34, 0.33, 0.33)
    variety: tuple[float, ...] = (0.1, 0.2, 0.3, 0.25, 0.15)
    discrimination: tuple[float, ...] = (0.3, 0.15, 0.15, 0.15, 0.13, 0.12)
    noise: float = 30.0
    """Standard deviation of a reward within a class, points."""
    level: float = 0.0
    """Mean over all problems of the rewards of wrong answers, points."""
    level_spread: float = 1e6
    """Its standard deviation from problem to problem, points; by default any."""

    def __post_init__(self) -> None:
        """Check the weights and the spreads."""
        for name, grid in GRIDS.items():
            weights = getattr(self, name)
            fits = len(weights) == len(grid) and min(weights) >= 0
            if not fits or not math.isclose(sum(weights), 1, abs_tol=1e-6):
                raise ConfigError(
                    f"prior.{name} is {weights!r}, allowed {len(grid)} weights that sum to 1"
                )
        for name in ("noise", "level_spread"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"prior.{name} is {getattr(self, name)!r}, allowed above 0")


GRIDS: dict[str, Sequence[object]] = {
    "skill": SKILL,
    "refining": REFINING,
    "variety": VARIETY,
    "discrimination": DISCRIMINATION,
}
USUAL = Prior()
"""What is believed before anything is known of model and judge."""
