"""When a search is over. Decided from what is done, so that a resumed search agrees."""

from __future__ import annotations

from collections.abc import Sequence

from .calls import spent_budget
from .config import MCTSrContext
from .costing import calls_of, least_calls
from .deciding import why_decided
from .errors import CheckpointError
from .state import MCTSrState
from .tasks import KINDS, Kind, Task
from .usage import total_cost

# A wave takes five supersteps; finalize and one to spare must fit behind it
_STEPS_OF_A_WAVE = 7
# Too few to take a share of failures for a sign
_FEW_ROLLOUTS = 8


def why_stop(state: MCTSrState, context: MCTSrContext, reward_calls: int) -> str | None:
    """The reason to stop before the next rollout, or None to go on.

    Args:
        state: The search so far.
        context: The settings.
        reward_calls: Model calls of one reward, at most.
    """
    if state["rollouts"] >= context.max_rollouts:
        return "max_rollouts"
    spent = spent_budget(context, total_cost(state["usage"]), state["seconds"])
    if spent is not None:
        return spent
    if not state["tree"] or _fails_too_often(state, context):
        return "failed"
    if affordable_width(state, context, reward_calls) < 1:
        return "max_calls"
    if context.patience is not None and state["idle_rollouts"] >= context.patience:
        return "patience"
    if state.get("remaining_steps", _STEPS_OF_A_WAVE) < _STEPS_OF_A_WAVE:
        return "recursion_limit"
    left = rollouts_left(state, context, reward_calls)
    return why_decided(state["tree"], left, context)


def _fails_too_often(state: MCTSrState, context: MCTSrContext) -> bool:
    if state["failed_rollouts"] >= context.max_failures:
        return True
    allowed = context.max_failure_share * max(state["rollouts"], _FEW_ROLLOUTS)
    return state["lost_rollouts"] > allowed


def affordable_width(state: MCTSrState, context: MCTSrContext, reward_calls: int) -> int:
    """Leaves of the next wave: at most width, and as many as the budgets leave room for."""
    width = min(context.width, context.max_rollouts - state["rollouts"])
    if context.max_calls is None:
        return width
    return min(width, _least_left(state, context, reward_calls))


def affordable(
    tasks: Sequence[Task], state: MCTSrState, context: MCTSrContext, reward_calls: int
) -> list[Task]:
    """The first of `tasks` for which the budget of calls leaves room."""
    if context.max_calls is None:
        return list(tasks)
    left, kept = _calls_left(state, context), []
    for task in tasks:
        left -= calls_of(task, context, reward_calls)
        if left < 0:
            break
        kept.append(task)
    return kept


def affordable_kinds(state: MCTSrState, context: MCTSrContext, reward_calls: int) -> list[Kind]:
    """The kinds of tasks of which the budget of calls leaves room for one."""
    return [kind for kind in KINDS if affordable([Task(kind)], state, context, reward_calls)]


def rollouts_left(state: MCTSrState, context: MCTSrContext, reward_calls: int) -> int:
    """Rollouts that the budgets of rollouts and calls still allow, at most."""
    left = context.max_rollouts - state["rollouts"]
    if context.max_calls is None:
        return left
    return min(left, _least_left(state, context, reward_calls))


def _least_left(state: MCTSrState, context: MCTSrContext, reward_calls: int) -> int:
    """How many of the cheapest rollouts the budget of calls has room for."""
    return _calls_left(state, context) // least_calls(context, reward_calls)


def _calls_left(state: MCTSrState, context: MCTSrContext) -> int:
    return (context.max_calls or 0) - total_cost(state["usage"])["calls"]


def check_tree(state: MCTSrState) -> None:
    """Refuse a state whose tree the checkpointer could not rebuild.

    Raises:
        CheckpointError: the tree is gone.
    """
    if state["best"] is not None and not state["tree"]:
        raise CheckpointError(
            f"the checkpointer gave back {state['rollouts']} rollouts but no tree: it keeps not "
            "all the checkpoints that a DeltaChannel is rebuilt from (a pruned thread, or a saver "
            "that keeps only the latest one)"
        )
