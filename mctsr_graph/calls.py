"""Asking a chat model: retries of unusable replies, budgets, costs, and failures as records."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from typing_extensions import TypedDict

from .config import MCTSrContext
from .errors import ConfigError, MCTSrError, ReplyError
from .usage import Cost, Role, Usage, no_cost, sum_costs, tokens, total_cost

_MOST_THREADS = 512

Model = Runnable[Any, Any]
"""A chat model, or one wrapped by `bind`, `with_retry`, `with_fallbacks`, ..."""


@dataclass(frozen=True)
class Request:
    """One thing wanted from the model."""

    role: Role
    messages: list[BaseMessage]
    read: Callable[[str], Any]
    """Reads the reply's text; raises ReplyError where it cannot be used."""
    again: Callable[[], list[BaseMessage]]
    """Makes what is sent after a reply that could not be used."""
    rollout: int = 0
    """Number of the rollout, from 1; 0 for the roots."""
    sample: int = 0
    """Tells apart the requests of one role in one rollout."""


@dataclass(frozen=True)
class Reply:
    """What came of a request: a value, or a failure's code and message."""

    value: Any
    cost: Cost
    seconds: float
    code: str | None = None
    message: str = ""


class Failure(TypedDict):
    """A reply that could not be had. The search goes on without it."""

    rollout: int
    """Number of the rollout, from 1; 0 while the roots are made."""
    node: str | None
    """Id of the node whose reward is missing, or None if a new answer was lost."""
    role: str
    """What the model was asked for: "draft", "critique", "refine" or "evaluate"."""
    code: str
    """A short word: "missing" (no score), "empty", "budget", "model_error", ..."""
    message: str
    """The reason, with the beginning of the offending reply."""


class Budget:
    """What the calls of one step may still cost. Safe to share between threads."""

    def __init__(self, context: MCTSrContext, usage: Usage, seconds: float) -> None:
        self._context = context
        self._calls = total_cost(usage)["calls"]
        self._tokens = tokens(usage)
        self._seconds = seconds
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Claim one call.

        Raises:
            ReplyError: a limit is reached ("budget").
        """
        with self._lock:
            spent = spent_budget(self._context, self._calls, self._tokens, self._now())
            if spent is not None:
                raise ReplyError("budget", f"{spent} = {getattr(self._context, spent)} is spent")
            self._calls += 1

    def add(self, cost: Cost) -> None:
        """Count the tokens of a call that returned."""
        with self._lock:
            self._tokens += cost["input_tokens"] + cost["output_tokens"]

    def _now(self) -> float:
        return self._seconds + time.monotonic() - self._began


def spent_budget(context: MCTSrContext, calls: int, used_tokens: int, seconds: float) -> str | None:
    """Name of the first setting among the budgets that is used up, or None."""
    used = {"max_calls": calls, "max_tokens": used_tokens, "max_seconds": seconds}
    for name, value in used.items():
        limit = getattr(context, name)
        if limit is not None and value >= limit:
            return name
    return None


class Send(Protocol):
    """Sends messages to the model, blocking or awaiting."""

    async def __call__(
        self, messages: list[BaseMessage], *, config: Any, **settings: Any
    ) -> AIMessage:
        """Return the model's reply."""


