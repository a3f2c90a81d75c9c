"""What a call has cost, and that nobody tells what there is a budget for."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage

from mctsr_graph.calls.finish_reason import model_told
from mctsr_graph.calls.usage import Cost, cost_of
from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext


def cost_told(message: AIMessage, own: Sequence[str], context: MCTSrContext) -> Cost:
    """What a reply has cost, at the price of the model that it names.

    Args:
        message: The reply.
        own: The names of the model that was asked.
        context: The settings.

    Raises:
        ConfigError: there is a budget for what nobody tells.
    """
    names = [name for name in (model_told(message), *own) if name]
    cost = cost_of(message.usage_metadata, context.price_of(names))
    if cost["unmetered_calls"] and context.max_tokens is not None:
        raise ConfigError(
            f"max_tokens is {context.max_tokens}, but the model reports no token usage; use "
            "max_calls or max_seconds instead"
        )
    if cost["unpriced_calls"] and context.max_cost is not None:
        why = "it reports no token usage" if cost["unmetered_calls"] else "give it by `prices`"
        name = repr(names[0]) if names else "the model"
        raise ConfigError(
            f"max_cost is {context.max_cost:g}, but what {name} costs is not known; {why}"
        )
    return cost
