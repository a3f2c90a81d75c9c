"""The paper's formulas (arXiv 2406.07394), of numbers only. Rewards and values are points.

Every visit of an answer samples one reward of it, so its visits N are the number of its rewards.
"""

from __future__ import annotations

import math
from typing import Literal

LogTerm = Literal["ln(N+1)", "ln(N)+1"]
"""How the "+ 1" of Eq. 4 is read; N is the visits of the parent."""


def uct(
    q: float,
    visits: int,
    parent_visits: int,
    c: float,
    *,
    epsilon: float = 1e-5,
    log_term: LogTerm = "ln(N+1)",
) -> float:
    """Upper confidence bound of an answer (Eq. 4).

    Args:
        q: Its value Q'.
        visits: Its visits, from 0.
        parent_visits: Its parent's; 0 for a root.
        c: The exploration constant.
        epsilon: Keeps the denominator above 0, visits.
        log_term: How the "+ 1" is read.
    """
    return q + bonus(visits, parent_visits, c, epsilon, log_term)


def bonus(visits: int, parent_visits: int, c: float, epsilon: float, log_term: str) -> float:
    """The exploration term of Eq. 4."""
    if parent_visits == 0:
        return 0.0  # Eq. 4 says nothing of a root; the official code gives it 0
    log = math.log(parent_visits + 1) if log_term == "ln(N+1)" else math.log(parent_visits) + 1
    return c * math.sqrt(log / (visits + epsilon))


def suppressed(reward: float, threshold: float, penalty: float) -> float:
    """Full-score suppression (section 3.2): a reward above the threshold loses the penalty."""
    return reward - penalty if reward > threshold else reward
