"""Differs: backpropagation as in the authors' published code (profile "official")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mctsr_graph.strategies.values import bonus, raw_q
from mctsr_graph.tree.steered import live_children
from mctsr_graph.tree.tree import Patch, Tree

if TYPE_CHECKING:
    from mctsr_graph.settings.context import MCTSrContext


def one_level(tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
    """Update the values near `node_id`: only leaves and parents of leaves.

    A parent's value takes its children's raw q, and a node whose children all have children
    keeps the q and the UCT it had. Only nodes near `node_id` have new inputs. Those that nobody
    has judged yet, which selection "information" leaves so, have no value and lend none.
    """
    parent = tree[node_id]["parent"]
    near = [node_id, *tree[node_id]["children"]]
    if parent is not None:
        grandparent = tree[parent]["parent"]
        near = [*near, parent, *tree[parent]["children"], *([grandparent] if grandparent else [])]
    patch: Patch = {}
    for near_id in dict.fromkeys(near):
        node = tree[near_id]
        children = live_children(tree, node)
        if children and all(child["children"] for child in children):
            continue  # stale
        if not node["rewards"]:
            continue
        q = raw_q(node["rewards"], context.value)
        below = [raw_q(child["rewards"], context.value) for child in children if child["rewards"]]
        if below:
            q = (q + max(below)) / 2
        above = node["parent"]
        visits_above = len(tree[above]["rewards"]) if above is not None else 0
        value = q + bonus(visits_above, len(node["rewards"]), context)
        if q != node["q"] or value != node.get("uct"):
            patch[near_id] = {"q": q, "uct": value}
    return patch
