"""The search as a chat: messages in, one message out. For Studio's chat mode.

The model is named by the environment variable MCTSR_MODEL and loaded at the first run. The server
brings its own checkpointer.
"""

from typing import Any

from langgraph_sdk.runtime import ServerRuntime

from graphs.form import for_request
from graphs.limits import LIMITS
from mctsr_graph import create_mctsr_agent

graph = create_mctsr_agent(name="chat", limits=LIMITS)


def served(runtime: ServerRuntime[Any]) -> Any:
    """The graph, for a request that names settings only."""
    return for_request(graph, runtime)
