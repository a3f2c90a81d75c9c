"""A person edits a critique: the graph pauses before refine and goes on with the new words."""

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, create_mctsr


def main() -> None:
    """Pause, replace the critique of the first rollout, go on."""
    graph = create_mctsr(pupil()).compile(
        checkpointer=InMemorySaver(), interrupt_before=["refine"], name="mctsr"
    )
    config: RunnableConfig = {"configurable": {"thread_id": "lesson"}}
    context = MCTSrContext(profile="paper", max_rollouts=1)
    graph.invoke({"problem": PROBLEM}, config, context=context)
    print("the critic says:", graph.get_state(config).values["wave"]["1"]["critique"])
    graph.update_state(config, {"wave": {"1": {"critique": "Multiply 12 by 8."}}})
    output = graph.invoke(None, config, context=context)
    tree = graph.get_state(config).values["tree"]
    best = tree[output["mctsr"]["best"]]
    print("the node says: ", best["critique"], "->", output["final_answer"])


if __name__ == "__main__":
    main()
