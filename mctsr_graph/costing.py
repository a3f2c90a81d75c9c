"""Model calls that parts of a search take, where no reply has to be asked for again.

`reward_calls` are those of one reward, at most, as the judge tells them.
"""

from __future__ import annotations

from .config import MCTSrContext
from .tasks import Task


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
    return calls_of(Task("refine"), context, reward_calls)
