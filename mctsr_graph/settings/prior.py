"""What is known of model and judge before a search: weights of what they may be like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mctsr_graph.errors import ConfigError
from mctsr_graph.text.reward_scale import WIDTH

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

    def mends_at(self, skill: float) -> float:
        """Chance that one of a wrong answer is right."""
        return min(self.mends * skill, 0.95)


REFINING = (
    Refining(0.05, 0.85, 0.8),
    Refining(0.3, 0.88, 0.6),
    Refining(0.3, 0.85, 0.88),
    Refining(0.7, 0.88, 0.7),
    Refining(1.0, 0.94, 0.5),
    Refining(1.6, 0.96, 0.4),
)
VARIETY = (0.4, 0.9, 2.0, 4.5, 10.0)
"""How readily a wrong answer differs from those before it: the concentration of an Ewens
process."""
DISCRIMINATION = (-0.6, 0.0, 0.4, 0.8, 1.3, 1.9, 2.6)
"""By how much a right answer's reward is higher, in standard deviations of a reward; a judge may
be worse than chance."""


class Spread(NamedTuple):
    """How a judge's errors repeat themselves."""

    of_class: float
    """Standard deviation of what it holds for or against a final answer as such, in standard
    deviations of a reward."""
    of_answer: float
    """Share of a reward's variance that is the answer's own: no repetition removes it."""


SPREAD = (Spread(0.2, 0.3), Spread(0.6, 0.4), Spread(1.2, 0.5))

_LEAST, _MOST = 1e-9, 1e9  # points; beyond them squares and their ratios are no numbers any more


@dataclass(frozen=True)
class Prior:
    """Weights of the grids, each list of which sums to 1, and what rewards are like.

    `Prior(**json.load(file))` reads what `mctsr learn` has written.

    Raises:
        ConfigError: one does not or is of another length, or a number is out of its range.
    """

    skill: tuple[float, ...] = (0.1, 0.1, 0.15, 0.15, 0.15, 0.17, 0.18)
    refining: tuple[float, ...] = (0.15, 0.2, 0.2, 0.2, 0.15, 0.1)
    variety: tuple[float, ...] = (0.1, 0.2, 0.3, 0.25, 0.15)
    discrimination: tuple[float, ...] = (0.1, 0.42, 0.16, 0.13, 0.09, 0.06, 0.04)
    spread: tuple[float, ...] = (0.15, 0.4, 0.45)
    noise: float = 0.15 * WIDTH
    """Standard deviation of a reward within a class, points."""
    level: float = 0.0
    """Mean over all problems of the rewards of wrong answers, points."""
    level_spread: float = 1e6
    """Its standard deviation from problem to problem, points; by default any."""

    def __post_init__(self) -> None:
        """Check the weights and the numbers; lists of weights become tuples."""
        for name, grid in GRIDS.items():
            given = getattr(self, name)
            try:
                weights = tuple(given)
                fits = len(weights) == len(grid) and min(weights) >= 0
                fits = fits and math.isclose(sum(weights), 1, abs_tol=1e-6)
            except TypeError:
                fits = False
            if not fits:
                raise ConfigError(
                    f"prior.{name} is {given!r}, allowed {len(grid)} weights that sum to 1"
                )
            object.__setattr__(self, name, weights)  # a list has no hash, by which belief is kept
        for name, least in (("noise", _LEAST), ("level", -_MOST), ("level_spread", _LEAST)):
            value = getattr(self, name)
            if not _is_within(value, least, _MOST):
                raise ConfigError(f"prior.{name} is {value!r}, allowed {least:g} to {_MOST:g}")


def _is_within(value: Any, least: float, most: float) -> bool:
    try:
        return bool(least <= value <= most)
    except TypeError:
        return False


GRIDS: dict[str, Sequence[object]] = {
    "skill": SKILL,
    "refining": REFINING,
    "variety": VARIETY,
    "discrimination": DISCRIMINATION,
    "spread": SPREAD,
}
USUAL = Prior()
"""What is believed before anything is known of model and judge."""
