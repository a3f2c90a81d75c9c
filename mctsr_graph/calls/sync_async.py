"""The two ways to wait, blocking and awaiting, so that everything else is written once.

The search is written as coroutines. Under `invoke` they are run without an event loop, and all
that they await blocks instead of suspending; under `ainvoke` they are awaited.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from inspect import isawaitable
from typing import Any, Protocol, TypeVar, runtime_checkable

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables.config import run_in_executor

from mctsr_graph.calls.request import Model, innermost
from mctsr_graph.calls.retry import TimeLimit
from mctsr_graph.calls.threads import IdleThreads
from mctsr_graph.errors import bubbles_up

_MOST_THREADS = 512
_IDLE_SECONDS = 10.0  # after which the threads end
_AT_ONCE = 8  # calls that begin, or leaves that are written, before the loop goes round
# How many jobs the present one is inside of, be they of another search: a judge may search, too.
# Each depth has threads of its own: jobs that wait could else hold every thread they wait for
_depth: ContextVar[int] = ContextVar("mctsr_depth", default=0)
T = TypeVar("T")


@runtime_checkable
class Scorer(Protocol):
    """A chat model that can tell its scores from logits, as `ChatTransformers` can.

    What it returns has `expected`, the mean of the scores in points.
    """

    def score(self, messages: list[BaseMessage]) -> Any:
        """Return the distribution over whole numbers that may follow "Score: "."""

    async def ascore(self, messages: list[BaseMessage]) -> Any:
        """As `score`, awaited."""


class Way(Protocol):
    """How to wait for a model, for time to pass, and for a slow function."""

    def limit(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """End what is awaited inside after so many seconds, if that can be done."""

    async def send(self, model: Model, messages: list[BaseMessage], **settings: Any) -> AIMessage:
        """Return the model's reply."""

    async def generate(
        self, chat: BaseChatModel, messages: list[BaseMessage], **options: Any
    ) -> LLMResult:
        """Return what a chat model gives besides the first reply, too."""

    async def score(self, model: Scorer, messages: list[BaseMessage]) -> Any:
        """Return the model's distribution over scores."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def between(self, done: int) -> None:
        """Let others have their turn, now and then, in work of many short parts."""

    async def call(self, function: Callable[..., T | Awaitable[T]], *args: Any) -> T:
        """Return what a function returns that may be slow, or async."""


class Blocking:
    """Waits in the thread that it is run in; nothing suspends."""

    def limit(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """No limit: a call that hangs in its own thread cannot be ended from outside."""
        return nullcontext()

    async def send(self, model: Model, messages: list[BaseMessage], **settings: Any) -> AIMessage:
        """Return the model's reply."""
        reply: AIMessage = model.invoke(messages, **settings)
        return reply

    async def generate(
        self, chat: BaseChatModel, messages: list[BaseMessage], **options: Any
    ) -> LLMResult:
        """Return what a chat model gives besides the first reply, too."""
        return chat.generate([messages], **options)

    async def score(self, model: Scorer, messages: list[BaseMessage]) -> Any:
        """Return the model's distribution over scores."""
        return model.score(messages)

    async def sleep(self, seconds: float) -> None:
        """Let time pass; end with CancelledError where the jobs that it is part of have ended."""
        _slept(seconds, _ended.get())

    async def between(self, done: int) -> None:
        """Nobody waits for this thread."""

    async def call(self, function: Callable[..., T | Awaitable[T]], *args: Any) -> T:
        """Return what the function returns; an async one gets an event loop in a thread."""
        result = function(*args)
        if not isawaitable(result):
            return result
        run, coroutine = copy_context().run, _awaited(result)
        waiting: Future[T] = _threads(_depth.get()).submit(
            run, lambda: _deeper(lambda: asyncio.run(coroutine))
        )
        return waiting.result()


