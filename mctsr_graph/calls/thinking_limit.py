"""How long a reply may be that was all thinking when it reached its limit."""

from __future__ import annotations

from mctsr_graph.calls.request import Model, limit_of, profile_of
from mctsr_graph.calls.usage import Cost
from mctsr_graph.errors import ReplyError

_GROWTH = 4  # times the tokens
_MOST = 131_072  # tokens, where the model's profile tells no limit
_UNTOLD = 4096  # taken for the limit that a reply has reached, where nobody tells one


def limit_reached(model: Model, asked: int | None, cost: Cost) -> int:
    """The limit of tokens that a reply has reached, whoever has set it.

    Args:
        model: What has replied.
        asked: The limit that it was sent.
        cost: Of the reply.
    """
    return asked or limit_of(model) or cost["output_tokens"] or _UNTOLD


def longer(before: int | None, reached: int, model: Model) -> int:
    """The limit to ask by next; it grows to what the model can give at most."""
    most: int = profile_of(model).get("max_output_tokens") or _MOST
    return max(before or 0, min(_GROWTH * reached, most))


def all_thinking(reached: int, cost: Cost) -> ReplyError:
    """What is wrong with such a reply, by name."""
    thought = cost["reasoning_tokens"] or cost["output_tokens"]
    return ReplyError(
        "thinking",
        f"the reply was all thinking ({thought:,} tokens) when it reached the limit of "
        f"{reached:,} tokens",
    )
