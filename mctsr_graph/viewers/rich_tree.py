"""A search tree in the colours of a terminal, in as few lines as there is room for."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree as Branch

from mctsr_graph.text.reward_scale import LOWEST
from mctsr_graph.tree.tree import Node, path_to_root, roots

from .text import label

_DEEPEST = 10  # levels beside each other where room is short; each takes four columns
_COLOURS = ("#d8643f", "#dfa257", "#d3b44c", "#7aad7c", "#16a09b")  # from the lowest q up


def rich_tree(tree: Mapping[str, Node], best: str | None, lines: int | None = None) -> Branch:
    """Draw `tree` for rich, coloured by q.

    Args:
        tree: Nodes by id.
        best: Id of the node to mark, or None.
        lines: Lines to spend at most; what has no room is counted. None: all it takes.
    """
    shown = set(tree) if lines is None else _worth_showing(tree, best, lines)
    scale = sorted(_q(node) for node in tree.values() if not node["dummy"])
    top = Branch(_left_out(len(tree) - len(shown)), hide_root=len(shown) == len(tree))
    waiting = [(top, node_id) for node_id in tree if _is_top(tree, node_id, shown)]
    for parent, node_id in waiting:  # grows while it is read
        branch = parent.add(_coloured(tree[node_id], node_id == best, scale))
        waiting += [(branch, child) for child in tree[node_id]["children"] if child in shown]
    return top


def _worth_showing(tree: Mapping[str, Node], best: str | None, lines: int) -> set[str]:
    """The best node, the newest, the roots, and then those of high q, with their ancestors."""
    room = max(1, lines - 1)  # the first line says what is left out
    by_q = sorted(tree, key=lambda node_id: -_q(tree[node_id]))
    newest = list(tree)[-1:]
    shown: set[str] = set()
    for wanted in [*([best] if best is not None else []), *newest, *roots(tree), *by_q]:
        if len(shown) >= room:
            break
        path = [node_id for node_id in path_to_root(tree, wanted) if node_id not in shown]
        # The nearest ancestors first: of a path that is too long the beginning is left out
        shown |= set(path[: min(room - len(shown), _DEEPEST)])
    return shown


def _is_top(tree: Mapping[str, Node], node_id: str, shown: set[str]) -> bool:
    return node_id in shown and tree[node_id]["parent"] not in shown


def _q(node: Node) -> float:
    """A q to compare by; a node that was never judged has the lowest."""
    return node["q"] if node["q"] is not None else float(LOWEST)


def _left_out(count: int) -> Text:
    return Text(f"… {count} more nodes" if count > 1 else "… 1 more node", style="dim")


def _coloured(node: Node, is_best: bool, scale: list[float]) -> Text:
    least, most = (scale[0], scale[-1]) if scale else (0.0, 0.0)
    share = (_q(node) - least) / (most - least) if most > least else 0.5
    place = round(max(0.0, min(1.0, share)) * (len(_COLOURS) - 1))
    line = Text(label(node, is_best), no_wrap=True, overflow="ellipsis")
    line.highlight_regex(r"q -?[0-9.]+", f"bold {_COLOURS[place]}")
    if is_best:
        line.stylize("bold")
    return line
