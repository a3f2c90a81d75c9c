"""The search as a node: easy problems are answered at once, hard ones are searched and explained.

The model is named by the environment variable MCTSR_MODEL and loaded at the first run. The server
brings its own checkpointer.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from langgraph_sdk.runtime import ServerRuntime
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from graphs.form import for_request
from graphs.limits import LIMITS
from mctsr_graph import ConfigError, MCTSrContext, MCTSrInput, create_mctsr
from mctsr_graph.models.load import lazy_model
from mctsr_graph.settings.question import as_question
from mctsr_graph.text.final_answer import extract_final_answer


class PipelineOutput(TypedDict):
    """What the pipeline returns."""

    final_answer: Annotated[str | None, Field(description="The short answer, if one was stated")]
    explanation: Annotated[str, Field(description="The way to the answer, in plain words")]


class Pipeline(MCTSrInput, PipelineOutput):
    """What its nodes share. The search reads `problem` and writes both answers."""

    answer: str | None


_load: Callable[[], Any] = lazy_model(None)


class Difficulty(BaseModel):
    """How hard a problem is."""

    difficulty: Literal["easy", "hard"] = Field(
        description="easy: one step, which nobody gets wrong; hard: everything else"
    )


def route(state: Pipeline) -> Command[Literal["direct", "search"]]:
    """Have the model fill in how hard the problem is; search where it cannot or does not."""
    try:
        question: Any = as_question(state["problem"])
        asked = [HumanMessage(question.content)]  # with pictures
        told = _load().with_structured_output(Difficulty).invoke(asked)
        easy = isinstance(told, Difficulty) and told.difficulty == "easy"
    except (NotImplementedError, ConfigError, ValueError):  # no such output, or none that fits
        easy = False
    return Command(goto="direct" if easy else "search")


def direct(state: Pipeline) -> PipelineOutput:
    """Answer in one go."""
    question: Any = as_question(state["problem"])
    asked = question._replace(text=f"{question.text}\n\nGive the final answer in \\boxed{{}}.")
    text = str(_load().invoke([HumanMessage(asked.content)]).text)
    return {"final_answer": extract_final_answer(text), "explanation": text}


def explain(state: Pipeline) -> dict[str, str]:
    """Put the answer that was found into plain words; as it is, where the words lose it."""
    found, stated = str(state["answer"]), state["final_answer"]
    words = as_question(state["problem"]).text
    asked = f"Explain this solution to a pupil.\n\n{words}\n\n{found}"
    told = str(_load().invoke(asked).text)
    return {"explanation": told if told and (stated or "") in told else found}


builder = StateGraph(Pipeline, MCTSrContext, input_schema=MCTSrInput, output_schema=PipelineOutput)
builder.add_node("route", route)
builder.add_node("direct", direct)
builder.add_node("search", create_mctsr(limits=LIMITS).compile(name="mctsr"))
builder.add_node("explain", explain)
builder.add_edge(START, "route")
builder.add_edge("direct", END)
builder.add_edge("search", "explain")
builder.add_edge("explain", END)
graph = builder.compile(name="pipeline")


def served(runtime: ServerRuntime[Any]) -> Any:
    """The graph, for a request that names settings only."""
    return for_request(graph, runtime)
