"""The paper's strategy: refine the answer with the highest UCT, return that with the highest q."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heappush, heapreplace
from typing import Any, ClassVar

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Search, Strategy
from mctsr_graph.strategies.uct import bonus, uct
from mctsr_graph.tree.steered import in_play, live_children
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node, q_of


class PaperStrategy(Strategy):
    """arXiv 2406.07394: greedy selection by UCT (3.5) among the nodes not fully expanded."""

    name = "paper"
    defaults: ClassVar[Mapping[str, Any]] = {
        # The authors' code has it; their paper gives none
        **{f"{role}_temperature": 0.95 for role in ("draft", "critique", "refine", "evaluate")},
    }
    kinds: ClassVar[Sequence[Kind]] = ("refine",)

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """Refine the nodes with the highest UCT, the same one more than once if it is best.

        Differs for several at once, which the paper has not: a leaf in flight counts as a visit and
        costs its node `virtual_loss` points, so that leaves selected at once spread out.
        """
        tree, context = search.tree, search.context
        # A leaf in flight only lowers a node: the next ones are among those highest now, too
        highest = self._highest(tree, context, search.width)
        values = {node_id: self.uct(tree, tree[node_id], context) for node_id in highest}
        in_flight: Counter[str] = Counter()
        tasks: list[Task] = []
        while values and len(tasks) < search.width:
            chosen = max(values, key=values.__getitem__)
            tasks.append(Task("refine", chosen))
            in_flight[chosen] += 1
            count = in_flight[chosen]
            loss = context.virtual_loss * count
            values[chosen] = self.uct(tree, tree[chosen], context, count) - loss
        return tasks

    def uct(
        self, tree: Mapping[str, Node], node: Node, context: MCTSrContext, in_flight: int = 0
    ) -> float:
        """UCT of a node (Eq. 4), points. A visit is a reward, or one of the leaves `in_flight`."""
        parent = node["parent"]
        return uct(
            q_of(node),
            len(node["rewards"]) + in_flight,
            len(tree[parent]["rewards"]) if parent is not None else 0,
            context.exploration_constant,
            epsilon=context.epsilon,
            log_term=context.log_term,
        )

    def is_candidate(self, tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> bool:
        """Whether a node may be selected: below the depth limit and not fully expanded."""
        if context.max_depth is not None and node["depth"] >= context.max_depth:
            return False
        children = live_children(tree, node)
        return len(children) < context.max_children or not self.is_outdone(node, children, context)

    def is_outdone(self, node: Node, children: Sequence[Node], context: MCTSrContext) -> bool:
        """Whether a node with enough children is fully expanded: a child is better (3.4)."""
        own = q_of(node)
        return any(q_of(child) > own for child in children)

    def _highest(self, tree: Mapping[str, Node], context: MCTSrContext, count: int) -> list[str]:
        """The `count` candidates with the highest UCT, the earliest of equals first."""
        best: list[tuple[float, int, str]] = []  # a heap, the lowest and latest first
        most_visits = max(map(len, [node["rewards"] for node in tree.values()]), default=0)
        # No node has a larger bonus. Most nodes cannot win even with it; passing them over keeps
        # a large tree cheap
        c, epsilon, log_term = context.exploration_constant, context.epsilon, context.log_term
        ceiling = bonus(1, most_visits, c, epsilon, log_term)
        lowest = -math.inf
        for order, (node_id, node) in enumerate(in_play(tree).items()):
            q = node["q"]  # a UCT that profile "official" has kept may be above it by more
            if "uct" not in node and (q is None or q + ceiling <= lowest):
                continue
            value = self.uct(tree, node, context)
            if value > lowest and self.is_candidate(tree, node, context):
                push = heapreplace if len(best) == count else heappush
                push(best, (value, -order, node_id))
                lowest = best[0][0] if len(best) == count else -math.inf
        return [node_id for _, _, node_id in sorted(best, key=lambda one: -one[1])]
