"""Answers that are no answers of their own: one reply, or one text, once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mctsr_graph.tree.tree import Node


def as_copy(tree: Mapping[str, Node], node: Node, by_length: bool) -> Node:
    """The next node of `tree`, told to be a copy of an earlier one, if there is one like it.

    Like it is one of the same text in reply to the same request: a draft, a refinement of the
    same answer by the same critique, or a merge of the same answers. `by_length` is true where only
    the length of the text speaks for a copy.
    """
    if node["duplicate_of"] is None:
        return node
    for other in tree.values():
        if other["answer"] != node["answer"] or other["dummy"]:
            continue
        if _asked(other) == _asked(node):
            copy: Node = {**node, "repeats": other.get("repeats", other["id"])}
            return {**copy, "by_length": True} if by_length else copy
    return node


def _asked(node: Node) -> tuple[str | None, ...]:
    """What a node came of. Whoever merges is shown the answers in any order."""
    merged = sorted(node.get("parents", ()))
    return None if merged else node["parent"], node["critique"], *merged


def copies(nodes: Mapping[str, Node]) -> dict[str, str]:
    """The nodes that are copies, with the node whose reply each is once more.

    One that only its length tells to be a copy is none where another text answered its request: the
    model samples.
    """
    marked = {node_id: told for node_id, node in nodes.items() if (told := node.get("repeats"))}
    if not any("by_length" in nodes[node_id] for node_id in marked):
        return marked
    texts: dict[tuple[str | None, ...], set[str]] = {}
    for node in nodes.values():
        if not node["dummy"]:
            texts.setdefault(_asked(node), set()).add(node["answer"])
    return {
        node_id: told
        for node_id, told in marked.items()
        if "by_length" not in nodes[node_id] or len(texts[_asked(nodes[node_id])]) == 1
    }


def distinct(nodes: Mapping[str, Node], by: Literal["repeats", "duplicate_of"]) -> list[Node]:
    """The nodes without copies: of those that are one reply ("repeats"), or one text, the first."""
    if not [True for node in nodes.values() if node.get(by)]:  # as in most trees
        return list(nodes.values())
    told = copies(nodes) if by == "repeats" else {i: node[by] for i, node in nodes.items()}
    first: dict[str, Node] = {}
    for node_id, node in nodes.items():
        first.setdefault(told.get(node_id) or node_id, node)
    return list(first.values())
