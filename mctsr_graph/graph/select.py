"""The leaves of the next wave, or why there is none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mctsr_graph.calls.request import derive_seed
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.rollout import Leaf, new_leaf
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Search, Strategy
from mctsr_graph.tree.steered import wished
from mctsr_graph.tree.task import KINDS, Task
from mctsr_graph.tree.tree import Node


def seen_by(
    strategy: Strategy,
    state: MCTSrState,
    context: MCTSrContext,
    reward_calls: int,
    is_text: bool = False,
) -> Search:
    """The search as a strategy sees it; its width is what the budgets leave room for."""
    done, calls_left = state["rollouts"], None
    if context.max_calls is not None:
        calls_left = context.max_calls - total_cost(state["usage"])["calls"]
    rng = random.Random(derive_seed(context.seed, "select", done))
    search = Search(
        state["tree"], context, done, context.width, rng, reward_calls, calls_left, is_text
    )
    return replace(search, width=min(context.width, strategy.rollouts_left(search)))


def next_leaves(strategy: Strategy, search: Search) -> tuple[list[Leaf], str]:
    """The leaves of the next wave, and the reason to stop if there is none."""
    tasks, reason = next_tasks(strategy, search)
    tree: Any = search.tree
    return [new_leaf(search.rollouts + 1 + i, tree, task) for i, task in enumerate(tasks)], reason


def next_tasks(strategy: Strategy, search: Search) -> tuple[list[Task], str]:
    """The tasks of the next wave, and the reason to stop if there is none."""
    tasks, left, kept = _of_wave(strategy, search), search.calls_left, []
    for task in tasks:
        if left is not None:
            left -= strategy.calls_of(task.kind, search.context, search.reward_calls)
            if left < 0:
                break
        kept.append(task)
    return kept, "max_calls" if tasks else "exhausted"


def _of_wave(strategy: Strategy, search: Search) -> list[Task]:
    """What the next rollouts are to do: a person's wish, else what the strategy chooses."""
    first = search.rollouts + 1
    wishing = {node_id: node for node_id, node in search.tree.items() if "wishes" in node}
    wishes = [wished(wishing, number) for number in range(first, first + search.width)]
    free = wishes.count(None)
    asked = search if free == search.width else replace(search, width=free)
    chosen = strategy.next_tasks(asked) if free else []
    waiting = iter(_checked(strategy, search.tree, chosen, free))
    tasks: list[Task] = []
    for wish in wishes:
        task = wish or next(waiting, None)
        if task is None:
            break
        tasks.append(task)
    return tasks


def _checked(strategy: Strategy, tree: Mapping[str, Node], chosen: Any, most: int) -> list[Task]:
    if not isinstance(chosen, Sequence) or isinstance(chosen, str):
        raise ConfigError(f"next_tasks returned {chosen!r}, allowed a list of tasks")
    chosen = chosen[:most]
    tasks = [Task("refine", one) if isinstance(one, str) else Task(*one) for one in chosen]
    for task in tasks:
        if task.kind not in KINDS or not _is_possible(task, tree):
            raise ConfigError(
                f"next_tasks returned {tuple(task)!r}, allowed ('draft', None), "
                "'refine' or 'evaluate' with the id of a node, or 'merge' with the id of one and a "
                "tuple of other ids"
            )
        if task.kind not in strategy.kinds:
            raise ConfigError(
                f"next_tasks of {type(strategy).__qualname__} returned a task {task.kind!r}, "
                f"allowed by its `kinds`: {', '.join(strategy.kinds)}"
            )
    return tasks


def _is_possible(task: Task, tree: Mapping[str, Node]) -> bool:
    if task.node is None or isinstance(task.others, str):
        return task == ("draft", None, ())
    nodes = task.nodes
    fits = len(nodes) > 1 if task.kind == "merge" else len(nodes) == 1 and task.kind != "draft"
    return fits and len(set(nodes)) == len(nodes) and tree.keys() >= set(nodes)
