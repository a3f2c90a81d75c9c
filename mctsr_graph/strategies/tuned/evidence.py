"""What a tree says of its answers, counted by class: answers with equal final answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

# Times that a text tells for each other text beside it: as often as a usual right answer is kept
# by refinements. More only show that the model copies
_REPEATS = 7


@dataclass(frozen=True)
class Evidence:
    """What a tree says of its classes, which `mctsr_graph.tree.classes` names."""

    votes: Mapping[str, int] = field(default_factory=dict)
    """Independent answers by class."""
    moves: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Refinements by the classes of the answer refined and of the new one. A merge counts as one of
    what most of its parents state; but not where it states what it was shown: it may have copied
    that."""
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
    """Collect what the answers in play say. Dummies and answers without a final one say nothing."""
    votes: Counter[str] = Counter()
    moves: Counter[tuple[str, str]] = Counter()
    for node in _telling(tree):
        own = class_of(node)
        if own is None:
            continue
        shown = _shown(tree, node)
        copied = "parents" in node and own in shown
        if not shown:
            votes[own] += 1
        # A class whose other answers were pruned is told of by what was copied from them
        elif not copied or not (own in votes or any(own in move for move in moves)):
            moves[max(shown, key=shown.count), own] += 1
    rewards: dict[str, list[tuple[float, int]]] = {}
    for node in distinct(in_play(tree), "duplicate_of"):
        own, count = class_of(node), len(node["rewards"])
        if own is not None and count and not node["dummy"]:
            rewards.setdefault(own, []).append((sum(node["rewards"]) / count, count))
    return Evidence(dict(votes), dict(moves), rewards)


def _telling(tree: Mapping[str, Node]) -> Iterator[Node]:
    """Yield the answers that tell something.

    A repeated text tells nothing more, but where other texts that were made from the same ones show
    that the model samples them: then it tells as much as they do.
    """
    answers = voters(tree)
    first = {node["id"] for node in distinct(in_play(tree), "duplicate_of")}
    made: dict[tuple[str, ...], Counter[str]] = {}
    if not first.issuperset(node["id"] for node in answers):
        for node in answers:
            made.setdefault(_made_from(tree, node), Counter())[node["answer"]] += 1
    again: Counter[tuple[str, ...]] = Counter()
    for node in answers:
        if node["id"] not in first:
            texts, text = _made_from(tree, node), node["answer"]
            again[text, *texts] += 1
            others = made[texts].total() - made[texts][text]
            if again[text, *texts] > _REPEATS * others:
                continue
        yield node


def _made_from(tree: Mapping[str, Node], node: Node) -> tuple[str, ...]:
    """The texts that a node was made from; none for a draft."""
    if node["parent"] is None:
        return ()
    return tuple(sorted(tree[one]["answer"] for one in node.get("parents", [node["parent"]])))


def _shown(tree: Mapping[str, Node], node: Node) -> list[str]:
    """The classes of the answers that a node was made from."""
    if node["parent"] is None:
        return []
    keys = [class_of(tree[one]) for one in node.get("parents", [node["parent"]])]
    return [key for key in keys if key is not None]
