"""Agents for tests: scripted models that call tools, and problems that cannot be mixed up."""

from __future__ import annotations

import operator
import re
from functools import reduce
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from mctsr_graph import MCTSrContext, ScriptedChatModel
from mctsr_graph.models.scripted import ScriptedCall

SHORT = MCTSrContext(profile="paper", max_rollouts=2)


def numbered_reply(call: ScriptedCall) -> str:
    """The answer to "Problem number N?" is N, whatever else is asked at the time."""
    texts = reduce(operator.add, (str(message.content) for message in call.messages))
    number = re.findall(r"number (\d+)", texts)[-1]
    if call.role == "evaluate":
        return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
    return "A flaw." if call.role == "critique" else f"It is \\boxed{{{number}}}."


def calling(*problems: str, **settings: Any) -> AIMessage:
    """A message that calls the tool for every problem; the calls' ids count from 0."""
    calls = [
        {"name": "solve_math", "id": f"call_{i}", "args": {"problem": problem, **settings}}
        for i, problem in enumerate(problems)
    ]
    return AIMessage("", tool_calls=calls)


def boss(*problems: str, **settings: Any) -> ScriptedChatModel:
    """An agent's model: it calls the tool for every problem at once, then says "Done."."""

    def reply(call: ScriptedCall) -> AIMessage:
        asked = isinstance(call.messages[-1], ToolMessage)
        return AIMessage("Done.") if asked else calling(*problems, **settings)

    return ScriptedChatModel(replies=reply)


def hand_written(model: ScriptedChatModel, tool: Any, checkpointer: Any = None) -> Any:
    """An agent as people write them: its one tool node makes all calls in one task."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode([tool]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END, ["tools", END]
    )
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=checkpointer)


def results(output: dict[str, Any]) -> dict[str, ToolMessage]:
    """The tool's messages by the id of their call."""
    return {m.tool_call_id: m for m in output["messages"] if isinstance(m, ToolMessage)}
