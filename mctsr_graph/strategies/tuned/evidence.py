"""What a tree says of its answers, counted by class: answers with equal final answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node


@dataclass(frozen=True)
class Evidence:
    """What a tree says of its classes, which `mctsr_graph.tree.classes` names."""

    votes: Mapping[str, int] = field(default_factory=dict)
    """Independent answers by class."""
    moves: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Refinements by the classes of the answer refined and of the new one."""
    rewards: Mapping[str, Sequence[tuple[float, int]]] = field(default_factory=dict)
    """By class: mean and number of each judged answer's rewards, points."""

    @cached_property
    def classes(self) -> list[str]:
        """Every class that was seen, in order."""
        return list(dict.fromkeys([*self.votes, *(key for move in self.moves for key in move)]))


def voters(tree: Mapping[str, Node]) -> list[Node]:
    """The answers in play that have a vote: no dummy, and one of replies that are copies."""
    return [node for node in distinct(in_play(tree), "repeats") if not node["dummy"]]


def polled(tree: Mapping[str, Node]) -> Counter[str]:
    """How many independent answers state each class: a majority vote."""
    keys = (class_of(node) for node in voters(tree) if node["parent"] is None)
    return Counter(key for key in keys if key is not None)


def evidence_of(tree: Mapping[str, Node]) -> Evidence:
    """Collect what the answers in play say.

    Dummies and answers without a final one say nothing, and a repeated text no more than once. But
    equal drafts are votes of their own where another draft shows that the model samples them.
    """
    drafts = [node for node in voters(tree) if node["parent"] is None]
    sampled = len({node["answer"] for node in drafts}) > 1
    votes = Counter(key for node in drafts if sampled and (key := class_of(node)) is not None)
    moves: Counter[tuple[str, str]] = Counter()
    rewards: dict[str, list[tuple[float, int]]] = {}
    for node in distinct(in_play(tree), "duplicate_of"):
        own = class_of(node)
        if own is None or node["dummy"]:
            continue
        parent = node["parent"]
        before = class_of(tree[parent]) if parent is not None else None
        if before is not None:
            moves[before, own] += 1
        elif parent is not None or not sampled:
            votes[own] += 1
        if node["rewards"]:
            count = len(node["rewards"])
            rewards.setdefault(own, []).append((sum(node["rewards"]) / count, count))
    return Evidence(dict(votes), dict(moves), rewards)
