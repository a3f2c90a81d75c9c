"""What an answer is worth by its rewards and by what lies below it (arXiv 2406.07394), points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mctsr_graph.tree.tree import path_to_root


def own_value(rewards: Sequence[float], value: str = "min_mean") -> float:
    """Q of an answer from its own rewards, at least one (Eq. 2): the mean of minimum and mean.

    Differs where asked: `value` "mean" is their mean alone.
    """
    mean = sum(rewards) / len(rewards)
    return mean if value == "mean" else (min(rewards) + mean) / 2


def backed_up_value(own: float, below: Sequence[float]) -> float:
    """Q' of an answer from its own value and its children's Q' (Eq. 3)."""
    return (own + max(below)) / 2 if below else own


def values_above(
    nodes: Mapping[str, Any],
    node_id: str,
    parent: str | None,
    q: float | None,
    value: str,
    before: Callable[[str], float | None],
) -> dict[str, float | None]:
    """The other q that change by Eq. 3, points by id, once a node is worth something else.

    Args:
        nodes: Of each node its parent, children and rewards, as they are now.
        node_id: The node that was made or judged.
        parent: The node that was judged with it.
        q: Value of `node_id` now.
        value: As `own_value` takes it.
        before: The q of any node before.
    """
    now: dict[str, float | None] = {node_id: q}

    def of(one: str) -> float | None:
        return now[one] if one in now else before(one)

    for start in dict.fromkeys((nodes[node_id]["parent"], parent)):
        for one in path_to_root(nodes, start) if start is not None else ():
            node = nodes[one]
            below = [known for child in node["children"] if (known := of(child)) is not None]
            own = own_value(node["rewards"], value) if node["rewards"] else None
            backed_up = None if own is None else backed_up_value(own, below)
            if backed_up != of(one):
                now[one] = backed_up
            elif one != parent:  # so nothing above it changes, however deep the tree
                break
    del now[node_id]
    return now
