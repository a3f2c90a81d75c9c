"""When enough is known: the stops that look at the answers and not at the budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .belief import believe
from .config import MCTSrContext
from .evidence import Evidence, class_of, evidence_of
from .tree import Node, roots


def why_decided(tree: Mapping[str, Node], left: int, context: MCTSrContext) -> str | None:
    """The reason why no further rollout is worth its calls, or None.

    Args:
        tree: The tree.
        left: Rollouts that the budgets still allow, at most.
        context: The settings.
    """
    if context.agree is not None and _agree(tree, context.agree):
        return "agreed"
    if context.confidence is None and not context.settle:
        return None
    evidence = evidence_of(tree)
    return why_enough(evidence, believe(evidence, context.belief_prior).chances, left, context)


def why_enough(
    evidence: Evidence, chances: Mapping[str | None, float], left: int, context: MCTSrContext
) -> str | None:
    """Return "confident", "settled" or None, from evidence and what is believed of it."""
    known = [chance for key, chance in chances.items() if key is not None]
    if context.confidence is not None and max(known, default=0.0) >= context.confidence:
        return "confident"
    if context.settle and _is_settled(evidence, left, context):
        return "settled"
    return None


def _agree(tree: Mapping[str, Node], count: int) -> bool:
    """Whether the first `count` independent answers, and no fewer, state the same."""
    drafts = [tree[root] for root in roots(tree) if not tree[root]["dummy"]][:count]
    keys = {class_of(node["final_answer"]) for node in drafts}
    return len(drafts) == count and len(keys) == 1 and None not in keys


def _is_settled(evidence: Evidence, left: int, context: MCTSrContext) -> bool:
    """Whether the largest class would stay so if every rollout left stated the second largest."""
    sizes = Counter(evidence.votes)
    for (_, after), count in evidence.moves.items():
        sizes[after] += count
    most, second = ([*(count for _, count in sizes.most_common(2)), 0, 0])[:2]
    return context.select == "majority" and most > second + left
