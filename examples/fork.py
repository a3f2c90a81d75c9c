"""Fork a search: from its second rollout on, one branch explores more than the other."""

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.models.scripted import ScriptedCall


def stubborn(call: ScriptedCall) -> str:
    """Get worse by a little with each rollout."""
    if call.role == "evaluate":
        return f"Score: {50 - 5 * call.rollout}"
    return f"Attempt {call.rollout}: \\boxed{{{call.rollout}}}"


def main() -> None:
    """Search for 2 rollouts, then for 4 more in two ways, and compare the trees."""
    graph = create_mctsr(ScriptedChatModel(replies=stubborn)).compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "fork"}}
    graph.invoke(
        {"problem": "What is next?"}, config, context=MCTSrContext(profile="paper", max_rollouts=6)
    )
    fork = next(
        state.config
        for state in graph.get_state_history(config)
        if state.values["rollouts"] == 2 and state.next == ("select",)
    )
    for constant in (0.0, 200.0):
        context = MCTSrContext(profile="paper", max_rollouts=6, exploration_constant=constant)
        graph.invoke(None, fork, context=context)  # every branch stays in the thread's history
        tree = graph.get_state(config).values["tree"]
        depths = [node["depth"] for node in tree.values()]
        print(f"exploration {constant:g}: depths {depths}")


if __name__ == "__main__":
    main()
