"""A search of a simulated problem without the graph: the same tree, many times faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.request import derive_seed
from mctsr_graph.calls.usage import Role, Usage, no_cost
from mctsr_graph.graph.rollout import Leaf, grow
from mctsr_graph.graph.select import next_leaves, seen_by
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Strategy, strategy_of
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.tree.classes import classified
from mctsr_graph.tree.tree import Node, Tree, add_child, merge, new_node

_DUMMY = Prompts().dummy_answer
_ENDLESS = 1 << 31


class Moment(NamedTuple):
    """A search after some rollouts."""

    tree: Tree
    rollouts: int
    calls: int


def simulated_search(
    world: World,
    number: int,
    context: MCTSrContext,
    strategy: Strategy | None = None,
    budget: int | None = None,
    reward_calls: int = 1,
    begin: Moment | None = None,
) -> Iterator[Moment]:
    """Yield the search as it is after its roots and after each wave, without end.

    It stops for no reason but that nothing is left to select: the caller decides.

    Args:
        world: The model.
        number: Number of the problem.
        context: The settings; their budgets are not heeded.
        strategy: Decides, instead of the profile's.
        budget: Model calls that the waves are cut to, as `max_calls` cuts them; then the search
            stops there.
        reward_calls: Model calls that a reward counts as.
        begin: Where to go on from, instead of beginning anew.
    """
    context = context.model_copy(update={"max_calls": budget, "max_rollouts": _ENDLESS})
    strategy = strategy or strategy_of(context)
    tree, rollouts, calls = begin or _begun(world, number, strategy, context, reward_calls)
    while True:
        yield Moment(tree, rollouts, calls)
        spent: Usage = {"draft": {**no_cost(), "calls": calls}}
        state = cast(MCTSrState, {"tree": tree, "rollouts": rollouts, "usage": spent})
        leaves, _ = next_leaves(strategy, seen_by(strategy, state, context, reward_calls))
        if not leaves:
            return
        done = [_lived(world, number, leaf, tree, strategy, context) for leaf in leaves]
        for leaf, asked in done:
            tree = merge(tree, [grow(tree, leaf, strategy, context)[1]])
            judged = len(leaf["rewards"]) + len(leaf["parent_rewards"])
            rollouts, calls = rollouts + 1, calls + asked + reward_calls * judged


def _begun(
    world: World, number: int, strategy: Strategy, context: MCTSrContext, reward_calls: int
) -> Moment:
    tree = _roots(world, number, strategy, context)
    drafted = sum(not node["dummy"] for node in tree.values())
    judged = sum(len(node["rewards"]) for node in tree.values())
    return Moment(tree, 0, drafted + reward_calls * judged)


def _roots(world: World, number: int, strategy: Strategy, context: MCTSrContext) -> Tree:
    tree: Tree = {}
    drafts, dummy = strategy.roots(context)
    answers = [world.draft(number, _seed(context, 0, "draft", sample)) for sample in range(drafts)]
    answers += [_DUMMY] * dummy
    for i, answer in enumerate(answers):
        samples = range(i * context.reward_samples, (i + 1) * context.reward_samples)
        judged = samples if strategy.wants_reward("draft") else ()
        rewards = [
            _reward(world, number, answer, strategy, context, 0, sample) for sample in judged
        ]
        tree = merge(tree, [add_child(tree, _root(tree, answer, rewards))])
        tree = merge(tree, [classified(tree, str(i))])
        tree = merge(tree, [strategy.backpropagate(tree, str(i), context)])
    return tree


def _root(tree: Tree, answer: str, rewards: list[float]) -> Node:
    final = extract_final_answer(answer)
    return new_node(
        tree,
        parent=None,
        answer=answer,
        final_answer=final,
        rewards=rewards,
        dummy=answer == _DUMMY,
    )


def _lived(
    world: World, number: int, leaf: Leaf, tree: Tree, strategy: Strategy, context: MCTSrContext
) -> tuple[Leaf, int]:
    """A leaf after its calls, and how many they were but for those of the judge."""
    rollout, calls = leaf["rollout"], 0
    parent = tree[leaf["parent"]] if leaf["parent"] is not None else None
    answer, critique = leaf["answer"], None
    if parent is None:
        answer, calls = world.draft(number, _seed(context, rollout, "draft", 0)), 1
    elif leaf["task"] == "refine":
        seed = _seed(context, rollout, "refine", 0)
        answer = world.refine(number, parent["answer"], seed)
        critique, calls = world.critique(parent["answer"]), 2
    elif leaf["task"] == "merge":
        seed = _seed(context, rollout, "refine", 0)
        shown = [tree[one]["answer"] for one in leaf["parents"]]
        answer, calls = world.merge(number, shown, seed), 1
    times = context.reward_samples if strategy.wants_reward(leaf["task"]) else 0
    own = [
        _reward(world, number, answer or "", strategy, context, rollout, k) for k in range(times)
    ]
    again = []
    if times and parent is not None and leaf["task"] == "refine":
        again = [_reward(world, number, parent["answer"], strategy, context, rollout, times)]
    lived: Leaf = {
        **leaf,
        "answer": answer,
        "critique": critique,
        "rewards": own,
        "parent_rewards": again,
    }
    return lived, calls


def _reward(
    world: World,
    number: int,
    answer: str,
    strategy: Strategy,
    context: MCTSrContext,
    rollout: int,
    sample: int,
) -> float:
    seed = _seed(context, rollout, "evaluate", sample)
    return strategy.suppressed(float(world.reward(number, answer, seed)), context)


def _seed(context: MCTSrContext, rollout: int, role: Role, sample: int) -> int:
    return derive_seed(context.seed, rollout, role, sample, 0)