class Awaiting:
    """Waits without holding up the event loop."""

    def limit(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """Cancel what is awaited inside after so many seconds, and raise TimeoutError."""
        return TimeLimit(seconds)

    async def send(self, model: Model, messages: list[BaseMessage], **settings: Any) -> AIMessage:
        """Return the model's reply; a model whose async half is only a stub runs in a thread."""
        reply: AIMessage
        try:
            reply = await model.ainvoke(messages, **settings)
        except NotImplementedError:
            # Threads of our own: the loop's few may all be held by calls that hang
            threads = _threads(_depth.get())
            reply = await run_in_executor(threads, model.invoke, messages, **settings)
        return reply

    async def generate(
        self, chat: BaseChatModel, messages: list[BaseMessage], **options: Any
    ) -> LLMResult:
        """Return what a chat model gives besides the first reply, too."""
        return await chat.agenerate([messages], **options)

    async def score(self, model: Scorer, messages: list[BaseMessage]) -> Any:
        """Return the model's distribution over scores."""
        return await model.ascore(messages)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def between(self, done: int) -> None:
        """Let the loop go round after every few parts."""
        if done % _AT_ONCE == 0:
            await asyncio.sleep(0)

    async def call(self, function: Callable[..., T | Awaitable[T]], *args: Any) -> T:
        """Return what the function returns, run in a thread; an async one is awaited here."""
        run = copy_context().run
        result = await run_in_executor(_threads(_depth.get()), run, _deeper, function, *args)
        return await result if isawaitable(result) else result


BLOCKING, AWAITING = Blocking(), Awaiting()


_OPEN = nullcontext()


class Gate:
    """Lets at most so many calls run at once; None: any number."""

    def __init__(self, most: int | None = None) -> None:
        self._is_open = most is None
        if most is not None:
            self._threads, self._tasks = threading.Semaphore(most), asyncio.Semaphore(most)

    def turn(self, way: Way) -> AbstractAsyncContextManager[Any]:
        """Wait for a call's turn, and have it."""
        if self._is_open:
            return _OPEN
        return self._tasks if isinstance(way, Awaiting) else self._blocking()

    @asynccontextmanager
    async def _blocking(self) -> AsyncIterator[None]:
        with self._threads:
            yield


async def all_at_once(
    jobs: Sequence[Callable[[Way], Coroutine[Any, Any, T]]], model: Model, way: Way
) -> list[T]:
    """Run jobs that wait for `model` at the same time; return their results in order.

    Blocking, they run in threads. Awaiting, they are tasks; but jobs of a model without an
    async half block in threads of their own.

    A job that pauses the graph ends none of the others. The first of such jobs, in order, is the
    one that pauses it; when the graph goes on they run one by one, since LangGraph hands out the
    answers in the order in which it is asked for them.
    """
    if one_by_one.get():
        return [await job(way) for job in jobs]
    if len(jobs) > 1:
        found = await _all_at_once([_held(job) for job in jobs], model, way)
        for result in found:
            if isinstance(result, _Held):
                raise result.error
        return found
    return await _all_at_once(jobs, model, way)


one_by_one: ContextVar[bool] = ContextVar("mctsr_one_by_one", default=False)
"""Whether the present step has been paused before, and is now gone on with."""


@dataclass(frozen=True)
class _Held:
    error: Exception


def _held(job: Callable[[Way], Coroutine[Any, Any, T]]) -> Callable[[Way], Any]:
    async def run(way: Way) -> T | _Held:
        try:
            return await job(way)
        except Exception as error:
            if bubbles_up(error):
                return _Held(error)
            raise

    return run


async def _all_at_once(
    jobs: Sequence[Callable[[Way], Coroutine[Any, Any, T]]], model: Model, way: Way
) -> list[T]:
    if way is AWAITING and not is_sync_only(model):
        if (
            len(jobs) == 1
        ):  # needs no task of its own, whose start and end cost more than they bring
            return [await jobs[0](way)]
        return await gathered([job(way) for job in jobs])

    depth = _depth.get()

    def run(job: Callable[[Way], Coroutine[Any, Any, T]]) -> T:
        return _deeper(lambda: run_blocking(job(BLOCKING)))

    if not jobs:
        return []
    with _ending_waits():
        if way is AWAITING:
            return await gathered([run_in_executor(_threads(depth), run, job) for job in jobs])
        *others, last = jobs  # the last one in this thread, so that two need only one thread more
        waiting = [_threads(depth).submit(copy_context().run, run, job) for job in others]
        result = run(last)
        return [*(future.result() for future in waiting), result]


# Of the jobs that the present one is part of, whether they have ended; the outermost first
_ended: ContextVar[tuple[threading.Event, ...]] = ContextVar("mctsr_ended", default=())
_any_ended = threading.Condition()


@contextmanager
def _ending_waits() -> Iterator[None]:
    """Let none of the threads wait on for what nobody wants any more."""
    mine = threading.Event()
    token = _ended.set((*_ended.get(), mine))
    try:
        yield
    except BaseException:
        mine.set()
        with _any_ended:
            _any_ended.notify_all()
        raise
    finally:
        _ended.reset(token)


def _slept(seconds: float, ended: tuple[threading.Event, ...]) -> None:
    if not ended:
        time.sleep(seconds)
        return
    with _any_ended:
        if _any_ended.wait_for(lambda: any(one.is_set() for one in ended), seconds):
            raise asyncio.CancelledError("what it waits for is not wanted any more")


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, in this thread, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a blocking step was suspended")


def is_sync_only(model: Model) -> bool:
    """Whether the model has no async half of its own, so that each call needs a thread."""
    inner = type(innermost(model))
    return (
        issubclass(inner, BaseChatModel)
        and inner._agenerate is BaseChatModel._agenerate
        and inner._astream is BaseChatModel._astream
    )


def _deeper(function: Callable[..., T], *args: Any) -> T:
    """Call a function as a job inside the present one."""
    before = _depth.set(_depth.get() + 1)
    try:
        return function(*args)
    finally:
        _depth.reset(before)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def gathered(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once; the first error ends the others, waits for their end, and is raised."""
    tasks: list[asyncio.Task[T]] = []
    try:
        for job in jobs:  # the first steps of all, done at once, would hold the loop
            tasks.append(asyncio.create_task(job))
            await AWAITING.between(len(tasks))
        return await asyncio.gather(*tasks)
    except BaseException:
        for job in jobs[len(tasks) :]:
            job.close()
        for task in tasks:  # gather leaves the others running when one raises
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


@cache
def _threads(depth: int) -> Executor:
    # Nothing waits for a thread when a search is interrupted
    return IdleThreads(_MOST_THREADS, _IDLE_SECONDS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # its threads stay in the parent
