"""A person answers in the middle of a search: `interrupt()` in a judge, a model or a tool."""

from __future__ import annotations

import itertools
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from mctsr_graph import (
    MCTSrContext,
    MCTSrMiddleware,
    PauseError,
    ScriptedChatModel,
    create_mctsr,
    create_mctsr_agent,
    create_mctsr_tool,
    solve,
    solve_many,
)

from .agents import boss
from .conftest import keyed_reply

THREAD: Any = {"configurable": {"thread_id": "graded"}}
PROBLEM = {"problem": "How many?"}


def grade(answer: str) -> float:
    """What the person gives: points by the answer alone."""
    return float(sum(answer.encode()) % 150 - 75)


def asks_a_person(problem: str, answer: str) -> float:
    return float(interrupt({"answer": answer}))


async def asks_a_person_async(problem: str, answer: str) -> float:
    return float(interrupt({"answer": answer}))


def never_the_same() -> ScriptedChatModel:
    """A model that says something else whenever it is asked."""
    numbers = itertools.count()
    return ScriptedChatModel(replies=lambda call: f"Thought {next(numbers)}: \\boxed{{7}}")


def played(graph: Any, first: Any = PROBLEM) -> tuple[Any, int]:
    """Run a graph, and grade whenever it pauses; the output, and how often that was."""
    output, pauses = graph.invoke(first, THREAD), 0
    while "__interrupt__" in output:
        [pause] = output["__interrupt__"]
        pauses += 1
        output = graph.invoke(Command(resume=grade(pause.value["answer"])), THREAD)
    return output, pauses


@pytest.mark.parametrize(
    ("settings", "pauses"),
    [
        ({"max_rollouts": 3}, 1 + 3 * 2),
        ({"max_rollouts": 3, "width": 3}, 1 + 3 * 2),
        ({"max_rollouts": 2, "width": 2, "drafts": 2, "reward_samples": 2}, 4 + 2 * 3),
        ({"max_rollouts": 2, "profile": "official"}, 2 + 2 * 2),
    ],
)
@pytest.mark.parametrize("judge", [asks_a_person, asks_a_person_async])
def test_a_person_grades_each_answer(
    judge: Callable[..., Any], settings: dict[str, Any], pauses: int
) -> None:
    context = MCTSrContext(**{"profile": "paper", **settings})
    graph = create_mctsr(never_the_same(), judge=judge, context=context)
    kept = graph.compile(checkpointer=InMemorySaver())
    output, asked = played(kept)
    values = kept.get_state(THREAD).values
    assert asked == pauses
    assert (output["mctsr"]["rollouts"], values["failures"]) == (settings["max_rollouts"], [])
    lowered = context.full_score_penalty
    for node in values["tree"].values():
        given = grade(node["answer"])
        assert set(node["rewards"]) <= {given, given - lowered}, node


async def test_a_person_grades_without_holding_the_loop() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=2, width=2)
    graph = create_mctsr(never_the_same(), judge=asks_a_person, context=context)
    kept = graph.compile(checkpointer=InMemorySaver())
    output = await kept.ainvoke(PROBLEM, THREAD)
    while "__interrupt__" in output:
        [pause] = output["__interrupt__"]
        output = await kept.ainvoke(Command(resume=grade(pause.value["answer"])), THREAD)
    tree = kept.get_state(THREAD).values["tree"]
    assert len(tree) == 3
    assert all(set(node["rewards"]) == {grade(node["answer"])} for node in tree.values())


class Lesson(TypedDict, total=False):
    problem: str
    final_answer: str


def test_a_node_of_another_graph_and_an_agent_pause_with_it() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=2)
    lesson = StateGraph(Lesson)
    search = create_mctsr(never_the_same(), judge=asks_a_person, context=context)
    lesson.add_node("search", search.compile(name="mctsr"))
    lesson.add_edge(START, "search")
    output, pauses = played(lesson.compile(checkpointer=InMemorySaver()))
    assert (output["final_answer"], pauses) == ("7", 5)
    agent = create_mctsr_agent(
        never_the_same(), judge=asks_a_person, context=context, checkpointer=InMemorySaver()
    )
    output, pauses = played(agent, {"messages": "How many?"})
    assert ("\\boxed{7}" in output["messages"][-1].text, pauses) == (True, 5)


def test_a_search_that_was_left_paused_gives_way_to_another_problem() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1)
    graph = create_mctsr(never_the_same(), judge=asks_a_person, context=context)
    kept = graph.compile(checkpointer=InMemorySaver())
    assert kept.invoke(PROBLEM, THREAD)["__interrupt__"][0].value["answer"].startswith("Thought 0")
    output = kept.invoke({"problem": "How few?"}, THREAD)
    assert output["__interrupt__"][0].value["answer"].startswith("Thought 1")


