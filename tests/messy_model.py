"""A simulated model that misbehaves: `mctsr bench run ... --model py:tests/messy_model.py:model`.

A tenth of its replies cannot be used, a hundredth tells no tokens, one problem is filtered, and one
is too long for it.
"""

from __future__ import annotations

import random
import re
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from mctsr_graph import ScriptedChatModel
from mctsr_graph.benchmark.simulation import World

WORLD = World(skill=0.45, auc=0.8, seed=3)
FILTERED, TOO_LONG = 4, 7
UNUSABLE, UNTOLD = 0.1, 0.01


class ContentPolicyError(Exception):
    """As a server's filter raises it."""


class ContextLengthError(Exception):
    """As a server raises it whose window is too small."""


def reply(call: Any) -> AIMessage:
    """The reply of the world, or what a server makes of it; it depends on what is asked only."""
    asked = [str(message.content) for message in call.messages]
    number = int(re.findall(r"Simulated problem (\d+)\.", "\n".join(asked))[-1])
    if number == FILTERED:
        raise ContentPolicyError("filtered")
    if number == TOO_LONG:
        raise ContextLengthError("too long")
    luck = random.Random(repr((asked, call.settings.get("seed"), call.role, call.attempt)))
    said = "" if luck.random() < UNUSABLE else WORLD.reply(call)
    if luck.random() < UNTOLD:
        return AIMessage(said)
    sent, received = sum(map(len, asked)) // 4, 20 + len(said) // 4
    details = {"cache_read": sent // 3}, {"reasoning": received // 5}
    usage = UsageMetadata(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=sent + received,
        input_token_details=details[0],  # type: ignore[typeddict-item]
        output_token_details=details[1],  # type: ignore[typeddict-item]
    )
    return AIMessage(said, usage_metadata=usage)


def model() -> ScriptedChatModel:
    """The model."""
    return ScriptedChatModel(replies=reply)
