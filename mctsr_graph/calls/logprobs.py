"""The likelihoods of a reply's tokens, from servers that tell them."""

from __future__ import annotations

import math
from typing import Any

from langchain_core.messages import AIMessage

MOST = 20
"""Tokens told at most, by OpenAI, vLLM, DeepSeek and Ollama alike."""
_ROUNDING = 1e-6  # by which a server may exceed 0
_LEAST = -50.0  # a server may write -9999 for what is hardly possible
TOKENS = "token_confidence"
"""Where a reply's metadata hold what was made of its tokens' likelihoods; a journal keeps it."""
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
    content = _content(reply)
    if not content:
        return {}
    found: dict[str, float] = {}
    several = _part(content[0], "top_logprobs")
    for one in several if isinstance(several, list) and several else [content[0]]:
        token, value = _part(one, "token"), _part(one, "logprob")
        if isinstance(token, str) and isinstance(value, int | float) and value <= _ROUNDING:
            found[token] = found.get(token, 0.0) + math.exp(value)
    return found


def token_confidences(reply: AIMessage) -> list[float]:
    """By token: minus the mean log-probability of the likeliest tokens at its place.

    High where one token has it all, as in DeepConf (arXiv 2508.15260); but for a constant it is
    the KL divergence from a uniform choice (self-certainty, 2502.18581), over the tokens told.
    [] where fewer than two a place are told.
    """
    found = []
    for one in _content(reply):
        several = _part(one, "top_logprobs")
        told = [_part(each, "logprob") for each in several] if isinstance(several, list) else []
        values = [max(v, _LEAST) for v in told if isinstance(v, int | float) and v <= _ROUNDING]
        if len(values) > 1:
            found.append(-sum(values) / len(values))
    return found


def _content(reply: AIMessage) -> list[Any]:
    """What is told of each token."""
    told: Any = reply.response_metadata.get("logprobs")
    content = _part(told, "content") if isinstance(told, dict) else told
    return content if isinstance(content, list) else []


def _part(thing: Any, name: str) -> Any:
    """A part of what a client gives as a dict or, as Ollama's does, as an object."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)
