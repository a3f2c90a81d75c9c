"""Under a parent's checkpointer: after a crash the parent goes on in the midst of the search."""

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from examples.router import Lesson
from examples.scripted import PROBLEM, reply
from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.models.scripted import Scripted, ScriptedCall


def main() -> None:
    """Pull the plug in the second of four rollouts, and go on."""

    def pupil(call: ScriptedCall) -> Scripted:
        return KeyboardInterrupt() if len(model.calls) == 8 else reply(call)

    model = ScriptedChatModel(replies=pupil)
    builder = StateGraph(Lesson)
    search = create_mctsr(model, context=MCTSrContext(profile="paper", max_rollouts=4)).compile(
        name="mctsr"
    )
    builder.add_node("search", search)  # without a checkpointer of its own
    builder.add_edge(START, "search")
    parent = builder.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "lesson"}}
    try:
        # "sync": what a step has done is kept before the next one begins
        parent.invoke({"problem": PROBLEM}, config, durability="sync")
    except KeyboardInterrupt:
        print("stopped at call", len(model.calls))
    output = parent.invoke(None, config, durability="sync")
    print(output["final_answer"], "after", len(model.calls), "calls, one of them made twice")


if __name__ == "__main__":
    main()
