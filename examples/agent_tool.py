"""A tool in an agent: LangChain's create_agent calls the search where it has to be sure."""

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, create_mctsr_tool


def main() -> None:
    """Ask an agent; print what the search says meanwhile, the answer, and the tree's size."""
    tool = create_mctsr_tool(
        pupil(),
        context=MCTSrContext(max_rollouts=2),
        per_call={"max_rollouts": 8},  # the agent may ask for up to 8
    )
    call = {"name": "solve_math", "id": "1", "args": {"problem": PROBLEM, "max_rollouts": 3}}
    secretary = ScriptedChatModel(replies=[AIMessage("", tool_calls=[call]), "26 are left."])
    agent = create_agent(secretary, tools=[tool])
    question: Any = {"messages": "How many muffins are left? Be sure."}
    mode: str
    part: Any
    for mode, part in agent.stream(question, stream_mode=["custom", "values"]):
        if mode == "values":
            output = part
        elif part["type"] == "mctsr.rollout":
            print("rollout", part["index"], "of call", part["tool_call_id"], "best", part["best"])
    print(output["messages"][-1].text)
    solution = Solution.from_dict(output["messages"][-2].artifact)
    print(len(solution.tree), "answers were tried")


if __name__ == "__main__":
    main()
