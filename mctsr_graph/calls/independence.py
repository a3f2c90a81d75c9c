"""Whether a reply is a sample of its own, or the copy of an earlier one to an equal request.

A cache gives one reply again and again, and so does a temperature of 0, or a server that ignores
sampling. Two replies to equal requests are one where their whole texts are equal, and

- LangChain's cache says that it gave the reply,
- or the temperature is 0,
- or the text has `LONG` characters or more, and no thinking beside it.

Drafts are no copies where the model tells that it drew each with the seed of its request, as the
local backend does: then it is the model that is sure. But at a low temperature it always is: with
the embedded model, of 200 problems, four equal drafts were right in 91 % at 0.2, where 89 % of all
were, and in 95 % at 0.8 and 1.5, where 87 and 65 % of all were. So that counts from `WARM` on.

Without that, the last holds only while no other text has answered the request: a model that writes
one text for each answer draws long ones twice. A shorter text may well be drawn twice: of 276 pairs
of replies that SmolLM2-135M sampled at a temperature of 0.3, up to all were equal at 31 characters,
78 at 61, one at 102, and none above; at 0.95 one at 32. Equal final answers of different texts are
votes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.usage import Cost, is_free
from mctsr_graph.text.thinking import strip_reasoning

LONG = 200
"""Characters from which equal texts are no accident; twice the longest that was seen."""


WARM = 0.7
"""Temperature from which equal samples tell of the model rather than of the temperature."""
SAMPLING = "sampling"
"""Where a reply's metadata tell its seed, and what it was drawn at."""


class Sample(NamedTuple):
    """A reply, as far as it can be told from others."""

    digest: Hashable
    """Of the request and the whole text, in this process."""
    is_certain: bool
    """Whether another one of this digest is no sample of its own."""
    by_length: bool
    """Whether that is so for the length of its text alone."""
    is_drawn: bool
    """Whether the model tells that it drew the reply for this request alone."""


def sample_of(
    messages: Sequence[BaseMessage],
    reply: AIMessage,
    text: str,
    cost: Cost,
    temperature: Callable[[], float | None],
    seed: Callable[[], int],
) -> Sample:
    """What a reply is told by.

    Args:
        messages: What it replies to.
        reply: The reply.
        text: Its whole text.
        cost: What it has cost.
        temperature: Tells the one that it was sampled at, if known.
        seed: Tells the one that was asked for.
    """
    # Texts are hashed once, whoever asks; contents that hold pictures cannot be hashed
    said = [one if isinstance(one := message.content, str) else str(one) for message in messages]
    digest = hash((text, *said, *[message.type for message in messages]))
    is_whole = len(text) >= LONG and not cost["reasoning_tokens"]
    drawn = sampling_told(reply)
    is_drawn = bool(drawn) and _is_drawn(drawn, seed())  # a cache of the same seed tells it again
    known = not is_drawn and (is_cached(reply) or temperature() == 0)
    is_long = is_whole and not is_drawn and strip_reasoning(text) == text.strip()
    return Sample(digest, known or is_long, is_long and not known, is_drawn)


def _is_drawn(told: Mapping[str, float], seed: int) -> bool:
    # What filters leave to one token is as good as a temperature of 0
    is_open = told.get("top_k") != 1 and told.get("top_p", 1.0) >= 0.5
    return told.get("seed") == seed and told.get("temperature", 0.0) >= WARM and is_open


def sampling_told(reply: AIMessage) -> dict[str, float]:
    """What a reply tells of how it was drawn: numbers by name."""
    told = reply.response_metadata.get(SAMPLING)
    parts = told.items() if isinstance(told, dict) else ()
    return {str(name): value for name, value in parts if isinstance(value, int | float)}


def is_cached(reply: AIMessage) -> bool:
    """Whether LangChain's cache gave a reply; it marks them by a cost of 0."""
    return is_free(reply.usage_metadata)
