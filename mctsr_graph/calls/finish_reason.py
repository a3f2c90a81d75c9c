"""How a model's reply ended, and whose it is, as the providers tell it."""

from __future__ import annotations

import zlib

from langchain_core.messages import AIMessage

TRUNCATED, REFUSED = "length", "content_filter"
_LONG, _REPETITIVE = 1000, 0.05  # bytes; compressed to this share of its length
_CUT_OFF = {TRUNCATED, "max_tokens", "MAX_TOKENS", "max_output_tokens"}
_FILTERED = {REFUSED, "refusal", "SAFETY", "safety"}


def is_repetitive(text: str) -> bool:
    """Whether a long text says the same again and again."""
    raw = text.encode("utf-8", "replace")
    return len(raw) >= _LONG and len(zlib.compress(raw)) < _REPETITIVE * len(raw)


def reason_of(message: AIMessage) -> str | None:
    """What of a reply's end is worth keeping.

    Returns:
        `REFUSED`: the model, or a filter before or behind it, refused to reply. `TRUNCATED`: a
        limit of tokens cut the reply off. None: it ended by itself.
    """
    told = message.response_metadata
    reason = told.get("finish_reason") or told.get("stop_reason")
    reason = reason if isinstance(reason, str) else None
    if message.additional_kwargs.get("refusal") or reason in _FILTERED:
        return REFUSED
    return TRUNCATED if reason in _CUT_OFF else None


def model_told(message: AIMessage) -> str:
    """Name of the model that replied, which may be another one than was asked; "" if untold."""
    told = message.response_metadata
    name = told.get("model_name") or told.get("model") or ""
    return name if isinstance(name, str) else ""
