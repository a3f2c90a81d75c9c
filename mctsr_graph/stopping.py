"""When a search is over. Decided from what is done, so that a resumed search agrees."""

from __future__ import annotations

from .calls import spent_budget
from .config import MCTSrContext
from .errors import CheckpointError
from .state import MCTSrState
from .usage import tokens, total_cost

# A wave takes five supersteps; finalize and one to spare must fit behind it
_STEPS_OF_A_WAVE = 7
# Too few to take a share of failures for a sign
_FEW_ROLLOUTS = 8


def why_stop(state: MCTSrState, context: MCTSrContext) -> str | None:
    """The reason to stop before the next rollout, or None to go on."""
    if state["rollouts"] >= context.max_rollouts:
        return "max_rollouts"
    spent = spent_budget(
        context, total_cost(state["usage"])["calls"], tokens(state["usage"]), state["seconds"]
    )
    if spent is not None:
        return spent
    if not state["tree"] or _fails_too_often(state, context):
        return "failed"
    if affordable_width(state, context) < 1:
        return "max_calls"
    if context.patience is not None and state["idle_rollouts"] >= context.patience:
        return "patience"
    if state.get("remaining_steps", _STEPS_OF_A_WAVE) < _STEPS_OF_A_WAVE:
        return "recursion_limit"
    return None


def _fails_too_often(state: MCTSrState, context: MCTSrContext) -> bool:
    if state["failed_rollouts"] >= context.max_failures:
        return True
    allowed = context.max_failure_share * max(state["rollouts"], _FEW_ROLLOUTS)
    return state["lost_rollouts"] > allowed


def affordable_width(state: MCTSrState, context: MCTSrContext) -> int:
    """Leaves of the next wave: at most width, and as many as the budgets leave room for."""
    width = min(context.width, context.max_rollouts - state["rollouts"])
    if context.max_calls is None:
        return width
    calls_left = context.max_calls - total_cost(state["usage"])["calls"]
    return min(width, calls_left // context.calls_per_rollout)


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
