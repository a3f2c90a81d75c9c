"""What a server may tell of itself beside its text, to do harm or by accident."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage


def nested(depth: int) -> dict[str, Any]:
    """Objects in objects."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


VALUES: Mapping[str, Any] = {
    "more tokens than there are": 10**40,
    "fewer than none": -1,
    "no number": float("nan"),
    "infinite": float("inf"),
    "a text": "7",
    "nested": nested(10_000),
    "long": "x" * 10_000_000,
    "half a character": "\ud800",
    "other keys": {1: 2, (1, 2): 3},
    "bytes": b"\xff\0",
    "an object": object(),
    "a date": datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC),
    "an escape": "\x1b[2J\0",
}


def telling(text: str, value: Any) -> AIMessage:
    """A reply that tells a value of everything but its text."""
    counts = dict.fromkeys(("input_tokens", "output_tokens", "total_tokens", "total_cost"), value)
    details = {"cache_read": value, "reasoning": value, "x": value}
    names = ("finish_reason", "stop_reason", "model_name", "model", "token_usage", "logprobs", "id")
    call = {"name": value, "args": value, "id": value, "type": "tool_call"}
    told: dict[str, Any] = {
        "content": [{"type": "text", "text": text}, {"type": "reasoning", "reasoning": value}],
        "usage_metadata": {
            **counts,
            "input_token_details": details,
            "output_token_details": details,
        },
        "response_metadata": dict.fromkeys(names, value),
        "additional_kwargs": {"reasoning_content": value, "parsed": value},
        "tool_calls": [call],
        "invalid_tool_calls": [call],
        "id": value,
        "name": value,
    }
    # Not by the constructor, which refuses most of it
    return AIMessage(text).model_copy(update=told)
