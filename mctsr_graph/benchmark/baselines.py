"""The methods without a search, at the cost of a search: equal calls, and equal tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Cost, no_cost, sum_costs
from mctsr_graph.graph.rollout import failures

from .budgets import MOST_PER_CALL, Budget, budgets_of, calls_at_most
from .confidence import kind_of
from .drafts import Asked, Drafts, as_attempt
from .plan import Plan
from .records import BY_TOKENS, Attempt, MethodRecord, Point
from .tournament import tournament
from .votes import (
    best_by_reward,
    borda_weights,
    by_weights,
    first_with_text,
    is_decided,
    majority,
    softmax_weights,
    weighted,
)

_DECIDED = 0.95  # chance that the class ahead stays ahead, as in adaptive consistency


@dataclass(frozen=True)
class _Rule:
    """A method that draws independent answers and chooses one of them."""

    choose: Callable[[Sequence[Attempt]], int | None]
    asks: Asked | None = None
    """What it asks about each draft."""
    tokens: str | None = None
    """What it reads off the tokens of each draft."""
    ends: Callable[[Sequence[Attempt]], bool] | None = None
    """Whether so many are enough, where it draws one after the other."""


def _by_confidence(
    weigh: Callable[[Sequence[float]], Sequence[float]],
) -> Callable[[Sequence[Attempt]], int | None]:
    """A vote with weights that are told by confidences; of what has none, no weight."""

    def choose(seen: Sequence[Attempt]) -> int | None:
        told = [(i, c) for i, one in enumerate(seen) if (c := one.get("confidence")) is not None]
        weights = [0.0] * len(seen)
        for (index, _), weight in zip(told, weigh([c for _, c in told]), strict=True):
            weights[index] = weight
        return by_weights(seen, weights)

    return choose


_RULES = {
    "self-consistency": _Rule(majority),
    "best-of-n": _Rule(best_by_reward, asks="reward"),
    "adaptive-consistency": _Rule(majority, ends=lambda seen: is_decided(seen, _DECIDED)),
    "cisc": _Rule(_by_confidence(softmax_weights), asks="confidence"),
    "self-certainty": _Rule(_by_confidence(borda_weights), tokens="mean"),
    "deepconf": _Rule(_by_confidence(lambda told: told), tokens="lowest"),
}


async def run_baselines(
    plan: Plan, drafts: Drafts, searches: Mapping[str, MethodRecord]
) -> dict[str, MethodRecord]:
    """Run the plan's methods without a search; `searches` are those whose cost they get.

    Raises:
        Unfinished: the model's server failed.
        Exception: what the model raised for a wrong setting, key or name.
    """
    budgets = budgets_of(plan, searches)
    drafts.tells_tokens = bool({*BY_TOKENS} & {*plan.methods})
    found: dict[str, MethodRecord] = {}
    for name in plan.methods:
        if name == "cot":
            found[name] = await _cot(drafts)
        elif name == "self-refine":
            found[name] = await _self_refine(drafts)
        elif name == "tournament":
            found[name] = await tournament(drafts, budgets)
        elif name in _RULES:
            found[name] = await _sampled(drafts, budgets, _RULES[name])
    return found


async def _cot(drafts: Drafts) -> MethodRecord:
    await drafts.draw(1)
    attempt = drafts.attempt(0)
    seconds = None if drafts.is_recalled("draft", 1) else drafts.drafts[0].seconds
    selected = first_with_text([attempt])
    return _fixed([attempt], selected, seconds, failures(drafts.drafts[:1], "draft", 0))


async def _self_refine(drafts: Drafts) -> MethodRecord:
    await drafts.refine()
    replies = [drafts.drafts[0], *drafts.refinement]
    attempts = [drafts.attempt(0)]
    if len(replies) == 3:
        refined = as_attempt(replies[2])
        refined |= {"parent": 0, "critique": replies[1].value, "rollout": 1}
        refined["cost"] = sum_costs([replies[1].cost, replies[2].cost])
        attempts.append(refined)
    lost = [
        failure
        for reply, role in zip(replies, ("draft", "critique", "refine"), strict=False)
        for failure in failures([reply], role, 0 if role == "draft" else 1)  # type: ignore[arg-type]
    ]
    known = not any(drafts.is_recalled(role, 1) for role in ("draft", "critique", "refine"))
    seconds = sum(reply.seconds for reply in replies) if known else None
    # A refinement that could not be had leaves the draft
    selected = next((i for i in range(len(attempts))[::-1] if attempts[i]["text"]), None)
    record = _fixed(attempts, selected, seconds, lost)
    record["points"][0]["cost"] = sum_costs(reply.cost for reply in replies)
    return record


def _fixed(
    attempts: list[Attempt], selected: int | None, seconds: float | None, lost: list[Failure]
) -> MethodRecord:
    """A method whose cost is what it is."""
    point = Point(
        rollouts=0,
        budget="own",
        against=None,
        limit=None,
        attempts=len(attempts),
        capped=False,
        rollouts_made=0,
        visits=[0] * len(attempts),
        selected=selected,
        majority=majority(attempts),
        weighted=None,
        cost=sum_costs(attempt["cost"] for attempt in attempts),
        seconds=seconds,
    )
    return _record(attempts, [point], lost)


async def _sampled(drafts: Drafts, budgets: Sequence[Budget], rule: _Rule) -> MethodRecord:
    """A method that samples: within a budget the first drafts, as many as it allows."""
    judging = drafts.calls_about(rule.asks)
    most = max(1, MOST_PER_CALL * calls_at_most(budgets) // (1 + judging))
    attempts: list[Attempt] = []
    costs: list[Cost] = []  # of the first one, of the first two, ...
    while len(attempts) < (count := min(most, _wanted(costs, budgets, judging))):
        if rule.ends and rule.ends(attempts):
            break
        count = len(attempts) + 1 if rule.ends else count
        await drafts.have(count, rule.asks)
        for i in range(len(attempts), count):
            attempts.append(_attempt(drafts, i, rule))
            costs.append(sum_costs([*costs[-1:], attempts[-1]["cost"]]))
    # No shorter prefix ends it, or there would be no more of them
    capped = len(attempts) == most and not (rule.ends and rule.ends(attempts))
    look = cache(partial(_seen, attempts, drafts, rule))  # for all budgets of as many attempts
    points = [_point(budget, costs, look, most if capped else None) for budget in budgets]
    attempts = attempts[: max((point["attempts"] for point in points), default=0)]
    lost = failures(drafts.drafts[: len(attempts)], "draft", 0)
    lost += failures(drafts.about(rule.asks, len(attempts)), "evaluate", 0)
    record = _record(attempts, points, lost)
    if rule.asks == "confidence":
        record["note"] = kind_of(drafts.model)
    return record


def _attempt(drafts: Drafts, index: int, rule: _Rule) -> Attempt:
    made = drafts.attempt(index, rule.asks)
    if rule.tokens:
        made["confidence"] = drafts.token_confidence(index, rule.tokens)
    return made


def _wanted(costs: Sequence[Cost], budgets: Sequence[Budget], judging: int) -> int:
    """How many attempts there have to be, as far as is known by now.

    Args:
        costs: What the first attempts have cost together, for each number of them.
        budgets: What they may take.
        judging: Calls that the evaluation of one takes at most.
    """
    have = wanted = len(costs)
    cost = costs[-1] if costs else no_cost()
    for budget in budgets:
        spent, room = budget.size(cost), budget.limit - budget.size(cost)
        if budget.kind == "calls" and not have:
            wanted = max(wanted, room // (1 + judging))
        elif budget.kind == "calls" and room >= 1 + min(judging, 1):
            wanted = max(wanted, have + max(1, room * have // max(spent, 1)))
        elif budget.kind == "tokens" and have and room > 0 and not cost["unmetered_calls"]:
            wanted = max(wanted, have + math.ceil(room * have / max(spent, 1)))
    return max(wanted, 1)


class _Seen(NamedTuple):
    """What a method makes of its first attempts."""

    visits: list[int]
    selected: int | None
    majority: int | None
    weighted: int | None
    seconds: float | None


def _seen(attempts: Sequence[Attempt], drafts: Drafts, rule: _Rule, count: int) -> _Seen:
    seen = attempts[:count]
    visits = [len(attempt["rewards"]) for attempt in seen]
    chosen = rule.choose(seen)
    return _Seen(
        visits=visits,
        selected=first_with_text(seen) if chosen is None else chosen,
        majority=majority(seen),
        weighted=weighted(seen, visits),
        seconds=_seconds(drafts, count, rule),
    )


def _point(
    budget: Budget, costs: Sequence[Cost], look: Callable[[int], _Seen], most: int | None
) -> Point:
    """The first attempts within a budget, and at least one; no run draws more than `most`."""
    beyond = (n for n, cost in enumerate(costs) if n and budget.size(cost) > budget.limit)
    count = next(beyond, len(costs))
    cost = costs[count - 1] if count else no_cost()
    seen = look(count)
    return Point(
        rollouts=budget.rollouts,
        budget=budget.kind,
        against=budget.against,
        limit=budget.limit,
        attempts=count,
        capped=count == most and budget.size(cost) < budget.limit,
        rollouts_made=0,
        visits=seen.visits,
        selected=seen.selected,
        majority=seen.majority,
        weighted=seen.weighted,
        cost=cost,
        seconds=seen.seconds,
    )


def _seconds(drafts: Drafts, count: int, rule: _Rule) -> float | None:
    """Wall time: drafts one after the other, or all at once, and what is asked about them."""
    recalled = drafts.is_recalled("draft", count)
    if rule.asks:
        what, times = (
            ("", drafts.context.reward_samples) if rule.asks == "reward" else (rule.asks, 1)
        )
        recalled |= drafts.is_recalled("evaluate", count * times, what)
    if recalled:
        return None
    drawn = [reply.seconds for reply in drafts.drafts[:count]]
    asked = [reply.seconds for reply in drafts.about(rule.asks, count)]
    return (sum(drawn) if rule.ends else max(drawn, default=0.0)) + max(asked, default=0.0)


def _record(attempts: list[Attempt], points: list[Point], lost: list[Failure]) -> MethodRecord:
    nothing = all(point["selected"] is None for point in points)
    error = f"{lost[-1]['role']}: {lost[-1]['message']}" if nothing and lost else None
    return MethodRecord(
        attempts=attempts, points=points, stop_reason=None, failures=lost, error=error
    )
