"""When enough is known: the stops that look at the answers and not at the budgets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from .belief import Evidence, class_of, evidence_of, log_chances_of
from .config import MCTSrContext
from .tree import Node, roots

_CLEAR = 0.5  # a leader less likely than this is not worth the check


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
    return why_enough(evidence, log_chances_of(evidence, context.belief_prior), left, context)


def why_enough(
    evidence: Evidence, logs: Mapping[str | None, float], left: int, context: MCTSrContext
) -> str | None:
    """Return "confident", "settled" or None, from evidence and what is believed of it."""
    highest = max(logs.values())
    total = sum(math.exp(log - highest) for log in logs.values())
    known = {key: log for key, log in logs.items() if key is not None}
    if not known:
        return None
    leader = max(known, key=lambda key: known[key])
    chance = math.exp(known[leader] - highest) / total
    if context.confidence is not None and chance >= context.confidence:
        return "confident"
    if context.settle and _is_settled(evidence, known, leader, chance, left, context):
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


def _is_settled(
    evidence: Evidence,
    known: Mapping[str, float],
    leader: str,
    chance: float,
    left: int,
    context: MCTSrContext,
) -> bool:
    """Whether the leader would still lead if every rollout left were a vote for the runner-up."""
    if context.select == "majority":
        sizes = Counter(evidence.votes)
        for (_, after), count in evidence.moves.items():
            sizes[after] += count
        most, second = ([*(count for _, count in sizes.most_common(2)), 0, 0])[:2]
        return most > second + left
    if context.select != "weighted" or chance < _CLEAR:
        return False
    others = [key for key in known if key != leader]
    for rival in [*sorted(others, key=lambda key: -known[key])[:1], "\0new"]:
        votes = {**evidence.votes, rival: evidence.votes.get(rival, 0) + left}
        logs = log_chances_of(replace(evidence, votes=votes), context.belief_prior)
        if logs[rival] >= logs[leader]:
            return False
    return True
