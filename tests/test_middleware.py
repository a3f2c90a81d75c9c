"""The search inside an agent of LangChain: which calls it answers, and which it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from mctsr_graph import ConfigError, MCTSrContext, MCTSrMiddleware, ScriptedChatModel, solve
from mctsr_graph.models.scripted import ScriptedCall

from .agents import SHORT, numbered_reply

Make = Callable[..., ScriptedChatModel]


def lookup(word: str) -> str:
    """Look a word up."""
    return f"{word} is number 42"


def agents_reply(call: ScriptedCall) -> Any:
    """As an agent's model, "easy" or a call of the tool; as a search's, a numbered reply."""
    if call.role is not None:
        return numbered_reply(call)
    if "look up" in str(call.messages[-1].content) and "tools" in call.settings:
        order = {"name": "lookup", "id": "1", "args": {"word": "it"}}
        return AIMessage("", tool_calls=[order])
    return "easy"


@pytest.fixture
def model() -> ScriptedChatModel:
    return ScriptedChatModel(replies=agents_reply)


def is_hard(request: Any) -> bool:
    return "number" in str([m.text for m in request.messages])


async def ask(way: str, agent: Any, text: str, **config: Any) -> list[Any]:
    given = {"messages": [HumanMessage(text)]}
    if way == "async":
        return list((await agent.ainvoke(given, config))["messages"])
    return list(agent.invoke(given, config)["messages"])


ways = pytest.mark.parametrize("way", ["sync", "async"])


@ways
@pytest.mark.parametrize("saver", [None, InMemorySaver])
async def test_selected_calls_are_searched_and_others_are_not(
    model: ScriptedChatModel, way: str, saver: Any
) -> None:
    agent = create_agent(
        model,
        middleware=[MCTSrMiddleware(predicate=is_hard, context=SHORT)],
        checkpointer=saver and saver(),
        name="helper",
    )
    config = {"configurable": {"thread_id": "t"}}
    easy = (await ask(way, agent, "Hello", **config))[-1]
    assert (easy.content, len(model.calls)) == ("easy", 1)
    hard = (await ask(way, agent, "Problem number 9?", **config))[-1]
    found = solve("Problem number 9?", ScriptedChatModel(replies=numbered_reply), context=SHORT)
    assert hard.content == found.answer
    assert hard.response_metadata["mctsr"]["final_answer"] == "9"
    assert hard.usage_metadata["total_tokens"] > 0
    assert len(model.calls) == 1 + 10
    assert {call.role for call in model.calls[1:]} == {"draft", "critique", "refine", "evaluate"}


@ways
async def test_an_agent_keeps_its_tools_and_the_search_hears_their_results(
    model: ScriptedChatModel, way: str
) -> None:
    agent = create_agent(model, [lookup], middleware=[MCTSrMiddleware(context=SHORT)])
    messages = await ask(way, agent, "Please look up the problem.")
    assert [type(m) for m in messages] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    answer = messages[-1]
    assert answer.response_metadata["mctsr"]["final_answer"] == "42"
    draft = next(call for call in model.calls if call.role == "draft")
    problem = str([m.text for m in draft.messages])
    assert "Please look up the problem." in problem
    assert "lookup returned: it is number 42" in problem
    assert "tools" not in draft.settings
    usage = answer.response_metadata["mctsr"]["usage"]
    by_roles = sum(cost["input_tokens"] for cost in usage.values())
    assert answer.usage_metadata["input_tokens"] > by_roles  # the call that was made first


@ways
async def test_a_call_that_has_to_return_structure_is_left_alone(way: str) -> None:
    class Result(BaseModel):
        number: int

    def reply(call: ScriptedCall) -> AIMessage:
        order = {"name": "Result", "id": "1", "args": {"number": 3}}
        return AIMessage("", tool_calls=[order])

    model = ScriptedChatModel(replies=reply)
    agent: Any = create_agent(
        model, response_format=Result, middleware=[MCTSrMiddleware(context=SHORT)]
    )
    given = {"messages": [HumanMessage("Problem number 3?")]}
    output = await agent.ainvoke(given) if way == "async" else agent.invoke(given)
    assert output["structured_response"] == Result(number=3)
    assert [call.role for call in model.calls] == [None]


@ways
@pytest.mark.parametrize("tools", [[], [lookup]])
async def test_a_search_that_fails_leaves_the_models_own_answer(way: str, tools: Any) -> None:
    def reply(call: ScriptedCall) -> Any:
        if call.role is None:
            return "my own answer"
        return OSError("down") if call.role == "refine" else numbered_reply(call)

    model, context = ScriptedChatModel(replies=reply), MCTSrContext(profile="paper", max_failures=2)
    agent = create_agent(model, tools, middleware=[MCTSrMiddleware(context=context)])
    messages = await ask(way, agent, "Problem number 3?")
    assert messages[-1].content == "my own answer"
    assert sum(call.role is None for call in model.calls) == 1


@ways
async def test_an_error_of_the_model_is_the_agents_to_handle(way: str, scripted: Make) -> None:
    model = scripted({("draft", 0, 0): PermissionError("no key")})
    agent = create_agent(model, middleware=[MCTSrMiddleware(context=SHORT)])
    with pytest.raises(PermissionError, match="no key"):
        await ask(way, agent, "Problem number 3?")


def test_the_problem_can_be_another_text(model: ScriptedChatModel) -> None:
    middleware = MCTSrMiddleware(
        context=SHORT, problem=lambda request: f"{request.system_prompt} Problem number 11?"
    )
    agent = create_agent(model, middleware=[middleware], system_prompt="In base ten.")
    message = agent.invoke({"messages": "Well?"})["messages"][-1]
    assert message.response_metadata["mctsr"]["final_answer"] == "11"
    assert "In base ten." in str(model.calls[0].messages)


@pytest.mark.parametrize("tools", [[], [lookup]])
def test_events_reach_the_stream_and_tokens_do_not(model: ScriptedChatModel, tools: Any) -> None:
    agent = create_agent(model, tools, middleware=[MCTSrMiddleware(context=SHORT)], name="helper")
    given: Any = {"messages": "Problem number 3?"}
    for subgraphs in (False, True):
        parts: list[Any] = list(
            agent.stream(
                given, stream_mode=["custom", "messages"], subgraphs=subgraphs, version="v2"
            )
        )
        kinds = [part["data"]["type"] for part in parts if part["type"] == "custom"]
        assert kinds == ["mctsr.start", "mctsr.rollout", "mctsr.rollout", "mctsr.stop"]
        said = [part["data"][0].content for part in parts if part["type"] == "messages"]
        assert said == ["It is \\boxed{3}."]


@ways
async def test_an_agent_that_is_resumed_goes_on_with_its_search(way: str, tmp_path: Path) -> None:
    def reply(call: ScriptedCall) -> Any:
        return KeyboardInterrupt() if len(model.calls) == 7 else numbered_reply(call)

    model = ScriptedChatModel(replies=reply)
    middleware = MCTSrMiddleware(context=SHORT, checkpointer=tmp_path / "searches.db")
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(KeyboardInterrupt):
        agent.invoke({"messages": [HumanMessage("Problem number 3?")]}, config)
    output = await agent.ainvoke(None, config) if way == "async" else agent.invoke(None, config)
    assert output["messages"][-1].response_metadata["mctsr"]["final_answer"] == "3"
    assert len(model.calls) == 10 + 1
    again = await ask(way, agent, "Problem number 3?", **config)  # asked anew, searched anew
    assert again[-1].response_metadata["mctsr"]["final_answer"] == "3"
    assert len(model.calls) == 20 + 1


@pytest.mark.parametrize("name", ["promts", "thread_id"])
def test_an_option_that_a_search_does_not_take_is_refused_at_once(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: no option of MCTSrMiddleware, allowed check"):
        MCTSrMiddleware(**{name: None})


def test_without_langchain_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['langchain'] = None\n"
        "import mctsr_graph\n"
        "mctsr_graph.create_mctsr_tool, mctsr_graph.create_mctsr_agent\n"
        "try: mctsr_graph.MCTSrMiddleware\n"
        "except mctsr_graph.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "langchain>=' in done.stdout, done.stderr
