"""When enough is known: the stops that look at the answers and not at the budgets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import evidence_of, polled, voters
from mctsr_graph.tree.classes import class_of, classes_in
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

_ENOUGH_COPIES = 4


def why_enough(tree: Mapping[str, Node], left: int, context: MCTSrContext) -> str | None:
    """Return "agreed", "decided", "confident", "settled", or None to go on.

    Args:
        tree: The tree.
        left: Rollouts that the budgets still allow, at most.
        context: The settings `agree`, `lead`, `confidence` and `settle`, and the prior.
    """
    if context.agree is not None and _agree(tree, context.agree):
        return "agreed"
    if context.confidence is None and context.lead is None and not context.settle:
        return None
    if context.lead is not None and _are_decided(tree, context.lead):
        return "decided"
    if context.confidence is not None:
        # A prior takes the place of `lead`, but one text again and again tells no more there either
        if context.prior is not None and _is_one_text(tree):
            return "decided"
        chances = believe(evidence_of(tree), context.belief_prior).chances
        known = [chance for key, chance in chances.items() if key is not None]
        if max(known, default=0.0) >= context.confidence:
            return "confident"
    return "settled" if context.settle and _is_settled(tree, left, context) else None


def _agree(tree: Mapping[str, Node], count: int) -> bool:
    """Whether the first `count` independent answers, and no fewer, state the same."""
    drafts = [node for node in voters(tree) if node["parent"] is None][:count]
    keys = {class_of(node) for node in drafts}
    return len(drafts) == count and len(keys) == 1 and None not in keys


def _are_decided(tree: Mapping[str, Node], least: float) -> bool:
    """Whether further independent answers would hardly change which class is ahead.

    Nor do they where all are one reply again and again, so that more of them tell nothing new.
    """
    votes = polled(tree)
    known = [node for node in in_play(tree).values() if not node["dummy"]]
    drafts = [node for node in known if node["parent"] is None]
    copied = votes.total() == 1 and all("repeats" in node for node in drafts[1:])
    return lead(votes) >= least or (copied and len(drafts) >= _ENOUGH_COPIES)


def _is_one_text(tree: Mapping[str, Node]) -> bool:
    """Whether all independent answers are one text, of some that state a final answer."""
    known = [node for node in in_play(tree).values() if not node["dummy"]]
    texts = [node["answer"] for node in known if node["parent"] is None]
    return len(texts) >= _ENOUGH_COPIES and len(set(texts)) == 1 and bool(polled(tree))


def lead(votes: Counter[str]) -> float:
    """Chance that the class ahead among independent answers stays ahead of the second.

    It is that of a Beta(first + 1, second + 1) variable to be above one half (adaptive
    consistency, arXiv 2305.11860).
    """
    sizes = [count for _, count in votes.most_common(2)]
    if not sizes:
        return 0.0
    first, total = sizes[0], sum(sizes) + 1
    return math.ldexp(sum(math.comb(total, k) for k in range(first + 1)), -total)


def _is_settled(tree: Mapping[str, Node], left: int, context: MCTSrContext) -> bool:
    """Whether the largest class would stay so if every rollout left stated the second largest."""
    classes = classes_in(tree)
    stated = [classes[node["id"]] for node in voters(tree)]
    sizes = Counter([key for key in stated if key is not None])
    most, second = ([*(count for _, count in sizes.most_common(2)), 0, 0])[:2]
    return context.choice == "majority" and most > second + left
