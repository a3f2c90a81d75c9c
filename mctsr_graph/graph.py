"""The picture: the search as a LangGraph state machine."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from .calls import Model
from .config import MCTSrContext
from .journal import CallJournal
from .models.load import lazy_model
from .nodes import Nodes
from .prompts import Prompts
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .step import BRIEF, Body, Step

MCTSrGraph = StateGraph[MCTSrState, MCTSrContext, MCTSrInput, MCTSrOutput]


def create_mctsr(
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    prompts: Prompts | None = None,
    journal: CallJournal | None = None,
) -> MCTSrGraph:
    """Build the search: `problem` in, `answer` and what it cost out.

    Args:
        model: A chat model, or a name that `load_model` knows; a name is loaded at the first
            call.
        context: Settings for runs that bring none of their own.
        prompts: Words to use instead of ours.
        journal: Where each reply is kept the moment it is there. After a crash no call that
            had returned is made again, whatever the checkpointer had written.

    Returns:
        The graph, not compiled: compile it with a checkpointer and a name of your choice.
    """
    nodes = Nodes(lazy_model(model), prompts or Prompts(), journal)
    default = context or MCTSrContext()
    builder = MCTSrGraph(
        MCTSrState, MCTSrContext, input_schema=MCTSrInput, output_schema=MCTSrOutput
    )

    def add(body: Body, destinations: tuple[str, ...] | None = None) -> None:
        step = Step(body, default, nodes.model)
        builder.add_node(body.__name__, step, destinations=destinations, trace_policy=BRIEF)

    add(nodes.initialize)
    # select names the next node itself. With a conditional edge, a task cancelled between the
    # node and its edge leaves a checkpoint from which no edge leads on
    add(nodes.select, destinations=("critique", "finalize"))
    add(nodes.critique)
    add(nodes.refine)
    add(nodes.evaluate)
    add(nodes.backpropagate)
    add(nodes.finalize)

    builder.add_edge(START, "initialize")
    builder.add_edge("initialize", "select")
    builder.add_edge("critique", "refine")
    builder.add_edge("refine", "evaluate")
    builder.add_edge("evaluate", "backpropagate")
    builder.add_edge("backpropagate", "select")
    builder.add_edge("finalize", END)
    return builder
