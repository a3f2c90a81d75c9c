"""What a request to the server may ask for at most, and which names it may use.

Edit the numbers for your own machine: they bound how long one request holds a worker, and what it
costs you.
"""

from collections.abc import Mapping
from typing import Any

from langgraph_sdk.runtime import ServerRuntime

from mctsr_graph import ConfigError, MCTSrContext

LIMITS: Mapping[str, float] = {
    "max_rollouts": 256,
    "width": 16,
    "drafts": 16,
    "reward_samples": 4,
    "max_calls": 300,
    "max_seconds": 600,
    "max_attempts": 4,
    "max_retries": 4,
    "call_seconds": 120,
}


def check_names(runtime: ServerRuntime[Any], takes_settings: bool = True) -> None:
    """Refuse a request with settings that there are not; the server would leave them out.

    Raises:
        ConfigError: a name is unknown, or a value wrong.
    """
    running = runtime.execution_runtime
    context = dict(running.context or {}) if running is not None else {}
    given = {name: value for name, value in context.items() if not name.startswith("__")}
    if given and not takes_settings:
        raise ConfigError(f"{', '.join(given)}: this graph takes no settings")
    MCTSrContext(**given)
