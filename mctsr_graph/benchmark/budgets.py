"""What a method without a search may take: as much as a search took on the same problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from mctsr_graph.calls.usage import Cost

from .plan import Plan, calls_of
from .records import FORMULA, MethodRecord

MOST_PER_CALL = 8
"""Attempts drawn at most, by the calls of the longest search: tokens alone might allow more."""


class Budget(NamedTuple):
    """A bound of one kind."""

    rollouts: int
    kind: Literal["calls", "tokens"]
    against: str | None
    """The search whose record it is."""
    limit: int

    def size(self, cost: Cost) -> int:
        """How much of the budget something takes."""
        return cost["calls"] if self.kind == "calls" else _tokens(cost)


def budgets_of(plan: Plan, searches: Mapping[str, MethodRecord]) -> list[Budget]:
    """Budgets by what the searches took, and by a formula where that is wanted or there is none.

    Tokens that were not told are no budget: that comparison leaves the problem out.
    """
    spent = [(name, point) for name, record in searches.items() for point in record["points"]]
    found = []
    if FORMULA in plan.equal or not searches:
        found += [Budget(count, "calls", None, calls_of(count)) for count in plan.rollouts]
    if "calls" in plan.equal:
        found += [Budget(p["rollouts"], "calls", n, p["cost"]["calls"]) for n, p in spent]
    if "tokens" in plan.equal:
        told = [(name, point) for name, point in spent if not point["cost"]["unmetered_calls"]]
        found += [Budget(p["rollouts"], "tokens", n, _tokens(p["cost"])) for n, p in told]
    return found


def calls_at_most(budgets: Sequence[Budget]) -> int:
    """Calls of the largest budget; by the formula where none is of calls."""
    by_calls = [budget.limit for budget in budgets if budget.kind == "calls"]
    return max(by_calls, default=calls_of(max((budget.rollouts for budget in budgets), default=0)))


def _tokens(cost: Cost) -> int:
    return cost["input_tokens"] + cost["output_tokens"]
