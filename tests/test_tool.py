"""The search as a tool: what the agent, its owner and its user get of it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    Solution,
    create_mctsr_tool,
    solve,
)

from .agents import SHORT, boss, calling, hand_written, numbered_reply, results
from .conftest import keyed_reply

Make = Callable[..., ScriptedChatModel]
ROOT = Path(__file__).parent.parent
PROBLEM = "Problem number 7?"


@pytest.fixture
def numbered() -> ScriptedChatModel:
    return ScriptedChatModel(replies=numbered_reply)


# --------------------------------------------------------------------------- what comes back
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
async def test_an_agent_reads_the_answer_and_its_owner_finds_the_tree(
    numbered: ScriptedChatModel, way: str, saver: Any
) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT)
    agent = create_agent(boss(PROBLEM), [tool], checkpointer=saver and saver())
    config: Any = {"configurable": {"thread_id": "t"}}
    given: Any = {"messages": "Be sure."}
    output = await agent.ainvoke(given, config) if way == "async" else agent.invoke(given, config)
    message = results(output)["call_0"]
    assert message.status == "success"
    found = Solution.from_dict(message.artifact)
    verdict = " ".join(found.verdict["says"].values())
    assert message.content == f"Final answer: 7\n\nIt is \\boxed{{7}}.\n\n({verdict})"
    assert "Chosen by the highest q, 54.0: " in verdict
    assert found == solve(PROBLEM, numbered, context=SHORT)
    assert output["messages"][-1].content == "Done."
    if saver:  # what a checkpoint gives back is what was put in
        kept = (await agent.aget_state(config)).values
        assert json.dumps(results(kept)["call_0"].artifact) == json.dumps(message.artifact)


def test_a_long_answer_is_shown_by_its_end() -> None:
    long = "step " * 1000 + "so it is \\boxed{4}."
    model = ScriptedChatModel(replies=lambda call: "Score: 10" if call.role == "evaluate" else long)
    told = create_mctsr_tool(model, context=SHORT).invoke({"problem": "2 + 2?"})
    assert told.startswith("Final answer: 4\n\n[...] ")
    assert "so it is \\boxed{4}." in told
    assert len(told) < 2100


def test_an_answer_that_nobody_has_judged_is_told(numbered: ScriptedChatModel) -> None:
    context = MCTSrContext(profile="tuned", max_calls=2)
    told = create_mctsr_tool(numbered, context=context).invoke(PROBLEM)
    assert "; never judged. " in told


def test_the_tool_works_by_hand_too(numbered: ScriptedChatModel) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT, name="think", description="Thinks.")
    assert (tool.name, tool.description) == ("think", "Thinks.")
    call = {**calling(PROBLEM).tool_calls[0], "name": "think"}
    assert tool.invoke(call).artifact["final_answer"] == "7"
    assert "Final answer: 7" in tool.invoke({"problem": PROBLEM})


# --------------------------------------------------------------------------- settings of a call
def test_a_call_may_choose_what_its_owner_allows(numbered: ScriptedChatModel) -> None:
    tool = create_mctsr_tool(
        numbered,
        context=MCTSrContext(profile="paper", max_rollouts=2, seed=3),
        per_call={"max_rollouts": 4, "profile": ["paper", "official"], "max_seconds": 60.0},
    )
    known = tool.tool_call_schema.model_json_schema()["properties"]  # type: ignore[union-attr]
    assert list(known) == ["problem", "max_rollouts", "profile", "max_seconds"]
    assert known["max_rollouts"]["anyOf"][0] == {"type": "integer", "maximum": 4}
    assert known["max_rollouts"]["description"].endswith("by default 2")
    assert known["profile"]["anyOf"][0]["enum"] == ["paper", "official"]
    agent = create_agent(boss(PROBLEM, max_rollouts=4, profile="official"), [tool])
    artifact = results(agent.invoke({"messages": "Go."}))["call_0"].artifact
    assert artifact["rollouts"] == 4
    assert artifact["tree"]["0"]["dummy"] or artifact["tree"]["1"]["dummy"]  # of "official"
    assert numbered.calls[0].settings["seed"] >= 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_rollouts": 5}, "max_rollouts: Input should be less than or equal to 4"),
        ({"max_rollouts": 0}, "max_rollouts is 0, allowed 1 to 4096"),
        ({"profile": "official"}, "profile: Input should be 'paper'"),
    ],
)
def test_a_call_that_asks_for_more_is_told_so(
    numbered: ScriptedChatModel, settings: dict[str, Any], told: str
) -> None:
    tool = create_mctsr_tool(numbered, per_call={"max_rollouts": 4, "profile": "paper"})
    agent = create_agent(boss(PROBLEM, **settings), [tool])
    output = agent.invoke({"messages": "Go."})
    message = results(output)["call_0"]
    assert (message.status, told in str(message.content)) == ("error", True)
    assert numbered.calls == []
    assert output["messages"][-1].content == "Done."


def test_settings_that_were_not_offered_are_not_taken(numbered: ScriptedChatModel) -> None:
    agent = create_agent(
        boss(PROBLEM, max_rollouts=9), [create_mctsr_tool(numbered, context=SHORT)]
    )
    assert results(agent.invoke({"messages": "Go."}))["call_0"].artifact["rollouts"] == 2


def test_settings_may_be_a_dict(numbered: ScriptedChatModel) -> None:
    settings: Any = {"max_rollouts": 1}
    message = create_mctsr_tool(numbered, context=settings).invoke(
        {"type": "tool_call", "id": "1", "name": "x", "args": {"problem": "Problem number 3?"}}
    )
    assert message.artifact["rollouts"] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_call": {"rollouts": 4}}, "'rollouts', which is no setting"),
        ({"per_call": {"max_rollouts": 9999}}, "max_rollouts is 9999, allowed 1 to 4096"),
        ({"per_call": {"profile": ["fast"]}}, "profile is 'fast', allowed"),
        ({"on_event": print}, "on_event: no option of a tool"),
        ({"promts": None}, "promts: no option of a tool"),
    ],
)
def test_a_wrong_limit_is_told_to_the_owner_at_once(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_mctsr_tool("embedded", **wrong)


# --------------------------------------------------------------------------- failures
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_failed_search_is_a_message_that_the_agent_can_react_to(
    scripted: Make, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {("refine", n, 0): OSError("down") for n in range(2, 20)}
    tool = create_mctsr_tool(scripted(broken), context=MCTSrContext(profile="paper"))
    agent = create_agent(boss("Why?"), [tool])
    given: Any = {"messages": "Go."}
    with caplog.at_level(logging.WARNING):
        output = await agent.ainvoke(given) if way == "async" else agent.invoke(given)
    message = results(output)["call_0"]
    assert message.status == "error"
    assert "The search failed: the search gave up: 5 of 6 rollouts failed" in message.content
    assert "not to be relied on:\nFinal answer: 1" in message.content
    assert output["messages"][-1].content == "Done."
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_model_that_cannot_be_reached_is_a_message_too(scripted: Make) -> None:
    model = scripted({("draft", 0, 0): PermissionError("no key")})
    agent = create_agent(boss("Why?"), [create_mctsr_tool(model)])
    message = results(agent.invoke({"messages": "Go."}))["call_0"]
    assert (message.status, message.content) == ("error", "The search failed: no key")


def test_ctrl_c_is_not_a_message(scripted: Make) -> None:
    model = scripted({("refine", 1, 0): KeyboardInterrupt()})
    tool = create_mctsr_tool(model, context=MCTSrContext(profile="paper"))
    agent = hand_written(boss("Why?"), tool)
    with pytest.raises(KeyboardInterrupt):
        agent.invoke({"messages": "Go."})


# --------------------------------------------------------------------------- apart from the agent
@dataclass
class Theirs:
    max_rollouts: int = 99
    mctsr: MCTSrContext = field(
        default_factory=lambda: MCTSrContext(profile="paper", max_rollouts=9)
    )


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_neither_context_nor_thread_of_the_agent_leak_in(
    numbered: ScriptedChatModel, way: str
) -> None:
    tool, saver = create_mctsr_tool(numbered, context=SHORT), InMemorySaver()
    agent = create_agent(boss(PROBLEM), [tool], checkpointer=saver, context_schema=Theirs)
    config: Any = {"configurable": {"thread_id": "t"}}
    given: Any = {"messages": "Go."}
    if way == "async":
        output = await agent.ainvoke(given, config, context=Theirs())
    else:
        output = agent.invoke(given, config, context=Theirs())
    assert results(output)["call_0"].artifact["rollouts"] == 2
    namespaces = {found.config["configurable"]["checkpoint_ns"] for found in saver.list(config)}
    assert namespaces == {""}


STREAMS = ["custom", "tools", "messages", "updates", "values"]


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_events_reach_the_agents_stream_and_tokens_do_not(
    numbered: ScriptedChatModel, subgraphs: bool, way: str
) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT)
    agent = create_agent(boss(PROBLEM, "Problem number 8?"), [tool])
    given: Any = {"messages": "Go."}
    how: Any = {"stream_mode": STREAMS, "subgraphs": subgraphs, "version": "v2"}
    parts: list[Any] = []
    if way == "async":
        parts = [part async for part in agent.astream(given, **how)]
    else:
        parts = list(agent.stream(given, **how))
    assert {part["ns"] for part in parts} == {()}
    by_mode = {mode: [p["data"] for p in parts if p["type"] == mode] for mode in STREAMS}
    for number, call_id in ((7, "call_0"), (8, "call_1")):
        told = [e for e in by_mode["custom"] if e["tool_call_id"] == call_id]
        kinds = [event["type"] for event in told]
        assert kinds == ["mctsr.start", "mctsr.rollout", "mctsr.rollout", "mctsr.stop"]
        assert told[-1]["best"]["final_answer"] == str(number)
        deltas = [
            e["delta"]
            for e in by_mode["tools"]
            if e["event"] == "tool-output-delta" and e["tool_call_id"] == call_id
        ]
        assert deltas == told
    said = [message for message, _ in by_mode["messages"]]
    assert not [m for m in said if isinstance(m, AIMessageChunk)]
    assert [m.content for m in said if isinstance(m, AIMessage)] == ["", "Done."]
    assert len([m for m in said if isinstance(m, ToolMessage)]) == 2
    assert {name for data in by_mode["updates"] for name in data} == {"model", "tools"}


# --------------------------------------------------------------------------- calls at once
def pairs(tool: Any, make: Any, savers: list[Any]) -> list[tuple[str, str]]:
    """What two agents got that made ten calls each at once, and what they asked for."""
    numbers = [range(10), range(10, 20)]

    def run(which: int) -> list[tuple[str, str]]:
        model = boss(*(f"Problem number {n}?" for n in numbers[which]))
        agent = make(model, tool, savers[which])
        config: Any = {"configurable": {"thread_id": f"agent {which}"}}
        started = savers[which] is not None and agent.get_state(config).values
        found = results(agent.invoke(None if started else {"messages": "Go."}, config))
        return [
            (str(n), found[f"call_{i}"].artifact["final_answer"])
            for i, n in enumerate(numbers[which])
        ]

    with ThreadPoolExecutor(2) as threads:
        return [pair for both in threads.map(run, range(2)) for pair in both]


def made_by_langchain(model: Any, tool: Any, saver: Any) -> Any:
    return create_agent(model, [tool], checkpointer=saver)


@pytest.mark.parametrize("make", [made_by_langchain, hand_written])
@pytest.mark.parametrize("kept", [False, True])
def test_twenty_calls_of_two_agents_get_twenty_right_answers(
    numbered: ScriptedChatModel, make: Any, kept: bool, tmp_path: Path
) -> None:
    file = tmp_path / "searches.db" if kept else None
    tool = create_mctsr_tool(numbered, context=SHORT, checkpointer=file)
    saver = InMemorySaver() if kept else None
    found = pairs(tool, make, [saver, saver])
    assert found == [(str(n), str(n)) for n in range(20)]


@pytest.mark.parametrize("make", [made_by_langchain, hand_written])
async def test_twenty_awaited_calls_get_twenty_right_answers(
    numbered: ScriptedChatModel, make: Any, tmp_path: Path
) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT, checkpointer=tmp_path / "searches.db")

    async def run(numbers: range) -> list[tuple[str, str]]:
        agent = make(boss(*(f"Problem number {n}?" for n in numbers)), tool, InMemorySaver())
        config: Any = {"configurable": {"thread_id": str(numbers)}}
        found = results(await agent.ainvoke({"messages": "Go."}, config))
        return [
            (str(n), found[f"call_{i}"].artifact["final_answer"]) for i, n in enumerate(numbers)
        ]

    first, second = await asyncio.gather(run(range(10)), run(range(10, 20)))
    assert first + second == [(str(n), str(n)) for n in range(20)]


CRASHING = """
import os, signal, sys
from langchain.agents import create_agent
from langgraph.checkpoint.sqlite import SqliteSaver
from mctsr_graph import ScriptedChatModel, create_mctsr_tool
from tests.agents import SHORT, hand_written, numbered_reply
from tests.test_tool import made_by_langchain, pairs