class Asker:
    """Asks one model, under one search's settings."""

    def __init__(self, model: Model, context: MCTSrContext, budget: Budget) -> None:
        self._model = model
        self._context = context
        self._budget = budget
        self._takes_seed = "seed" in getattr(type(_innermost(model)), "model_fields", {})

    async def ask(self, request: Request, send: Send, *, strict: bool) -> Reply:
        """Ask until a reply can be used, at most 1 + max_retries times.

        A failure is returned, not raised; with `strict` the model's own exceptions are raised.
        """
        began, costs, messages = time.monotonic(), [no_cost()], request.messages
        code, why = "unasked", ""
        for attempt in range(1 + self._context.max_retries):
            try:
                self._budget.take()
                message = await send(messages, **self._settings(request, attempt))
            except ReplyError as error:
                code, why = error.code, str(error)
                break
            except MCTSrError:
                raise
            except Exception as error:
                if strict:
                    raise
                code, why = "model_error", f"{type(error).__name__}: {error}"
                break
            costs.append(self._cost(message))
            text = str(message.text)
            try:
                value = request.read(text)
            except ReplyError as error:
                code, why = error.code, f"{error}: {error.reply!r}"
            else:
                return Reply(value, sum_costs(costs), time.monotonic() - began)
            messages = request.again()
        return Reply(None, sum_costs(costs), time.monotonic() - began, code, _short(why))

    def _settings(self, request: Request, attempt: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            name: value
            for name in ("temperature", "max_tokens")
            if (value := self._context.of_role(name, request.role)) is not None
        }
        if self._takes_seed:
            settings["seed"] = derive_seed(
                self._context.seed, request.rollout, request.role, request.sample, attempt
            )
        settings["config"] = {
            "run_name": request.role,
            "tags": [f"mctsr:{request.role}"],
            "metadata": {
                "mctsr_role": request.role,
                "mctsr_rollout": request.rollout,
                "mctsr_sample": request.sample,
                "mctsr_attempt": attempt,
            },
        }
        return settings

    def _cost(self, message: AIMessage) -> Cost:
        told = message.usage_metadata
        if told is None:
            if self._context.max_tokens is not None:
                raise ConfigError(
                    f"max_tokens is {self._context.max_tokens}, but the model reports no token "
                    "usage; use max_calls or max_seconds instead"
                )
            return Cost(calls=1, input_tokens=0, output_tokens=0, unmetered_calls=1)
        cost = Cost(
            calls=1,
            input_tokens=told["input_tokens"],
            output_tokens=told["output_tokens"],
            unmetered_calls=0,
        )
        self._budget.add(cost)
        return cost


async def ask_all(
    model: Model,
    context: MCTSrContext,
    budget: Budget,
    requests: Sequence[Request],
    *,
    blocking: bool,
    strict: bool = False,
) -> list[Reply]:
    """Ask for everything at once and return the replies in the order of `requests`.

    With `blocking` the coroutine never suspends: calls that go together run in threads. Else
    an async model is awaited, and one without an async half runs in threads, too.
    """
    if not requests:
        return []
    asker = Asker(model, context, budget)
    if not blocking and not is_sync_only(model):
        send = awaiting_send(model)
        return await _awaited([asker.ask(one, send, strict=strict) for one in requests])

    def wait(request: Request) -> Reply:
        reply: Reply = run_blocking(asker.ask(request, blocking_send(model), strict=strict))
        return reply

    *others, last = requests
    if blocking:  # the last one in this thread, so that the usual two need one thread more
        waiting = [_threads().submit(copy_context().run, wait, request) for request in others]
        reply = wait(last)
        return [*(future.result() for future in waiting), reply]
    return await _awaited([run_in_executor(_threads(), wait, request) for request in requests])


@cache
def _threads() -> ThreadPoolExecutor:
    # Kept, since a thread costs more to start than a step of the search. Nothing waits for it
    # when a search is interrupted
    return ThreadPoolExecutor(max_workers=_MOST_THREADS, thread_name_prefix="mctsr")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # its threads stay in the parent


async def _awaited(asked: Sequence[Coroutine[Any, Any, Reply]]) -> list[Reply]:
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:  # gather leaves the others running when one raises
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def blocking_send(model: Model) -> Send:
    """Send and wait in this thread; the coroutine never suspends."""

    async def send(messages: list[BaseMessage], *, config: Any, **settings: Any) -> AIMessage:
        reply: AIMessage = model.invoke(messages, config=config, **settings)
        return reply

    return send


def awaiting_send(model: Model) -> Send:
    """Send and await; a model whose async half is only a stub runs in a thread."""

    async def send(messages: list[BaseMessage], *, config: Any, **settings: Any) -> AIMessage:
        reply: AIMessage
        try:
            reply = await model.ainvoke(messages, config=config, **settings)
        except NotImplementedError:
            reply = await run_in_executor(None, model.invoke, messages, config=config, **settings)
        return reply

    return send


def is_sync_only(model: Model) -> bool:
    """Whether the model has no async half of its own, so that each call needs a thread."""
    inner = type(_innermost(model))
    return (
        issubclass(inner, BaseChatModel)
        and inner._agenerate is BaseChatModel._agenerate
        and inner._astream is BaseChatModel._astream
    )


def run_blocking(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends, in this thread, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("a blocking step was suspended")


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part and on nothing else."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _innermost(model: Any) -> Any:
    """The chat model inside `bind`, `with_retry` and `with_fallbacks`."""
    for _ in range(16):
        inner = getattr(model, "bound", None) or getattr(model, "runnable", None)
        if inner is None or isinstance(model, BaseChatModel):
            break
        model = inner
    return model


def _short(message: str, most: int = 200) -> str:
    return message if len(message) <= most else message[: most - 3] + "..."
