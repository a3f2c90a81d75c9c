"""Whether a reply is a sample of its own, or the copy of an earlier one to an equal request.

A cache gives one reply again and again, and so does a temperature of 0, or a server that ignores
sampling. Two replies to equal requests are one where their whole texts are equal, and

- LangChain's cache says that it gave the reply,
- or the temperature is 0,
- or the text has `LONG` characters or more, and no thinking beside it.

A shorter text may well be drawn twice: of 276 pairs of replies that SmolLM2-135M sampled at a
temperature of 0.3, up to all were equal at 31 characters, 78 at 61, one at 102, and none above;
at 0.95 one at 32. Equal final answers of different texts are votes of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.journal import hash_request
from mctsr_graph.calls.usage import cost_of, is_free
from mctsr_graph.text.thinking import strip_reasoning

LONG = 200
"""Characters from which equal texts are no accident; twice the longest that was seen."""


class Sample(NamedTuple):
    """A reply, as far as it can be told from others."""

    digest: str
    """Of the request and the whole text."""
    is_certain: bool
    """Whether another one of this digest is no sample of its own."""


def sample_of(
    messages: Sequence[BaseMessage], reply: AIMessage, temperature: float | None
) -> Sample:
    """What a reply is told by. `temperature` is the one that it was sampled at, if known."""
    text = str(reply.text)
    digest = hashlib.sha256(repr((hash_request(messages, {}), text)).encode("utf-8", "replace"))
    certain = is_cached(reply) or temperature == 0 or _is_long_and_whole(text, reply)
    return Sample(digest.hexdigest()[:16], certain)


def _is_long_and_whole(text: str, reply: AIMessage) -> bool:
    if len(text) < LONG or cost_of(reply.usage_metadata, None)["reasoning_tokens"]:
        return False
    return strip_reasoning(text) == text.strip()


def is_cached(reply: AIMessage) -> bool:
    """Whether LangChain's cache gave a reply; it marks them by a cost of 0."""
    return is_free(reply.usage_metadata)
