"""A search tree as a Mermaid flowchart, which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Mapping

from mctsr_graph.tree.tree import Node, path_to_root

from .text import one_line, points

_PLAIN = frozenset(" .,+-=()/")


def render_mermaid(tree: Mapping[str, Node], best: str | None = None) -> str:
    """Draw `tree` as a flowchart: id, q and final answer; the path to the best is thick.

    Lines from the further answers that a node merges are dotted.
    """
    number = {node_id: place for place, node_id in enumerate(tree)}
    path = set(path_to_root(tree, best)) if best is not None else set()
    lines = ["flowchart LR"]
    lines += [f'    n{number[i]}["{_label(node)}"]' for i, node in tree.items()]
    for node_id, node in tree.items():
        for child in node["children"]:
            arrow = "==>" if child in path else "-->"
            lines.append(f"    n{number[node_id]} {arrow} n{number[child]}")
        others = [number[one] for one in node.get("parents", [])[1:] if one in number]
        lines += [f"    n{other} -.-> n{number[node_id]}" for other in others]
    if best is not None:
        lines.append(f"    style n{number[best]} stroke:#3d5bd9,stroke-width:4px")
    return "\n".join(lines) + "\n"


def _label(node: Node) -> str:
    said = "no final answer" if node["final_answer"] is None else node["final_answer"]
    return f"{_inert(node['id'])}: {_inert(said)}<br/>q {points(node['q'])}"


def _inert(text: str) -> str:
    """Text in which Mermaid finds neither markup, a link nor the end of a label."""
    shown = one_line(text, 40)
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in shown)
