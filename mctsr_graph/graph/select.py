"""The tasks of the next wave, or why there is none."""

from __future__ import annotations

import random
from functools import partial

from mctsr_graph.calls.request import derive_seed
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.graph.stop import affordable, affordable_kinds, affordable_width
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.selection import RULES, by_information, tasks_of_wave
from mctsr_graph.strategies.task import SelectionRule, Task


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
    rule = rule or RULES[context.selection]
    tasks = tasks_of_wave(state["tree"], context, rng, width, done + 1, rule)
    kept = affordable(tasks, state, context, reward_calls)
    return kept, "max_calls" if tasks else "exhausted"
