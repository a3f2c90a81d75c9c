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
from mctsr_graph.prompts import Prompts
from mctsr_graph.search import add_child, backpropagate, new_node
from mctsr_graph.selection import tasks_of_wave
from mctsr_graph.state import MCTSrState
from mctsr_graph.stopping import affordable, affordable_width
from mctsr_graph.tasks import SelectionRule, Task
from mctsr_graph.tree import Node, Tree, merge
from mctsr_graph.usage import Role, Usage, no_cost
from mctsr_graph.values import suppress_full_score

_DUMMY = Prompts().dummy_answer
_REWARD_CALLS = 1


@dataclass(frozen=True)
class Moment:
    """A search after some rollouts."""

    tree: Tree
    rollouts: int
    calls: int


def simulated_search(
    world: World,
    number: int,
    context: MCTSrContext,
    rule: SelectionRule | None = None,
    budget: int | None = None,
) -> Iterator[Moment]:
    """Yield the search as it is after its roots and after each rollout, without end.

    It stops for no reason but that nothing is left to select: the caller decides.

    Args:
        world: The model.
        number: Number of the problem.
        context: The settings; their budgets are not heeded.
        rule: Selects, instead of the setting.
        budget: Model calls that the waves are cut to, as `max_calls` cuts them; then the search
            stops there.
    """
    tree = _roots(world, number, context)
    drafted = sum(not node["dummy"] for node in tree.values())
    calls = drafted + sum(len(node["rewards"]) for node in tree.values())
    rollouts = 0
    while True:
        yield Moment(tree, rollouts, calls)
        tasks = _wave(tree, rollouts, calls, context, rule, budget)
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
    tree: Tree,
    rollouts: int,
    calls: int,
    context: MCTSrContext,
    rule: SelectionRule | None,
    budget: int | None,
) -> list[Task]:
    rng = random.Random(derive_seed(context.seed, "select", rollouts))
    if budget is None:
        return tasks_of_wave(tree, context, rng, context.width, rollouts + 1, rule)
    limited = context.model_copy(update={"max_calls": budget, "max_rollouts": 4096})
    spent: Usage = {"draft": {**no_cost(), "calls": calls}}
    state = cast(MCTSrState, {"rollouts": rollouts, "usage": spent})
    width = max(0, affordable_width(state, limited, _REWARD_CALLS))
    tasks = tasks_of_wave(tree, context, rng, width, rollouts + 1, rule)
    return affordable(tasks, state, limited, _REWARD_CALLS)


def _roots(world: World, number: int, context: MCTSrContext) -> Tree:
    tree: Tree = {}
    drafts = 0 if context.init == "dummy" else context.drafts
    answers = [world.draft(number, _seed(context, 0, "draft", sample)) for sample in range(drafts)]
    answers += [_DUMMY] * (context.init != "answer")
    for i, answer in enumerate(answers):
        samples = range(i * context.reward_samples, (i + 1) * context.reward_samples)
        judged = samples if context.selection != "information" else ()
        rewards = [_reward(world, number, answer, context, 0, sample) for sample in judged]
        tree = merge(tree, [add_child(tree, _root(tree, answer, rewards))])
        tree = merge(tree, [backpropagate(tree, str(i), context)])
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
        answer = world.refine(number, parent["answer"], seed)
        critique, calls = world.critique("" if parent["dummy"] else parent["answer"]), 2
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
    return suppress_full_score(float(world.reward(number, answer, seed)), context)


def _seed(context: MCTSrContext, rollout: int, role: Role, sample: int) -> int:
    return derive_seed(context.seed, rollout, role, sample, 0)
