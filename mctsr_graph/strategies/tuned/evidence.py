"""What a tree says of its answers, counted by class: answers with equal final answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mctsr_graph.tree.classes import classes_in
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
        return list(dict.fromkeys([*self.votes, *[key for move in self.moves for key in move]]))


def voters(tree: Mapping[str, Node]) -> list[Node]:
    """The answers in play that have a vote: no dummy, and one of replies that are copies."""
    return _voters(in_play(tree))


def _voters(nodes: Mapping[str, Node]) -> list[Node]:
    return [node for node in distinct(nodes, "repeats") if not node["dummy"]]


def polled(tree: Mapping[str, Node]) -> Counter[str]:
    """How many independent answers state each class: a majority vote."""
    classes = classes_in(tree)
    keys = [classes[node["id"]] for node in voters(tree) if node["parent"] is None]
    return Counter([key for key in keys if key is not None])


def evidence_of(tree: Mapping[str, Node]) -> Evidence:
    """Collect what the answers in play say. Dummies and answers without a final one say nothing."""
    # Asked several times a rollout, of every node: so none costs a call of a function
    classes, nodes = classes_in(tree), in_play(tree)
    first = distinct(nodes, "duplicate_of")
    telling = _voters(nodes)
    if len(first) < len(nodes):
        telling = _telling(tree, telling, first)
    own = [classes[node["id"]] for node in telling]
    before = [
        _most_shown(node, classes) if "parents" in node else classes.get(node["parent"] or "")
        for node in telling
    ]
    copied = [
        "parents" in node and classes[node["id"]] in [classes[one] for one in node["parents"]]
        for node in telling
    ]
    votes: dict[str, int] = {}
    moves: dict[tuple[str, str], int] = {}
    known: set[str] = set()
    for (after, shown, is_copy), count in Counter(zip(own, before, copied, strict=True)).items():
        # A class whose other answers were pruned is told of by what was copied from them, once
        if after is None or (is_copy and after in known):
            continue
        if shown is None:
            votes[after] = count
        else:
            moves[shown, after] = moves.get((shown, after), 0) + (1 if is_copy else count)
            known.add(shown)
        known.add(after)
    rewards: dict[str, list[tuple[float, int]]] = {}
    for node in [one for one in first if one["rewards"]]:
        key, count = classes[node["id"]], len(node["rewards"])
        if key is not None and not node["dummy"]:
            rewards.setdefault(key, []).append((sum(node["rewards"]) / count, count))
    return Evidence(votes, moves, rewards)


def _most_shown(node: Node, classes: Mapping[str, str | None]) -> str | None:
    """The class that most parents of a merge state."""
    shown = [key for one in node["parents"] if (key := classes[one]) is not None]
    return max(shown, key=shown.count, default=None)


def _telling(tree: Mapping[str, Node], answers: list[Node], first: list[Node]) -> list[Node]:
    """Those of the answers that tell something, where texts are repeated.

    A text tells nothing more than the `first` answer that has it, but where it is known to be a
    sample of its own, or where other texts that were made from the same ones show that the model
    samples them: then it tells as much as they do.
    """
    new = {node["id"] for node in first}
    texts = {node_id: node["answer"] for node_id, node in tree.items()}
    made = [
        (
            tuple(sorted([texts[one] for one in node["parents"]]))
            if "parents" in node
            else texts.get(node["parent"] or ""),
            node["answer"],
        )
        for node in answers
    ]
    alike, beside = Counter(made), Counter([shown for shown, _ in made])
    again: defaultdict[Any, int] = defaultdict(int)
    telling = []
    for node, one in zip(answers, made, strict=True):
        if node["id"] not in new and "drawn" not in node:
            again[one] += 1
            if again[one] > _REPEATS * (beside[one[0]] - alike[one]):
                continue
        telling.append(node)
    return telling
