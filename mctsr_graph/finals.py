"""What is still judged before the choice."""

from __future__ import annotations

from typing import Any

from .branches import in_play
from .desk import Desk
from .judges import cases_of
from .leaves import failures, known_answers, rewards
from .search import add_rewards, backpropagate
from .state import MCTSrState
from .step import Run
from .tree import Patch, merge
from .usage import add_usage

_FIRST = 500  # samples of the last rollout from this number on are asked for here
_SPENT = ("max_rollouts", "max_calls", "max_tokens", "max_seconds", "max_cost")


async def settle_choice(desk: Desk, state: MCTSrState, run: Run) -> dict[str, Any]:
    """Have judged what costs no call, and choose.

    Returns:
        `all`, the tree as it is then; `tree`, the patch that leads to it; `best`, the id of the
        node chosen; `usage` and `failures`.
    """
    tree, usage, lost = state["tree"], [state["usage"]], []
    patch: Patch = {}
    unjudged = _unjudged(desk, state, run)
    known, samples, cases = known_answers(tree, ()), run.context.reward_samples, []
    for i, node_id in enumerate(unjudged):
        answers = [tree[node_id]["answer"]] * samples
        # Of the last rollout: a search that goes on and ends again asks other things then
        first = _FIRST + i * samples
        cases.append(cases_of(state["problem"], answers, known, state["rollouts"], first))
    replies = await desk.judge(cases, desk.asker(state, run), run.way) if cases else []
    for node_id, own in zip(unjudged, replies, strict=True):
        change = add_rewards(tree, node_id, rewards(own))
        changed = merge(tree, [change])
        patch = merge(patch, [change, backpropagate(changed, node_id, run.context)])
        tree = merge(state["tree"], [patch])
        usage += [{"evaluate": reply.cost} for reply in own]
        lost += failures(own, "evaluate", 0, node_id)
    return {
        "all": tree,
        "tree": patch,
        "best": desk.strategy.choose(tree, run.context),
        "usage": add_usage(usage),
        "failures": lost,
    }


def _unjudged(desk: Desk, state: MCTSrState, run: Run) -> list[str]:
    """Ids of the answers that selection "information" had no rollout left to have judged."""
    lazy = run.context.selection == "information" and state["stop_reason"] in _SPENT
    if not lazy or desk.court.reward_calls(run.context) > 0:
        return []
    played = in_play(state["tree"]).values()
    return [node["id"] for node in played if not node["rewards"] and not node["dummy"]]
