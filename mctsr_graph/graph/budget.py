"""Model calls that parts of a search take, where no reply has to be asked for again.

`reward_calls` are those of one reward, at most, as the judge tells them.
"""

from __future__ import annotations

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.task import Task

FINALISTS = 3
"""Answers that are topped up and compared before the choice, at most."""
_A_COMPARISON = 2  # both orders


def calls_of(task: Task, context: MCTSrContext, reward_calls: int) -> int:
    """Calls of a rollout, at most."""
    judged = context.reward_samples * reward_calls
    if task.kind == "evaluate":
        return judged
    if context.selection == "information":
        return 1 if task.kind == "draft" else 2
    if task.kind == "draft":
        return 1 + judged
    return 2 + judged + reward_calls  # critique and refine; the answer refined is judged again


def least_calls(context: MCTSrContext, reward_calls: int) -> int:
    """Calls of the cheapest rollout that the selection can choose."""
    if context.selection == "information":
        return 1
    if context.selection == "thompson":
        return calls_of(Task("draft"), context, reward_calls)
    return calls_of(Task("refine"), context, reward_calls)


def calls_of_finals(context: MCTSrContext, reward_calls: int) -> int:
    """Calls kept back for what is asked before the choice."""
    pairs = FINALISTS * (FINALISTS - 1) // 2
    calls = _A_COMPARISON * pairs if context.select == "playoff" else 0
    if context.finalist_rewards is not None:
        calls += FINALISTS * context.finalist_rewards * reward_calls
    return calls
