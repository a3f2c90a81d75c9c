"""What a search has cost: model calls and tokens by role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from typing_extensions import TypedDict

Role = Literal["draft", "critique", "refine", "evaluate"]
ROLES: tuple[Role, ...] = get_args(Role)


class Cost(TypedDict):
    """Counts over some model calls."""

    calls: int
    """Model calls that returned."""
    input_tokens: int
    """Tokens sent, as the model reported them."""
    output_tokens: int
    """Tokens received, as the model reported them."""
    unmetered_calls: int
    """Calls whose reply reported no tokens; they are missing in the token counts."""


Usage = dict[str, Cost]
"""Cost by role."""


def no_cost() -> Cost:
    """Return the cost of nothing."""
    return Cost(calls=0, input_tokens=0, output_tokens=0, unmetered_calls=0)


def sum_costs(costs: Iterable[Cost]) -> Cost:
    """Add costs up."""
    calls = sent = received = unmetered = 0
    for cost in costs:
        calls += cost["calls"]
        sent += cost["input_tokens"]
        received += cost["output_tokens"]
        unmetered += cost["unmetered_calls"]
    return Cost(calls=calls, input_tokens=sent, output_tokens=received, unmetered_calls=unmetered)


def no_usage() -> Usage:
    """Return a usage with every role at nothing."""
    return {role: no_cost() for role in ROLES}


def add_usage(usages: Iterable[Mapping[str, Cost]]) -> Usage:
    """Add usages up, role by role."""
    costs: dict[str, list[Cost]] = {role: [] for role in ROLES}
    for usage in usages:
        for role, cost in usage.items():
            costs.setdefault(role, []).append(cost)
    return {role: sum_costs(spent) for role, spent in costs.items()}


def total_cost(usage: Mapping[str, Cost]) -> Cost:
    """Cost over all roles."""
    return sum_costs(usage.values())


def tokens(usage: Mapping[str, Cost]) -> int:
    """Input and output tokens over all roles."""
    total = total_cost(usage)
    return total["input_tokens"] + total["output_tokens"]
