"""The search as a tool that an agent may call."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, ToolException
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, Field, create_model
from typing_extensions import Unpack

from mctsr_graph.calls.request import Model
from mctsr_graph.calls.sync_async import run_blocking
from mctsr_graph.errors import ConfigError, PauseError, SearchFailedError
from mctsr_graph.graph.events import Event
from mctsr_graph.graph.identity import thread_name
from mctsr_graph.graph.spec import check_options
from mctsr_graph.run.driver import AWAITING, BLOCKING, Way
from mctsr_graph.run.session import need_sqlite
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.solve import search_for
from mctsr_graph.run.spec import SolveSpec, ToolOptions, changed
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.question import Block, as_question

DESCRIPTION = (
    "Solve a hard problem of mathematics by a search: answers are drafted, criticised, refined "
    "and scored. Slow and thorough; use it where the answer has to be right. State the whole "
    "problem: nothing else of the conversation is seen."
)
_MOST_JUSTIFICATION = 1500  # characters of the answer that the agent is shown
_NO_GRAPH: Any = None  # LangGraph fills in the runtime; a tool called by hand has none
_logger = logging.getLogger(__name__)


def create_mctsr_tool(
    model: Model | str | None = None,
    *,
    name: str = "solve_math",
    description: str = DESCRIPTION,
    per_call: Mapping[str, int | float | Sequence[str]] | None = None,
    **options: Unpack[ToolOptions],
) -> BaseTool:
    """Make a tool that answers a problem by a search.

    The agent is told the final answer with its derivation, at most 1,500 characters, and the
    verdict: how likely it is, why, and at what cost. The message's `artifact` holds the fields of
    the `Solution` as plain JSON, so that every checkpointer keeps it:
    `Solution.from_dict(message.artifact)`. It is as large as the texts of the tree. A search that
    fails is a message with status "error". Each call is a search of its own, apart from the
    agent's thread and context.

    Events of the search (see `mctsr_graph.graph.events`), with the `tool_call_id` added, go to the
    agent's stream modes "custom" and "tools". Its tokens go to none.

    Args:
        model: As in `solve`; a name is loaded at the first call.
        name: Name of the tool.
        description: What the agent's model reads.
        per_call: Settings that a call may choose itself, with the owner's limit: the highest
            number, or the allowed words, as in `{"max_calls": 131, "effort": ["low", "medium"]}`.
            Nothing else of `context` can be changed by a call.
        **options: Whatever else `solve` takes: context, prompts, journal, ... With a checkpointer
            the same call of an agent that was killed and is resumed goes on where its search
            stopped.

    Raises:
        ConfigError: A setting in `per_call` or an option is unknown, or its limit is out of range.
        MissingExtraError: A checkpointer needs packages that are missing.
    """
    check_options("a tool", options, ToolOptions)
    asked = SolveSpec.of(model, options)
    if asked.checkpointer is not None:
        need_sqlite()

    async def search(way: Way, problem: Any, runtime: Any, chosen: dict[str, Any]) -> Any:
        try:
            await way.call(asked.search.load)
            return _told(await search_for(_of_call(asked, problem, runtime, chosen), way))
        except (PauseError, GraphBubbleUp):
            raise
        except Exception as error:
            raise _failed(error) from error

    def call(
        problem: str, content: Any = None, runtime: ToolRuntime = _NO_GRAPH, **chosen: Any
    ) -> Any:
        return run_blocking(search(BLOCKING, [problem, *(content or ())], runtime, chosen))

    async def acall(
        problem: str, content: Any = None, runtime: ToolRuntime = _NO_GRAPH, **chosen: Any
    ) -> Any:
        return await search(AWAITING, [problem, *(content or ())], runtime, chosen)

    return StructuredTool.from_function(
        func=call,
        coroutine=acall,
        name=name,
        description=description,
        args_schema=_arguments(per_call or {}, asked.context),
        response_format="content_and_artifact",
        handle_tool_error=True,
        handle_validation_error=_wrong_argument,
    )


def _arguments(per_call: Mapping[str, Any], default: MCTSrContext) -> type[BaseModel]:
    """The tool's arguments: the problem, and the settings that a call may choose."""
    fields: dict[str, Any] = {
        "problem": (str, Field(description="the problem in words")),
        # Not shown to the agent's model, which cannot write a picture
        "content": (Annotated[list[Block] | None, InjectedToolArg], None),
    }
    for setting, limit in per_call.items():
        field = MCTSrContext.model_fields.get(setting)
        if field is None:
            raise ConfigError(f"per_call names {setting!r}, which is no setting of MCTSrContext")
        is_number = isinstance(limit, int | float)
        allowed = [limit] if is_number or isinstance(limit, str) else list(limit)
        for value in allowed:
            MCTSrContext(**{setting: value})  # out of the setting's own range: ConfigError
        kind: Any = type(limit) if is_number else Literal[tuple(allowed)]
        usual = f"{field.description}; by default {json.dumps(getattr(default, setting))}"
        highest = limit if is_number else None
        fields[setting] = (kind | None, Field(None, description=usual, le=highest))
    return create_model("MCTSrToolInput", **fields)


def _of_call(
    asked: SolveSpec, problem: Any, runtime: ToolRuntime | None, chosen: dict[str, Any]
) -> SolveSpec:
    """What one call of the tool asks for."""
    context = changed(
        asked.context, **{name: value for name, value in chosen.items() if value is not None}
    )
    question = as_question(problem)
    thread_id = None  # called by hand: as `solve` names it
    if runtime is not None and runtime.tool_call_id is not None:
        # The same when the agent is resumed, and no other call's
        agent = runtime.config.get("configurable", {}).get("thread_id")
        thread_id = thread_name(context, asked.search, agent, runtime.tool_call_id, question.key)
    events = _forwarding(runtime)
    return asked.about(question, context=context, thread_id=thread_id, on_event=events)


def _forwarding(runtime: ToolRuntime | None) -> Callable[[Event], None] | None:
    if runtime is None:
        return None

    def forward(event: Event) -> None:
        told = {**event, "tool_call_id": runtime.tool_call_id}
        runtime.stream_writer(told)
        runtime.emit_output_delta(told)

    return forward


def _told(solution: Solution) -> tuple[str, dict[str, Any]]:
    """What the agent reads, and what its owner may look at."""
    if solution.answer is None:
        why = solution.verdict["says"]["stopped"]
        raise SearchFailedError(f"no answer was found. {why}", solution)
    return _summary(solution, solution.answer), solution.to_dict()


def _summary(solution: Solution, answer: str) -> str:
    """The final answer, its derivation (the end of a long one), and the verdict."""
    if len(answer) > _MOST_JUSTIFICATION:
        answer = "[...] " + answer[-_MOST_JUSTIFICATION:]
    stated = f"Final answer: {solution.final_answer}\n\n" if solution.final_answer else ""
    return f"{stated}{answer}\n\n({' '.join(solution.verdict['says'].values())})"


def _failed(error: Exception) -> ToolException:
    """What the agent reads of a failure. Its owner finds the cause in the log."""
    if not isinstance(error, ConfigError):  # which the agent can mend by another call
        _logger.warning("a search called as a tool failed", exc_info=error)
    told = f"The search failed: {error}"
    if isinstance(error, SearchFailedError) and error.solution.answer is not None:
        so_far = _summary(error.solution, error.solution.answer)
        told += f"\n\nThe best so far, not to be relied on:\n{so_far}"
    return ToolException(told)


def _wrong_argument(error: Any) -> str:
    problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return f"The call was not understood: {'; '.join(problems)}"
