"""When the next request may be made to one model: all calls to it share that."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from mctsr_graph.calls.outage import Outage
from mctsr_graph.calls.per_object import OnePerObject

SHORTEST_GAP = 0.01  # seconds between requests to a server that has just refused some
LONGEST_GAP = 30.0


class Pace:
    """When the next request may be made to one model, as its server's refusals tell.

    All calls to the model share it, so that those which a server has turned away together (429)
    come back one after the other: not before the time that it named, and at a distance that
    doubles when it refuses again and shrinks with each reply. Safe to share between threads.
    """

    def __init__(self) -> None:
        self.replies = 0
        """Calls that have been answered."""
        self.is_calm = True
        """Whether a request may be made at once."""
        self.outage = Outage()
        self._until = -math.inf
        self._last = -math.inf
        self._gap = 0.0
        self._refused = -math.inf
        self._lock = threading.Lock()

    def turn(self, now: float) -> float:
        """Take the next turn; return the moment at which the request may be made."""
        with self._lock:
            self._last = max(now, self._until, self._last + self._gap)
            self.is_calm = self._last == now and not self._gap and self.outage.since is None
            return self._last

    def holds(self, turn: float) -> bool:
        """Whether the server has refused since then, so that the turn is to be taken anew."""
        return turn < self._until

    def answered(self) -> None:
        """Take in that a call was answered."""
        with self._lock:
            self.replies += 1
            if not self.is_calm:
                self._gap = self._gap * 0.9 if self._gap > SHORTEST_GAP else 0.0
                self.outage.over()

    def away(
        self,
        call: object,
        asked: float,
        now: float,
        sure: bool,
        error: str,
        wait: Callable[[int], float],
    ) -> None:
        """As `Outage.failed`."""
        with self._lock:
            self.is_calm = False
            self.outage.failed(call, asked, now, sure, error, wait)

    def refused(self, began: float, now: float, wait: float) -> float:
        """Take in that a request made at `began` was refused for `wait` seconds.

        Returns the seconds for which all requests are, which may be more.
        """
        with self._lock:
            self.is_calm = False
            if began >= self._refused:  # else it was under way when another was refused
                self._gap = min(max(2 * self._gap, wait / 8, SHORTEST_GAP), LONGEST_GAP)
                self._refused = self._last = now
            self._until = max(self._until, now + wait)
            return self._until - now


pace_of = OnePerObject(lambda model: Pace())
"""The pace of a model, whichever searches ask it."""
