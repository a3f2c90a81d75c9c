"""A model whose server's failures are no results."""

from __future__ import annotations

import random
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

from mctsr_graph.calls.error_kinds import classify, status_of
from mctsr_graph.calls.pace import pace_of
from mctsr_graph.calls.request import Model, innermost, model_name
from mctsr_graph.calls.retry import with_retries
from mctsr_graph.calls.sync_async import AWAITING, BLOCKING, Way, run_blocking
from mctsr_graph.errors import MCTSrError
from mctsr_graph.settings.context import MCTSrContext

from .unfinished import Unfinished

_JITTER = random.Random()  # of waits between attempts, on which no result depends
# Of the time for a call: it has to end before the search that asks gives it up as a lost rollout
_SHARE = 0.95
# Refusals of one request, unless all are refused for a setting
_OF_A_REQUEST = (400, 413, 422)


class RequestRefusalError(Exception):
    """The server takes other requests, and not this one: trying again will not help."""


class Persistent(Runnable[Any, AIMessage]):
    """Retries as a search does, and raises `Unfinished` where a search would lose a rollout.

    A search that went on from there would be another one than that which the next start of the
    run finds, when the server is up again. What the server refuses where it has answered others
    is no wrong setting, but this problem's failure.
    """

    def __init__(self, model: Model, context: MCTSrContext, *, has_answered: bool = False) -> None:
        self.bound = model
        self._context = context
        self._has_answered = has_answered

    def label_parts(self) -> dict[str, Any]:
        """What tells it from others: the model's class and name, as a stand-in has them, too."""
        return {"model": model_name(self.bound)}

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Return the model's reply."""
        return run_blocking(self._send(BLOCKING, input, config, kwargs))

    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Return the model's reply, awaited."""
        return await self._send(AWAITING, input, config, kwargs)

    async def _send(
        self, way: Way, messages: Any, config: RunnableConfig | None, settings: dict[str, Any]
    ) -> AIMessage:
        pace = pace_of(innermost(self.bound))
        try:
            return await with_retries(
                lambda: way.send(self.bound, messages, config=config, **settings),
                attempts=self._context.max_attempts,
                deadline=_SHARE * self._context.call_seconds,
                sleep=way.sleep,
                limit=way.limit,
                rng=_JITTER,
                pace=pace,
            )
        except MCTSrError:
            raise
        except Exception as error:
            kind, answered = classify(error), self._has_answered or pace.replies
            if kind in ("transient", "other"):
                raise Unfinished(f"{type(error).__name__}: {error}") from error
            if kind == "configuration" and answered and status_of(error) in _OF_A_REQUEST:
                raise RequestRefusalError(f"{type(error).__name__}: {error}") from error
            raise
