"""Threads for calls that wait, which end when there has been nothing to do for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any


class IdleThreads(Executor):
    """As many threads as there are calls, up to `most`; all end `seconds` after the last one.

    ThreadPoolExecutor alone keeps each thread that it has ever needed. To start them anew for
    every step of a search would cost more than the step.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._pool: ThreadPoolExecutor | None = None
        self._running = 0
        self._last = 0.0
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in a thread."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="mctsr")
                self._look_later()
            future = self._pool.submit(function, *args, **kwargs)
            self._running += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._running -= 1
            self._last = time.monotonic()

    def _look_later(self) -> None:
        timer = threading.Timer(self._seconds, self._end_if_idle)
        timer.daemon = True  # nothing waits for it when the process ends
        timer.start()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._running or time.monotonic() - self._last < self._seconds:
                self._look_later()
            elif self._pool is not None:
                self._pool.shutdown(wait=False)
                self._pool = None
