"""A search tree as indented text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mctsr_graph.text.figures import percent, points
from mctsr_graph.text.printable import one_line
from mctsr_graph.tree.tree import Node, roots

__all__ = ["classes_in_words", "label", "one_line", "points", "render_text"]


def render_text(tree: Mapping[str, Node], best: str | None = None) -> str:
    """Draw `tree`, one node a line: id, final answer, q, rewards; the best is marked *best*."""
    lines: list[str] = []
    for root in roots(tree):
        lines += _lines(tree, root, best)
    return "\n".join(lines)


def _lines(tree: Mapping[str, Node], root: str, best: str | None) -> Iterator[str]:
    waiting: list[tuple[str, str, str]] = [(root, "", "")]
    while waiting:  # a loop, since a chain of refinements may be deeper than Python's stack
        node_id, lead, indent = waiting.pop()
        node = tree[node_id]
        yield lead + label(node, node_id == best)
        children = node["children"]
        for child in reversed(children):
            last = child == children[-1]
            lead_of_child = indent + ("└─ " if last else "├─ ")
            waiting.append((child, lead_of_child, indent + ("   " if last else "│  ")))


def label(node: Node, best: bool) -> str:
    """One line about a node; what a narrow terminal cuts off is at its end."""
    rewards = ", ".join(points(reward).removesuffix(".0") for reward in node["rewards"])
    said = "no final answer" if node["final_answer"] is None else one_line(node["final_answer"])
    notes = "".join(
        [
            " (dummy)" if node["dummy"] else "",
            f" (merges {one_line(', '.join(node['parents']))})" if "parents" in node else "",
            " (pruned)" if node.get("pruned") else "",
            " (pinned)" if node.get("pinned") else "",
            " (cut off)" if node["truncated"] else "",
            " (suspicious)" if node["suspicious"] else "",
            f" (same text as {one_line(node['duplicate_of'])})" if node["duplicate_of"] else "",
        ]
    )
    judged = "not judged" if node["q"] is None else f"q {points(node['q'])}  [{rewards}]"
    mark = "  *best*" if best else ""
    return f"{one_line(node['id'])}  {said}{notes}{mark}  {judged}"


def classes_in_words(choice: Mapping[str, Any]) -> str:
    """The likeliest three final answers of a `Choice`, each with its votes and its chance."""
    votes = sum(one["votes"] for one in choice["classes"])
    told = []
    for one in choice["classes"][:3]:
        chance = percent(one["chance"])
        found = f"{one['votes']} of {votes} nodes"
        told.append(f"{one_line(one['final_answer'], 40)} ({found}, chance {chance})")
    return ", ".join(told) or "none that is stated as final"
