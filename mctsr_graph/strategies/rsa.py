"""Recursive self-aggregation (arXiv 2509.26626): populations of answers, merged into the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.choose import representative
from mctsr_graph.strategies.strategy import Search, Strategy
from mctsr_graph.strategies.tuned.evidence import voters
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node, best_node


@dataclass(frozen=True)
class RSAStrategy(Strategy):
    """Merges `merged` answers of one population, drawn anew each time, into each of the next.

    The first population are `drafts` independent answers, and every other one is as large. No
    answer is judged. The budgets say how many populations there are.
    """

    name = "rsa"
    defaults: ClassVar = {
        "max_rollouts": 4096,  # the calls limit it
        "max_calls": 35,  # five populations
        "drafts": 7,
        "choice": "majority",
    }
    kinds: ClassVar[Sequence[Kind]] = ("draft", "merge")
    merged: int = 3
    """Answers that a merge is shown, 2 or more (K in the paper)."""

    def __post_init__(self) -> None:
        """Refuse to merge one answer.

        Raises:
            ConfigError: `merged` is below 2.
        """
        if not isinstance(self.merged, int) or self.merged < 2:
            raise ConfigError(f"merged is {self.merged!r}, allowed a whole number from 2")

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """Fill the first population that is not full, from the one before it.

        A population are the answers of one depth that are in play, so that a person's answer takes
        part, and what was lost or pruned is made up for.
        """
        size = max(search.context.drafts, self.merged)
        populations: dict[int, list[str]] = {}
        for node_id, node in in_play(search.tree).items():
            if not node["dummy"]:
                populations.setdefault(node["depth"], []).append(node_id)
        depth = 0
        while len(populations.get(depth, [])) >= size:
            depth += 1
        wanted = min(size - len(populations.get(depth, [])), search.width)
        if depth == 0:
            return [Task("draft")] * wanted
        drawn = [search.rng.sample(populations[depth - 1], self.merged) for _ in range(wanted)]
        return [Task("merge", first, tuple(others)) for first, *others in drawn]

    def wants_reward(self, kind: Kind) -> bool:
        """No: what is merged is not chosen by rewards."""
        return False

    def why_stop(self, search: Search) -> str | None:
        """As usual, but never "settled": votes of earlier populations do not count."""
        context = search.context.model_copy(update={"settle": False})
        return super().why_stop(replace(search, context=context))

    def choose(self, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
        """The majority of the last population (of the newest answers, until it is full).

        Of equally large classes the one found first. Another rule is followed if `choice` says so.
        """
        if context.choice != "majority":
            return super().choose(tree, context)
        last = voters(tree)[-max(context.drafts, self.merged) :]
        votes = Counter(key for node in last if (key := class_of(node)) is not None)
        if not votes:
            return best_node(tree)
        [(most, _)] = votes.most_common(1)
        return representative(tree, [node["id"] for node in last if class_of(node) == most])

    def rule(self, context: MCTSrContext) -> str:
        """Its own name, unless `choice` says otherwise."""
        return self.name if context.choice == "majority" else context.choice