def test_a_pause_before_the_tree_keeps_the_pictures() -> None:
    model = never_the_same()
    graph = create_mctsr(
        model, judge=asks_a_person, context=MCTSrContext(profile="paper", max_rollouts=1)
    )
    kept = graph.compile(checkpointer=InMemorySaver())
    picture = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    output, pauses = played(kept, {"problem": ["How many?", picture]})
    assert (output["mctsr"]["rollouts"], pauses) == (1, 3)
    assert [call.role for call in model.calls] == ["draft", "critique", "refine"]
    assert all(picture in call.messages[1].content for call in model.calls)
    other = {**picture, "base64": "BBBB"}  # is another problem, though its words are the same
    kept.invoke({"problem": ["How many?", picture]}, THREAD)
    kept.invoke({"problem": ["How many?", other]}, THREAD)
    assert [call.role for call in model.calls[3:]] == ["draft", "draft"]


def test_a_pause_that_speaks_of_system_messages_is_a_pause() -> None:
    def person(messages: Any, **settings: Any) -> AIMessage:
        return AIMessage(interrupt("system messages are not supported by me; what would you say?"))

    graph = create_mctsr(RunnableLambda(person), judge=lambda p, a: 5.0)
    kept = graph.compile(checkpointer=InMemorySaver())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert "__interrupt__" in kept.invoke(PROBLEM, THREAD)


def test_a_model_that_is_a_person_pauses_the_search() -> None:
    def person(messages: Any, **settings: Any) -> AIMessage:
        return AIMessage(interrupt({"answer": messages[-1].text}))

    context = MCTSrContext(profile="paper", max_rollouts=1)
    graph = create_mctsr(RunnableLambda(person), judge=lambda p, a: 5.0, context=context)
    kept = graph.compile(checkpointer=InMemorySaver())
    assert "__interrupt__" in kept.invoke(PROBLEM, THREAD)
    for words in ("It is \\boxed{6}.", "Wrong.", "It is \\boxed{7}."):
        output = kept.invoke(Command(resume=words), THREAD)
    tree = kept.get_state(THREAD).values["tree"]
    assert [node["final_answer"] for node in tree.values()] == ["6", "7"]
    assert (tree["1"]["critique"], output["mctsr"]["rollouts"]) == ("Wrong.", 1)


def test_where_a_search_cannot_be_paused_it_says_so() -> None:
    model, context = never_the_same(), MCTSrContext(profile="paper", max_rollouts=1)
    given: Any = {"judge": asks_a_person, "context": context}
    cannot = pytest.raises(PauseError, match=r"create_mctsr\(\.\.\.\)\.compile\(checkpointer=")
    with cannot:
        solve("How many?", model, **given)
    with cannot:
        solve("How many?", model, checkpointer=InMemorySaver(), **given)
    with cannot:
        solve_many(["How many?"], model, judge=asks_a_person, max_calls=5)
    with cannot:
        create_mctsr_tool(model, **given).invoke({"problem": "How many?"})
    graph = create_mctsr(
        ScriptedChatModel(replies=keyed_reply),
        judge=asks_a_person,
        context=MCTSrContext(profile="paper", pipelined=True, width=2),
    )
    kept = graph.compile(checkpointer=InMemorySaver())
    kept.invoke(PROBLEM, THREAD)
    with pytest.raises(PauseError, match="pipelined is True"):
        kept.invoke(Command(resume=5), THREAD)


def test_reading_a_final_answer_cannot_be_paused_and_says_so() -> None:
    def read(text: str) -> str:
        return str(interrupt({"text": text}))

    cannot = pytest.raises(PauseError, match="read of final_answer called interrupt")
    with cannot:
        solve("How many?", never_the_same(), final_answer=read)
    graph = create_mctsr(never_the_same(), final_answer=read)
    with cannot:
        graph.compile(checkpointer=InMemorySaver()).invoke(PROBLEM, THREAD)


def test_a_tool_or_middleware_that_cannot_pause_stops_its_agent() -> None:
    from langchain.agents import create_agent

    tool = create_mctsr_tool(
        never_the_same(), judge=asks_a_person, context=MCTSrContext(profile="paper", max_rollouts=1)
    )
    agent = create_agent(boss("How many?"), tools=[tool], checkpointer=InMemorySaver())
    with pytest.raises(PauseError):
        agent.invoke({"messages": "Go."}, THREAD)
    middleware = MCTSrMiddleware(
        judge=asks_a_person, context=MCTSrContext(profile="paper", max_rollouts=1)
    )
    agent = create_agent(never_the_same(), middleware=[middleware], checkpointer=InMemorySaver())
    with pytest.raises(PauseError):
        agent.invoke({"messages": "Go."}, THREAD)


def test_an_error_that_names_a_pause_crosses_processes() -> None:
    assert str(pickle.loads(pickle.dumps(PauseError("paused")))) == "paused"
