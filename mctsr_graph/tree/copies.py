"""Answers that are no answers of their own: one reply, or one text, once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mctsr_graph.tree.tree import Node


def as_copy(tree: Mapping[str, Node], node: Node) -> Node:
    """The next node of `tree`, told to be a copy of an earlier one, if there is one like it.

    Like it is one of the same text in reply to the same request: a draft, or a refinement of the
    same answer by the same critique.
    """
    if node["duplicate_of"] is None:
        return node
    for other in tree.values():
        if other["answer"] != node["answer"] or other["dummy"]:
            continue
        if other["parent"] == node["parent"] and other["critique"] == node["critique"]:
            return {**node, "repeats": other.get("repeats", other["id"])}
    return node


def distinct(nodes: Mapping[str, Node], by: Literal["repeats", "duplicate_of"]) -> list[Node]:
    """The nodes without copies: of those that are one reply ("repeats"), or one text, the first."""
    if not [True for node in nodes.values() if node.get(by)]:  # as in most trees
        return list(nodes.values())
    first: dict[str, Node] = {}
    for node_id, node in nodes.items():
        first.setdefault(node.get(by) or node_id, node)
    return list(first.values())
