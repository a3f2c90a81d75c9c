"""The seam between chat models and whatever runs the weights: requests in, futures out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mctsr_graph.errors import MCTSrError

Finish = Literal["stop", "length"]


Processor = Callable[[Any, Any], Any]


class ContextLengthError(MCTSrError, ValueError):
    """A prompt leaves no room for one new token in the context window or in the memory."""


class EngineError(MCTSrError, RuntimeError):
    """A request could not be served: the engine was closed, or the model gave no numbers.

    Where the engine's thread ended, all that waited for it have one that names the cause. A later
    request starts another thread.
    """


ENDING = threading.Event()
"""Set when the interpreter ends: a thread that starts by then is never heard of again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What to continue, how, and how often."""

    ids: list[int]
    """The prompt's token ids, at least one."""
    n: int = 1
    """Samples wanted; the prompt is computed once for all of them."""
    max_new: int = 16
    """Most new tokens of each sample, at least 1."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int | None = None
    seed: int | None = None
    """Sample j of a seed is the same whatever else is running."""
    ends: frozenset[int] = frozenset()
    """Token ids that end a sample; they are part of it."""
    stopped: Callable[[list[int]], bool] | None = None
    """Says of the new tokens so far whether they hold a stop text."""
    on_token: Callable[[int, int], None] | None = None
    """Told (sample, token) in the engine's thread; must return at once."""
    processors: Sequence[Processor] = ()
    """transformers' logits processors: called with ids [1, t] and scores [1, vocabulary]."""
    own_processors: Callable[[], Sequence[Processor]] | None = None
    """Makes those that keep a state, for each sample anew; they come last."""
    warpers: Sequence[Processor] = ()
    """Where they are given, they stand for temperature, top_k and top_p, which they hold."""
    logprobs: int | None = None
    """How many of the likeliest tokens are told at each place, beside the one taken."""
    pictures: Mapping[str, Any] | None = None
    """What the model's first forward is given beside the ids, as its processor makes it."""


@dataclass(frozen=True)
class TokenChance:
    """Log-probabilities at one place, before any processor, temperature or filter.

    Attributes:
        logprob: Of the token taken.
        top: Of the likeliest tokens, by id, the likeliest first.
    """

    logprob: float
    top: dict[int, float]


@dataclass(frozen=True)
class Sample:
    """One continuation."""

    ids: list[int]
    finish: Finish
    chances: list[TokenChance] | None = None
    """By token, where `logprobs` were asked for."""


@dataclass(frozen=True)
class TokenTree:
    """Continuations that share beginnings; node i is one token after its parent.

    `parents[i] < i`; -1 stands for the end of the prompt.
    """

    tokens: list[int]
    parents: list[int]

    def inner(self) -> list[int]:
        """Nodes that have children, in order."""
        return sorted({parent for parent in self.parents if parent >= 0})

    def depth(self) -> int:
        """Tokens of the longest continuation."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(1 + (depths[parent] if parent >= 0 else 0))
        return max(depths, default=0)


class Engine(Protocol):
    """Runs requests from any thread. A future that is cancelled stops its request."""

    def submit(self, request: Request) -> Future[list[Sample]]:
        """Queue a request.

        Raises:
            ContextLengthError: it can never fit into the engine's memory.
            EngineError: the engine is closed.
        """

    def score(self, ids: list[int], tree: TokenTree) -> Future[list[float]]:
        """Log-probability of each node of `tree` after its parent, `ids` being the prompt.

        Raises:
            ConfigError: this engine shows no logits.
        """

    @property
    def closed(self) -> bool:
        """Whether it takes no more requests."""

    def close(self) -> None:
        """Stop the thread and fail what is left. Safe to call twice."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the machine ran out of memory."""
    import torch

    told = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in told or "not enough memory" in told)
    )
