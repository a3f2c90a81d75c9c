"""The picture: the search as a LangGraph state machine."""

from __future__ import annotations

from itertools import pairwise

from langgraph.graph import END, START, StateGraph

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.graph.nodes import Nodes
from mctsr_graph.graph.services import Desk
from mctsr_graph.graph.state import ROLLOUT, MCTSrInput, MCTSrOutput, MCTSrState
from mctsr_graph.graph.step import BRIEF, Body, Step
from mctsr_graph.judges import JudgeLike, as_court
from mctsr_graph.models.load import lazy_model
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Strategy, as_strategy

MCTSrGraph = StateGraph[MCTSrState, MCTSrContext, MCTSrInput, MCTSrOutput]


def create_mctsr(
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    prompts: Prompts | None = None,
    judge: JudgeLike | None = None,
    judge_model: Model | str | None = None,
    strategy: Strategy | None = None,
    journal: CallJournal | None = None,
) -> MCTSrGraph:
    """Build the search: `problem` in, `answer` and what it cost out.

    Args:
        model: A chat model, or a name that `load_model` knows; a name is loaded at the first
            call.
        context: Settings for runs that bring none of their own.
        prompts: Words to use instead of ours.
        judge: Who rewards answers: a name as in `MCTSrContext.judge`, a function of problem
            and answer, or an object with `reward`. It goes before the setting.
        judge_model: The model that the judge asks, by default `model`.
        strategy: What decides, instead of the profile's (see `mctsr_graph.strategies`).
        journal: Where each reply is kept the moment it is there. After a crash no call that
            had returned is made again, whatever the checkpointer had written.

    Returns:
        The graph, not compiled: compile it with a checkpointer and a name of your choice.
    """
    court = as_court(judge, judge_model)
    nodes = Nodes(
        Desk(lazy_model(model), prompts or Prompts(), court, as_strategy(strategy), journal)
    )
    is_named = model is None or isinstance(model, str) or isinstance(judge_model, str)
    default = MCTSrContext.model_validate(context or {})
    builder = MCTSrGraph(
        MCTSrState, MCTSrContext, input_schema=MCTSrInput, output_schema=MCTSrOutput
    )

    def add(body: Body, destinations: tuple[str, ...] | None = None) -> None:
        step = Step(body, default, nodes.desk.prepare if is_named else None)
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
