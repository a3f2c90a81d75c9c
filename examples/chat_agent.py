"""An agent for chats: messages in, one message out. Supervisors and swarms take it as a worker."""

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, create_mctsr_agent


def main() -> None:
    """Ask a question and look at the reply."""
    agent = create_mctsr_agent(
        pupil(),
        context=MCTSrContext(profile="paper", max_rollouts=2),
        name="math_expert",
        checkpointer=InMemorySaver(),
    )
    question: Any = {"messages": PROBLEM}
    message = agent.invoke(question, {"configurable": {"thread_id": "chat"}})["messages"][-1]
    print(f"{message.name}: {message.text}")
    print(message.response_metadata["mctsr"]["stop_reason"], message.usage_metadata)


if __name__ == "__main__":
    main()
