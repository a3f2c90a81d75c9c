"""A LangGraph loop of five nodes that does nothing but call a model as a search does.

It is what a search cannot be cheaper than: the same nodes, edges and calls, without a tree,
budgets, retries, deadlines, or a score that is read.
"""

from __future__ import annotations

import asyncio
import operator
from functools import partial
from typing import Annotated, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

PROBLEM = "What is the largest of these numbers?"


class Bare(TypedDict):
    """What the loop keeps."""

    rollouts: Annotated[int, operator.add]
    wave: list[str]
    """The texts of the rollouts in flight."""


def bare_loop(model: Runnable[Any, AIMessage], rollouts: int, width: int) -> StateGraph[Any, Any]:
    """The loop: `width` rollouts of four calls at once, until so many are made."""

    async def asked(role: str, rollout: int, text: str, sample: int = 0) -> str:
        messages: list[BaseMessage] = [SystemMessage(role), HumanMessage(PROBLEM)]
        told = {"mctsr_role": role, "mctsr_rollout": rollout, "mctsr_sample": sample}
        reply = await model.ainvoke(
            [*messages, AIMessage(text), HumanMessage(role)],
            {"run_name": role, "tags": [f"mctsr:{role}"], "metadata": told},
        )
        return str(reply.text)

    async def ask(role: str, samples: int, state: Bare) -> dict[str, Any]:
        numbered = list(enumerate(state["wave"], state["rollouts"] + 1))
        calls = [asked(role, n, text, i) for n, text in numbered for i in range(samples)]
        texts = await asyncio.gather(*calls)
        return {"wave": texts[::samples]}

    async def select(state: Bare) -> Command[str]:
        if state["rollouts"] >= rollouts:
            return Command(goto=END)
        return Command(update={"wave": [PROBLEM] * width}, goto="critique")

    async def backpropagate(state: Bare) -> dict[str, Any]:
        return {"rollouts": len(state["wave"])}

    builder = StateGraph(Bare)
    builder.add_node("select", select, destinations=("critique", END))
    for role, samples in (("critique", 1), ("refine", 1), ("evaluate", 2)):
        builder.add_node(role, partial(ask, role, samples))
    builder.add_node("backpropagate", backpropagate)
    builder.add_edge(START, "select")
    builder.add_edge("critique", "refine")
    builder.add_edge("refine", "evaluate")
    builder.add_edge("evaluate", "backpropagate")
    builder.add_edge("backpropagate", "select")
    return builder
