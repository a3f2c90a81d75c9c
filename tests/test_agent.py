"""The search as an agent: alone, in a larger graph, under a supervisor and in a swarm."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_handoff_tool, create_swarm

from mctsr_graph import ConfigError, MCTSrContext, ScriptedChatModel, create_mctsr_agent, solve
from mctsr_graph.models.scripted import ScriptedCall

from .agents import SHORT, numbered_reply

# Both packages still call create_react_agent, which LangGraph 1 has deprecated
deprecated = pytest.mark.filterwarnings("ignore:.*create_react_agent:DeprecationWarning")


@pytest.fixture
def numbered() -> ScriptedChatModel:
    return ScriptedChatModel(replies=numbered_reply)


def asking(number: int) -> dict[str, Any]:
    return {"messages": [HumanMessage(f"Problem number {number}?")]}


async def run(way: str, graph: Any, *args: Any, **kwargs: Any) -> Any:
    if way == "async":
        return await graph.ainvoke(*args, **kwargs)
    return graph.invoke(*args, **kwargs)


# --------------------------------------------------------------------------- alone
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
async def test_messages_go_in_and_one_comes_out(
    numbered: ScriptedChatModel, way: str, saver: Any
) -> None:
    agent = create_mctsr_agent(numbered, context=SHORT, checkpointer=saver and saver())
    conversation = [
        SystemMessage("Be brief."),
        HumanMessage("Problem number 1?"),
        AIMessage("1"),
        HumanMessage("Problem number 2?"),
        AIMessage("", tool_calls=[{"name": "hand_over", "id": "1", "args": {}}]),
        ToolMessage("done", tool_call_id="1"),
    ]
    config: Any = {"configurable": {"thread_id": "t"}}
    output = await run(way, agent, {"messages": conversation}, config)
    *before, message = output["messages"]
    assert [m.content for m in before] == [m.content for m in conversation]
    assert list(output) == ["messages"]
    found = solve("Problem number 2?", ScriptedChatModel(replies=numbered_reply), context=SHORT)
    assert isinstance(message, AIMessage)
    assert (message.name, message.content) == ("mctsr_agent", found.answer)
    told = message.response_metadata["mctsr"]
    assert told["final_answer"] == "2"
    assert (told["usage"], told["stop_reason"]) == (found.usage, "max_rollouts")
    costs = found.usage.values()
    assert message.usage_metadata == {
        "input_tokens": sum(cost["input_tokens"] for cost in costs),
        "output_tokens": sum(cost["output_tokens"] for cost in costs),
        "total_tokens": sum(cost["input_tokens"] + cost["output_tokens"] for cost in costs),
    }


def test_each_turn_of_a_conversation_is_a_search_of_its_own(numbered: ScriptedChatModel) -> None:
    agent = create_mctsr_agent(numbered, context=SHORT, checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    for turn, number in enumerate((1, 2, 1), start=1):
        output = agent.invoke(asking(number), config)
        assert len(output["messages"]) == 2 * turn
        told = output["messages"][-1].response_metadata["mctsr"]
        assert (told["final_answer"], told["rollouts"]) == (str(number), 2)


@pytest.mark.parametrize(
    "messages",
    [
        [AIMessage("Hello?")],
        [HumanMessage("  ")],
        [HumanMessage([{"type": "image_url", "image_url": "data:x"}])],
    ],
)
def test_a_conversation_without_a_question_is_an_error(
    numbered: ScriptedChatModel, messages: list[Any]
) -> None:
    with pytest.raises(ConfigError, match="human message"):
        create_mctsr_agent(numbered).invoke({"messages": messages})


def test_a_search_that_finds_nothing_says_so() -> None:
    agent = create_mctsr_agent(ScriptedChatModel(replies=lambda call: ""), context=SHORT)
    message = agent.invoke(asking(1))["messages"][-1]
    assert message.content == (
        "No answer was found. Stopped (failed): no first draft could be used."
    )
    assert message.response_metadata["mctsr"]["final_answer"] is None


def test_settings_come_from_the_run_or_from_the_builder(numbered: ScriptedChatModel) -> None:
    agent = create_mctsr_agent(numbered, context=SHORT)

    def rollouts(context: Any) -> int:
        message = agent.invoke(asking(1), context=context)["messages"][-1]
        return int(message.response_metadata["mctsr"]["rollouts"])

    assert rollouts(None) == 2
    assert rollouts(MCTSrContext(profile="paper", max_rollouts=3)) == 3


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_tokens_reach_a_chat_only_if_asked_for(numbered: ScriptedChatModel, way: str) -> None:
    async def said(agent: Any, subgraphs: bool) -> list[str]:
        how: Any = {"stream_mode": "messages", "subgraphs": subgraphs, "version": "v2"}
        if way == "async":
            parts = [part async for part in agent.astream(asking(5), **how)]
        else:
            parts = list(agent.stream(asking(5), **how))
        return [part["data"][0].content for part in parts]

    quiet = create_mctsr_agent(numbered, context=SHORT)
    for subgraphs in (False, True):
        assert await said(quiet, subgraphs) == ["It is \\boxed{5}."]
    loud = create_mctsr_agent(numbered, context=SHORT, stream_tokens=True)
    assert await said(loud, subgraphs=False) == ["It is \\boxed{5}."]
    assert (await said(loud, subgraphs=True)).count("A flaw.") == 2


def test_the_drawing_shows_every_step_and_a_chat_sees_messages_only(
    numbered: ScriptedChatModel,
) -> None:
    agent = create_mctsr_agent(numbered)
    nodes = set(agent.get_graph(xray=True).nodes)
    assert {"read", "reply", "mctsr:select", "mctsr:refine", "mctsr:finalize"} <= nodes
    for schema in (agent.get_input_jsonschema(), agent.get_output_jsonschema()):
        assert list(schema["properties"]) == ["messages"]


# --------------------------------------------------------------------------- in other graphs
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_under_a_parents_checkpointer_it_goes_on_where_it_stopped(way: str) -> None:
    def reply(call: ScriptedCall) -> Any:
        return KeyboardInterrupt() if len(model.calls) == 7 else numbered_reply(call)

    model = ScriptedChatModel(replies=reply)
    builder = StateGraph(MessagesState)
    builder.add_node("expert", create_mctsr_agent(model, context=SHORT, name="expert"))
    builder.add_edge(START, "expert")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(KeyboardInterrupt):
        graph.invoke(asking(3), config, durability="sync")
    assert len(model.calls) == 7
    output = await run(way, graph, None, config)
    assert output["messages"][-1].response_metadata["mctsr"]["final_answer"] == "3"
    assert len(model.calls) == 11  # ten, and the one that was interrupted once more


def supervisor_model() -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> AIMessage:
        done = any(getattr(m, "name", None) == "math_expert" for m in call.messages)
        if done:
            return AIMessage("It is settled.")
        order = {"name": "transfer_to_math_expert", "id": "1", "args": {}}
        return AIMessage("", tool_calls=[order])

    return ScriptedChatModel(replies=reply)


@deprecated
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
@pytest.mark.parametrize("output_mode", ["last_message", "full_history"])
async def test_a_supervisor_hands_it_work(
    numbered: ScriptedChatModel, way: str, saver: Any, output_mode: Any
) -> None:
    expert = create_mctsr_agent(numbered, context=SHORT, name="math_expert")
    team = create_supervisor([expert], model=supervisor_model(), output_mode=output_mode).compile(
        checkpointer=saver and saver()
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    output = await run(way, team, asking(4), config)
    by_expert = [m for m in output["messages"] if m.name == "math_expert" and m.content[:2] == "It"]
    assert [m.response_metadata["mctsr"]["final_answer"] for m in by_expert] == ["4"]
    assert output["messages"][-1].content == "It is settled."


@deprecated
def test_a_supervisors_chat_hears_no_tokens(numbered: ScriptedChatModel) -> None:
    expert = create_mctsr_agent(numbered, context=SHORT, name="math_expert")
    team = create_supervisor([expert], model=supervisor_model()).compile()
    for subgraphs in (False, True):
        said = [
            part["data"][0].content
            for part in team.stream(
                asking(4), stream_mode="messages", subgraphs=subgraphs, version="v2"
            )
        ]
        assert said.count("It is \\boxed{4}.") == 1
        assert "A flaw." not in said


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_swarm_hands_over_to_it(numbered: ScriptedChatModel, way: str) -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        if "number" not in str(call.messages[-1].content):
            return AIMessage("Hello from the host.")
        order = {"name": "transfer_to_math_expert", "id": "1", "args": {}}
        return AIMessage("", tool_calls=[order])

    host = create_agent(
        ScriptedChatModel(replies=reply),
        [create_handoff_tool(agent_name="math_expert")],
        name="host",
    )
    expert = create_mctsr_agent(
        expert_model(),
        context=SHORT,
        name="math_expert",
        predicate=is_problem,
        tools=[create_handoff_tool(agent_name="host")],
    )
    swarm = create_swarm([host, expert], default_active_agent="host").compile(
        checkpointer=InMemorySaver()
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    output = await run(way, swarm, asking(6), config)
    last = output["messages"][-1]
    assert (last.name, last.response_metadata["mctsr"]["final_answer"]) == ("math_expert", "6")
    output = await run(way, swarm, {"messages": [HumanMessage("Thanks, bye!")]}, config)
    last = output["messages"][-1]
    assert (last.name, last.content) == ("math_expert", "You are welcome.")
    output = await run(way, swarm, {"messages": [HumanMessage("Back, please.")]}, config)
    assert output["messages"][-1].content == "Hello from the host."
    assert output["active_agent"] == "host"


def is_problem(question: str) -> bool:
    return "Problem" in question


def expert_model() -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> Any:
        if call.role is not None:  # of a search
            return numbered_reply(call)
        if "Back" in call.messages[-1].text:
            return AIMessage("", tool_calls=[{"name": "transfer_to_host", "id": "2", "args": {}}])
        return AIMessage("You are welcome.")

    return ScriptedChatModel(replies=reply)


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_small_talk_costs_one_call(way: str) -> None:
    model = expert_model()
    agent = create_mctsr_agent(model, context=SHORT, predicate=is_problem, name="expert")
    output = await run(way, agent, {"messages": [HumanMessage("Thanks, bye!")]})
    said = output["messages"][-1]
    assert (said.content, said.name, len(model.calls)) == ("You are welcome.", "expert", 1)
    output = await run(way, agent, asking(7))
    assert output["messages"][-1].response_metadata["mctsr"]["final_answer"] == "7"
    assert len(model.calls) == 1 + 10


def test_a_predicate_is_given_the_words_beside_a_picture() -> None:
    model, heard = ScriptedChatModel(replies=lambda call: "Score: 5, \\boxed{7}"), list[str]()
    agent = create_mctsr_agent(
        model, context=SHORT, predicate=lambda words: not heard.append(words)
    )
    picture = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    question = HumanMessage([{"type": "text", "text": "Problem 7"}, picture])
    output = agent.invoke({"messages": [question]})
    assert heard == ["Problem 7"]
    assert "cost" in output["messages"][-1].response_metadata["mctsr"]


def test_a_tool_may_return_to_the_talk() -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        if isinstance(call.messages[-1], ToolMessage):
            return AIMessage(f"It is {call.messages[-1].text}.")
        return AIMessage("", tool_calls=[{"name": "clock", "id": "1", "args": {}}])

    def clock() -> str:
        """Tell the time."""
        return "noon"

    talker = create_mctsr_agent(
        ScriptedChatModel(replies=reply), predicate=lambda question: False, tools=[clock]
    )
    output = talker.invoke({"messages": [HumanMessage("What time is it?")]})
    assert output["messages"][-1].content == "It is noon."
    with pytest.raises(ConfigError, match="without a predicate each message is searched for"):
        create_mctsr_agent(ScriptedChatModel(replies=reply), tools=[clock])
