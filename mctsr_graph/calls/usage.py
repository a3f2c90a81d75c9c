"""What a search has cost: model calls, tokens and money by role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from typing_extensions import TypedDict

from mctsr_graph.settings.prices import Price

Role = Literal["draft", "critique", "refine", "evaluate"]
ROLES: tuple[Role, ...] = get_args(Role)


_DECIMALS = 9
_MOST = 10**9  # tokens of one call; a server that tells more is not believed


class Cost(TypedDict):
    """Counts over some model calls, and their price."""

    calls: int
    """Model calls that returned. One that raised, however often it was tried, is in `failures`."""
    input_tokens: int
    """Tokens sent, as the model reported them."""
    cached_tokens: int
    """Those of them that the server had in its cache."""
    cache_write_tokens: int
    """Those of them that the server has put into its cache."""
    output_tokens: int
    """Tokens received, as the model reported them, those of hidden thinking included."""
    reasoning_tokens: int
    """Those of them that went into thinking."""
    unmetered_calls: int
    """Calls whose reply reported no tokens; they are missing in the token counts."""
    price: float
    """What the calls cost, in the currency of the prices, to 9 decimals."""
    unpriced_calls: int
    """Calls whose price is not known; they are missing in `price`."""


Usage = dict[str, Cost]
"""Cost by role, and of merges, where there are any, as "merge"."""


_NOTHING = Cost(
    calls=0,
    input_tokens=0,
    cached_tokens=0,
    cache_write_tokens=0,
    output_tokens=0,
    reasoning_tokens=0,
    unmetered_calls=0,
    price=0.0,
    unpriced_calls=0,
)


def no_cost() -> Cost:
    """Return the cost of nothing."""
    return {**_NOTHING}


def cost_of(told: Any, price: Price | None) -> Cost:
    """The cost of one call, as far as its server can be believed.

    Args:
        told: The `usage_metadata` of its reply. LangChain's cache adds that nothing was paid.
        price: What the model's tokens cost; None: not known.
    """
    cost: Cost = {**_NOTHING, "calls": 1}
    sent, received = _count(told, "input_tokens"), _count(told, "output_tokens")
    if sent is None or received is None:
        return {**cost, "unmetered_calls": 1, "unpriced_calls": 1}
    inputs, outputs = (told.get(part) for part in _DETAILS)
    cached = min(_count(inputs, "cache_read") or 0, sent)
    written = min(_count(inputs, "cache_creation") or 0, sent - cached)
    cost["input_tokens"], cost["output_tokens"] = sent, received
    cost["cached_tokens"], cost["cache_write_tokens"] = cached, written
    cost["reasoning_tokens"] = min(_count(outputs, "reasoning") or 0, received)
    if is_free(told):
        return cost
    if price is None:
        return {**cost, "unpriced_calls": 1}
    return {**cost, "price": round(price.of(sent, received, cached, written), _DECIMALS)}


_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = {
    "input_token_details": ("cache_read", "cache_creation"),
    "output_token_details": ("reasoning",),
}


def usage_told(told: Any) -> dict[str, Any] | None:
    """Of a reply's `usage_metadata` what is read, as far as it can be believed, and no more."""
    if not isinstance(told, Mapping):
        return None
    known: dict[str, Any] = _counts(told, _COUNTS)
    known |= {part: own for part in _DETAILS if (own := _counts(told.get(part), _DETAILS[part]))}
    return {**known, "total_cost": 0} if is_free(told) else known


def is_free(told: Any) -> bool:
    """Whether nothing was paid, as LangChain's cache says by a cost of 0."""
    cost = told.get("total_cost") if isinstance(told, Mapping) else None
    return isinstance(cost, int | float) and cost == 0


def _counts(told: Any, names: Iterable[str]) -> dict[str, int]:
    return {name: count for name in names if (count := _count(told, name)) is not None}


def _count(told: Any, name: str) -> int | None:
    """A count of tokens; None where there is none that can be believed."""
    count = told.get(name) if isinstance(told, dict) else None
    is_count = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST
    return count if is_count else None


def sum_costs(costs: Iterable[Cost]) -> Cost:
    """Add costs up. Those that an earlier version has kept tell no price."""
    total: Any = {**_NOTHING}
    costs = list(costs)
    if len(costs) == 1 and costs[0].keys() == total.keys():  # as most are
        return {**costs[0]}
    for cost in costs:
        for name, count in cost.items():
            if count and name in total:
                total[name] += count
        if "unpriced_calls" not in cost:
            total["unpriced_calls"] += cost["calls"]
    # So that sums do not depend on what was added up first
    total["price"] = round(total["price"], _DECIMALS)
    return total  # type: ignore[no-any-return]


def spent(costs: Iterable[Cost]) -> Cost:
    """The sum of costs in few bytes: without the counts that are 0."""
    total: Any = sum_costs(costs)
    # As unknown prices are told apart from the silence of an earlier version
    return {name: count for name, count in total.items() if count or name == "unpriced_calls"}  # type: ignore[return-value]


def no_usage() -> Usage:
    """Return a usage with every role at nothing."""
    return {role: {**_NOTHING} for role in ROLES}


def add_usage(usages: Iterable[Mapping[str, Cost]]) -> Usage:
    """Add usages up, role by role."""
    told = list(usages)
    roles: dict[str, Any] = dict.fromkeys([*ROLES, *[role for usage in told for role in usage]])
    return {role: sum_costs([own[role] for own in told if role in own]) for role in roles}


def usage_patch(before: Mapping[str, Cost], after: Usage) -> dict[str, dict[str, Any]]:
    """By role, the counts of `after` that differ from those of `before`."""
    return {
        role: {name: told for name, told in cost.items() if told != before[role].get(name)}
        if role in before
        else {**cost}
        for role, cost in after.items()
        if cost != before.get(role)
    }


def total_cost(usage: Mapping[str, Cost]) -> Cost:
    """Cost over all roles."""
    return sum_costs(usage.values())


def tokens(cost: Cost) -> int:
    """Input and output tokens."""
    return cost["input_tokens"] + cost["output_tokens"]


def price_told(usage: Mapping[str, Cost]) -> float | None:
    """Price of all calls; None where that of one of them is not known."""
    total = total_cost(usage)
    return None if total["unpriced_calls"] else total["price"]
