"""When enough is known: the stops that look at the answers and not at the budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import Evidence, class_of, evidence_of
from mctsr_graph.tree.tree import Node, has_vote, roots


def why_enough(tree: Mapping[str, Node], left: int, context: MCTSrContext) -> str | None:
    """Return "agreed", "confident", "settled", or None to go on.

    Args:
        tree: The tree.
        left: Rollouts that the budgets still allow, at most.
        context: The settings `agree`, `confidence` and `settle`, and the prior.
    """
    if context.agree is not None and _agree(tree, context.agree):
        return "agreed"
    if context.confidence is None and not context.settle:
        return None
    evidence = evidence_of(tree)
    if context.confidence is not None:
        chances = believe(evidence, context.belief_prior).chances
        known = [chance for key, chance in chances.items() if key is not None]
        if max(known, default=0.0) >= context.confidence:
            return "confident"
    return "settled" if context.settle and _is_settled(evidence, left, context) else None


def _agree(tree: Mapping[str, Node], count: int) -> bool:
    """Whether the first `count` independent answers, and no fewer, state the same."""
    own = [root for root in roots(tree) if not tree[root]["dummy"] and has_vote(tree, tree[root])]
    drafts = [tree[root] for root in own[:count]]
    keys = {class_of(node["final_answer"]) for node in drafts}
    return len(drafts) == count and len(keys) == 1 and None not in keys


def _is_settled(evidence: Evidence, left: int, context: MCTSrContext) -> bool:
    """Whether the largest class would stay so if every rollout left stated the second largest."""
    sizes = Counter(evidence.votes)
    for (_, after), count in evidence.moves.items():
        sizes[after] += count
    most, second = ([*(count for _, count in sizes.most_common(2)), 0, 0])[:2]
    return context.choice == "majority" and most > second + left
