"""Trees as text."""

from __future__ import annotations

from typing import Any

from mctsr_graph.tree import Node, Tree
from mctsr_graph.viewers.text import render_text


def node(node_id: str, parent: str | None, children: list[str], **fields: Any) -> Node:
    known: dict[str, Any] = {
        "id": node_id,
        "parent": parent,
        "children": children,
        "depth": 0,
        "rollout": 0,
        "dummy": False,
        "answer": "",
        "final_answer": None,
        "critique": None,
        "rewards": [0.0],
        "q": 0.0,
        "duplicate_of": None,
        "truncated": False,
        "suspicious": False,
    }
    return Node(**{**known, **fields})  # type: ignore[typeddict-item]


def test_a_tree_is_drawn_with_its_values_and_its_best() -> None:
    tree: Tree = {
        "0": node("0", None, ["2", "3"], rewards=[10.0, 20.0], q=36.25),
        "1": node("1", None, [], dummy=True, rewards=[-100.0], q=-100.0),
        "2": node("2", "0", ["4"], final_answer="24", rewards=[40.0], q=60.0),
        "3": node("3", "0", [], final_answer="7", rewards=[-30.0], q=-30.0),
        "4": node("4", "2", [], final_answer="24", rewards=[80.5], q=80.5, duplicate_of="2"),
    }
    assert render_text(tree, "4") == "\n".join(
        [
            "0  q 36.2  [10, 20]  no final answer",
            "├─ 2  q 60.0  [40]  24",
            "│  └─ 4  q 80.5  [80.5]  24 (same text as 2)  *best*",
            "└─ 3  q -30.0  [-30]  7",
            "1  q -100.0  [-100]  no final answer (dummy)",
        ]
    )


def test_an_answer_cannot_break_the_drawing() -> None:
    hostile = "\x1b[2J\nline two\r" + "x" * 500
    [line] = render_text({"0": node("0", None, [], final_answer=hostile)}).split("\n")
    assert "\x1b" not in line
    assert len(line) < 100


def test_a_chain_may_be_deep() -> None:
    last = 3000
    tree = {
        str(n): node(str(n), str(n - 1) if n else None, [str(n + 1)] if n < last else [])
        for n in range(last + 1)
    }
    assert render_text(tree).count("\n") == last
