"""An agent that calls the search as a tool where it has to be sure.

Its model and the tool's are named by the environment variable MCTSR_MODEL and loaded at the first
run. The server brings its own checkpointer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langgraph_sdk.runtime import ServerRuntime

from graphs.limits import check_names
from mctsr_graph import ScriptedChatModel, create_mctsr_tool
from mctsr_graph.models.load import lazy_model

_load: Callable[[], Any] = lazy_model(None)


class LateModel(AgentMiddleware[Any, Any, Any]):
    """Puts the real model in the place of one that is never called."""

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Call the model, loaded at the first call."""
        return handler(request.override(model=_load()))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Call the model, loaded at the first call, in a thread."""
        return await handler(request.override(model=await asyncio.to_thread(_load)))


graph = create_agent(
    ScriptedChatModel(replies=[]),
    tools=[create_mctsr_tool(per_call={"effort": ["low", "medium", "high"]})],
    system_prompt="You are a careful mathematician. Use the tool for every problem that is not "
    "trivial, and answer with what it found.",
    middleware=[LateModel()],
    name="math_agent",
)


def served(runtime: ServerRuntime[Any]) -> Any:
    """The graph, for a request without settings: the agent chooses those of each call."""
    check_names(runtime, takes_settings=False)
    return graph
