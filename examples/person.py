"""A person in the loop: the graph pauses for each answer, and a person gives the points.

With a model's name it asks you. Nothing is lost in between: the checkpointer keeps the search.
"""

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from examples.scripted import PROBLEM, RIGHT, model_or, reply
from mctsr_graph import MCTSrContext, create_mctsr


def ask(problem: str, answer: str) -> Any:
    """Pause the graph; what a person says is returned when it goes on."""
    return interrupt({"problem": problem, "answer": answer})


def at_the_keyboard(answer: str) -> float:
    """Ask whoever sits there."""
    return float(input(f"\n{answer}\n\nPoints, -100 to 100: "))


def prepared(answer: str) -> float:
    """Play the person."""
    print("a person reads:", answer)
    return 80 if answer == RIGHT else -60


def main(name: str | None = None) -> None:
    """Go on until nobody is asked any more."""
    person: Callable[[str], float] = at_the_keyboard if name else prepared
    context = MCTSrContext(profile="paper", max_rollouts=1)
    mctsr = create_mctsr(model_or(name, reply), judge=ask, context=context)
    graph = mctsr.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "lesson"}}
    output: Any = graph.invoke({"problem": PROBLEM}, config)
    while pauses := output.get("__interrupt__"):
        points = person(pauses[0].value["answer"])
        output = graph.invoke(Command(resume=points), config)
    print("the person's choice:", output["final_answer"])


if __name__ == "__main__":
    main(*sys.argv[1:])
