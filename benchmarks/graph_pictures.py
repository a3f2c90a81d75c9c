"""Draw the graphs that `langgraph.json` serves, as docs/images/graphs.svg shows them.

    python -m benchmarks.graph_pictures [FILE]

A column is a graph, a row a node. An arrow to a node further on or back runs beside the column;
dashed ones are taken on a condition.
"""

from __future__ import annotations

import json
import sys
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "images" / "graphs.svg"
WIDTH, ROW, BOX = 230, 56, (120, 30)  # of a column; from node to node; of a box
ENDS = {"__start__": "start", "__end__": "end"}
STYLE = """
text { font: 13px sans-serif; text-anchor: middle; fill: #1a1a1a }
.name { font-weight: bold }
rect { fill: #f4f1fb; stroke: #6b53b5 } .end { fill: #fff; stroke: #888 }
path { fill: none; stroke: #555; marker-end: url(#head) } .maybe { stroke-dasharray: 5 3 }
"""


def main(file: Path = FILE) -> None:
    """Write the picture."""
    names = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]
    graphs = {name: import_module(f"graphs.{name}").graph.get_graph() for name in names}
    columns = [_column(name, graph, i) for i, (name, graph) in enumerate(graphs.items())]
    height = 60 + ROW * max(len(graph.nodes) for graph in graphs.values())
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" style="fill: #555; marker-end: none"/>'
        "</marker>"
    )
    size = f'width="{WIDTH * len(columns)}" height="{height}"'
    told = f"<title>The graphs {escape(', '.join(names))}</title>"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', told, f"<style>{STYLE}</style>"]
    back = '<rect width="100%" height="100%" style="fill: #fff; stroke: none"/>'
    parts += [f"<defs>{head}</defs>", back, *columns, "</svg>"]
    file.write_text("\n".join(parts) + "\n", "utf-8")


def _column(name: str, graph: Any, place: int) -> str:
    rows = {node: i for i, node in enumerate(_in_order(graph))}
    middle = WIDTH * place + WIDTH // 2
    parts = [f'<text class="name" x="{middle}" y="24">{escape(name)}</text>']
    beside = 0
    for edge in graph.edges:
        start, end = rows[edge.source], rows[edge.target]
        kind = ' class="maybe"' if edge.conditional else ""
        if end == start + 1:
            path = f"M{middle} {_y(start) + BOX[1]}V{_y(end)}"
        else:  # forth on the right, back on the left
            beside += 1
            side = 1 if end > start else -1
            near, far = middle + side * BOX[0] // 2, middle + side * (BOX[0] // 2 + 12 + 7 * beside)
            high, low = _y(start) + BOX[1] // 2 + 4, _y(end) + BOX[1] // 2 - 4
            path = f"M{near} {high}C{far} {high} {far} {high} {far} {(high + low) // 2}"
            path += f"S{far} {low} {near} {low}"
        parts.append(f'<path{kind} d="{path}"/>')
    for node, row in rows.items():
        kind = ' class="end"' if node in ENDS else ""
        box = f'x="{middle - BOX[0] // 2}" y="{_y(row)}" width="{BOX[0]}" height="{BOX[1]}" rx="6"'
        label = escape(ENDS.get(node, node))
        parts.append(f'<rect{kind} {box}/><text x="{middle}" y="{_y(row) + 20}">{label}</text>')
    return "\n".join(parts)


def _y(row: int) -> int:
    return 42 + ROW * row


def _in_order(graph: Any) -> list[str]:
    """Nodes as a run comes by them: depth first, a node after all that lead to it, the end last."""
    following: dict[str, list[str]] = {node: [] for node in graph.nodes}
    for edge in graph.edges:
        following[edge.source].append(edge.target)
    done: list[str] = []
    open_: set[str] = set()

    def visit(node: str) -> None:
        open_.add(node)
        for after in reversed(following[node]):
            if after not in open_:
                visit(after)
        done.append(node)

    visit("__start__")
    return sorted(done[::-1], key="__end__".__eq__)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
