"""The search tree as a plain JSON value: a dict of nodes by id, joined by ids."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NotRequired

from mctsr_graph.tree.comparisons import Comparing
from mctsr_graph.tree.steered import Steered, in_play


class Node(Steered, Comparing):
    """One attempted answer. It always has a text.

    It has at least one reward, unless its strategy judges an answer only where that tells enough.
    """

    id: str
    """Decimal number in order of creation: "0", "1", ..."""
    parent: str | None
    """Id of the node that was refined, or the first of those merged; None for a root."""
    parents: NotRequired[list[str]]
    """Ids of the nodes that were merged, `parent` first: it alone has the new one as a child, and
    its value from it, since Eq. 3 is of a tree. Nodes that merge nothing have none."""
    children: list[str]
    """Ids in order of creation."""
    depth: int
    """Refinements from the root: 0 for a root."""
    rollout: int
    """Number of the rollout that made the node, from 1; 0 for a root."""
    dummy: bool
    """True for the root that only says it does not know."""
    answer: str
    """The whole text of the attempted answer (a in the paper)."""
    final_answer: str | None
    """The short answer that the text states, or None where it states none."""
    critique: str | None
    """The critique that led to this answer (m in the paper); None for a root."""
    rewards: list[float]
    """Self-evaluations in order, points on the reward scale (R_a in the paper)."""
    q: float | None
    """Value after the search below it, points (Q' of Eq. 3); None before it has rewards."""
    duplicate_of: str | None
    """Id of the first node with the same text, or None."""
    truncated: bool
    """True where a limit of tokens cut the text off."""
    suspicious: bool
    """True where the text holds what could be meant for the judge; the judge did not see it."""
    answer_class: NotRequired[str | None]
    """The final answer of the first node whose final answer is equal: the name of its class
    (`mctsr_graph.tree.classes`). Searches of before this was kept have none."""
    repeats: NotRequired[str]
    """Id of the node whose reply this is once more, from a cache or a model that does not sample.
    It has no vote of its own."""
    by_length: NotRequired[bool]
    """True where only the length of the answer says that it repeats another: once another text has
    answered the same request, it has a vote."""
    drawn: NotRequired[bool]
    """True for a draft which the model tells to be a sample of its own, whatever others say."""
    uct: NotRequired[float]
    """UCT as last updated. Only with profile "official", where it may be stale."""


Tree = dict[str, Node]
"""Nodes by id, in order of creation."""

Patch = dict[str, Any]
"""Changes to a tree: id -> a whole new node, or the changed fields of an old one."""


def merge(tree: Mapping[str, Any] | None, patches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return `tree` with `patches` applied in order; nothing that is given changes.

    Values are absolute, so the same patch applied twice changes nothing more.
    """
    merged = dict(tree or {})
    for patch in patches:
        for node_id, fields in patch.items():
            merged[node_id] = {**merged[node_id], **fields} if node_id in merged else {**fields}
    return merged


def path_to_root(tree: Mapping[str, Node], node_id: str) -> Iterator[str]:
    """Yield `node_id`, its parent, and so on up to the root."""
    current: str | None = node_id
    while current is not None:
        yield current
        current = tree[current]["parent"]


def roots(tree: Mapping[str, Node]) -> list[str]:
    """Ids of the nodes without a parent."""
    return [node_id for node_id, node in tree.items() if node["parent"] is None]


def best_node(tree: Mapping[str, Node]) -> str | None:
    """Id of the answer to return: the highest q, the earliest of equals; None if empty.

    A node that states a final answer goes before one that does not, and a dummy is last.
    """
    best, highest = None, (False, False, -math.inf)
    for node_id, node in in_play(tree).items():
        q = -math.inf if node["q"] is None else node["q"]
        # Most nodes are no better in q alone; passing them over keeps a large tree cheap
        if q > highest[2] or not (highest[0] and highest[1]):
            merit = (node["final_answer"] is not None, not node["dummy"], q)
            if best is None or merit > highest:
                best, highest = node_id, merit
    return best


def q_of(node: Node) -> float:
    """A node's q, points; of one without rewards it is below all others."""
    return -math.inf if node["q"] is None else node["q"]


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
    """Make the next node of `tree`, not yet joined to it. `rewards` are points; q is not set."""
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
        q=None,
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
