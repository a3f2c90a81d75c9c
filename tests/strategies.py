"""Strategies for tests."""

from __future__ import annotations

from collections.abc import Sequence

from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.tree.task import Task


class Drawing(PaperStrategy):
    """Refines nodes that the search's own generator draws."""

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """Any of the nodes, each as likely as the others."""
        return [
            Task("refine", node) for node in search.rng.choices(list(search.tree), k=search.width)
        ]
