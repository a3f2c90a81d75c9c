"""The stops that look at the answers: agreed, decided, confident, settled."""

from __future__ import annotations

from typing import Any

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, solve
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.settings.prior import Prior

OFF: dict[str, Any] = {"agree": None, "lead": None, "confidence": None, "settle": False}


def tuned(**given: Any) -> MCTSrContext:
    return MCTSrContext(**{"profile": "tuned", **OFF, **given})


def search(drafts: list[str], refined: str, **given: Any) -> Solution:
    """Search with drafts that state these answers; later texts state `refined`."""

    def reply(call: Any) -> str:
        if call.role == "evaluate":
            return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
        stated = drafts[call.sample] if call.role == "draft" and not call.rollout else refined
        return f"Text {call.role} {call.rollout} {call.sample}: \\boxed{{{stated}}}"

    model = ScriptedChatModel(replies=reply)
    return solve("How many?", model, context=tuned(drafts=len(drafts), **given))


def test_drafts_that_agree_end_the_search() -> None:
    found = search(["5"] * 3, "5", agree=3)
    assert (found.stop_reason, found.rollouts, found.final_answer) == ("agreed", 0, "5")
    assert total_cost(found.usage)["calls"] == 3


def test_drafts_that_do_not_all_agree_do_not_end_it() -> None:
    assert search(["5", "5", "6"], "5", agree=3, max_calls=9).stop_reason == "max_calls"


def test_the_number_that_must_agree_may_be_more_than_are_drafted_at_first() -> None:
    found = search(["5", "5"], "5", agree=5, max_calls=40)
    roots = [node for node in found.tree.values() if node["parent"] is None]
    assert found.stop_reason in ("agreed", "max_calls")
    assert (found.stop_reason == "agreed") == (len(roots) >= 5)


def test_votes_that_hardly_change_any_more_end_the_search() -> None:
    # 3 to 0 leads with 1 - 1/16, 4 to 0 with 1 - 1/32 = 0.969; 5 to 1 with 1 - 8/128, 6 to 1 with
    # 1 - 9/256 = 0.965
    found = search(["5"] * 2, "5", lead=0.95)
    assert (found.stop_reason, total_cost(found.usage)["calls"]) == ("decided", 4)
    found = search(["5", "6"], "5", lead=0.95)
    assert (found.stop_reason, total_cost(found.usage)["calls"]) == ("decided", 7)
    assert (found.final_answer, found.rollouts) == ("5", 5)


def test_what_was_learnt_goes_before_a_lead_of_votes() -> None:
    assert MCTSrContext(profile="tuned").lead == 0.95
    assert MCTSrContext(profile="tuned", prior=Prior()).lead is None
    assert MCTSrContext(profile="tuned", prior=Prior(), lead=0.9).lead == 0.9


def test_one_text_again_and_again_ends_the_search_whatever_was_learnt() -> None:
    def texts(count: int) -> ScriptedChatModel:
        """A model that samples, but has only so many ways to write its answer."""
        ways = [f"It is{' clearly' * i} \\boxed{{5}}." for i in range(count)]
        return ScriptedChatModel(replies=lambda call: ways[(call.rollout + call.sample) % count])

    learnt = MCTSrContext(prior=Prior(), max_calls=19)
    found = solve("How many?", texts(1), context=learnt)
    assert (found.stop_reason, total_cost(found.usage)["calls"]) == ("decided", 4)
    # Two texts show that it samples: how often they agree is told by what is believed
    assert solve("How many?", texts(2), context=learnt).stop_reason != "decided"


def test_confidence_ends_the_search() -> None:
    found = search(["5", "5", "6"], "5", confidence=0.8, max_calls=60)
    assert found.stop_reason == "confident"
    assert found.choice is not None
    assert found.choice["confidence"] >= 0.8  # type: ignore[operator]
    longer = search(["5", "5", "6"], "5", confidence=0.99, max_calls=60)
    assert longer.rollouts > found.rollouts


def test_a_lead_that_cannot_be_made_up_for_ends_the_search() -> None:
    found = search(["5"] * 8 + ["6"], "5", settle=True, choice="majority", max_calls=12)
    assert found.stop_reason == "settled"
    assert found.final_answer == "5"
    assert total_cost(found.usage)["calls"] < 12


def test_a_majority_is_settled_by_more_than_what_is_left() -> None:
    # 4 against 1, 3 calls left: 4 against 4 is a tie, which other evidence decides
    assert search(["5"] * 4 + ["6"], "6", settle=True, choice="majority", max_calls=8).rollouts
    assert not search(["5"] * 5 + ["6"], "6", settle=True, choice="majority", max_calls=9).rollouts


def test_what_is_settled_would_not_have_changed() -> None:
    world, stopped = World(skill=0.6, auc=0.65, seed=4), 0
    for number in range(40):
        given: dict[str, Any] = {"choice": "majority", "max_calls": 19, "drafts": 8}
        problem, model = world.problem(number).text, world.model()
        early = solve(problem, model, context=tuned(settle=True, **given))
        if early.stop_reason == "settled":
            stopped += 1
            late = solve(problem, model, context=tuned(**given))
            assert late.rollouts >= early.rollouts
            assert late.final_answer == early.final_answer
    assert stopped >= 10


def test_a_choice_that_rewards_can_change_is_never_settled() -> None:
    found = search(["5"] * 8 + ["6"], "5", settle=True, choice="weighted", max_calls=12)
    assert found.stop_reason == "max_calls"
