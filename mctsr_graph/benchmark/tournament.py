"""Drafts that meet in pairs, each pair in both orders, until one is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mctsr_graph.calls.request import Reply
from mctsr_graph.calls.usage import Cost, sum_costs
from mctsr_graph.graph.rollout import failures
from mctsr_graph.text.equality.classes import classes_of
from mctsr_graph.text.reward_scale import scaled

from .budgets import MOST_PER_CALL, Budget, calls_at_most
from .drafts import Drafts, as_attempt
from .records import MethodRecord, Point
from .votes import first_with_text, majority, next_round

_CALLS = 3  # of a draft and its match
_ANY = 1 << 31  # request


async def tournament(drafts: Drafts, budgets: Sequence[Budget]) -> MethodRecord:
    """As many drafts as a budget allows together with their matches; the last one is returned.

    Neighbours meet, those with equal final answers without a call; of two that the judge cannot
    tell apart the first goes on (a knockout, as in arXiv 2411.19477).
    """
    most = max(1, MOST_PER_CALL * calls_at_most(budgets) // _CALLS)
    points = [await _point(drafts, budget, most) for budget in budgets]
    count = max((point["attempts"] for point in points), default=0)
    lost = failures(drafts.drafts[:count], "draft", 0)
    lost += failures(list(drafts.matches.values()), "evaluate", 0)
    nothing = all(point["selected"] is None for point in points)
    return MethodRecord(
        attempts=[drafts.attempt(i) for i in range(count)],
        points=points,
        stop_reason=None,
        failures=lost,
        error=f"{lost[-1]['role']}: {lost[-1]['message']}" if nothing and lost else None,
    )


async def _point(drafts: Drafts, budget: Budget, most: int) -> Point:
    """The largest knockout that keeps to a budget, or that of one draft."""
    count = min(most, max(1, (calls_at_most([budget]) + 2) // _CALLS))
    played = await _play(drafts, count)
    if budget.kind == "tokens" and (size := budget.size(played.cost)):
        count = min(most, max(1, count * budget.limit // size))
        played = await _play(drafts, count)
    while count > 1 and budget.size(played.cost) > budget.limit:
        count -= 1
        played = await _play(drafts, count)
    seen = [as_attempt(draft) for draft in drafts.drafts[:count]]
    return Point(
        rollouts=budget.rollouts,
        budget=budget.kind,
        against=budget.against,
        limit=budget.limit,
        attempts=count,
        capped=count == most and budget.size(played.cost) < budget.limit,
        rollouts_made=0,
        visits=[0] * count,
        selected=first_with_text(seen) if played.winner is None else played.winner,
        majority=majority(seen),
        weighted=None,
        cost=played.cost,
        seconds=played.seconds,
    )


class _Played(NamedTuple):
    winner: int | None
    cost: Cost
    seconds: float | None


async def _play(drafts: Drafts, count: int) -> _Played:
    """Who wins among so many drafts; a pair that has met before does not meet again."""
    await drafts.draw(count)
    drawn = drafts.drafts[:count]
    alive = [i for i, draft in enumerate(drawn) if draft.code is None]
    classes = _classes(drafts, alive)
    played: list[Reply] = []
    seconds = max(draft.seconds for draft in drawn)
    while len(alive) > 1:
        pairs = list(zip(alive[::2], alive[1::2], strict=False))
        meeting = [
            (one, two) for one, two in pairs if not classes[one] or classes[one] != classes[two]
        ]
        await drafts.compare(meeting)
        matches = [drafts.matches[pair] for pair in meeting]
        seconds += max((match.seconds for match in matches), default=0.0)
        played += matches
        lost = {pair for pair, match in zip(meeting, matches, strict=True) if _is_lost(match)}
        alive = next_round(alive, [pair not in lost for pair in pairs])
    recalled = drafts.is_recalled("draft", count)
    recalled |= bool(played) and drafts.is_recalled("evaluate", _ANY, "tournament")
    cost = sum_costs(reply.cost for reply in [*drawn, *played])
    return _Played(alive[0] if alive else None, cost, None if recalled else seconds)


def _classes(drafts: Drafts, alive: Sequence[int]) -> dict[int, str | None]:
    """Classes of final answers; None where there is none."""
    stated = {i: as_attempt(drafts.drafts[i])["final_answer"] for i in alive}
    classes = classes_of(final for final in stated.values() if final is not None)
    return {i: None if final is None else classes[final] for i, final in stated.items()}


def _is_lost(match: Reply) -> bool:
    """Whether the first of two has lost; a match that could not be had is a draw."""
    return match.code is None and match.value < scaled(0.5)
