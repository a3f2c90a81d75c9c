"""The mathematics of MCTSr (arXiv 2406.07394) as pure functions.

They read a tree and return a value or a patch for `tree.merge`; nothing is changed in place.
N(a), the visits of a node, is the number of its rewards: every visit samples one.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .branches import in_play, live_children, wished
from .tree import Node, Patch, Tree, path_to_root

if TYPE_CHECKING:
    from .config import MCTSrContext


def raw_q(rewards: list[float]) -> float:
    """Value of a node from its own rewards, points (Eq. 2)."""
    return (min(rewards) + sum(rewards) / len(rewards)) / 2


def backed_up_q(tree: Mapping[str, Node], node: Node) -> float:
    """Value of a node from its rewards and its children's q, points (Eq. 3)."""
    own = raw_q(node["rewards"])
    children = live_children(tree, node)
    return (own + max(child["q"] for child in children)) / 2 if children else own


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


def uct(tree: Mapping[str, Node], node: Node, context: MCTSrContext, in_flight: int = 0) -> float:
    """Upper confidence bound of a node, points (Eq. 4).

    Each leaf `in_flight` counts as a visit and costs `virtual_loss`, so that leaves selected
    at once spread out.
    """
    loss = context.virtual_loss * in_flight
    if "uct" in node:
        return node["uct"] - loss
    parent = node["parent"]
    parent_visits = len(tree[parent]["rewards"]) if parent is not None else 0
    return node["q"] + bonus(parent_visits, len(node["rewards"]) + in_flight, context) - loss


def is_fully_expanded(tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> bool:
    """Whether a node needs no more children (section 3.4)."""
    children = live_children(tree, node)
    if len(children) < context.max_children:
        return False
    if context.expansion_rule == "child_q_above":
        return any(child["q"] > node["q"] for child in children)
    own = raw_q(node["rewards"])
    return any(raw_q(child["rewards"]) >= own for child in children)


def is_candidate(tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> bool:
    """Whether a node may be selected: below the depth limit and not fully expanded."""
    if context.max_depth is not None and node["depth"] >= context.max_depth:
        return False
    return not is_fully_expanded(tree, node, context)


def select(
    tree: Mapping[str, Node],
    context: MCTSrContext,
    rng: random.Random,
    in_flight: Mapping[str, int] | None = None,
) -> str | None:
    """Choose the node to refine next; None where no node is a candidate.

    `in_flight` counts the leaves already selected by node id. The earliest of equals wins.
    """
    in_flight = in_flight or {}
    if context.selection == "importance":
        return _draw(tree, context, rng, in_flight)
    return _highest(tree, context, in_flight)


def select_wave(
    tree: Mapping[str, Node], context: MCTSrContext, rng: random.Random, width: int, first: int = 1
) -> list[str]:
    """Choose the nodes of rollouts `first` onwards: the wished one, else the best, even twice."""
    in_flight: Counter[str] = Counter()
    wave: list[str] = []
    for rollout in range(first, first + width):
        if (chosen := wished(tree, rollout) or select(tree, context, rng, in_flight)) is None:
            break
        in_flight[chosen] += 1
        wave.append(chosen)
    return wave


def _highest(
    tree: Mapping[str, Node], context: MCTSrContext, in_flight: Mapping[str, int]
) -> str | None:
    best, best_uct = None, -math.inf
    most_visits = max([len(node["rewards"]) for node in tree.values()], default=0)
    ceiling = bonus(most_visits, 1, context)  # no node has a larger bonus
    for node_id, node in in_play(tree).items():
        # Most nodes cannot win even so; passing them over keeps a large tree cheap
        if "uct" not in node and node["q"] + ceiling <= best_uct:
            continue
        value = uct(tree, node, context, in_flight.get(node_id, 0))
        if value > best_uct and is_candidate(tree, node, context):
            best, best_uct = node_id, value
    return best


def _draw(
    tree: Mapping[str, Node],
    context: MCTSrContext,
    rng: random.Random,
    in_flight: Mapping[str, int],
) -> str | None:
    values = {
        node_id: uct(tree, node, context, in_flight.get(node_id, 0))
        for node_id, node in in_play(tree).items()
        if is_candidate(tree, node, context)
    }
    if not values:
        return None
    highest = max(values.values())  # subtracted so that exp cannot overflow
    weights = [math.exp((v - highest) / context.importance_temperature) for v in values.values()]
    return rng.choices(list(values), weights)[0]


def new_node(
    tree: Mapping[str, Node],
    *,
    parent: str | None,
    answer: str,
    final_answer: str | None,
    rewards: list[float],
    critique: str | None = None,
    rollout: int = 0,
    dummy: bool = False,
    truncated: bool = False,
    suspicious: bool = False,
) -> Node:
    """Make the next node of `tree`, not yet joined to it. `rewards` are points, at least one."""
    equal = (node_id for node_id, node in tree.items() if node["answer"] == answer)
    return Node(
        id=str(len(tree)),
        parent=parent,
        children=[],
        depth=0 if parent is None else tree[parent]["depth"] + 1,
        rollout=rollout,
        dummy=dummy,
        answer=answer,
        final_answer=final_answer,
        critique=critique,
        rewards=rewards,
        q=raw_q(rewards),
        duplicate_of=next(equal, None),
        truncated=truncated,
        suspicious=suspicious,
    )


def add_child(tree: Mapping[str, Node], child: Node) -> Patch:
    """Join `child` to its parent (to nothing, if it is a root). Values are not yet updated."""
    patch: Patch = {child["id"]: child}
    if child["parent"] is not None:
        patch[child["parent"]] = {"children": [*tree[child["parent"]]["children"], child["id"]]}
    return patch


def add_rewards(tree: Mapping[str, Node], node_id: str, rewards: list[float]) -> Patch:
    """Add rewards, points, to a node. Values are not yet updated."""
    return {node_id: {"rewards": [*tree[node_id]["rewards"], *rewards]}} if rewards else {}


def backpropagate(tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
    """Update the values that depend on the rewards of `node_id` and of its parent.

    q is computed from rewards, never from an earlier q of the same node, so backpropagating
    twice changes nothing.
    """
    if context.backpropagation == "one_level":
        return _one_level(tree, node_id, context)
    patch: Patch = {}
    current = dict(tree)
    for ancestor in path_to_root(tree, node_id):
        node = current[ancestor]
        q = backed_up_q(current, node)
        if q != node["q"]:
            patch[ancestor] = {"q": q}
            current[ancestor] = {**node, "q": q}
    return patch


def _one_level(tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
    """Differs: as the official code, which updates only leaves and parents of leaves.

    A parent's value takes its children's raw q, and a node whose children all have children
    keeps the q and the UCT it had. Only nodes near `node_id` have new inputs.
    """
    parent = tree[node_id]["parent"]
    near = [node_id, *tree[node_id]["children"]]
    if parent is not None:
        grandparent = tree[parent]["parent"]
        near = [*near, parent, *tree[parent]["children"], *([grandparent] if grandparent else [])]
    patch: Patch = {}
    for near_id in dict.fromkeys(near):
        node = tree[near_id]
        children = live_children(tree, node)
        if children and all(child["children"] for child in children):
            continue  # stale
        q = raw_q(node["rewards"])
        if children:
            q = (q + max(raw_q(child["rewards"]) for child in children)) / 2
        above = node["parent"]
        visits_above = len(tree[above]["rewards"]) if above is not None else 0
        value = q + bonus(visits_above, len(node["rewards"]), context)
        if q != node["q"] or value != node.get("uct"):
            patch[near_id] = {"q": q, "uct": value}
    return patch
