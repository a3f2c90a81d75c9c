"""The search inside an agent of LangChain: selected model calls are answered by it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import add_usage
from langchain_core.runnables import RunnablePassthrough
from langchain_core.runnables.base import RunnableBindingBase
from langgraph.constants import TAG_NOSTREAM
from typing_extensions import Unpack

from mctsr_graph.calls.sync_async import run_blocking
from mctsr_graph.errors import MissingExtraError, SearchFailedError
from mctsr_graph.graph.identity import thread_name
from mctsr_graph.graph.spec import check_options
from mctsr_graph.integrations.agent import as_message, last_question
from mctsr_graph.run.driver import AWAITING, BLOCKING, Way
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.solve import search_for
from mctsr_graph.run.spec import MiddlewareOptions, SolveSpec
from mctsr_graph.settings.question import Block, Question, as_question
from mctsr_graph.text.packages import install_line

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
except ImportError as error:
    raise MissingExtraError(f"MCTSrMiddleware needs langchain: {install_line('agents')}") from error

_NO_MODEL: Any = RunnablePassthrough()  # each call brings its own
_logger = logging.getLogger(__name__)


class MCTSrMiddleware(AgentMiddleware[Any, Any, Any]):
    """Lets a search answer selected model calls of an agent, with the agent's own model.

    `create_agent(model, tools, middleware=[MCTSrMiddleware(predicate=is_hard)])` is all that it
    takes. A call that is not selected is made as ever, and so is one that has to return
    structured output.

    An agent with tools keeps them. A search cannot call a tool, so the model is asked first;
    where it calls tools, that stands, and only where it would have answered the search answers
    instead, told what the tools have returned since the question. This costs one call more. An
    agent without tools goes straight to the search.

    The problem is the last human message; neither the agent's system prompt nor earlier turns
    are read, unless `problem` makes another text of the request. A search that fails leaves the
    model's own answer. Events of the search go to the agent's stream mode "custom".

    Args:
        predicate: Says of a `ModelRequest` whether to search; by default always.
        problem: Makes the problem of a `ModelRequest`.
        **options: Whatever else `solve` takes: context, prompts, checkpointer, journal, ...
    """

    def __init__(
        self,
        *,
        predicate: Callable[[ModelRequest[Any]], bool] = lambda request: True,
        problem: Callable[[ModelRequest[Any]], str | list[Block]] | None = None,
        **options: Unpack[MiddlewareOptions],
    ) -> None:
        super().__init__()
        check_options("MCTSrMiddleware", options, MiddlewareOptions)
        self._predicate = predicate
        self._problem = problem or (lambda request: problem_of(request.messages))
        self._asked = SolveSpec.of(_NO_MODEL, options)

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Answer a model call by a search, or pass it on."""

        async def call(request: ModelRequest[Any]) -> ModelResponse[Any]:
            return handler(request)

        return run_blocking(self._answer(request, call, BLOCKING))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`, awaited."""
        return await self._answer(request, handler, AWAITING)

    async def _answer(
        self,
        request: ModelRequest[Any],
        call: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
        way: Way,
    ) -> ModelResponse[Any]:
        if not self._is_wanted(request):
            return await call(request)
        first = await call(_unheard(request)) if request.tools else None
        if first is not None and _calls_tools(first):
            return first
        try:
            found = await search_for(self._search(request), way)
        except SearchFailedError as error:
            found = _failed(error)
        if found.answer is None:
            return first or await call(request)
        return _answered(found, first)

    def _is_wanted(self, request: ModelRequest[Any]) -> bool:
        return request.response_format is None and self._predicate(request)

    def _search(self, request: ModelRequest[Any]) -> SolveSpec:
        model: Any = request.model
        if request.model_settings:
            model = model.bind(**request.model_settings)
        info, ids = request.runtime.execution_info, [m.id for m in request.messages]
        problem = as_question(self._problem(request))
        thread = info.thread_id if info else None
        asked = self._asked
        search = replace(asked.search, model=lambda: model)
        return asked.about(
            problem,
            search=search,
            # The same when the agent is resumed, and no other call's
            thread_id=thread_name(asked.context, search, thread, ids, problem.key),
            on_event=request.runtime.stream_writer,
        )


def problem_of(messages: Sequence[AnyMessage]) -> str | list[Block]:
    """The last human message, and what tools have returned since."""
    since = next(
        (i for i in reversed(range(len(messages))) if isinstance(messages[i], HumanMessage)), 0
    )
    results = [
        f"{message.name or 'A tool'} returned: {message.text}"
        for message in messages[since:]
        if isinstance(message, ToolMessage)
    ]
    known = ["What is known from tools:\n" + "\n".join(results)] if results else []
    asked = as_question(last_question(messages))
    return Question("\n\n".join([asked.text, *known]), asked.blocks).content


def _unheard(request: ModelRequest[Any]) -> ModelRequest[Any]:
    """The request, so made that no chat hears the tokens of an answer that will be replaced."""
    return request.override(model=_quiet(request.model))


def _quiet(model: Any) -> Any:
    """A copy of a model, bound or not, that no chat hears."""
    if isinstance(model, RunnableBindingBase):
        return model.model_copy(update={"bound": _quiet(model.bound)})
    if isinstance(model, BaseLanguageModel):
        return model.model_copy(update={"tags": [*(model.tags or []), TAG_NOSTREAM]})
    return model.with_config(tags=[TAG_NOSTREAM])


def _calls_tools(response: ModelResponse[Any]) -> bool:
    return any(isinstance(m, AIMessage) and m.tool_calls for m in response.result)


def _failed(error: SearchFailedError) -> Solution:
    """What a failed search leaves to answer with: nothing. Its owner finds the cause in the log."""
    _logger.warning("a search in place of a model call failed", exc_info=error)
    left: Solution = replace(error.solution, answer=None)
    return left


def _answered(found: Solution, first: ModelResponse[Any] | None) -> ModelResponse[Any]:
    """The answer as the model would have given it, with the cost of both."""
    message = as_message(vars(found))
    if first is None:
        return ModelResponse(result=[message])
    for asked in first.result:
        if isinstance(asked, AIMessage):
            message.usage_metadata = add_usage(message.usage_metadata, asked.usage_metadata)
            message.name = asked.name
    return replace(first, result=[message])
