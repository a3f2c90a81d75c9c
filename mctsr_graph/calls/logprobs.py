"""The likelihood of a reply's first token, from servers that tell it."""

from __future__ import annotations

import math
from typing import Any

from langchain_core.messages import AIMessage

MOST = 20
"""Tokens told at most, by OpenAI, vLLM, DeepSeek and Ollama alike."""
_ROUNDING = 1e-6  # by which a server may exceed 0
NAMES = ("logprobs", "top_logprobs")
"""What providers call it."""


def logprob_fields(model: Any, most: int) -> dict[str, Any] | str:
    """The fields of a chat model that ask for likelihoods, or why it cannot be asked."""
    known = getattr(type(model), "model_fields", {})
    uses_responses = getattr(type(model), "_use_responses_api", None)
    if not {*NAMES} <= {*known} or (uses_responses is not None and uses_responses(model, {})):
        return "it has no word for it"
    return {"logprobs": True, "top_logprobs": most}


def first_token(reply: AIMessage) -> dict[str, float]:
    """Probabilities of the likeliest first tokens of a reply; {} where its server tells none."""
    told: Any = reply.response_metadata.get("logprobs")
    content = _part(told, "content") if isinstance(told, dict) else told
    if not isinstance(content, list) or not content:
        return {}
    found: dict[str, float] = {}
    several = _part(content[0], "top_logprobs")
    for one in several if isinstance(several, list) and several else [content[0]]:
        token, value = _part(one, "token"), _part(one, "logprob")
        if isinstance(token, str) and isinstance(value, int | float) and value <= _ROUNDING:
            found[token] = found.get(token, 0.0) + math.exp(value)
    return found


def _part(thing: Any, name: str) -> Any:
    """A part of what a client gives as a dict or, as Ollama's does, as an object."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)
