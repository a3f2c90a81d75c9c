"""Values of a node: from its own rewards, from those below it, and the bonus for few visits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mctsr_graph.tree.steered import live_children
from mctsr_graph.tree.tree import Node

if TYPE_CHECKING:
    from mctsr_graph.settings.context import MCTSrContext

NOISE = 30.0
"""Standard deviation of a reward that "lower_bound" and "thompson" reckon with, points: public
logs of self-evaluations show 12 to 45."""


def raw_q(rewards: Sequence[float], value: str = "min_mean") -> float:
    """Value of a node from its own rewards, at least one, points (Eq. 2).

    Differs where asked: "mean", or "lower_bound", the mean less one standard error.
    """
    mean = sum(rewards) / len(rewards)
    if value == "mean":
        return mean
    if value == "lower_bound":
        return mean - NOISE / math.sqrt(len(rewards))
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


def bonus(parent_visits: int, visits: int, context: MCTSrContext, scale: float = 1.0) -> float:
    """The exploration term of Eq. 4, points. `parent_visits` is 0 for a root."""
    if parent_visits == 0:
        return 0.0  # Differs: Eq. 4 says nothing of the root; the official code gives it 0
    if context.log_term == "ln(N+1)":
        log = math.log(parent_visits + 1)
    else:
        log = math.log(parent_visits) + 1
    return scale * context.exploration_constant * math.sqrt(log / (visits + context.epsilon))


def exploration_scale(tree: Mapping[str, Node], context: MCTSrContext) -> float:
    """What the exploration constant is multiplied by: 1, or the spread of the rewards.

    Differs where asked: the paper's constant of 1.4 points is small against rewards that
    scatter by 12 to 45 points; counted in their standard deviation, it is not.
    """
    if context.exploration_unit == "points":
        return 1.0
    import statistics  # here, since only this setting needs it, and it takes its time to load

    rewards = [reward for node in tree.values() for reward in node["rewards"]]
    return max(1.0, statistics.pstdev(rewards)) if rewards else 1.0
