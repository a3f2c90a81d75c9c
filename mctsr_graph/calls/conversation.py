"""The messages of a request as a model takes them: with pictures, with a system role or without."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from mctsr_graph.calls.error_kinds import causes
from mctsr_graph.calls.per_object import OnePerObject
from mctsr_graph.calls.request import Model, innermost, model_name, profile_of
from mctsr_graph.errors import ConfigError, bubbles_up
from mctsr_graph.settings.question import Block, Question, kind_of
from mctsr_graph.text.hostile import defuse_control_tokens

T = TypeVar("T")
_ROLE = r"(?:role|message|prompt|instruction)s?"
_NO_SYSTEM = re.compile(
    rf"(?i)(?:system|developer) {_ROLE}\b.{{0,40}}"
    r"(?:not (?:supported|allowed|enabled|permitted|accepted)|unsupported)"
    rf"|(?:not|n't) (?:support|accept|allow).{{0,40}}(?:system|developer)[ _]{_ROLE}"
    rf"|(?:invalid|unknown|unexpected|unsupported|got) (?:{_ROLE}:? )?[\"'`]?(?:system|developer)\b"
    r"|roles?[\"'`]?\]?: ?[\"'`]?(?:system|developer)[\"'`]? is not"
    r"|roles must alternate user/assistant|only user and assistant roles"
    r"|input should be [\"'`]user[\"'`] or [\"'`]assistant",
    re.DOTALL,
)


class Abilities:
    """What a model has turned out to be able to, as long as it lives."""

    def __init__(self) -> None:
        self.takes_system = True
        """Whether it takes system messages; False once it has refused one."""
        self.tells_logprobs = True
        """Whether it tells likelihoods of tokens; False once it has not."""
        self._lock = threading.Lock()

    def lose(self, name: str) -> bool:
        """Remember that it is not able to; return whether that is new."""
        with self._lock:
            had: bool = getattr(self, name)
            setattr(self, name, False)
        return had


_abilities = OnePerObject(lambda model: Abilities())


def abilities_of(model: Model) -> Abilities:
    """What the chat model in a model is able to."""
    return _abilities(innermost(model))


def prepared(messages: Sequence[BaseMessage], question: Question) -> list[BaseMessage]:
    """The messages without control tokens, and with the pictures of the question in their place.

    The model's tokenizer may be out of reach, so that nobody else breaks the tokens.
    """
    ready = list(messages)
    for i, message in enumerate(messages):
        content = message.content
        if isinstance(content, str) and (text := defuse_control_tokens(content)) != content:
            ready[i] = message.model_copy(update={"content": text})
    if question.blocks:
        asked = [i for i, message in enumerate(ready) if isinstance(message, HumanMessage)]
        words = defuse_control_tokens(question.text)
        at = next((i for i in asked if words in str(ready[i].text)), asked[0])
        parts = [{"type": "text", "text": str(ready[at].text)}, *question.blocks]
        ready[at] = ready[at].model_copy(update={"content": parts})
    return ready


def check_blocks(model: Model, blocks: Sequence[Block]) -> None:
    """Refuse a question that a model cannot take, by what its profile says.

    Raises:
        ConfigError: it holds what the model does not take.
    """
    profile = profile_of(model) if blocks else {}
    for block in blocks:
        kind = kind_of(block)
        if profile.get(f"{kind}_inputs") is False or profile.get("attachment", kind) is False:
            raise ConfigError(
                f"problem holds {kind} content, which the model {model_name(model)} does not take "
                "(its profile says so); allowed are words, or a model that takes it"
            )


async def with_system(
    model: Model,
    abilities: Abilities,
    messages: list[BaseMessage],
    send: Callable[[list[BaseMessage]], Awaitable[T]],
) -> T:
    """What is replied to the messages, with a system message if the model takes one."""
    if not abilities.takes_system:
        return await send(without_system(messages))
    try:
        return await send(messages)
    except Exception as error:
        if bubbles_up(error) or not _refuses_system(model, abilities, messages, error):
            raise
    return await send(without_system(messages))


def _refuses_system(
    model: Model, abilities: Abilities, messages: Sequence[BaseMessage], error: Exception
) -> bool:
    """Whether an error refuses the system message; it is remembered, and told once."""
    sent = any(isinstance(message, SystemMessage) for message in messages)
    if not sent or not any(_NO_SYSTEM.search(str(one)[:4000]) for one in causes(error)):
        return False
    if abilities.lose("takes_system"):
        warnings.warn(
            f"the model {model_name(model)} takes no system message; its words go into the first "
            "user message",
            UserWarning,
            stacklevel=2,
        )
    return True


def without_system(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages with the system's words at the beginning of the first user message."""
    system = "\n\n".join(str(m.text) for m in messages if isinstance(m, SystemMessage))
    rest = [message for message in messages if not isinstance(message, SystemMessage)]
    first = next((i for i, one in enumerate(rest) if isinstance(one, HumanMessage)), None)
    if not system or first is None:
        return rest
    content = rest[first].content
    both = (
        f"{system}\n\n{content}"
        if isinstance(content, str)
        else [{"type": "text", "text": system}, *content]
    )
    rest[first] = rest[first].model_copy(update={"content": both})
    return rest
