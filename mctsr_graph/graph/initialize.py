"""The roots of a tree: independent answers, a dummy, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from langgraph.errors import GraphInterrupt

from mctsr_graph import prompts as say
from mctsr_graph.calls.request import Reply
from mctsr_graph.calls.usage import add_usage
from mctsr_graph.graph.recording import Moment, roots_recorded
from mctsr_graph.graph.rollout import compared, failures, rewards
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.state import MCTSrState, question_of
from mctsr_graph.graph.step import Run
from mctsr_graph.judges import cases_of
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.conclude import chosen
from mctsr_graph.text.hostile import is_suspicious
from mctsr_graph.tree.classes import classified
from mctsr_graph.tree.copies import as_copy
from mctsr_graph.tree.tree import Tree, add_child, merge, new_node


async def make_roots(
    services: Services, fresh: MCTSrState, run: Run
) -> tuple[Tree, dict[str, Any]]:
    """Draft the roots and have them judged.

    Returns:
        The tree, and what else of the state is changed. Where the judge pauses the graph, this is
        `drafted` alone: a step that is gone on with is run anew, and would draft others.
    """
    context, strategy = run.context, services.spec.strategy(run.context)
    wanted = strategy.roots(context)
    kept = [Reply(**reply) for reply in (fresh["drafted"] or {}).get("replies", [])]
    drafts = kept or await _drafts(services, wanted.drafts, fresh, run)
    written = [reply for reply in drafts if reply.code is None]
    dummies = [services.spec.prompts.dummy_answer] if wanted.dummy else []
    answers = [*(reply.value for reply in written), *dummies]
    fresh["usage"] = add_usage([{"draft": reply.cost} for reply in drafts])
    fresh["seconds"] = max((reply.seconds for reply in drafts), default=0.0)
    judged: list[list[Reply]] = [[] for _ in answers]
    try:
        if strategy.wants_reward("draft"):
            judged = await _judged(services, answers, fresh, run)
    except GraphInterrupt:
        if kept or not drafts:
            raise
        replies = [asdict(reply) for reply in drafts]
        return {}, {"drafted": {"problem": question_of(fresh).key, "replies": replies}}
    tree = _planted(services, context, written, answers, judged)
    evaluations = [reply for own in judged for reply in own]
    usage = add_usage([fresh["usage"], *({"evaluate": r.cost} for r in evaluations)])
    seconds = fresh["seconds"] + max((r.seconds for r in evaluations), default=0.0)
    best = chosen(strategy, tree, context)
    return tree, {
        "drafted": None,
        "failures": failures(drafts, "draft", 0) + failures(evaluations, "evaluate", 0),
        "usage": usage,
        "seconds": seconds,
        "best": best,
        "record": roots_recorded(Moment(tree, context, best, usage, seconds)),
        # A draft that could not be evaluated is in no node, and is not to be lost
        "answer": answers[0] if answers and not tree else None,
    }


async def _drafts(services: Services, count: int, state: MCTSrState, run: Run) -> list[Reply]:
    if not count:
        return []
    messages = say.draft_messages(services.spec.prompts, question_of(state).text)
    requests = [services.text("draft", messages, 0, sample) for sample in range(count)]
    return await services.asker(state, run, strict=True).ask_all(requests, run.way)


async def _judged(
    services: Services, answers: Sequence[str], state: MCTSrState, run: Run
) -> list[list[Reply]]:
    times = run.context.reward_samples
    known = [answer for answer in answers if answer != services.spec.prompts.dummy_answer]
    cases = [
        cases_of(question_of(state).text, [answer] * times, known, first=i * times)
        for i, answer in enumerate(answers)
    ]
    return await services.judge(cases, services.asker(state, run, strict=True), run.way)


def _planted(
    services: Services,
    context: MCTSrContext,
    drafts: Sequence[Reply],
    answers: Sequence[str],
    judged: Sequence[Sequence[Reply]],
) -> Tree:
    """The tree of the first answers, which are the texts of `drafts` and then dummies.

    One that its strategy has judged at once is left out where no reward was to be had.
    """
    strategy, reading = services.spec.strategy(context), services.spec.reading
    # The reply that a cache had first may be counted after those that came out of it
    again = {reply.value: reply.by_length for reply in drafts if reply.is_certain}
    tree: Tree = {}
    for i, (answer, own) in enumerate(zip(answers, judged, strict=True)):
        earned, dummy = rewards(own), i >= len(drafts)
        if strategy.wants_reward("draft") and not earned:
            continue
        root = new_node(
            tree,
            parent=None,
            answer=answer,
            final_answer=None if dummy else reading.of(answer),
            rewards=earned,
            dummy=dummy,
            truncated=not dummy and drafts[i].truncated,
            suspicious=is_suspicious(answer),
        )
        if told := compared(own):
            root["compared"] = told
        if not dummy and drafts[i].is_drawn:
            root["drawn"] = True
        if not dummy and answer in again:
            root = as_copy(tree, root, again[answer])
        tree = merge(tree, [add_child(tree, root)])
        tree = merge(tree, [classified(tree, root["id"], reading.comparing)])
        tree = merge(tree, [strategy.backpropagate(tree, root["id"], context)])
    return tree
