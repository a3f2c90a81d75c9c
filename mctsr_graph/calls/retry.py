"""One layer of bounded retry around a call to a model server.

The client's own retries have to be off (`max_retries=0`), or the two multiply. Errors are known
by attributes and class names, so that any provider's are and none has to be imported.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, TypeVar

from mctsr_graph.calls.per_object import OnePerObject
from mctsr_graph.errors import MCTSrError, bubbles_up

Kind = Literal["transient", "configuration", "context", "refusal", "other"]
Value = TypeVar("Value")

FIRST_DELAY = 0.5  # seconds at most before the second attempt; doubled for each one after it
LONGEST_DELAY = 30.0  # seconds at most where the server names no time
SHORTEST_GAP = 0.01  # seconds between requests to a server that has just refused some
LONGEST_RETRY_AFTER = 600.0  # seconds beyond which a server is not believed

# What classes are called, their bases included. An error and its causes can be of several
# kinds; the first of these is what it is. A bare "APIError" is a stream that reports a failure
_NAMED: dict[Kind, re.Pattern[str]] = {
    "context": re.compile("ContextLength|ContextOverflow|ContextWindow"),
    "refusal": re.compile("ContentFilter|ContentPolicy|RefusalError"),
    "configuration": re.compile(
        "AccessDenied|AuthenticationError|ConfigError|CredentialsError|ImportError|InvalidSchema|"
        "InvalidURL|LocalProtocolError|MissingSchema|ModelInvalidRequest|ModelNotFound|"
        "PermissionDenied|SSLCertVerification|UnknownModel|UnsupportedProtocol"
    ),
    "transient": re.compile(
        "APIError|BadStatusLine|ChunkedEncoding|ConnectionError|Decod(e|ing)Error|HTTPClientError|"
        "IncompleteRead|InternalServer|MaxRetry|NetworkError|PayloadError|ProtocolError|"
        "ProxyError|ResponseValidationError|ServiceUnavailable|Throttling|Timeout|URLError"
    ),
}
_BUSY = re.compile("RateLimit|Throttling|TooManyRequests|ResourceExhausted")
_TOO_LONG = re.compile(
    "context[_ ]?(length|window|size)|maximum context|(prompt|input) is too long|"
    "input tokens exceed|too many (input )?tokens|reduce the length of"
)
_REFUSED = re.compile("content[_ ](filter|(management )?policy)|responsibleai|data_inspection")
# Not "exceeded your current quota": some servers say so of a limit per minute
_UNPAID = re.compile("insufficient_(quota|balance)|billing_hard_limit")
_NO_KEY = re.compile("api[_ ]?key|credentials")
_MALFORMED = re.compile("choices|nonetype|no generations|unexpected response type|errors? for ai")


class Pace:
    """When the next request may be made to one model, as its server's refusals tell.

    All calls to the model share it, so that those which a server has turned away together (429)
    come back one after the other: not before the time that it named, and at a distance that
    doubles when it refuses again and shrinks with each reply. Safe to share between threads.
    """

    def __init__(self) -> None:
        self.replies = 0
        """Calls that have been answered."""
        self._until = -math.inf
        self._last = -math.inf
        self._gap = 0.0
        self._refused = -math.inf
        self._lock = threading.Lock()

    def turn(self, now: float) -> float:
        """Take the next turn; return the moment at which the request may be made."""
        with self._lock:
            self._last = max(now, self._until, self._last + self._gap)
            return self._last

    def holds(self, turn: float) -> bool:
        """Whether the server has refused since then, so that the turn is to be taken anew."""
        return turn < self._until

    def answered(self) -> None:
        """Take in that a call was answered."""
        with self._lock:
            self.replies += 1
            self._gap = self._gap * 0.9 if self._gap > SHORTEST_GAP else 0.0

    def refused(self, began: float, now: float, wait: float) -> float:
        """Take in that a request made at `began` was refused for `wait` seconds.

        Returns the seconds for which all requests are, which may be more.
        """
        with self._lock:
            if began >= self._refused:  # else it was under way when another was refused
                self._gap = min(max(2 * self._gap, wait / 8, SHORTEST_GAP), LONGEST_DELAY)
                self._refused = self._last = now
            self._until = max(self._until, now + wait)
            return self._until - now


pace_of = OnePerObject(lambda model: Pace())
"""The pace of a model, whichever searches ask it."""


class TimeLimit:
    """Cancels what is awaited inside after so many seconds, and raises TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._scope = seconds, asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as expired:  # not the call's own, which goes on by itself
            raise TimeoutError(f"no reply within {self._seconds:.3g} s") from expired


