"""The authors' published code where it differs from their paper, less its use of the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mctsr_graph.errors import ScoreError
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.text.reward_scale import WIDTH
from mctsr_graph.text.score import last_number_after_score
from mctsr_graph.text.thinking import strip_reasoning
from mctsr_graph.tree.steered import live_children
from mctsr_graph.tree.tree import Node, Patch, Tree
from mctsr_graph.tree.values import backed_up_value, own_value


class OfficialStrategy(PaperStrategy):
    """As github.com/trotsky1997/MathBlackBox searches: each difference is one method or flag."""

    name = "official"
    defaults: ClassVar = {
        **PaperStrategy.defaults,
        **{"max_rollouts": 16, "init": "both", "full_score_penalty": 0.225 * WIDTH},
    }
    refine_sees_answer = False
    merges_equal_answers = True
    keeps_any_score = True

    def uct(
        self, tree: Mapping[str, Node], node: Node, context: MCTSrContext, in_flight: int = 0
    ) -> float:
        """The UCT of the last update, which may be stale; leaves in flight do not change it."""
        return node["uct"] if "uct" in node else super().uct(tree, node, context, in_flight)

    def is_outdone(self, node: Node, children: Sequence[Node], context: MCTSrContext) -> bool:
        """Whether a child's own rewards alone are worth at least as much as the node's."""
        own = own_value(node["rewards"], context.value)
        judged = (child["rewards"] for child in children if child["rewards"])
        return any(own_value(rewards, context.value) >= own for rewards in judged)

    def backpropagate(self, tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
        """Update the values near `node_id`: only leaves and parents of leaves.

        A parent's value takes its children's own values, and a node whose children all have
        children keeps the q and the UCT it had. Only nodes near `node_id` have new inputs. Those
        without rewards have no value and lend none.
        """
        patch: Patch = {}
        for near_id in _near(tree, node_id):
            node = tree[near_id]
            children = live_children(tree, node)
            if children and all(child["children"] for child in children):
                continue  # stale
            if not node["rewards"]:
                continue
            judged = [child["rewards"] for child in children if child["rewards"]]
            below = [own_value(rewards, context.value) for rewards in judged]
            q = backed_up_value(own_value(node["rewards"], context.value), below)
            value = super().uct(tree, {**node, "q": q}, context)
            if q != node["q"] or value != node.get("uct"):
                patch[near_id] = {"q": q, "uct": value}
        return patch

    def read_score(self, reply: str) -> float:
        """The last number after the last "Score", whatever its size."""
        score = last_number_after_score(strip_reasoning(reply))
        if not math.isfinite(score):
            raise ScoreError("not_finite", f"{score} is not a number of points", reply)
        return score

    def suppressed(self, reward: float, context: MCTSrContext) -> float:
        """A reward from the threshold on becomes threshold less penalty."""
        threshold = context.full_score_threshold
        return threshold - context.full_score_penalty if reward >= threshold else reward


def _near(tree: Tree, node_id: str) -> dict[str, None]:
    parent = tree[node_id]["parent"]
    near = [node_id, *tree[node_id]["children"]]
    if parent is not None:
        grandparent = tree[parent]["parent"]
        near = [*near, parent, *tree[parent]["children"], *([grandparent] if grandparent else [])]
    return dict.fromkeys(near)
