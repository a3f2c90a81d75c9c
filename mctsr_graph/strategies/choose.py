"""Which answer a search returns, and why: the rules by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NotRequired

from typing_extensions import TypedDict

from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import evidence_of, voters
from mctsr_graph.strategies.tuned.refining import RefiningBelief, refining_of
from mctsr_graph.tree.classes import class_of, classes_in
from mctsr_graph.tree.preference import preferred, states_none
from mctsr_graph.tree.record import Recorded, moments
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node, best_node

if TYPE_CHECKING:
    from mctsr_graph.settings.context import MCTSrContext

_LARGE = 256  # nodes from which on a tree is weighed for the choice alone
_FOUND = 0.2  # chance below which no answer is likely
Rule = Callable[[Mapping[str, Node], "MCTSrContext"], str | None]


class AnswerClass(TypedDict):
    """Answers whose final answers are equal; where none states one, those equal to the judge."""

    final_answer: str | None
    """As the first of them states it; None where they state none."""
    nodes: list[str]
    """Ids of the answers, in order."""
    votes: int
    """How many they are, without those whose reply is another's once more."""
    reward: float | None
    """Mean of their mean rewards, points; None where none was judged."""
    chance: float
    """Probability to be the right class, as `belief` weighs votes, refinements and rewards; where
    no final answer is stated, that the judge prefers it to all others (`tree.preference`)."""


class Choice(TypedDict):
    """Which answer was chosen, and why."""

    rule: str
    """The setting `choice`, or the name of a strategy that chooses in its own way."""
    node: str | None
    """Id of the node that is returned."""
    final_answer: str | None
    """The short answer that it states; None if it states none."""
    confidence: float | None
    """Chance of the chosen class. None if the node states no final answer while others do, or if
    nothing was told apart: no answer was judged, or all are equal to the judge."""
    means: NotRequired[Literal["preferred"]]
    """There where no answer states a final one: the chances are to be what the judge prefers. Else
    they are to be right."""
    margin: float | None
    """Chance of the chosen class less the highest of the others, which may be higher."""
    classes: list[AnswerClass]
    """All classes, the likeliest first."""
    refining: RefiningBelief
    """Whether refining is believed to pay on this problem."""


def classes_of(tree: Mapping[str, Node], context: MCTSrContext) -> list[AnswerClass]:
    """The classes of a tree's answers, the likeliest first. Dummies belong to none."""
    if states_none(tree):
        return _preferred(tree)
    chances = believe(evidence_of(tree), context.belief_prior).chances
    having_votes = {node["id"] for node in voters(tree)}
    found = [
        AnswerClass(
            final_answer=nodes[0]["final_answer"] or "",
            nodes=[node["id"] for node in nodes],
            votes=sum(node["id"] in having_votes for node in nodes),
            reward=_mean([_mean(node["rewards"]) for node in nodes if node["rewards"]]),
            chance=chances[key],
        )
        for key, nodes in _groups(tree).items()
    ]
    return sorted(found, key=lambda one: -one["chance"])


def _preferred(tree: Mapping[str, Node]) -> list[AnswerClass]:
    """The classes of answers that state no final one, as the judge tells them apart."""
    if len(tree) > _LARGE:
        return []
    return [
        AnswerClass(
            final_answer=None,
            nodes=one.nodes,
            votes=len(one.nodes),
            reward=_mean([_mean(tree[node_id]["rewards"]) for node_id in one.nodes]),
            chance=one.chance,
        )
        for one in preferred(tree)
    ]


def _groups(tree: Mapping[str, Node]) -> dict[str, list[Node]]:
    """The answers in play by class, in the order of finding."""
    groups: dict[str, list[Node]] = {}
    classes = classes_in(tree)
    for node_id, node in in_play(tree).items():
        if (key := classes[node_id]) is not None and not node["dummy"]:
            groups.setdefault(key, []).append(node)
    return groups


