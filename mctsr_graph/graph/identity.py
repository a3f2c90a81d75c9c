"""Which search is which: the same problem, settings, words and model, and no other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from mctsr_graph.calls.request import label_of
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext

# What may change while a search goes on: limits, how fast to go, and what is known from elsewhere
LIMITS = (
    "effort",
    "max_rollouts",
    "agree",
    "confidence",
    "settle",
    "class_patience",
    "patience",
    "max_failures",
    "max_failure_share",
    "max_calls",
    "max_tokens",
    "max_seconds",
    "max_cost",
    "input_price",
    "output_price",
    "max_attempts",
    "call_seconds",
    "width",
    "pipelined",
    "prior",
)


def fingerprint(
    problem: str,
    context: MCTSrContext,
    prompts: Prompts,
    model: Any,
    court: str = "",
) -> str:
    """32 hexadecimal digits that tell searches apart; `court` is the label of who judges."""
    settings = context.model_dump(exclude=set(LIMITS))
    parts = [problem, label_of(model), settings, asdict(prompts), court]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def thread_name(context: MCTSrContext, *parts: Any) -> str:
    """32 hexadecimal digits that name the search of one place: a tool call, a message, ..."""
    settings = context.model_dump(exclude=set(LIMITS))
    text = json.dumps([settings, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
