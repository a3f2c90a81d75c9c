"""Answers that are no answers of their own: one reply, or one text, once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mctsr_graph.tree.tree import Node


def as_copy(tree: Mapping[str, Node], node: Node, by_length: bool) -> Node:
    """The next node of `tree`, told to be a copy of an earlier one, if there is one like it.

    Like it is one of the same text in reply to the same request: a draft, a refinement of the
    same answer by the same critique, or a merge of the same answers. Where only the length of the
    text speaks for a copy (`by_length`), another text in reply to that request shows that the model
    samples, and this is a sample, too.
    """
    if node["duplicate_of"] is None:
        return node
    asked = _asked(node)
    replies = [one for one in tree.values() if not one["dummy"] and _asked(one) == asked]
    alike = [one for one in replies if one["answer"] == node["answer"]]
    if not alike or (by_length and len(alike) < len(replies)):
        return node
    return {**node, "repeats": alike[0].get("repeats", alike[0]["id"])}


def _asked(node: Node) -> tuple[str | None, str | None, list[str]]:
    """What a node came of. Whoever merges is shown the answers in any order."""
    merged = sorted(node.get("parents", ()))
    return None if merged else node["parent"], node["critique"], merged


def distinct(nodes: Mapping[str, Node], by: Literal["repeats", "duplicate_of"]) -> list[Node]:
    """The nodes without copies: of those that are one reply ("repeats"), or one text, the first."""
    if not [True for node in nodes.values() if node.get(by)]:  # as in most trees
        return list(nodes.values())
    first: dict[str, Node] = {}
    for node_id, node in nodes.items():
        first.setdefault(node.get(by) or node_id, node)
    return list(first.values())
