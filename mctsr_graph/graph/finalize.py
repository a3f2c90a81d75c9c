"""What is still asked before the choice: rewards for the finalists, and a play-off among them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from mctsr_graph.calls.request import Reply
from mctsr_graph.calls.usage import add_usage
from mctsr_graph.graph.budget import FINALISTS
from mctsr_graph.graph.rollout import failures, known_answers, rewards
from mctsr_graph.graph.services import Desk
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.graph.step import Run
from mctsr_graph.judges import Case, cases_of
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.choice import classes_of, representative
from mctsr_graph.strategies.uct import add_rewards, backpropagate
from mctsr_graph.strategies.values import q_of
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Patch, Tree, merge

_TOP_UPS = 500  # samples of the last rollout that belong to finalists
# How much of a win share is trusted: a judge that is always sure is sometimes wrong
_TRUST = 0.8
_SPENT = ("max_rollouts", "max_calls", "max_tokens", "max_seconds", "max_cost")


async def settle_choice(desk: Desk, state: MCTSrState, run: Run) -> dict[str, Any]:
    """Ask what is still to be asked, and choose.

    Returns:
        `all`, the tree as it is then; `tree`, the patch that leads to it; `best`, the id of the
        node chosen; `usage` and `failures`.
    """
    tree, usage, lost = state["tree"], [state["usage"]], []
    patch: Patch = {}
    short = _short_of(desk, tree, state, run)
    if short:
        for node_id, own in (await _topped_up(desk, tree, state, run, short)).items():
            change = add_rewards(tree, node_id, rewards(own))
            changed = merge(tree, [change])
            patch = merge(patch, [change, backpropagate(changed, node_id, run.context)])
            tree = merge(state["tree"], [patch])
            usage += [{"evaluate": reply.cost} for reply in own]
            lost += failures(own, "evaluate", 0, node_id)
    best = desk.strategy.choose(tree, run.context)
    if desk.strategy.asks(run.context):
        winner, replies = await _play_off(desk, tree, {**state, "usage": add_usage(usage)}, run)
        best = winner or best
        usage += [{"compare": reply.cost} for reply in replies]
        lost += failures(replies, "compare", 0)
    return {
        "all": tree,
        "tree": patch,
        "best": best,
        "usage": add_usage(usage),
        "failures": lost,
    }


def _short_of(desk: Desk, tree: Tree, state: MCTSrState, run: Run) -> dict[str, int]:
    """How many rewards are still needed, by node: finalists are to have as many as each other."""
    context, short = run.context, {}
    # Selection "information" may have had no rollout left for what costs no call
    lazy = context.selection == "information" and state["stop_reason"] in _SPENT
    if lazy and desk.court.reward_calls(context) == 0:
        played = in_play(tree).values()
        unjudged = [node["id"] for node in played if not node["rewards"] and not node["dummy"]]
        short = dict.fromkeys(unjudged, context.reward_samples)
    if context.finalist_rewards is not None:
        for node_id in finalists(tree, context):
            missing = context.finalist_rewards - len(tree[node_id]["rewards"])
            short[node_id] = max(missing, short.get(node_id, 0))
    return short


async def _topped_up(
    desk: Desk, tree: Tree, state: MCTSrState, run: Run, short: dict[str, int]
) -> dict[str, list[Reply]]:
    """The rewards that are still needed, by node."""
    known, cases, first = known_answers(tree, ()), [], _TOP_UPS
    for node_id, count in short.items():
        answers = [tree[node_id]["answer"]] * count
        # Of the last rollout: a search that goes on and ends again asks other things then
        cases.append(cases_of(state["problem"], answers, known, state["rollouts"], first))
        first += len(answers)
    replies = await desk.judge(cases, desk.asker(state, run), run.way)
    return dict(zip(short, replies, strict=True))


def finalists(tree: Tree, context: MCTSrContext) -> list[str]:
    """Ids of the best answers of the three likeliest classes; without classes, the highest q."""
    if context.select != "max_q":
        return [representative(tree, one) for one in classes_of(tree, context)[:FINALISTS]]
    return sorted(tree, key=lambda node_id: -q_of(tree[node_id]))[:FINALISTS]


async def _play_off(
    desk: Desk, tree: Tree, state: MCTSrState, run: Run
) -> tuple[str | None, list[Reply]]:
    """The winner among the finalists: chance to be right, times its shares of wins."""
    classes = classes_of(tree, run.context)[:FINALISTS]
    chances = {representative(tree, one): one["chance"] for one in classes}
    pairs = list(combinations(chances, 2))
    matches = [
        Case(state["problem"], tree[a]["answer"], state["rollouts"], i, [tree[b]["answer"]])
        for i, (a, b) in enumerate(pairs)
    ]
    replies = await desk.compare(matches, desk.asker(state, run), run.way)
    merits = dict(chances)
    for (a, b), reply in zip(pairs, replies, strict=True):
        if reply.code is None:
            merits[a] *= 0.5 + _TRUST * (reply.value - 0.5)
            merits[b] *= 0.5 - _TRUST * (reply.value - 0.5)
    return max(merits, key=lambda node_id: merits[node_id], default=None), replies
