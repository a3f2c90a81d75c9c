"""A person steps into a finished search: prunes a branch, writes a critique, undoes both."""

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, create_mctsr
from mctsr_graph.run.steering import expand, prune, steer, undo


def main() -> None:
    """Prune, go on, expand, go on, undo."""
    graph = create_mctsr(pupil()).compile(checkpointer=InMemorySaver(), name="mctsr")
    config: RunnableConfig = {"configurable": {"thread_id": "lesson"}}
    graph.invoke(
        {"problem": PROBLEM}, config, context=MCTSrContext(profile="paper", max_rollouts=1)
    )

    steer(graph, config, prune("1"), by="Ann")
    output = graph.invoke(None, config, context=MCTSrContext(profile="paper", max_rollouts=1))
    print("without node 1, the answer is", output["final_answer"])

    steer(graph, config, expand("0", critique="Multiply 12 by 8."), by="Ann")
    output = graph.invoke(None, config, context=MCTSrContext(profile="paper", max_rollouts=2))
    tree = graph.get_state(config).values["tree"]
    print("after a critique by", tree["0"]["steering"][-1]["by"], end=", it is ")
    print(output["final_answer"])

    undo(graph, config)
    undo(graph, config)
    output = graph.invoke(None, config, context=MCTSrContext(profile="paper", max_rollouts=1))
    print("and undone twice,", output["final_answer"], "again")


if __name__ == "__main__":
    main()
