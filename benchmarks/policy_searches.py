"""Searches of simulated problems, each stopped at several budgets of calls."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.policy_baselines import Policy
from benchmarks.policy_peers import BUDGETS, Outcome
from mctsr_graph import MCTSrContext
from mctsr_graph.benchmark.simulated_search import Moment, simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.settings.profiles import PROFILES
from mctsr_graph.strategies.choose import classes_of
from mctsr_graph.strategies.enough import why_enough
from mctsr_graph.strategies.strategy import Strategy, strategy_of


def search(
    context: MCTSrContext, world: World, number: int, strategy: Strategy | None = None
) -> list[Outcome]:
    """A search under one set of settings, for each budget, on which all of it may depend."""
    strategy = strategy or strategy_of(context)
    ended = (searched(context, world, number, budget, strategy) for budget in BUDGETS)
    return [outcome_of(moment, context, world, number, strategy) for moment in ended]


def searched(
    context: MCTSrContext,
    world: World,
    number: int,
    budget: int,
    strategy: Strategy | None = None,
) -> Moment:
    """A search as it is when its calls are spent, or it is sure."""
    for moment in simulated_search(world, number, context, strategy, budget):
        left = budget - moment.calls
        if left <= 0 or why_enough(moment.tree, left, context):
            break
    return moment


def outcome_of(
    moment: Moment,
    context: MCTSrContext,
    world: World,
    number: int,
    strategy: Strategy | None = None,
) -> Outcome:
    """What comes of a search that ends here."""
    node = (strategy or strategy_of(context)).choose(moment.tree, context)
    right = node is not None and moment.tree[node]["final_answer"] == world.problem(number).gold
    confidence = None
    if context.choice == "weighted":
        confidence = classes_of(moment.tree, context)[0]["chance"]
    return Outcome(right, moment.calls, confidence)


TUNED = MCTSrContext(profile="tuned")


def tuned_with(strategy: Strategy | None = None, **settings: Any) -> Policy:
    """Profile "tuned" with something changed."""
    context = TUNED.model_copy(update=settings)
    return lambda world, number: search(context, world, number, strategy)


SEARCHES: dict[str, Policy] = {
    "paper": partial(search, MCTSrContext(profile="paper")),
    "official": partial(search, MCTSrContext(profile="official")),
    "tuned": tuned_with(),
}
if "rsa" in PROFILES:
    SEARCHES["rsa"] = partial(search, MCTSrContext(profile="rsa"))
