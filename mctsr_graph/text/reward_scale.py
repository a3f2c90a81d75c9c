"""The scale of rewards, in points. Whoever states, checks or reaches an end of it asks here."""

from __future__ import annotations

import re

LOWEST, HIGHEST = -100, 100
"""Points of a worthless and of a flawless answer (section 3.2 of arXiv 2406.07394)."""
WIDTH = HIGHEST - LOWEST
RANGE = f"{LOWEST} to {HIGHEST}"
"""The scale in words."""


def scaled(part: float, whole: float = 1.0) -> float:
    """Points of a share of the scale, from 0 to `whole`."""
    return float(WIDTH) * part / whole + float(LOWEST)


def share_of(reward: float) -> float:
    """Where on the scale a reward lies, from 0 to 1."""
    return (reward - LOWEST) / WIDTH


def at(share: float) -> float:
    """A point of the scale to be shown, by its share from 0 to 1: whole where it can be."""
    value = round(scaled(share), 6)
    return int(value) if value == int(value) else value


def is_on_scale(reward: float) -> bool:
    """Whether a reward lies on the scale; not a number does not."""
    return LOWEST <= reward <= HIGHEST


def labels() -> tuple[float, ...]:
    """The scores that a judge may write: whole numbers, or hundredths of a small scale."""
    steps = max(WIDTH, 100) if int(WIDTH) == WIDTH else 100
    return tuple(at(step / steps) for step in range(int(steps) + 1))


def highest_pattern() -> str:
    """A regular expression for the top of the scale: "95" to "100", or "0.95" to "1"."""
    top = f"{HIGHEST:g}"
    near = {100: r"9[5-9](?:\.\d{1,2})?", 10: r"9\.[5-9]\d?", 1: r"0?\.9[5-9]\d{0,3}"}.get(HIGHEST)
    return rf"(?:{near + '|' if near else ''}{re.escape(top)}(?:\.0{{1,4}})?)"
