"""What an engine was asked for, and how far it has come."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mctsr_graph.errors import MCTSrError
from mctsr_graph.models.engine.protocol import (
    EngineError,
    Finish,
    Processor,
    Request,
    Sample,
    TokenChance,
    TokenTree,
)

T = TypeVar("T")


@dataclass(eq=False)
class Task(Generic[T]):
    """Something asked of the engine, with the future of its result."""

    future: Future[T] = field(default_factory=Future, init=False)

    def resolve(self, result: T) -> None:
        """Deliver, unless it was cancelled or has failed."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Deliver an error, unless it was cancelled or has failed."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


def fail_all(
    tasks: Iterable[Task[Any]],
    why: str,
    cause: BaseException | None = None,
    kind: type[MCTSrError] = EngineError,
) -> None:
    """Deliver an error to each, even where a callback of one raises what ends a thread."""
    with contextlib.ExitStack() as stack:
        for task in tasks:
            error = kind(why)  # of its own, as whoever catches it adds notes
            error.__cause__ = cause
            stack.callback(task.fail, error)


@dataclass(eq=False)
class Job(Task[list[Sample]]):
    """A request, with its samples that are finished."""

    request: Request
    samples: dict[int, Sample] = field(default_factory=dict)

    def finish(self, sample: int, result: Sample) -> None:
        """Note one sample; the last one resolves the future."""
        self.samples[sample] = result
        if len(self.samples) == self.request.n:
            self.resolve([self.samples[j] for j in range(self.request.n)])


@dataclass(eq=False)
class Question(Task[list[float]]):
    """Asks for the log-probabilities of a tree's tokens after a prompt."""

    ids: list[int]
    tree: TokenTree


class Row:
    """One sample of a job: waiting, or running."""

    def __init__(self, job: Job, sample: int) -> None:
        self.job, self.sample, self.request = job, sample, job.request
        self.ids = list(job.request.ids)  # prompt and new tokens
        self.longest = len(self.ids) + job.request.max_new
        seed = job.request.seed
        self.rng = random.Random(None if seed is None else f"{seed}/{sample}")
        own = job.request.own_processors
        self.processors: Sequence[Processor] = [
            *job.request.processors,
            *(own() if own is not None else ()),
        ]
        self.chances: list[TokenChance] = []

    def add(self, token: int) -> bool:
        """Append a token. True when the sample ends with it."""
        if token < 0:
            raise EngineError("the model's logits hold NaN")
        request, new = self.request, self.ids[len(self.request.ids) :]
        self.ids.append(token)
        new.append(token)
        if request.on_token is not None:
            request.on_token(self.sample, token)
        finish: Finish = "length"
        if token in request.ends or (request.stopped is not None and request.stopped(new)):
            finish = "stop"
        elif len(new) < request.max_new:
            return False
        told = None if request.logprobs is None else self.chances
        self.job.finish(self.sample, Sample(new, finish, told))
        return True
