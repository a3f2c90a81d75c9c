"""Profile "tuned" as a user meets it: through solve, asolve and the graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    CallJournal,
    MCTSrContext,
    ScriptedChatModel,
    SearchFailedError,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.judges import Pairwise
from mctsr_graph.run.session import asked
from mctsr_graph.run.spec import SearchControl
from mctsr_graph.run.steering import add_answer, ask_rewards, expand, prune, steer
from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.choose import Choice

from .conftest import as_json

WORLD = World(skill=0.4, auc=0.7, seed=3)
PROBLEM = WORLD.problem(2).text
THREAD: Any = {"configurable": {"thread_id": "t"}}


def tuned(**given: Any) -> MCTSrContext:
    """Profile tuned, without the stops that look at the answers."""
    return MCTSrContext(**{"profile": "tuned", "lead": None, "confidence": None, **given})


def five(call: Any) -> str:
    """Replies of five final answers."""
    if call.role == "evaluate":
        return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
    return f"Text {call.role} {call.rollout} {call.sample}: \\boxed{{{call.rollout % 5}}}"


# The same search, however it is run


async def test_sync_and_async_are_the_same_search() -> None:
    context = tuned(width=3)
    found = solve(PROBLEM, WORLD.model(), context=context)
    awaited = await asolve(PROBLEM, WORLD.model(), context=context)
    assert as_json(awaited.tree) == as_json(found.tree)
    assert awaited.choice == found.choice
    kinds = {bool(node["critique"]) for node in found.tree.values()}
    assert kinds == {True, False}
    assert total_cost(found.usage)["calls"] <= 35


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_file_keeps_the_search_and_its_end_costs_nothing(tmp_path: Path, pipelined: bool) -> None:
    model, context = WORLD.model(), tuned(width=2, pipelined=pipelined)
    first = solve(PROBLEM, model, context=context, checkpointer=tmp_path / "x.sqlite")
    made = len(model.calls)
    again = solve(PROBLEM, model, context=context, checkpointer=tmp_path / "x.sqlite")
    assert len(model.calls) == made == total_cost(first.usage)["calls"]
    assert as_json(again.tree) == as_json(first.tree)
    assert again.choice == first.choice


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_stopped_search_goes_on_as_if_it_had_not_been(after: int) -> None:
    expected = solve(PROBLEM, WORLD.model(), context=tuned())
    saver, control, seen = InMemorySaver(), SearchControl(), 0

    def stop(event: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == after:
            control.request_drain()

    model = WORLD.model()
    given: Any = {"context": tuned(), "checkpointer": saver}
    halted = solve(PROBLEM, model, on_event=stop, control=control, **given)
    assert halted.stop_reason == "interrupted"
    finished = solve(PROBLEM, model, **given)
    assert as_json(finished.tree) == as_json(expected.tree)
    assert len(model.calls) == total_cost(expected.usage)["calls"]


def test_a_journal_makes_the_search_again_without_a_call(tmp_path: Path) -> None:
    context = tuned()
    with CallJournal(tmp_path / "calls.sqlite") as journal:
        first = solve(PROBLEM, WORLD.model(), context=context, journal=journal)
        silent = WORLD.model()
        again = solve(PROBLEM, silent, context=context, journal=journal)
    assert as_json(again.tree) == as_json(first.tree)
    assert silent.calls == []


def test_a_raised_budget_goes_on_where_it_stopped() -> None:
    saver, model = InMemorySaver(), WORLD.model()
    small = solve(PROBLEM, model, context=tuned(effort="low"), checkpointer=saver)
    more = solve(PROBLEM, model, context=tuned(effort="medium"), checkpointer=saver)
    assert total_cost(small.usage)["calls"] <= 11 < total_cost(more.usage)["calls"] <= 35
    assert list(more.tree)[: len(small.tree)] == list(small.tree)


# What can be seen and done on the way


def test_events_name_what_each_rollout_did() -> None:
    events: list[Any] = []
    found = solve(PROBLEM, WORLD.model(), context=tuned(), on_event=events.append)
    rollouts = [event for event in events if event["type"] == "mctsr.rollout"]
    assert len(rollouts) == found.rollouts
    assert {event["task"] for event in rollouts} == {"draft", "refine", "evaluate"}
    for event in rollouts:
        assert (event["parent"] is None) == (event["task"] == "draft")
    assert events[-1]["best"]["node"] == found.best


def test_a_person_may_look_before_each_refinement() -> None:
    graph = create_mctsr(WORLD.model()).compile(
        checkpointer=InMemorySaver(), interrupt_before=["refine"]
    )
    context, pauses = tuned(effort="low"), 0
    graph.invoke({"problem": PROBLEM}, THREAD, context=context)
    for _ in range(context.max_rollouts):
        if graph.get_state(THREAD).next != ("refine",):
            break
        pauses += 1
        graph.invoke(None, THREAD, context=context)
    values = graph.get_state(THREAD).values
    assert pauses == values["rollouts"] > 0
    expected = solve(PROBLEM, WORLD.model(), context=context)
    assert as_json(values["tree"]) == as_json(expected.tree)


def test_a_wish_goes_before_what_tells_most() -> None:
    model, saver = WORLD.model(), InMemorySaver()
    graph = create_mctsr(model).compile(checkpointer=saver)
    graph.invoke({"problem": PROBLEM}, THREAD, context=tuned(effort="low"))
    before = graph.get_state(THREAD).values
    steer(graph, THREAD, expand("1", critique="Look at the sign."), by="me", context=tuned())
    graph.invoke(None, THREAD, context=tuned(effort="medium"))
    tree = graph.get_state(THREAD).values["tree"]
    [wished] = [n for n in tree.values() if n["rollout"] == before["rollouts"] + 1]
    assert (wished["parent"], wished["critique"]) == ("1", "Look at the sign.")


# Budgets


@pytest.mark.parametrize("profile", ["paper", "official", "tuned"])
@pytest.mark.parametrize("judge", ["self", "pairwise", "rubric", "verifier", "five rivals"])
def test_the_budget_of_calls_is_never_exceeded(profile: str, judge: str) -> None:
    judges: dict[str, Any] = {"verifier": lambda p, a: "3" in a, "five rivals": Pairwise(5)}

    def reply(call: Any) -> str:
        return "Better: A" if judge == "pairwise" and call.role == "evaluate" else five(call)

    for limit in (4, 9, 16, 25):
        model = ScriptedChatModel(replies=reply)
        given: Any = {"max_calls": limit, "drafts": 2, "width": 2, "max_rollouts": 99}
        context = tuned(profile=profile, choice="weighted", **given)
        try:
            found = solve("p", model, context=context, judge=judges.get(judge, judge))
        except SearchFailedError as error:
            found = error.solution
        assert len(model.calls) <= limit
        assert total_cost(found.usage)["calls"] == len(model.calls)


def test_money_ends_the_search() -> None:
    found = solve(PROBLEM, WORLD.model(), context=tuned(max_calls=None, max_rollouts=30))
    tokens = total_cost(found.usage)
    # A tenth of what 30 rollouts would cost
    whole = (2 * tokens["input_tokens"] + 8 * tokens["output_tokens"]) / 1_000_000
    context = tuned(input_price=2, output_price=8, max_cost=whole / 10, max_calls=None)
    cheap = solve(PROBLEM, WORLD.model(), context=context)
    assert cheap.stop_reason == "max_cost"
    assert 0 < cheap.rollouts < 30


# A finished search under another prior

SHARP = Prior(discrimination=(0.0, 0.02, 0.02, 0.02, 0.04, 0.3, 0.6), noise=12.0)


async def test_a_finished_search_chooses_again_under_another_prior() -> None:
    world, changed = World(skill=0.3, auc=0.9, noise=0.06), 0
    for number in range(12):
        model, saver, problem = world.model(), InMemorySaver(), world.problem(number).text
        first = solve(problem, model, context=tuned(max_calls=19), checkpointer=saver)
        made = len(model.calls)
        context = tuned(max_calls=made, prior=SHARP)
        again = await asolve(problem, model, context=context, checkpointer=saver)
        assert len(model.calls) == made
        assert (again.tree, again.rollouts) == (first.tree, first.rollouts)
        choice = again.choice
        assert choice is not None
        assert again.best == choice["node"]
        changed += again.final_answer != first.final_answer
        assert kept(saver, problem, model, context) == (choice, again.answer, again.final_answer)
        before = len([*saver.list(None)])
        assert solve(problem, model, context=context, checkpointer=saver) == again
        assert len([*saver.list(None)]) == before  # nothing new to write
    assert changed


def kept(saver: InMemorySaver, problem: str, model: Any, context: MCTSrContext) -> Any:
    """What a checkpointer holds of a finished search: choice, answer, final answer."""
    graph = create_mctsr(model).compile(checkpointer=saver)
    thread = asked(problem, model, {"context": context}).identity.digest
    state = graph.get_state({"configurable": {"thread_id": thread}})
    assert state.next == ()
    choice: Choice = state.values["choice"]
    return choice, state.values["answer"], state.values["final_answer"]


# Odd models


def silent_of_answers(call: Any) -> str:
    if call.role == "evaluate":
        return f"Score: {3 * call.rollout - 50}"
    return f"{call.role} {call.rollout} {call.sample}"


def test_where_no_final_answer_is_stated_the_judge_decides() -> None:
    found = solve("Write a proof.", ScriptedChatModel(replies=silent_of_answers), context=tuned())
    assert found.final_answer is None
    assert found.answer is not None
    assert all(node["rewards"] for node in found.tree.values() if node["parent"] is None)
    assert any(node["depth"] > 0 for node in found.tree.values())
    assert found.best is not None
    assert found.tree[found.best]["q"] == max(
        node["q"] for node in found.tree.values() if node["q"] is not None
    )


def test_a_text_that_states_no_final_answer_is_judged_once() -> None:
    def reply(call: Any) -> str:
        return "Score: 3" if call.role == "evaluate" else "I cannot help with that."

    model = ScriptedChatModel(replies=reply)
    solve(PROBLEM, model, context=tuned())
    assert [call.role for call in model.calls].count("evaluate") == 1


def only(sample: int) -> Callable[[Any], str]:
    """Only one draft can be had."""

    def reply(call: Any) -> str:
        return five(call) if call.rollout or call.sample == sample else ""

    return reply


def test_one_draft_of_four_is_enough() -> None:
    found = solve("p", ScriptedChatModel(replies=only(3)), context=tuned(drafts=4, max_calls=30))
    assert found.tree["0"]["answer"] == "Text draft 0 3: \\boxed{0}"
    assert len(found.failures) == 3


def test_no_draft_at_all_is_a_failure() -> None:
    with pytest.raises(SearchFailedError) as caught:
        solve("p", ScriptedChatModel(replies=lambda call: ""), context=tuned())
    assert caught.value.solution.answer is None


@pytest.mark.parametrize(
    ("stops", "calls"),
    [({}, 35), ({"agree": 4}, 4), ({"lead": 0.95}, 4), ({"confidence": 0.8}, 35)],
)
def test_a_model_that_always_says_the_same(stops: dict[str, Any], calls: int) -> None:
    model = ScriptedChatModel(
        replies=lambda call: "Score: 3" if call.role == "evaluate" else "It is \\boxed{5}."
    )
    context = tuned(**stops)
    found = solve("p", model, context=context)
    assert found.final_answer == "5"
    assert found.choice is not None
    assert len(found.choice["classes"]) == 1
    assert len(model.calls) == calls


def test_what_a_person_adds_is_judged_and_what_is_pruned_is_not_best() -> None:
    graph = create_mctsr(WORLD.model()).compile(checkpointer=InMemorySaver())
    context = tuned(drafts=8, max_calls=8)
    graph.invoke({"problem": PROBLEM}, THREAD, context=context)
    leader, second, *_ = graph.get_state(THREAD).values["choice"]["classes"]
    for node in leader["nodes"]:
        after = steer(graph, THREAD, prune(node), by="me", context=context).values
    assert after["best"] in second["nodes"]
    context = tuned(drafts=8, max_calls=20)  # the judge's calls count
    mine = add_answer("Mine: \\boxed{77}", parent=after["best"])
    tree = steer(graph, THREAD, mine, by="me", context=context).values["tree"]
    [newest] = [node for node in tree.values() if node["final_answer"] == "77"]
    assert len(newest["rewards"]) == 1
    again = ask_rewards(newest["id"])
    tree = steer(graph, THREAD, again, by="me", context=context).values["tree"]
    assert len(tree[newest["id"]]["rewards"]) == 3


# What is left of the calls


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("limit", [2, 3, 4, 7])
def test_a_judge_that_costs_no_call_has_judged_every_answer(limit: int, width: int) -> None:
    model = ScriptedChatModel(replies=five)
    context = tuned(max_calls=limit, width=width)
    found = solve(PROBLEM, model, context=context, judge=lambda _, answer: "{2}" in answer)
    assert len(model.calls) == limit
    assert [len(node["rewards"]) for node in found.tree.values()] == [1] * len(found.tree)
    assert found.stop_reason == "max_calls"


def test_a_search_that_begins_with_a_dummy_drafts() -> None:
    model = ScriptedChatModel(replies=five)
    found = solve(PROBLEM, model, context=tuned(max_calls=11, init="dummy", width=2))
    assert (len(model.calls), found.stop_reason) == (11, "max_calls")
    assert found.final_answer is not None


def test_where_no_answer_is_final_and_the_judge_too_dear_more_are_drafted() -> None:
    def reply(call: Any) -> str:
        return "It is \\boxed{4}." if call.rollout > 2 else f"A text, {call.rollout}"

    model = ScriptedChatModel(replies=reply)
    found = solve(PROBLEM, model, context=tuned(max_calls=11), judge=Pairwise(rivals=5))
    assert (len(model.calls), found.final_answer) == (11, "4")


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("given", [{}, {"drafts": 3, "width": 3}])
def test_a_search_may_begin_with_an_answer_and_a_dummy(given: dict[str, Any], final: bool) -> None:
    model = ScriptedChatModel(
        replies=lambda call: five(call) if final else five(call).replace("boxed", "text")
    )
    found = solve(PROBLEM, model, context=tuned(init="both", max_calls=30, **given))
    assert total_cost(found.usage)["calls"] in (29, 30)
    assert (found.stop_reason, found.failures) == ("max_calls", [])
    assert any(node["q"] is not None for node in found.tree.values())
