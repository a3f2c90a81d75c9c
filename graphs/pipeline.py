"""The search as a node: easy problems are answered at once, hard ones are searched and explained.

The model is named by the environment variable MCTSR_MODEL and loaded at the first run. The server
brings its own checkpointer.
"""

from typing import Annotated, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import Field
from typing_extensions import TypedDict

from mctsr_graph import MCTSrContext, MCTSrInput, create_mctsr
from mctsr_graph.models.load import lazy_model
from mctsr_graph.text.final_answer import extract_final_answer


class PipelineOutput(TypedDict):
    """What the pipeline returns."""

    final_answer: Annotated[str | None, Field(description="The short answer, if one was stated")]
    explanation: Annotated[str, Field(description="The way to the answer, in plain words")]


class Pipeline(MCTSrInput, PipelineOutput):
    """What its nodes share. The search reads `problem` and writes both answers."""

    answer: str | None


_load = lazy_model(None)


def route(state: Pipeline) -> Command[Literal["direct", "search"]]:
    """Ask the model whether the problem is easy; search where it does not say so."""
    asked = f"Is this problem easy or hard? Reply with one word.\n\n{state['problem']}"
    easy = "easy" in str(_load().invoke(asked).text).lower()
    return Command(goto="direct" if easy else "search")


def direct(state: Pipeline) -> PipelineOutput:
    """Answer in one go."""
    asked = f"{state['problem']}\n\nGive the final answer in \\boxed{{}}."
    text = str(_load().invoke(asked).text)
    return {"final_answer": extract_final_answer(text), "explanation": text}


def explain(state: Pipeline) -> dict[str, str]:
    """Put the answer that was found into plain words."""
    asked = f"Explain this solution to a pupil.\n\n{state['problem']}\n\n{state['answer']}"
    return {"explanation": str(_load().invoke(asked).text)}


builder = StateGraph(Pipeline, MCTSrContext, input_schema=MCTSrInput, output_schema=PipelineOutput)
builder.add_node("route", route)
builder.add_node("direct", direct)
builder.add_node("search", create_mctsr().compile(name="mctsr"))
builder.add_node("explain", explain)
builder.add_edge(START, "route")
builder.add_edge("direct", END)
builder.add_edge("search", "explain")
builder.add_edge("explain", END)
graph = builder.compile(name="pipeline")
