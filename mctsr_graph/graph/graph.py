"""The picture: the search as a LangGraph state machine."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from langgraph.graph import END, START, StateGraph
from typing_extensions import Unpack

from mctsr_graph.calls.request import Model
from mctsr_graph.graph.nodes import Nodes
from mctsr_graph.graph.output import MCTSrOutput
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.spec import GraphOptions, SearchSpec, check_options
from mctsr_graph.graph.state import ROLLOUT, MCTSrInput, MCTSrState
from mctsr_graph.graph.step import BRIEF, Body, Step
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.limits import checked_limits

MCTSrGraph = StateGraph[MCTSrState, MCTSrContext, MCTSrInput, MCTSrOutput]


def create_mctsr(model: Model | str | None = None, **options: Unpack[GraphOptions]) -> MCTSrGraph:
    """Build the search: `problem` in, `answer` and what it cost out.

    Args:
        model: A chat model, or a name that `load_model` knows; a name is loaded at the first
            call.
        **options: `prompts`, `judge`, `judge_model`, `critic_model`, `strategy`, `final_answer` and
            `journal` as in `solve`; `context` are the settings for runs that bring none of their
            own. With a journal no call that had returned is made again after a crash, whatever the
            checkpointer had written. `limits` are what whoever runs the graph may ask for at most,
            by setting, as in `{"max_calls": 100, "width": 8}`: a run that asks for more gets so
            much.

    Raises:
        ConfigError: An option is wrong.

    Returns:
        The graph, not compiled: compile it with a checkpointer and a name of your choice.
    """
    check_options("create_mctsr", options, GraphOptions)
    limits = checked_limits(options.get("limits"))
    return graph_of(SearchSpec.of(model, options), options.get("context"), limits)


def graph_of(
    spec: SearchSpec,
    context: MCTSrContext | None = None,
    limits: Mapping[str, float] = MappingProxyType({}),
) -> MCTSrGraph:
    """Build the search that a record asks for."""
    nodes = Nodes(Services(spec))
    default = MCTSrContext.model_validate(context or {})
    builder = MCTSrGraph(
        MCTSrState, MCTSrContext, input_schema=MCTSrInput, output_schema=MCTSrOutput
    )

    def add(body: Body, destinations: tuple[str, ...] | None = None) -> None:
        step = Step(body, default, spec, limits)
        builder.add_node(body.__name__, step, destinations=destinations, trace_policy=BRIEF)

    first, second, *_ = ROLLOUT
    add(nodes.initialize)
    for name in ROLLOUT:
        # select names the next node itself. With a conditional edge, a task cancelled between the
        # node and its edge leaves a checkpoint from which no edge leads on
        add(getattr(nodes, name), (second, "finalize") if name == first else None)
    add(nodes.finalize)

    builder.add_edge(START, "initialize")
    builder.add_edge("initialize", first)
    for before, after in pairwise([*ROLLOUT[1:], first]):
        builder.add_edge(before, after)
    builder.add_edge("finalize", END)
    return builder
