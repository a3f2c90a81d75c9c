"""The class of a node's final answer, kept in the tree: a stored search does not change its classes.

A class goes by the final answer of its first node. Whoever adds a node adds what `classified`
says. A search of before classes were kept has none: there, answers are of one class that have one
`answer_key`, until an answer is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from mctsr_graph.text.equality.classes import classes_of, related
from mctsr_graph.text.final_answer import answer_key
from mctsr_graph.tree.tree import Node, Patch

_known_key = lru_cache(maxsize=65536)(answer_key)


def class_of(node: Node) -> str | None:
    """The name of a node's class; None where it states no final answer."""
    if "answer_class" in node:
        return node["answer_class"]
    final_answer = node["final_answer"]
    return None if final_answer is None else _known_key(final_answer)


def classified(tree: Mapping[str, Node], node_id: str) -> Patch:
    """The classes that change when a node is the newest of `tree`: its own, seldom others."""
    node = tree[node_id]
    if node["final_answer"] is None:
        return {node_id: {"answer_class": None}}
    others = [other for other in tree.values() if other["id"] != node_id]
    if all("answer_class" in other for other in others):
        same = [one for one in others if one["final_answer"] == node["final_answer"]]
        if same:
            return {node_id: {"answer_class": same[0].get("answer_class")}}
        stated = dict.fromkeys(one["final_answer"] for one in others if one["final_answer"])
        near = {*related(node["final_answer"], stated), node["final_answer"]}
        affected = [one for one in tree.values() if one["final_answer"] in near]
    else:
        affected = list(tree.values())
    names = classes_of(one["final_answer"] for one in affected if one["final_answer"] is not None)
    patch: Patch = {}
    for one in affected:
        name = None if one["final_answer"] is None else names[one["final_answer"]]
        if "answer_class" not in one or one["answer_class"] != name:
            patch[one["id"]] = {"answer_class": name}
    return patch
