"""Values of a node: from its own rewards, from those below it, and the bonus for few visits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .branches import live_children
from .tree import Node

if TYPE_CHECKING:
    from .config import MCTSrContext


def raw_q(rewards: Sequence[float], value: str = "min_mean") -> float:
    """Value of a node from its own rewards, at least one, points (Eq. 2).

    Differs where asked: "mean".
    """
    mean = sum(rewards) / len(rewards)
    if value == "mean":
        return mean
    return (min(rewards) + mean) / 2


def q_of(node: Node) -> float:
    """A node's q, points; of one without rewards it is below all others."""
    return -math.inf if node["q"] is None else node["q"]


def backed_up_q(tree: Mapping[str, Node], node: Node, value: str = "min_mean") -> float | None:
    """Value of a node from its rewards and its children's q, points (Eq. 3)."""
    if not node["rewards"]:
        return None
    own = raw_q(node["rewards"], value)
    below = [q for child in live_children(tree, node) if (q := child["q"]) is not None]
    return (own + max(below)) / 2 if below else own


def suppress_full_score(reward: float, context: MCTSrContext) -> float:
    """Lower a reward that is too good to be believed (section 3.2), points."""
    threshold, penalty = context.full_score_threshold, context.full_score_penalty
    if context.full_score_rule == "replace_from":
        return threshold - penalty if reward >= threshold else reward
    return reward - penalty if reward > threshold else reward


def bonus(parent_visits: int, visits: int, context: MCTSrContext) -> float:
    """The exploration term of Eq. 4, points. `parent_visits` is 0 for a root."""
    if parent_visits == 0:
        return 0.0  # Differs: Eq. 4 says nothing of the root; the official code gives it 0
    if context.log_term == "ln(N+1)":
        log = math.log(parent_visits + 1)
    else:
        log = math.log(parent_visits) + 1
    return context.exploration_constant * math.sqrt(log / (visits + context.epsilon))
