"""What a tree says of its answers, counted by class: answers with equal final answers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from operator import is_not

from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

_OUT_OF_ORDER = ("parents", "pruned", "pinned")
"""By these a later node may change what an earlier one says."""
_SAID = (
    *("id", "parent", "dummy", "answer", "final_answer", "answer_class", "duplicate_of"),
    *("repeats", *_OUT_OF_ORDER),
)
"""What is counted of a node once. Its rewards may become more."""
_MOST_KEPT = 16


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
    if (counts := _counts(tree)) is not None:
        return Counter(counts.drafts)
    keys = (class_of(node) for node in voters(tree) if node["parent"] is None)
    return Counter(key for key in keys if key is not None)


def evidence_of(tree: Mapping[str, Node]) -> Evidence:
    """Collect what the answers in play say.

    Dummies and answers without a final one say nothing, and a repeated text no more than once. But
    equal drafts are votes of their own where another draft shows that the model samples them.
    """
    if (counts := _counts(tree)) is not None and counts.is_sampled:
        return counts.evidence()
    drafts = [node for node in voters(tree) if node["parent"] is None]
    sampled = len({node["answer"] for node in drafts}) > 1
    votes = Counter(key for node in drafts if sampled and (key := class_of(node)) is not None)
    moves: Counter[tuple[str, str]] = Counter()
    rewards: dict[str, list[tuple[float, int]]] = {}
    for node in distinct(in_play(tree), "duplicate_of"):
        own = class_of(node)
        if own is None or node["dummy"]:
            continue
        shown = _shown(tree, node)
        copied = "parents" in node and own in shown
        if not shown:
            if node["parent"] is not None or not sampled:
                votes[own] += 1
        # A class whose other answers were pruned is told of by what was copied from them
        elif not copied or not (own in votes or any(own in move for move in moves)):
            moves[max(shown, key=shown.count), own] += 1
        if node["rewards"]:
            count = len(node["rewards"])
            rewards.setdefault(own, []).append((sum(node["rewards"]) / count, count))
    return Evidence(dict(votes), dict(moves), rewards)


def _shown(tree: Mapping[str, Node], node: Node) -> list[str]:
    """The classes of the answers that a node was made from."""
    if node["parent"] is None:
        return []
    keys = [class_of(tree[one]) for one in node.get("parents", [node["parent"]])]
    return [key for key in keys if key is not None]


@dataclass
class _Counts:
    """What the nodes of a tree say, counted node by node, so that a new node costs no recount.

    Only of a tree without merges, and of which nobody has put a part out of play.
    """

    nodes: list[Node] = field(default_factory=list)
    replies: set[str] = field(default_factory=set)
    """Ids of the nodes whose reply is no other's once more."""
    texts: set[str] = field(default_factory=set)
    """Ids by which `duplicate_of` tells the texts."""
    firsts: set[int] = field(default_factory=set)
    """Places of the nodes whose text is no earlier one's."""
    first_draft: str | None = None
    is_sampled: bool = False
    """Whether two drafts differ."""
    drafts: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """Answers that came of one which states nothing."""
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    def with_nodes(self, tree: Mapping[str, Node], nodes: list[Node]) -> _Counts:
        """The same with what came after its own nodes."""
        own = vars(self)
        if len(nodes) > len(self.nodes):
            own = {name: copy(value) for name, value in own.items()}
        more = _Counts(**{**own, "nodes": nodes})
        for place, node_id in enumerate(list(tree)[len(self.nodes) :], len(self.nodes)):
            more._add(tree, place, node_id)
        return more

    def _add(self, tree: Mapping[str, Node], place: int, node_id: str) -> None:
        node, own = tree[node_id], class_of(tree[node_id])
        if (reply := node.get("repeats") or node_id) not in self.replies:
            self.replies.add(reply)
            if node["parent"] is None and not node["dummy"]:
                self.is_sampled |= self.first_draft not in (None, node["answer"])
                self.first_draft = node["answer"]
                if own is not None:
                    self.drafts[own] += 1
        if (text := node.get("duplicate_of") or node_id) not in self.texts:
            self.texts.add(text)
            self.firsts.add(place)
            if node["parent"] is not None and own is not None and not node["dummy"]:
                before = class_of(tree[node["parent"]])
                if before is None:
                    self.others[own] += 1
                else:
                    self.moves[before, own] += 1

    def evidence(self) -> Evidence:
        """What they say, where drafts differ."""
        votes = Counter(self.drafts)
        votes.update(self.others)
        rewards: dict[str, list[tuple[float, int]]] = {}
        judged = [(place, node) for place, node in enumerate(self.nodes) if node["rewards"]]
        for place, node in judged:
            own, count = class_of(node), len(node["rewards"])
            if own is not None and not node["dummy"] and place in self.firsts:
                rewards.setdefault(own, []).append((sum(node["rewards"]) / count, count))
        return Evidence(dict(votes), dict(self.moves), rewards)


_kept: OrderedDict[str, _Counts] = OrderedDict()
"""By the first text of a tree: of the searches under way, what was counted last."""


def _counts(tree: Mapping[str, Node]) -> _Counts | None:
    """The counts of a tree; None of one whose nodes cannot be counted one after another."""
    nodes = list(tree.values())
    if not nodes:
        return None
    known = _kept.pop(nodes[0]["answer"], _Counts())
    # Most nodes are the very objects that were counted, which is told without looking into them
    changed = compress(zip(known.nodes, nodes, strict=False), map(is_not, known.nodes, nodes))
    same = all(old.get(name) == new.get(name) for old, new in changed for name in _SAID)
    if len(known.nodes) > len(nodes) or not same:
        known = _Counts()
    if any(mark in node for node in nodes[len(known.nodes) :] for mark in _OUT_OF_ORDER):
        return None
    counts = known.with_nodes(tree, nodes)
    _kept[nodes[0]["answer"]] = counts
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return counts
