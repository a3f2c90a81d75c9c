"""A tool in an agent: LangChain's create_agent calls the search where it has to be sure."""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage

from examples.scripted import PROBLEM, model_or, reply
from mctsr_graph import MCTSrContext, Solution, create_mctsr_tool

CALL = {"name": "solve_math", "id": "1", "args": {"problem": PROBLEM, "max_calls": 12}}


def main(name: str | None = None) -> None:
    """Ask an agent; print what the search says meanwhile, the answer, and the tree's size."""
    tool = create_mctsr_tool(
        model_or(name, reply),
        context=MCTSrContext(profile="paper", max_calls=8),
        per_call={"max_calls": 35},  # the agent may ask for up to 35
    )
    writer = model_or(name, [AIMessage("", tool_calls=[CALL]), "26 are left."])
    agent = create_agent(writer, tools=[tool])
    question: Any = {"messages": f"{PROBLEM} Use the tool to be sure."}
    mode: str
    part: Any
    for mode, part in agent.stream(question, stream_mode=["custom", "values"]):
        if mode == "values":
            output = part
        elif part["type"] == "mctsr.rollout":
            print("rollout", part["index"], "of call", part["tool_call_id"], "best", part["best"])
    print(output["messages"][-1].text)
    for message in output["messages"]:
        if message.type == "tool":  # its artifact is the whole search
            print(len(Solution.from_dict(message.artifact).tree), "answers were tried")


if __name__ == "__main__":
    main(*sys.argv[1:])
