"""Model calls that parts of a search take, where no reply has to be asked for again."""

from __future__ import annotations

from .config import MCTSrContext
from .tasks import Task

FINALISTS = 3
"""Answers that are topped up and compared before the choice, at most."""
_A_COMPARISON = 2  # both orders


def calls_of_a_reward(context: MCTSrContext) -> int:
    """Calls of one reward, at most."""
    return 4 if context.judge == "pairwise" else 1  # two rivals, both orders


def calls_of(task: Task, context: MCTSrContext) -> int:
    """Calls of a rollout, at most."""
    judged = context.reward_samples * calls_of_a_reward(context)
    if task.kind == "evaluate":
        return judged
    if context.selection == "information":
        judged = 0
    if task.kind == "draft":
        return 1 + judged
    again = calls_of_a_reward(context) if judged else 0
    return 2 + judged + again  # critique and refine


def least_calls(context: MCTSrContext) -> int:
    """Calls of the cheapest rollout that the selection can choose."""
    if context.selection == "information":
        return 1
    if context.selection == "thompson":
        return calls_of(Task("draft"), context)
    return calls_of(Task("refine"), context)


def calls_of_finals(context: MCTSrContext) -> int:
    """Calls kept back for what is asked before the choice."""
    pairs = FINALISTS * (FINALISTS - 1) // 2
    calls = _A_COMPARISON * pairs if context.select == "playoff" else 0
    if context.finalist_rewards is not None:
        calls += FINALISTS * context.finalist_rewards * calls_of_a_reward(context)
    return calls
