"""A search of a simulated problem without the graph: the same tree, many times faster."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from mctsr_graph.answers import extract_final_answer
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls import derive_seed
from mctsr_graph.config import MCTSrContext
from mctsr_graph.leaves import Leaf, grow, new_leaf
from mctsr_graph.search import add_child, backpropagate, new_node
from mctsr_graph.selection import tasks_of_wave
from mctsr_graph.state import MCTSrState
from mctsr_graph.stopping import affordable, affordable_width
from mctsr_graph.tasks import Task
from mctsr_graph.tree import Node, Tree, merge
from mctsr_graph.usage import Role, Usage, no_cost
from mctsr_graph.values import suppress_full_score


@dataclass(frozen=True)
class Moment:
    """A search after some rollouts."""

    tree: Tree
    rollouts: int
    calls: int


def simulated_search(
    world: World, number: int, context: MCTSrContext, budget: int | None = None
) -> Iterator[Moment]:
    """Yield the search as it is after its roots and after each rollout, without end.

    It stops for no reason but that nothing is left to select: the caller decides.

    Args:
        world: The model.
        number: Number of the problem.
        context: The settings; their budgets are not heeded.
        budget: Model calls that the waves are cut to, as `max_calls` cuts them; then the search
            stops there.
    """
    tree = _roots(world, number, context)
    judged = context.selection != "information"
    calls = context.drafts * (1 + context.reward_samples * judged)
    rollouts = 0
    while True:
        yield Moment(tree, rollouts, calls)
        tasks = _wave(tree, rollouts, calls, context, budget)
        if not tasks:
            return
        leaves = [
            new_leaf(rollouts + 1 + i, None if t.node is None else tree[t.node], t.kind)
            for i, t in enumerate(tasks)
        ]
        done = [_lived(world, number, leaf, tree, context) for leaf in leaves]
        for leaf, spent in done:
            tree = merge(tree, [grow(tree, leaf, context)[1]])
            rollouts, calls = rollouts + 1, calls + spent


def _wave(
    tree: Tree, rollouts: int, calls: int, context: MCTSrContext, budget: int | None
) -> list[Task]:
    rng = random.Random(derive_seed(context.seed, "select", rollouts))
    if budget is None:
        return tasks_of_wave(tree, context, rng, context.width, rollouts + 1)
    limited = context.model_copy(update={"max_calls": budget, "max_rollouts": 4096})
    spent: Usage = {"draft": {**no_cost(), "calls": calls}}
    state = cast(MCTSrState, {"rollouts": rollouts, "usage": spent})
    width = max(0, affordable_width(state, limited))
    return affordable(tasks_of_wave(tree, context, rng, width, rollouts + 1), state, limited)


def _roots(world: World, number: int, context: MCTSrContext) -> Tree:
    tree: Tree = {}
    judged = context.selection != "information"
    for sample in range(context.drafts):
        answer = world.draft(number, _seed(context, 0, "draft", sample))
        samples = range(sample * context.reward_samples, (sample + 1) * context.reward_samples)
        rewards = [_reward(world, number, answer, context, 0, k) for k in samples if judged]
        tree = merge(tree, [add_child(tree, _root(tree, answer, rewards))])
        tree = merge(tree, [backpropagate(tree, str(sample), context)])
    return tree


def _root(tree: Tree, answer: str, rewards: list[float]) -> Node:
    final = extract_final_answer(answer)
    return new_node(tree, parent=None, answer=answer, final_answer=final, rewards=rewards)


def _lived(
    world: World, number: int, leaf: Leaf, tree: Tree, context: MCTSrContext
) -> tuple[Leaf, int]:
    """A leaf after its calls, and how many they were."""
    rollout, calls = leaf["rollout"], 0
    parent = tree[leaf["parent"]] if leaf["parent"] is not None else None
    answer, critique = leaf["answer"], None
    if parent is None:
        answer, calls = world.draft(number, _seed(context, rollout, "draft", 0)), 1
    elif leaf["task"] == "refine":
        seed = _seed(context, rollout, "refine", 0)
        answer = world.refine(number, int(parent["final_answer"] or 0), seed)
        critique, calls = "Check it again.", 2
    times = context.reward_samples
    if context.selection == "information" and leaf["task"] != "evaluate":
        times = 0
    own = [_reward(world, number, answer or "", context, rollout, k) for k in range(times)]
    again = []
    if times and parent is not None and leaf["task"] == "refine":
        again = [_reward(world, number, parent["answer"], context, rollout, times)]
    lived: Leaf = {
        **leaf,
        "answer": answer,
        "critique": critique,
        "rewards": own,
        "parent_rewards": again,
    }
    return lived, calls + len(own) + len(again)


def _reward(
    world: World, number: int, answer: str, context: MCTSrContext, rollout: int, sample: int
) -> float:
    seed = _seed(context, rollout, "evaluate", sample)
    return suppress_full_score(float(world.reward_of(number, answer, seed)), context)


def _seed(context: MCTSrContext, rollout: int, role: Role, sample: int) -> int:
    return derive_seed(context.seed, rollout, role, sample, 0)
