"""When enough is known: the stops that look at the answers and not at the budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from .belief import Belief, Evidence, believe, class_of, evidence_of
from .config import MCTSrContext
from .tree import Node, roots


def why_decided(
    tree: Mapping[str, Node], rollouts: int, left: int, context: MCTSrContext
) -> str | None:
    """The reason why no further rollout is worth its calls, or None.

    Args:
        tree: The tree.
        rollouts: Rollouts finished.
        left: Rollouts that the budgets still allow, at most.
        context: The settings.
    """
    if context.agree is not None and _agree(tree, context.agree):
        return "agreed"
    if context.class_patience is not None:
        newest = _newest_class(tree)
        if rollouts - newest >= context.class_patience:
            return "no_new_answer"
    if context.confidence is None and not context.settle:
        return None
    evidence = evidence_of(tree)
    belief = believe(evidence, context.belief_prior)
    chances = sorted((p for key, p in belief.chances.items() if key is not None), reverse=True)
    if context.confidence is not None and chances and chances[0] >= context.confidence:
        return "confident"
    if context.settle and _is_settled(evidence, belief, left, context):
        return "settled"
    return None


def _agree(tree: Mapping[str, Node], count: int) -> bool:
    """Whether the first `count` independent answers, and no fewer, state the same."""
    drafts = [tree[root] for root in roots(tree) if not tree[root]["dummy"]][:count]
    keys = {class_of(node["final_answer"]) for node in drafts}
    return len(drafts) == count and len(keys) == 1 and None not in keys


def _newest_class(tree: Mapping[str, Node]) -> int:
    """Number of the rollout that found the newest class."""
    first: dict[str, int] = {}
    for node in tree.values():
        key = class_of(node["final_answer"])
        if key is not None:
            first.setdefault(key, node["rollout"])
    return max(first.values(), default=0)


def _is_settled(evidence: Evidence, belief: Belief, left: int, context: MCTSrContext) -> bool:
    """Whether the leader would still lead if every rollout left were a vote for the runner-up."""
    if context.select == "majority":
        sizes = Counter(evidence.votes)
        for (_, after), count in evidence.moves.items():
            sizes[after] += count
        (_, most), *others = [*sizes.most_common(2), (None, 0)]
        return most > (others[0][1] if others else 0) + left
    if context.select != "weighted":
        return False
    ranked = sorted(
        (key for key in belief.chances if key is not None), key=lambda key: -belief.chances[key]
    )
    if not ranked:
        return False
    rivals = [*ranked[1:2], "\0new"]
    for rival in rivals:
        votes = Counter(evidence.votes)
        votes[rival] += left
        chances = believe(replace(evidence, votes=votes), context.belief_prior).chances
        if chances[rival] >= chances[ranked[0]]:
            return False
    return True
