"""An agent that calls the search as a tool where it has to be sure, within a budget of model calls.

Its model and the tool's are named by the environment variable MCTSR_MODEL and loaded at the first
run. The server brings its own checkpointer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph_sdk.runtime import ServerRuntime
from pydantic import BaseModel, Field

from graphs.form import asked_for
from graphs.limits import AGENT_CALLS
from mctsr_graph import ConfigError, ScriptedChatModel, create_mctsr_tool
from mctsr_graph.models.load import lazy_model
from mctsr_graph.settings.context import EFFORTS

_load: Callable[[], Any] = lazy_model(None)
SEARCH = create_mctsr_tool(per_call={"effort": [*EFFORTS], "max_calls": AGENT_CALLS})


UNASKED = {"model_calls": 0}
"""Metadata of a message that no model wrote."""


class AgentSettings(BaseModel):
    """The settings of the agent."""

    max_calls: int = Field(
        default=150,
        ge=3,
        le=AGENT_CALLS,
        description="model calls for one question at most, those of its searches included",
    )


def spent(messages: Sequence[AnyMessage]) -> int:
    """Model calls for the last question so far."""
    calls = 0
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, ToolMessage):
            usage = (message.artifact or {}).get("usage", {})
            calls += sum(cost["calls"] for cost in usage.values())
        if isinstance(message, AIMessage):
            calls += message.response_metadata.get("model_calls", 1)
    return calls


def by_hand(messages: Sequence[AnyMessage]) -> AIMessage:
    """What a model that calls no tools is spared: the search for the question, and its answer."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(last.text, response_metadata=UNASKED)
    call = {"name": SEARCH.name, "args": {"problem": last.text}, "id": f"call_{uuid4().hex}"}
    made: Any = {**call, "type": "tool_call"}
    return AIMessage("", tool_calls=[made], response_metadata=UNASKED)


class LateModel(AgentMiddleware[Any, Any, Any]):
    """Puts the real model in the place of one that is never called."""

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any] | AIMessage:
        """Call the model, loaded at the first call."""
        if (over := _over(request)) is not None:
            return over
        try:
            return handler(request.override(model=_load()))
        except NotImplementedError:  # LangChain's word for no tools
            return by_hand(request.messages)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any] | AIMessage:
        """Call the model, loaded at the first call, in a thread."""
        if (over := _over(request)) is not None:
            return over
        try:
            return await handler(request.override(model=await asyncio.to_thread(_load)))
        except NotImplementedError:
            return by_hand(request.messages)


class SharedBudget(AgentMiddleware[Any, Any, Any]):
    """Gives each search what is left of the budget, less the closing reply."""

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """Search within what is left."""
        calls = _share(request)
        return _counted(handler(_within(request, calls)), calls) if calls else _refused(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Search within what is left."""
        calls = _share(request)
        if not calls:
            return _refused(request)
        return _counted(await handler(_within(request, calls)), calls)


def _most(runtime: Any) -> int:
    given = runtime.context
    return (given if isinstance(given, AgentSettings) else AgentSettings()).max_calls


def _over(request: ModelRequest[Any]) -> AIMessage | None:
    """The closing reply, where no call is left for one."""
    most = _most(request.runtime)
    if spent(request.messages) < most:
        return None
    found = [m.text for m in request.messages if isinstance(m, ToolMessage) and m.artifact]
    told = "\n\n".join([f"The budget of {most} model calls is used up.", *found[-1:]])
    return AIMessage(told, response_metadata=UNASKED)


def _share(request: ToolCallRequest) -> int:
    """Model calls that a search may make; those asked for at once get as many each."""
    messages = request.state["messages"]
    left = _most(request.runtime) - spent(messages) - 1
    share = left // max(1, len(messages[-1].tool_calls))
    asked = request.tool_call["args"]
    effort = EFFORTS.get(str(asked.get("effort")), EFFORTS["medium"])
    wanted = asked.get("max_calls")
    return max(0, min(share, wanted if isinstance(wanted, int) else effort))


def _within(request: ToolCallRequest, calls: int) -> ToolCallRequest:
    args = {**request.tool_call["args"], "max_calls": calls}
    return request.override(tool_call={**request.tool_call, "args": args})


def _refused(request: ToolCallRequest) -> ToolMessage:
    told = "The budget of model calls is used up: answer with what has been found."
    return ToolMessage(told, tool_call_id=request.tool_call["id"], status="error")


def _counted(message: Any, calls: int) -> Any:
    """A search that failed tells no calls: it counts as all that it might have made."""
    if isinstance(message, ToolMessage) and not message.artifact:
        message.artifact = {"usage": {"search": {"calls": calls}}}
    return message


graph = create_agent(
    ScriptedChatModel(replies=[]),
    tools=[SEARCH],
    system_prompt="You are a careful mathematician. Use the tool for every problem that is not "
    "trivial, and answer with what it found.",
    middleware=[LateModel(), SharedBudget()],
    context_schema=AgentSettings,
    name="math_agent",
)


def served(runtime: ServerRuntime[Any]) -> Any:
    """The graph, for a request with a budget: the agent chooses all else for each call.

    Raises:
        ConfigError: A setting is unknown, or its value wrong.
    """
    given = asked_for(runtime)
    if unknown := sorted(given.keys() - {"max_calls"}):
        raise ConfigError(f"{', '.join(unknown)}: this graph takes max_calls and nothing else")
    calls = given.get("max_calls", 3)
    if not isinstance(calls, int) or not 3 <= calls <= AGENT_CALLS:
        raise ConfigError(f"max_calls is {calls!r}, allowed 3 to {AGENT_CALLS}")
    return graph
