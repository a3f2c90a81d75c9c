"""When a search is over. Decided from what is done, so that a resumed search agrees."""

from __future__ import annotations

from mctsr_graph.calls.budget import spent_budget
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.graph.state import ROLLOUT, MCTSrState
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Search, Strategy

_STEPS_LEFT = len(ROLLOUT) + 2  # finalize and one to spare must fit behind a rollout
# Too few to take a share of failures for a sign
_FEW_ROLLOUTS = 8


def why_stop(strategy: Strategy, state: MCTSrState, search: Search) -> str | None:
    """The reason to stop before the next rollout, or None to go on.

    Args:
        strategy: What decides where no limit does.
        state: The search so far.
        search: What the strategy sees of it.
    """
    context = search.context
    if state["rollouts"] >= context.max_rollouts:
        return "max_rollouts"
    spent = spent_budget(context, total_cost(state["usage"]), state["seconds"])
    if spent is not None:
        return spent
    if not state["tree"] or _fails_too_often(state, context):
        return "failed"
    if search.width < 1:
        return "max_calls"
    if context.patience is not None and state["idle_rollouts"] >= context.patience:
        return "patience"
    if state.get("remaining_steps", _STEPS_LEFT) < _STEPS_LEFT:
        return "recursion_limit"
    return strategy.why_stop(search)


def _fails_too_often(state: MCTSrState, context: MCTSrContext) -> bool:
    if state.get("failed_rollouts", 0) >= context.max_failures:
        return True
    allowed = context.max_failure_share * max(state["rollouts"], _FEW_ROLLOUTS)
    return state.get("lost_rollouts", 0) > allowed
