"""The rules that choose the next rollouts, by name, and the wave that comes of one."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from .branches import in_play, wished
from .calls import derive_seed
from .config import MCTSrContext
from .errors import ConfigError
from .information import choose_tasks
from .search import select_wave
from .state import MCTSrState
from .stopping import affordable, affordable_kinds, affordable_width
from .tasks import KINDS, Kind, SelectionRule, Task
from .tree import Node


def by_information(
    tree: Mapping[str, Node],
    context: MCTSrContext,
    rng: random.Random,
    width: int,
    kinds: Collection[Kind],
    reward_calls: int,
) -> list[Task]:
    """Whatever of some kinds tells most, for its calls, about which answer is right.

    Where no answer states a final one there is nothing to agree on, and the judge decides: what
    is not judged yet is judged, and else the highest UCT is refined. A dummy alone tells nothing.
    """
    nodes = [node for node in in_play(tree).values() if not node["dummy"]]
    if any(node["final_answer"] is not None for node in nodes):
        samples = context.reward_samples
        return choose_tasks(tree, context.belief_prior, width, kinds, reward_calls, samples)
    if not nodes:
        return [Task("draft")] * width
    unjudged = [Task("evaluate", node["id"]) for node in nodes if not node["rewards"]]
    if unjudged and "evaluate" not in kinds:  # too dear; a fresh answer may state a final one
        return [Task("draft")] * width
    return unjudged[:width] or [
        Task("refine", node) for node in select_wave(tree, context, rng, width)
    ]


def next_tasks(
    state: MCTSrState, context: MCTSrContext, reward_calls: int, rule: SelectionRule | None
) -> tuple[list[Task], str]:
    """The tasks of the next wave, and the reason to stop if there is none.

    Args:
        state: The search so far.
        context: The settings.
        reward_calls: Model calls of one reward, at most.
        rule: Selects, instead of the setting.
    """
    done = state["rollouts"]
    rng = random.Random(derive_seed(context.seed, "select", done))
    width = affordable_width(state, context, reward_calls)
    if rule is None and context.selection == "information":
        kinds = affordable_kinds(state, context, reward_calls)
        rule = partial(by_information, kinds=kinds, reward_calls=reward_calls)
    tasks = tasks_of_wave(state["tree"], context, rng, width, done + 1, rule or select_wave)
    kept = affordable(tasks, state, context, reward_calls)
    return kept, "max_calls" if tasks else "exhausted"


def tasks_of_wave(
    tree: Mapping[str, Node],
    context: MCTSrContext,
    rng: random.Random,
    width: int,
    first: int,
    rule: SelectionRule,
) -> list[Task]:
    """What rollouts `first` onwards are to do: a person's wish, else what the rule chooses."""
    wishing = {node_id: node for node_id, node in tree.items() if "wishes" in node}
    wishes = {number: wished(wishing, number) for number in range(first, first + width)}
    free = sum(node is None for node in wishes.values())
    chosen = rule(tree, context, rng, free) if free else []
    waiting = iter(_checked(tree, chosen, free))
    tasks: list[Task] = []
    for node in wishes.values():
        task = Task("refine", node) if node is not None else next(waiting, None)
        if task is None:
            break
        tasks.append(task)
    return tasks


def _checked(tree: Mapping[str, Node], chosen: Any, most: int) -> list[Task]:
    if not isinstance(chosen, Sequence):
        raise ConfigError(f"the selection rule returned {chosen!r}, allowed a list of tasks")
    chosen = chosen[:most]
    tasks = [Task("refine", one) if isinstance(one, str) else Task(*one) for one in chosen]
    for task in tasks:
        known = task.node is None if task.kind == "draft" else task.node in tree
        if task.kind not in KINDS or not known:
            raise ConfigError(
                f"the selection rule returned {tuple(task)!r}, allowed ('draft', None), or "
                "'refine' or 'evaluate' with the id of a node"
            )
    return tasks
