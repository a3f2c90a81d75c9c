"""One line for an agent that you have: hard questions are searched for, with its own model."""

from typing import Any

from langchain.agents import create_agent

from examples.router import teacher
from examples.scripted import PROBLEM
from mctsr_graph import MCTSrContext, MCTSrMiddleware, ScriptedChatModel


def is_hard(request: Any) -> bool:
    """Whether a model call is worth a search."""
    return "muffins" in request.messages[-1].text


def main() -> None:
    """Ask the same agent something easy and something hard."""
    agent = create_agent(
        ScriptedChatModel(replies=teacher),
        middleware=[
            MCTSrMiddleware(
                predicate=is_hard, context=MCTSrContext(profile="paper", max_rollouts=2)
            )
        ],
    )
    for text in ("2 + 2?", PROBLEM):
        question: Any = {"messages": text}
        message = agent.invoke(question)["messages"][-1]
        searched = "mctsr" in message.response_metadata
        print("searched:" if searched else "answered:", message.text)


if __name__ == "__main__":
    main()
