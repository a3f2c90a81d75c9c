"""When the server of a model is away: one call looks whether it is back, and the others wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

_logger = logging.getLogger(__name__)
LONGEST_NAP = 0.5  # seconds until a waiting call looks whether another one was answered
_SHORTEST_NAP = 0.001  # seconds; a clock may be too coarse to show less
NEWS = 5.0  # seconds without an answer from which on it is worth a word


class Absence(NamedTuple):
    """How long a model has answered nothing, and how long one call to it goes on waiting."""

    seconds: float
    left: float
    """Seconds; 0 or less when the model answers again."""
    error: str
    """What the last request came to."""


class Outage:
    """The failures of a model since it last answered any call. Safe to share between threads.

    It is known to be away when a request that was made after a first failure has failed as well,
    and nothing was answered in between. A status that may be the fault of the one request counts
    if two calls have got it. From then on one call at a time asks, another one each time.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        """When the first of the failures was seen; None: the last call was answered."""
        self.is_sure = False
        """Whether the failures are no single request's own fault."""
        self.is_known = False
        """Whether calls wait for one of them to be answered."""
        self.looks = 0
        """Requests that have found it away, one after the other, since it is known."""
        self.until = 0.0
        """When the next request may be made."""
        self.error = ""
        """What the last request came to."""
        self._is_logged = False
        self._first: object = None
        self._last: object = None
        self._looking: object = None
        self._waiting = 0
        self._lock = threading.Lock()

    def nap(self, call: object, now: float, end: float) -> float:
        """Seconds for which a call has to wait, and to ask again; 0: it may make its request.

        At its end it may in any case.
        """
        with self._lock:
            if not self.is_known or now >= end:
                return 0.0
            # Whoever has looked last lets the others go first: it may be at fault itself
            turn = self.until + (LONGEST_NAP if call is self._last and self._waiting > 1 else 0.0)
            left = min(turn, end) - now if self._looking is None else end - now
            if left > 0:
                return min(max(left, _SHORTEST_NAP), LONGEST_NAP)
            self._looking = self._last = call
            return 0.0

    def joined(self) -> None:
        """Take in that one more call waits."""
        with self._lock:
            self._waiting += 1

    def left(self) -> None:
        """Take in that one of them waits no longer."""
        with self._lock:
            self._waiting -= 1

    def failed(
        self,
        call: object,
        asked: float,
        now: float,
        sure: bool,
        error: str,
        wait: Callable[[int], float],
    ) -> None:
        """Take in that a request made at `asked` found the model away.

        `wait` is given how many have in a row, from 1, and returns the seconds until the next.
        """
        with self._lock:
            self.error = error
            if self.since is None:
                self.since, self._first, self.is_sure = now, call, sure
                return
            self.is_sure = self.is_sure or sure or call is not self._first
            # One that was under way when the first one failed tells nothing new
            if (
                self.is_sure
                and asked >= self.since
                and (not self.is_known or call is self._looking)
            ):
                self.is_known, self.looks = True, self.looks + 1
                self.until = now + wait(self.looks)
            if self._looking is call:
                self._looking = None

    def gave_up(self, call: object) -> None:
        """Let others look, whatever has become of the call."""
        with self._lock:
            if self._looking is call:
                self._looking = None

    def over(self) -> None:
        """Take in that the model is there."""
        with self._lock:
            self.since, self.is_sure, self.is_known, self.looks = None, False, False, 0
            self._is_logged = False
            self._first = self._last = self._looking = None

    def log(self, absence: Absence) -> None:
        """Say once that the model is away, to whoever does not listen to events."""
        with self._lock:
            is_new, self._is_logged = not self._is_logged, True
        if is_new:
            _logger.warning(
                "the model does not answer (%s); trying again for %.0f s, as call_seconds allows",
                absence.error,
                absence.left,
            )
