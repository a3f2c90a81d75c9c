"""A node in a larger graph: easy questions are answered at once, hard ones are searched for."""

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from typing_extensions import TypedDict

from examples.scripted import PROBLEM, reply
from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.models.scripted import ScriptedCall


class Lesson(TypedDict, total=False):
    """What the steps share. The search reads `problem` and writes the two answers."""

    problem: str
    answer: str
    final_answer: str
    explanation: str


def teacher(call: ScriptedCall) -> str:
    """Answer outside the search; inside it, as the pupil of the other examples."""
    if call.role is not None:
        return reply(call)
    if "Explain" in str(call.messages[-1].content):
        return "Twelve trays of eight are ninety-six, and seventy of them are sold."
    return "4"


def build(checkpointer: Checkpointer = None) -> CompiledStateGraph[Lesson]:
    """Route, search, explain."""
    model = ScriptedChatModel(replies=teacher)

    def route(state: Lesson) -> str:
        return "search" if len(state["problem"]) > 40 else "direct"

    def direct(state: Lesson) -> Lesson:
        return {"final_answer": str(model.invoke(state["problem"]).text)}

    def explain(state: Lesson) -> Lesson:
        asked = f"Explain this to a child:\n{state['answer']}"
        return {"explanation": str(model.invoke(asked).text)}

    builder = StateGraph(Lesson)
    builder.add_node("direct", direct)
    search = create_mctsr(model, context=MCTSrContext(profile="paper", max_rollouts=2)).compile(
        name="mctsr"
    )
    builder.add_node("search", search)
    builder.add_node("explain", explain)
    builder.add_conditional_edges(START, route, ["direct", "search"])
    builder.add_edge("direct", END)
    builder.add_edge("search", "explain")
    builder.add_edge("explain", END)
    return builder.compile(checkpointer, name="lesson")


def main() -> None:
    """Ask an easy question and a hard one."""
    lesson = build()
    for problem in ("2 + 2?", PROBLEM):
        output = lesson.invoke({"problem": problem})
        print(output["final_answer"], "|", output.get("explanation", "(no need to explain)"))


if __name__ == "__main__":
    main()