folder, kind, deadly = sys.argv[1], sys.argv[2], int(sys.argv[3])

def reply(call):
    if len(model.calls) >= deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return numbered_reply(call)

model = ScriptedChatModel(replies=reply, latency=0.002)
tool = create_mctsr_tool(model, context=SHORT, checkpointer=folder + "/searches.db")
make = {"langchain": made_by_langchain, "hand": hand_written}[kind]
with (
    SqliteSaver.from_conn_string(folder + "/0.db") as one,
    SqliteSaver.from_conn_string(folder + "/1.db") as two,
):
    pairs(tool, make, [one, two])
"""


@pytest.mark.parametrize(("kind", "deadly"), [("langchain", 60), ("hand", 30), ("hand", 150)])
def test_twenty_right_answers_after_a_crash_and_no_call_is_paid_twice(
    numbered: ScriptedChatModel, kind: str, deadly: int, tmp_path: Path
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path), kind, str(deadly)],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    tool = create_mctsr_tool(numbered, context=SHORT, checkpointer=tmp_path / "searches.db")
    make = {"langchain": made_by_langchain, "hand": hand_written}[kind]
    with (
        SqliteSaver.from_conn_string(str(tmp_path / "0.db")) as one,
        SqliteSaver.from_conn_string(str(tmp_path / "1.db")) as two,
    ):
        found = pairs(tool, make, [one, two])
    assert found == [(str(n), str(n)) for n in range(20)]
    in_flight = 20  # calls whose reply had not yet reached the journal
    assert len(numbered.calls) <= 20 * 10 - deadly + in_flight + 1


def test_the_same_call_of_another_conversation_is_another_search(
    numbered: ScriptedChatModel, tmp_path: Path
) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT, checkpointer=tmp_path / "searches.db")
    for thread, calls in (("a", 10), ("b", 20), ("a", 20)):
        agent = create_agent(boss(PROBLEM), [tool], checkpointer=InMemorySaver())
        agent.invoke({"messages": "Go."}, {"configurable": {"thread_id": thread}})
        assert len(numbered.calls) == calls


def test_two_calls_for_the_same_problem_are_two_searches(
    numbered: ScriptedChatModel, tmp_path: Path
) -> None:
    tool = create_mctsr_tool(numbered, context=SHORT, checkpointer=tmp_path / "searches.db")
    output = hand_written(boss(PROBLEM, PROBLEM), tool).invoke({"messages": "Go."})
    assert [message.status for message in results(output).values()] == ["success"] * 2
    assert len(numbered.calls) == 20


def test_a_named_model_is_loaded_once_and_not_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []

    def load(name: str) -> ScriptedChatModel:
        loaded.append(name)
        time.sleep(0.05)  # the others come meanwhile
        return ScriptedChatModel(replies=keyed_reply)

    monkeypatch.setattr("mctsr_graph.models.load.load_model", load)
    tool = create_mctsr_tool("openai:some", context=SHORT)
    assert loaded == []
    agent = hand_written(boss("One?", "Two?", "Three?"), tool)
    assert {m.status for m in results(agent.invoke({"messages": "Go."})).values()} == {"success"}
    assert loaded == ["openai:some"]


def test_solve_inside_a_node_takes_nothing_from_the_graph_around_it(
    numbered: ScriptedChatModel,
) -> None:
    def node(state: MessagesState) -> dict[str, Any]:
        found = [solve(f"Problem number {n}?", numbered, context=SHORT) for n in (1, 2)]
        return {"messages": [AIMessage(str(solution.final_answer)) for solution in found]}

    saver = InMemorySaver()
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph, config = builder.compile(checkpointer=saver), {"configurable": {"thread_id": "t"}}
    said = [
        message.content
        for message, _ in graph.stream({"messages": []}, config, stream_mode="messages")
    ]
    assert said == ["1", "2"]
    found: Any = saver.list(config)  # type: ignore[arg-type]
    assert {one.config["configurable"]["checkpoint_ns"] for one in found} == {""}


def test_tracers_see_the_calls_of_a_search_below_the_agents_run(
    numbered: ScriptedChatModel,
) -> None:
    class Names(BaseCallbackHandler):
        def __init__(self) -> None:
            self.names: list[str] = []

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            self.names.append(kwargs["name"])

    seen = Names()
    agent = create_agent(boss(PROBLEM), [create_mctsr_tool(numbered, context=SHORT)])
    agent.invoke({"messages": "Go."}, {"callbacks": [seen]})
    assert seen.names.count("refine") == 2