async def with_retries(
    call: Callable[[], Awaitable[Value]],
    *,
    attempts: int,
    deadline: float,
    sleep: Callable[[float], Awaitable[None]],
    rng: random.Random,
    limit: Callable[[float], AbstractAsyncContextManager[Any]] = nullcontext,
    now: Callable[[], float] = time.monotonic,
    pace: Pace | None = None,
) -> Value:
    """Return what `call` returns; try again after a transient error, and after no other.

    It suspends only where `call` and `sleep` do. Without a `limit` the deadline is looked at
    between attempts only: a call that hangs in its own thread cannot be ended from outside, and
    only its client's timeout bounds it.

    Args:
        call: Makes one attempt.
        attempts: Attempts at most, 1 or more.
        deadline: Seconds for all attempts and waits together, above 0; may be infinite.
        sleep: Waits so many seconds.
        rng: Draws the waits; not shared between threads.
        limit: `TimeLimit` where `call` is really awaited.
        now: Seconds since any fixed moment.
        pace: That of the model. A refusal for want of capacity (429) is no attempt while the
            server answers other calls.

    Raises:
        TimeoutError: The deadline passed during an attempt under `limit`.
        Exception: The last error of `call`, with a note on the attempts. At once, if it is not
            transient, or if the wait before the next attempt would reach the deadline.
    """
    pace = Pace() if pace is None else pace
    began, attempt, tries, replies = now(), 0, 0, pace.replies
    while True:
        await _until_turn(pace, began + deadline, sleep, now)
        tries, asked = tries + 1, now()
        try:
            async with limit(began + deadline - asked):
                value = await call()
            pace.answered()
            return value
        except Exception as error:
            kind, after = classify(error), retry_after(error)
            spent, is_busy = now() - began, kind == "transient" and _is_rate_limit(error)
            if is_busy and after is not None:
                # Turns spread the calls of this process; other processes may share the limit
                wait = after + rng.uniform(0, min(FIRST_DELAY, after / 4))
            else:
                wait = delay(tries, rng, after)
            if is_busy:
                wait = pace.refused(asked, now(), wait)
            if not (is_busy and pace.replies > replies):
                attempt += 1
            replies = pace.replies
            if kind != "transient" or attempt >= attempts or spent + wait >= deadline:
                made = f"{attempt} of {attempts} attempts"
                error.add_note(f"{kind} error after {made} and {spent:.1f} s")
                raise
        if not is_busy:
            await sleep(wait)


async def _until_turn(
    pace: Pace,
    end: float,
    sleep: Callable[[float], Awaitable[None]],
    now: Callable[[], float],
) -> None:
    """Wait until the model may be asked; where that is not before the end, do not wait at all."""
    while (turn := pace.turn(moment := now())) < end:
        if turn > moment:
            await sleep(turn - moment)
        if not pace.holds(turn):
            return


def _is_rate_limit(error: BaseException) -> bool:
    """Whether a server refuses a request only because it has too many."""
    return any(status_of(one) == 429 or _BUSY.search(type(one).__name__) for one in causes(error))


def delay(attempt: int, rng: random.Random, after: float | None = None) -> float:
    """Seconds to wait after attempt number `attempt` (from 1) has failed.

    Exponential with full jitter, so that calls which failed together do not come back together;
    on top of the `after` seconds that the server asked for.
    """
    most = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 60))
    return (after or 0.0) + rng.uniform(0.0, most)


def retry_after(error: BaseException) -> float | None:
    """Seconds in [0, LONGEST_RETRY_AFTER] that the server asks to wait, or None."""
    for holder in [h for one in causes(error) for h in (one, getattr(one, "response", None))]:
        sent: Any = getattr(holder, "headers", None)
        items = sent.items() if hasattr(sent, "items") else ()
        headers = {str(name).lower(): str(value) for name, value in items}
        millis = _seconds(headers.get("retry-after-ms", ""))
        seconds = _seconds(headers.get("retry-after", "")) if millis is None else millis / 1000
        if seconds is not None:
            return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
    return None


def classify(error: BaseException) -> Kind:
    """What an error of a model call means for the search.

    Returns:
        "transient": the same request may succeed later. "configuration": none will until a
        person changes something. "context": this one is too long for the model. "refusal": a
        filter rejected it. "other": not known, and not to be tried again.
    """
    kinds = {_kind(one) for one in causes(error)}
    return next((kind for kind in _NAMED if kind in kinds), "other")


def _kind(error: BaseException) -> Kind:
    names = " ".join(cls.__name__ for cls in type(error).__mro__)
    named: Kind = next((kind for kind, name in _NAMED.items() if name.search(names)), "other")
    status = status_of(error)
    if named in ("context", "refusal") or isinstance(error, MCTSrError) or bubbles_up(error):
        return named
    words = f"{str(error)[:4000]} {getattr(error, 'code', '')}".lower()
    if status is not None:
        return _by_status(status, words)
    if _TOO_LONG.search(words):
        return "context"
    if named == "other" and _NO_KEY.search(words):
        return "configuration"
    retryable = getattr(error, "is_retryable", None) is True or _is_malformed_reply(error, words)
    return "transient" if named == "other" and retryable else named


def _by_status(status: int, words: str) -> Kind:
    if status == 429:
        return "configuration" if _UNPAID.search(words) else "transient"
    if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(words)):
        return "context"
    if status in (400, 403, 422) and _REFUSED.search(words):
        return "refusal"
    return "transient" if status in (408, 409, 425) or status >= 500 else "configuration"


def status_of(error: BaseException) -> int | None:
    """The HTTP status of a failure, wherever the client keeps it."""
    body = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    found = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    found += [getattr(getattr(error, "response", None), "status_code", None), body.get("code")]
    return next((int(s) for s in found if isinstance(s, int) and 400 <= s < 600), None)


def _is_malformed_reply(error: BaseException, words: str) -> bool:
    """Whether a LangChain class fell over a reply that is not as it should be."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = str(frames[-1].f_globals.get("__name__")) if frames else ""
    # A TypeError or ValueError may also be a wrong argument, which no retry mends
    telling = isinstance(error, LookupError) or _MALFORMED.search(words) is not None
    return telling and module.startswith(("langchain", "pydantic"))


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from. Our own errors mean what they say."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is not None:
            yield cause
            cause = None if isinstance(cause, MCTSrError) else cause.__cause__


def _seconds(value: str) -> float | None:
    """Read a number of seconds or an HTTP date."""
    try:
        number = float(value)
    except ValueError:
        try:
            number = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return number if math.isfinite(number) else None
