"""The class of a node's final answer, kept in the tree: a stored search never changes its own.

A class goes by the final answer of its first node. Whoever adds a node adds what `classified`
says. A search of before classes were kept has none: there, answers are of one class that have one
`answer_key`, until an answer is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from mctsr_graph.text.final_answer import answer_key
from mctsr_graph.tree.tree import Node, Patch

_known_key = lru_cache(maxsize=65536)(answer_key)


def class_of(node: Node) -> str | None:
    """The name of a node's class; None where it states no final answer."""
    if "answer_class" in node:
        return node["answer_class"]
    final_answer = node["final_answer"]
    return None if final_answer is None else _known_key(final_answer)


def classes_in(tree: Mapping[str, Node]) -> dict[str, str | None]:
    """The class of each node, by id."""
    return {
        node_id: node["answer_class"] if "answer_class" in node else class_of(node)
        for node_id, node in tree.items()
    }


def classified(
    tree: Mapping[str, Node], node_id: str, equal: Callable[[str, str], bool] | None = None
) -> Patch:
    """The classes that change when a node is the newest of `tree`: its own, seldom others.

    Args:
        tree: The tree with the node.
        node_id: The node.
        equal: Says whether two final answers are equal; None: they are compared as in mathematics.
    """
    if equal is not None:
        return {node_id: {"answer_class": _first_equal(tree, node_id, equal)}}
    # Late: its patterns take a sixth of the time to import this package
    from mctsr_graph.text.equality.classes import classes_of, related

    answer = tree[node_id]["final_answer"]
    if answer is None:
        return {node_id: {"answer_class": None}}
    for other in tree.values():
        if other["final_answer"] == answer and other["id"] != node_id and "answer_class" in other:
            return {node_id: {"answer_class": other["answer_class"]}}
    kept = {
        other["final_answer"]: other.get("answer_class", "")
        for other in tree.values()
        if other["final_answer"] is not None and other["id"] != node_id
    }
    patch: Patch = {}
    if "" in kept.values():  # a search of before
        near = [*kept, answer]
        silent = (one["id"] for one in tree.values() if one["final_answer"] is None)
        patch = {one: {"answer_class": None} for one in silent}
    else:
        near = [*related(answer, kept), answer]
    names = classes_of(near)
    changed = {one for one, name in names.items() if kept.get(one) != name}
    for one in tree.values() if len(changed) > 1 else [tree[node_id]]:
        if one["final_answer"] in changed:
            patch[one["id"]] = {"answer_class": names[one["final_answer"]]}
    return patch


def _first_equal(
    tree: Mapping[str, Node], node_id: str, equal: Callable[[str, str], bool]
) -> str | None:
    """The first class whose own final answer is equal to a node's, or a new one of its name."""
    answer = tree[node_id]["final_answer"]
    if answer is None:
        return None
    others = (class_of(other) for other in tree.values() if other["id"] != node_id)
    known = dict.fromkeys(name for name in others if name is not None)
    same = (name for name in known if name == answer or equal(name, answer))
    return next(same, answer)
