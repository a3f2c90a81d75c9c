"""Which search is which: the same problem, settings, words and model, and no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .calls import label_of
from .config import MCTSrContext
from .errors import CheckpointError
from .prompts import Prompts

# What may change while a search goes on: limits, how fast to go, and what is known from elsewhere
LIMITS = (
    "effort",
    "max_rollouts",
    "agree",
    "confidence",
    "settle",
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
# What earlier versions could be told: settings, each with the value that changed nothing, ...
_GONE: dict[str, Any] = {
    "class_patience": None,
    "exploration_unit": "points",
    "finalist_rewards": None,
    "importance_temperature": 10.0,
}
# ... and values of settings
_GONE_VALUES = {
    "selection": ("importance", "thompson"),
    "select": ("playoff",),
    "value": ("lower_bound",),
}
_GONE_LIMITS = ("class_patience",)


def fingerprint(
    problem: str,
    context: MCTSrContext,
    prompts: Prompts,
    model: Any,
    court: str = "",
) -> str:
    """32 hexadecimal digits that tell searches apart; `court` is the label of who judges."""
    parts = [problem, label_of(model), _telling(context), asdict(prompts), court]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def thread_name(context: MCTSrContext, *parts: Any) -> str:
    """32 hexadecimal digits that name the search of one place: a tool call, a message, ..."""
    text = json.dumps([_telling(context), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _telling(context: MCTSrContext) -> dict[str, Any]:
    """The settings that tell searches apart, as earlier versions wrote them."""
    gone = {name: value for name, value in _GONE.items() if name not in _GONE_LIMITS}
    return {**gone, **context.model_dump(exclude=set(LIMITS))}


def known_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a stored search that this version still has."""
    lost = lost_settings(stored)
    return {name: value for name, value in stored.items() if name not in {*_GONE, *lost}}


def lost_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a stored search that this version cannot honour, with their values."""
    return {
        name: value
        for name, value in stored.items()
        if (name in _GONE and value != _GONE[name]) or value in _GONE_VALUES.get(name, ())
    }


def check_stored(stored: Mapping[str, Any]) -> None:
    """Refuse the settings of a stored search that this version cannot go on with.

    Raises:
        CheckpointError: names the first such setting.
    """
    for name, value in lost_settings(stored).items():
        raise CheckpointError(
            f"the search was made with {name} = {value!r}, which this version has no more: it can "
            "be looked at, but not gone on with"
        )


def stored_context(stored: Mapping[str, Any]) -> MCTSrContext:
    """The settings under which a stored search goes on.

    Raises:
        CheckpointError: as `check_stored`.
    """
    check_stored(stored)
    return MCTSrContext(**known_settings(stored))
