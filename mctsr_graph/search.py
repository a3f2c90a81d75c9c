"""The mathematics of MCTSr (arXiv 2406.07394) as pure functions.

They read a tree and return a value or a patch for `tree.merge`; nothing is changed in place.
N(a), the visits of a node, is the number of its rewards: every visit samples one.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from heapq import heappush, heapreplace
from typing import TYPE_CHECKING

from .branches import in_play, live_children
from .one_level import one_level
from .tree import Node, Patch, Tree, path_to_root
from .values import backed_up_q, bonus, q_of, raw_q

if TYPE_CHECKING:
    from .config import MCTSrContext


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
    visits = len(node["rewards"]) + in_flight
    return q_of(node) + bonus(parent_visits, visits, context) - loss


def is_fully_expanded(tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> bool:
    """Whether a node needs no more children (section 3.4)."""
    children = live_children(tree, node)
    if len(children) < context.max_children:
        return False
    if context.expansion_rule == "child_q_above":
        return any(q_of(child) > q_of(node) for child in children)
    own = raw_q(node["rewards"], context.value)
    judged = (child["rewards"] for child in children if child["rewards"])
    return any(raw_q(rewards, context.value) >= own for rewards in judged)


def is_candidate(tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> bool:
    """Whether a node may be selected: below the depth limit and not fully expanded."""
    if context.max_depth is not None and node["depth"] >= context.max_depth:
        return False
    return not is_fully_expanded(tree, node, context)


def select(
    tree: Mapping[str, Node],
    context: MCTSrContext,
    in_flight: Mapping[str, int] | None = None,
) -> str | None:
    """Choose the node to refine next; None where no node is a candidate.

    `in_flight` counts the leaves already selected by node id. The earliest of equals wins.
    """
    highest = _highest(tree, context, in_flight or {}, 1)
    return highest[0] if highest else None


def select_wave(
    tree: Mapping[str, Node], context: MCTSrContext, rng: random.Random, width: int
) -> list[str]:
    """Choose `width` nodes to refine at once, the same one more than once if it is best."""
    in_flight: Counter[str] = Counter()
    wave: list[str] = []
    # A leaf in flight only lowers a node: the next ones are among those highest now, too
    highest = _highest(tree, context, in_flight, width)

    def value(node_id: str) -> float:
        return uct(tree, tree[node_id], context, in_flight[node_id])

    while highest and len(wave) < width:
        wave.append(max(highest, key=value))
        in_flight[wave[-1]] += 1
    return wave


def _highest(
    tree: Mapping[str, Node], context: MCTSrContext, in_flight: Mapping[str, int], count: int
) -> list[str]:
    """The `count` candidates with the highest UCT, the earliest of equals, in order of creation."""
    best: list[tuple[float, int, str]] = []  # a heap, the lowest and latest first
    most_visits = max([len(node["rewards"]) for node in tree.values()], default=0)
    ceiling = bonus(most_visits, 1, context)  # no node has a larger bonus
    lowest = -math.inf
    for order, (node_id, node) in enumerate(in_play(tree).items()):
        # Most nodes cannot win even so; passing them over keeps a large tree cheap
        if "uct" not in node and q_of(node) + ceiling <= lowest:
            continue
        value = uct(tree, node, context, in_flight.get(node_id, 0))
        if value > lowest and is_candidate(tree, node, context):
            push = heapreplace if len(best) == count else heappush
            push(best, (value, -order, node_id))
            lowest = best[0][0] if len(best) == count else -math.inf
    return [node_id for _, _, node_id in sorted(best, key=lambda one: -one[1])]


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
    """Make the next node of `tree`, not yet joined to it. `rewards` are points."""
    equal = [node_id for node_id, node in tree.items() if node["answer"] == answer]
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
        q=raw_q(rewards) if rewards else None,
        duplicate_of=equal[0] if equal else None,
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
        return one_level(tree, node_id, context)
    patch: Patch = {}
    current = dict(tree)
    for height, ancestor in enumerate(path_to_root(tree, node_id)):
        node = current[ancestor]
        q = backed_up_q(current, node, context.value)
        if q != node["q"]:
            patch[ancestor] = {"q": q}
            current[ancestor] = {**node, "q": q}
        elif height > 0:  # so nothing above it changes, however deep the tree
            break
    return patch
