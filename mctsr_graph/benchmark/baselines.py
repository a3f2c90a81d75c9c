"""The methods without a search, at the cost of a search: equal calls, and equal tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from mctsr_graph.calls.request import Failure, Reply
from mctsr_graph.calls.usage import Cost, no_cost, sum_costs
from mctsr_graph.graph.rollout import failures

from .drafts import Drafts, as_attempt
from .plan import Plan, calls_of
from .records import FORMULA, Attempt, MethodRecord, Point
from .votes import best_by_reward, first_with_text, majority, weighted

# Attempts drawn at most, by the calls of the longest search: tokens alone might allow thousands
_MOST_PER_CALL = 8


class _Budget(NamedTuple):
    rollouts: int
    kind: Literal["calls", "tokens"]
    against: str | None
    """The search whose record it is."""
    limit: int

    def size(self, cost: Cost) -> int:
        """How much of the budget something takes."""
        return cost["calls"] if self.kind == "calls" else _tokens(cost)


async def run_baselines(
    plan: Plan, drafts: Drafts, searches: Mapping[str, MethodRecord]
) -> dict[str, MethodRecord]:
    """Run the plan's methods without a search; `searches` are those whose cost they get.

    Raises:
        Unfinished: the model's server failed.
        Exception: what the model raised for a wrong setting, key or name.
    """
    budgets = _budgets(plan, searches)
    found: dict[str, MethodRecord] = {}
    for name in plan.methods:
        if name == "cot":
            found[name] = await _cot(drafts)
        elif name == "self-refine":
            found[name] = await _self_refine(drafts)
        elif name == "self-consistency":
            found[name] = await _sampled(drafts, budgets, evaluated=False)
        elif name == "best-of-n":
            found[name] = await _sampled(drafts, budgets, evaluated=True)
    return found


def _budgets(plan: Plan, searches: Mapping[str, MethodRecord]) -> list[_Budget]:
    """Budgets by what the searches took, and by a formula where that is wanted or there is none.

    Tokens that were not told are no budget: that comparison leaves the problem out.
    """
    spent = [(name, point) for name, record in searches.items() for point in record["points"]]
    found = []
    if FORMULA in plan.equal or not searches:
        found += [_Budget(count, "calls", None, calls_of(count)) for count in plan.rollouts]
    if "calls" in plan.equal:
        found += [_Budget(p["rollouts"], "calls", n, p["cost"]["calls"]) for n, p in spent]
    if "tokens" in plan.equal:
        told = [(name, point) for name, point in spent if not point["cost"]["unmetered_calls"]]
        found += [_Budget(p["rollouts"], "tokens", n, _tokens(p["cost"])) for n, p in told]
    return found


async def _cot(drafts: Drafts) -> MethodRecord:
    await drafts.draw(1)
    attempt = drafts.attempt(0, evaluated=False)
    seconds = None if drafts.is_recalled("draft", 1) else drafts.drafts[0].seconds
    selected = first_with_text([attempt])
    return _fixed([attempt], selected, seconds, failures(drafts.drafts[:1], "draft", 0))


async def _self_refine(drafts: Drafts) -> MethodRecord:
    await drafts.refine()
    replies = [drafts.drafts[0], *drafts.refinement]
    attempts = [drafts.attempt(0, evaluated=False)]
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


async def _sampled(drafts: Drafts, budgets: Sequence[_Budget], *, evaluated: bool) -> MethodRecord:
    """Self-consistency, or with an evaluation of each draft best of N."""
    by_calls = [budget.limit for budget in budgets if budget.kind == "calls"]
    calls = max(by_calls, default=calls_of(max((budget.rollouts for budget in budgets), default=0)))
    judging = drafts.reward_calls if evaluated else 0
    most = max(1, _MOST_PER_CALL * calls // (1 + judging))
    attempts: list[Attempt] = []
    while len(attempts) < (count := min(most, _wanted(attempts, budgets, judging))):
        await (drafts.evaluate(count) if evaluated else drafts.draw(count))
        new = range(len(attempts), count)
        attempts += [drafts.attempt(i, evaluated=evaluated) for i in new]
    points = [_point(budget, attempts, most, drafts, evaluated) for budget in budgets]
    attempts = attempts[: max((point["attempts"] for point in points), default=0)]
    lost = failures(drafts.drafts[: len(attempts)], "draft", 0)
    if evaluated:
        lost += failures(_judged(drafts, len(attempts)), "evaluate", 0)
    return _record(attempts, points, lost)


def _wanted(attempts: Sequence[Attempt], budgets: Sequence[_Budget], judging: int) -> int:
    """How many attempts there have to be, as far as is known by now.

    Args:
        attempts: Those that were made.
        budgets: What they may take.
        judging: Calls that the evaluation of one takes at most.
    """
    have = wanted = len(attempts)
    cost = sum_costs(attempt["cost"] for attempt in attempts)
    for budget in budgets:
        spent, room = budget.size(cost), budget.limit - budget.size(cost)
        if budget.kind == "calls" and not have:
            wanted = max(wanted, room // (1 + judging))
        elif budget.kind == "calls" and room >= 1 + min(judging, 1):
            wanted = max(wanted, have + max(1, room * have // max(spent, 1)))
        elif budget.kind == "tokens" and have and room > 0 and not cost["unmetered_calls"]:
            wanted = max(wanted, have + math.ceil(room * have / max(spent, 1)))
    return max(wanted, 1)


def _point(
    budget: _Budget, attempts: Sequence[Attempt], most: int, drafts: Drafts, evaluated: bool
) -> Point:
    count, cost = 0, no_cost()
    for attempt in attempts:
        total = sum_costs([cost, attempt["cost"]])
        if count and budget.size(total) > budget.limit:
            break
        count, cost = count + 1, total
    seen = attempts[:count]
    visits = [len(attempt["rewards"]) for attempt in seen]
    votes = majority(seen)
    fallback = first_with_text(seen)
    chosen = best_by_reward(seen) if evaluated else fallback if votes is None else votes
    return Point(
        rollouts=budget.rollouts,
        budget=budget.kind,
        against=budget.against,
        limit=budget.limit,
        attempts=count,
        capped=count == most and budget.size(cost) < budget.limit,
        rollouts_made=0,
        visits=visits,
        selected=chosen,
        majority=votes,
        weighted=weighted(seen, visits),
        cost=cost,
        seconds=_seconds(drafts, count, evaluated),
    )


def _seconds(drafts: Drafts, count: int, evaluated: bool) -> float | None:
    judged = count * drafts.context.reward_samples
    if drafts.is_recalled("draft", count) or (evaluated and drafts.is_recalled("evaluate", judged)):
        return None
    rounds = [drafts.drafts[:count], _judged(drafts, count) if evaluated else []]
    return sum(max((reply.seconds for reply in replies), default=0.0) for replies in rounds)


def _judged(drafts: Drafts, count: int) -> list[Reply]:
    return [reply for replies in drafts.evaluations[:count] for reply in replies]


def _record(attempts: list[Attempt], points: list[Point], lost: list[Failure]) -> MethodRecord:
    nothing = all(point["selected"] is None for point in points)
    error = f"{lost[-1]['role']}: {lost[-1]['message']}" if nothing and lost else None
    return MethodRecord(
        attempts=attempts, points=points, stop_reason=None, failures=lost, error=error
    )


def _tokens(cost: Cost) -> int:
    return cost["input_tokens"] + cost["output_tokens"]
