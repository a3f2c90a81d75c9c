"""One layer of bounded retry around a call to a model server.

The client's own retries have to be off (`max_retries=0`), or the two multiply.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar

from mctsr_graph.calls.error_kinds import away, causes, classify, is_busy
from mctsr_graph.calls.outage import NEWS, Absence
from mctsr_graph.calls.pace import Pace

Value = TypeVar("Value")

FIRST_DELAY = 0.5  # seconds at most before the second attempt; doubled for each one after it
LONGEST_DELAY = 30.0  # seconds at most where the server names no time
LONGEST_RETRY_AFTER = 600.0  # seconds beyond which a server is not believed
# Of the time for a call: so long it is tried where the request itself may be at fault
SHARE_FOR_ONE = 0.1
SHARE_TO_WAIT = 0.95  # of it; the rest is for a last request


class TimeLimit:
    """Cancels what is awaited inside after so many seconds, and raises TimeoutError.

    As `asyncio.timeout`, in half as many steps: every call to a model passes through it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    async def __aenter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task, self._cancelling = task, task.cancelling()
        self._timer = None
        if self._seconds < math.inf:
            self._timer = loop.call_at(loop.time() + max(0.0, self._seconds), self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._expired or self._task.uncancel() > self._cancelling:
            return  # where others have cancelled the task as well, it is cancelled
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError(f"no reply within {self._seconds:.3g} s") from error


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
    patience: float = math.inf,
    tell: Callable[[Absence], None] | None = None,
) -> Value:
    """Return what `call` returns; try again after a transient error, and after no other.

    While the model answers no call at all, for its server is away (5xx, no connection), what
    fails is no attempt, and it is tried until the time is over. One request to which alone the
    server says 500 or 504 is tried `attempts` times and for a tenth of the deadline, whichever is
    more.

    It suspends only where `call` and `sleep` do. Without a `limit` the deadline is looked at
    between attempts only: a call that hangs in its own thread cannot be ended from outside, and
    only its client's timeout bounds it.

    Args:
        call: Makes one attempt.
        attempts: Attempts at most, 1 or more; 1: nothing is tried again, whatever it is.
        deadline: Seconds for all attempts and waits together, above 0; may be infinite.
        sleep: Waits so many seconds.
        rng: Draws the waits; not shared between threads.
        limit: `TimeLimit` where `call` is really awaited.
        now: Seconds since any fixed moment.
        pace: That of the model. A refusal for want of capacity (429) is no attempt while the
            server answers other calls.
        patience: Seconds for which it waits for a server that is away, if that is less; 0: not
            at all.
        tell: Hears now and then how long the model has been away, and when it is back.

    Raises:
        TimeoutError: The deadline passed during an attempt under `limit`.
        Exception: The last error of `call`, with a note on the attempts. At once, if it is not
            transient, or if the wait before the next attempt would reach the deadline.
    """
    pace = Pace() if pace is None else pace
    tries = _Tries(pace, attempts, now(), deadline, patience, rng, now, tell)
    while True:
        if tries.made or not pace.is_calm:
            await tries.until_turn(sleep)
        asked = now()
        try:
            async with limit(tries.end - asked):
                value = await call()
        except Exception as error:
            if not tries.go_on(error, asked):
                raise
        except BaseException:
            pace.outage.gave_up(tries)
            raise
        else:
            pace.answered()
            if tries.away_since is not None:
                tries.back()
            return value


class _Tries:
    """The attempts of one call: what came of them, and what comes next."""

    def __init__(
        self,
        pace: Pace,
        attempts: int,
        began: float,
        deadline: float,
        patience: float,
        rng: random.Random,
        now: Callable[[], float],
        tell: Callable[[Absence], None] | None,
    ) -> None:
        self._pace, self._replies, self._attempts = pace, pace.replies, attempts
        self._rng, self._now, self._tell = rng, now, tell
        self._began, self._deadline, self.end = began, deadline, began + deadline
        self._patient_until = began + min(SHARE_TO_WAIT * deadline, patience)
        self._is_patient = attempts > 1 and patience > 0
        self._attempt = self.made = 0
        self._wait = 0.0
        self.away_since: float | None = None

    async def until_turn(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait until the model may be asked; where that is not before the end, do not wait."""
        pace, outage = self._pace, self._pace.outage
        if self._wait:
            await sleep(self._wait)
        if self._is_patient and outage.is_known:
            outage.joined()
            try:
                while nap := outage.nap(self, self._now(), self._patient_until):
                    self._say()
                    await sleep(nap)
            finally:
                outage.left()
        while (turn := pace.turn(moment := self._now())) < self.end:
            if turn > moment:
                await sleep(turn - moment)
            if not pace.holds(turn):
                return

    def go_on(self, error: Exception, asked: float) -> bool:
        """Take in what the request made at `asked` came to; whether there is another attempt."""
        self.made += 1
        pace, now = self._pace, self._now()
        kind, after = classify(error), retry_after(error)
        answers, self._replies = pace.replies > self._replies, pace.replies
        busy = kind == "transient" and is_busy(error)
        gone = away(error) if kind == "transient" and not busy else "no"
        if gone != "no" and not answers and self._is_patient:
            wait, is_over = self._found_away(error, asked, gone == "yes", after)
            made = f"{self.made} attempts"
        else:
            pace.outage.gave_up(self)
            self._attempt += not (busy and answers)
            made = f"{self._attempt} of {self._attempts} attempts"
            wait = delay(self.made, self._rng, after)
            if busy and after is not None:
                # Turns spread the calls of this process; other processes may share the limit
                wait = after + self._rng.uniform(0, min(FIRST_DELAY, after / 4))
            if busy:
                wait = pace.refused(asked, now, wait)
            is_over = self._attempt >= self._attempts or now + wait >= self.end
        if kind != "transient" or is_over:
            error.add_note(f"{kind} error after {made} and {now - self._began:.1f} s")
            return False
        self._say()
        self._wait = 0.0 if busy or pace.outage.is_known else wait  # which have waits of their own
        return True

    def _found_away(
        self, error: Exception, asked: float, sure: bool, after: float | None
    ) -> tuple[float, bool]:
        """Seconds to wait before the next request, and whether there is none."""
        pace, now, outage = self._pace, self._now(), self._pace.outage
        told = f"{type(error).__name__}: {error}"[:200]
        pace.away(self, asked, now, sure, told, lambda looks: delay(looks, self._rng, after))
        end = self._patient_until
        if not outage.is_sure and self.made >= self._attempts:
            end = min(end, self._began + SHARE_FOR_ONE * self._deadline)
        return min(delay(self.made, self._rng, after), max(0.0, end - now)), now >= end

    def back(self) -> None:
        """Tell that the model is back."""
        if self.away_since is not None and self._tell is not None:
            self._tell(Absence(self._now() - self.away_since, 0.0, ""))

    def _say(self) -> None:
        """Tell that the model is away, if it has been for long enough to be news."""
        now, outage = self._now(), self._pace.outage
        since = outage.since
        if since is None or now - since < NEWS:
            return
        self.away_since = since
        absence = Absence(now - since, self._patient_until - now, outage.error)
        outage.log(absence)
        if self._tell is not None:
            self._tell(absence)


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
