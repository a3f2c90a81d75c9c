"""The picture: the search as a LangGraph state machine."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from .calls import Model
from .choice import ChoiceRule
from .config import MCTSrContext
from .desk import Desk
from .journal import CallJournal
from .judges import JudgeLike, as_court
from .models.load import lazy_model
from .nodes import Nodes
from .prompts import Prompts
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .step import BRIEF, Body, Step
from .strategy import Strategy
from .tasks import SelectionRule

MCTSrGraph = StateGraph[MCTSrState, MCTSrContext, MCTSrInput, MCTSrOutput]


def create_mctsr(
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    prompts: Prompts | None = None,
    judge: JudgeLike | None = None,
    judge_model: Model | str | None = None,
    selection: SelectionRule | None = None,
    choice: ChoiceRule | None = None,
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
        selection: A function that chooses what to do next, instead of the setting.
        choice: A function that chooses the answer to return, instead of the setting `select`.
        journal: Where each reply is kept the moment it is there. After a crash no call that
            had returned is made again, whatever the checkpointer had written.

    Returns:
        The graph, not compiled: compile it with a checkpointer and a name of your choice.
    """
    strategy = Strategy(selection, choice)
    court = as_court(judge, judge_model)
    nodes = Nodes(Desk(lazy_model(model), prompts or Prompts(), court, strategy, journal))
    is_named = model is None or isinstance(model, str) or isinstance(judge_model, str)
    default = MCTSrContext.model_validate(context or {})
    builder = MCTSrGraph(
        MCTSrState, MCTSrContext, input_schema=MCTSrInput, output_schema=MCTSrOutput
    )

    def add(body: Body, destinations: tuple[str, ...] | None = None) -> None:
        step = Step(body, default, nodes.desk.prepare if is_named else None)
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
