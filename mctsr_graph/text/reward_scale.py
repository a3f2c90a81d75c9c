"""The scale of rewards, in points. Whoever states, checks or reaches an end of it asks here."""

from __future__ import annotations

LOWEST, HIGHEST = -100, 100
"""Points of a worthless and of a flawless answer (section 3.2 of arXiv 2406.07394)."""
WIDTH = HIGHEST - LOWEST
RANGE = f"{LOWEST} to {HIGHEST}"
"""The scale in words."""


def scaled(part: float, whole: float = 1.0) -> float:
    """Points of a share of the scale, from 0 to `whole`."""
    return float(WIDTH) * part / whole + float(LOWEST)


def at(share: float) -> float:
    """A point of the scale to be shown, by its share from 0 to 1: whole where it can be."""
    value = round(scaled(share), 6)
    return int(value) if value == int(value) else value


def is_on_scale(reward: float) -> bool:
    """Whether a reward lies on the scale; not a number does not."""
    return LOWEST <= reward <= HIGHEST