def max_q(tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
    """The paper's choice: the highest q."""
    return best_node(tree)


def majority(tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
    """An answer of the largest class; of equally large ones, of the likeliest."""
    if states_none(tree):
        return _judged_best(tree)
    classes = classes_of(tree, context)
    return representative(tree, max(classes, key=lambda one: one["votes"])["nodes"])


def weighted(tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
    """An answer of the class that is likeliest by votes, refinements and rewards.

    Where none has a chance of 0.2, one of the largest class that is a tenth as likely. A judge that
    is against all it saw makes an answer that it did not see the likeliest, which says little.
    """
    # No more than it needs of `classes_of`, which also weighs every reward: it is asked each time
    groups = _groups(tree)
    if not groups:
        return _judged_best(tree)
    chances = believe(evidence_of(tree), context.belief_prior).chances
    likeliest = max(groups, key=lambda key: chances[key])
    if chances[likeliest] < _FOUND:
        classes = classes_in(tree)
        votes = Counter(classes[node["id"]] for node in voters(tree))
        near = [key for key in groups if chances[key] >= chances[likeliest] / 10]
        likeliest = max(near, key=lambda key: (votes[key], chances[key]))
    return representative(tree, [node["id"] for node in groups[likeliest]])


def _judged_best(tree: Mapping[str, Node]) -> str | None:
    """What the judge most likely prefers, where no answer states a final one."""
    classes = _preferred(tree)
    return representative(tree, classes[0]["nodes"]) if classes else best_node(tree)


CHOICES: dict[str, Rule] = {
    "max_q": max_q,
    "majority": majority,
    "weighted": weighted,
}
"""The rules that the setting `choice` can name."""


def representative(tree: Mapping[str, Node], nodes: Sequence[str]) -> str:
    """Id of the answer to show for a class: whole, unsuspicious, then the highest reward."""
    merits = []
    for node in [tree[node_id] for node_id in nodes]:
        own = node["rewards"]
        mean = sum(own) / len(own) if own else -math.inf
        merits.append((not node["truncated"], not node["suspicious"], mean))
    return nodes[merits.index(max(merits))]


def explain(tree: Mapping[str, Node], context: MCTSrContext, rule: str, node: str | None) -> Choice:
    """Say why `node` was chosen."""
    classes = classes_of(tree, context)
    own = next((one for one in classes if node in one["nodes"]), None)
    others = [one["chance"] for one in classes if one is not own]
    is_free = states_none(tree)
    # Where the judge tells nothing apart, a chance of 1 would say nothing
    chance = own["chance"] if own is not None and (others or not is_free) else None
    told = Choice(
        rule=rule,
        node=node,
        final_answer=tree[node]["final_answer"] if node is not None else None,
        confidence=chance,
        margin=chance - max(others, default=0.0) if chance is not None else None,
        classes=classes,
        refining=_refining(tree, context),
    )
    if is_free:
        told["means"] = "preferred"
    return told


def chance_of(tree: Mapping[str, Node], context: MCTSrContext, node: str | None) -> float | None:
    """Chance of a node's class to be right, to 4 decimals.

    None where it states no final answer; and of a large tree, where its choice weighs nothing.
    """
    key = class_of(tree[node]) if node is not None else None
    if key is None or (len(tree) > _LARGE and context.choice != "weighted"):
        return None
    chance = believe(evidence_of(tree), context.belief_prior).chances.get(key)
    return None if chance is None else round(chance, 4)


def chance_at_hand(
    tree: Mapping[str, Node], context: MCTSrContext, node: str | None
) -> float | None:
    """As `chance_of`, where the choice has weighed the tree anyway; else None."""
    return chance_of(tree, context, node) if context.choice == "weighted" else None


def with_chances(
    tree: Mapping[str, Node], record: Sequence[Recorded], context: MCTSrContext
) -> list[Recorded]:
    """The record of a search with the chance of each leader, weighed now where it was not then."""
    return [
        row
        if row["chance"] is not None
        else {**row, "chance": chance_of(then, context, row["leader"])}
        for row, then in moments(tree, record)
    ]


def _refining(tree: Mapping[str, Node], context: MCTSrContext) -> RefiningBelief:
    evidence = evidence_of(tree)
    posterior = believe(evidence, context.belief_prior).posterior
    return refining_of(posterior, sum(evidence.moves.values()))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
