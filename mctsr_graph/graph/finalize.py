"""What is still asked before the choice: judges that cost no call judge every answer."""

from __future__ import annotations

from typing import NamedTuple

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Usage, add_usage
from mctsr_graph.graph.recording import Judged
from mctsr_graph.graph.rollout import compared, failures, known_answers, rewards
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.state import MCTSrState, question_of
from mctsr_graph.graph.step import Run
from mctsr_graph.judges import cases_of
from mctsr_graph.tree.comparisons import add_comparisons
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Patch, Tree, add_rewards, merge

_SAMPLES_OF_ROLLOUTS = 500  # samples of the last rollout that are its own; these are numbered after
_SPENT = ("max_rollouts", "max_calls", "max_tokens", "max_seconds", "max_cost")


class JudgedAtLast(NamedTuple):
    """What judging has come to when a search was over."""

    tree: Tree
    """As it is then."""
    patch: Patch
    """Leads to it."""
    judged: list[Judged]
    """What each of the answers has changed."""
    usage: Usage
    """Of the whole search."""
    failures: list[Failure]


async def judge_the_rest(services: Services, state: MCTSrState, run: Run) -> JudgedAtLast:
    """Have judged what a budget left unjudged, if the judge makes no model calls."""
    tree, context, strategy = state["tree"], run.context, services.spec.strategy(run.context)
    usage: list[Usage] = [state["usage"]]
    lost: list[Failure] = []
    patch: Patch = {}
    judged: list[Judged] = []
    unjudged = _unjudged(services, state, run)
    known, times = known_answers(tree, ()), context.reward_samples
    cases = [
        # Of the last rollout: a search that goes on and ends again asks other things then
        cases_of(
            question_of(state).text,
            [tree[node_id]["answer"]] * times,
            known,
            state["rollouts"],
            _SAMPLES_OF_ROLLOUTS + i * times,
        )
        for i, node_id in enumerate(unjudged)
    ]
    replies = await services.judge(cases, services.asker(state, run), run.way) if cases else []
    for node_id, own in zip(unjudged, replies, strict=True):
        change = merge(
            add_rewards(tree, node_id, rewards(own)),
            [add_comparisons(tree, node_id, compared(own))],
        )
        changed = merge(tree, [change])
        own_patch = merge(change, [strategy.backpropagate(changed, node_id, context)])
        patch = merge(patch, [own_patch])
        before, tree = tree, merge(state["tree"], [patch])
        judged.append(Judged(node_id, before, tree, own_patch))
        usage += [{"evaluate": reply.cost} for reply in own]
        lost += failures(own, "evaluate", 0, node_id)
    return JudgedAtLast(tree, patch, judged, add_usage(usage), lost)


def _unjudged(services: Services, state: MCTSrState, run: Run) -> list[str]:
    if services.spec.bound_judge.reward_calls(run.context) or state["stop_reason"] not in _SPENT:
        return []
    played = in_play(state["tree"]).values()
    return [node["id"] for node in played if not node["rewards"] and not node["dummy"]]
