"""A server that answers only so many requests at a time gets all of them, one after the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from langchain_core.rate_limiters import BaseRateLimiter

from mctsr_graph import MCTSrContext, asolve, solve
from mctsr_graph.calls.retry import Pace

from .server import Vendors
from .test_every_provider import PROBLEM, anthropic

WINDOW, MOST = 0.1, 4  # seconds; requests that are answered in them
WIDE = MCTSrContext(profile="paper", max_rollouts=16, width=16, max_attempts=2)


class Limited(Vendors):
    """Answers `MOST` requests in each window, and names the time after which to come back."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: list[float] = []
        self.refused_at: list[float] = []
        self.arrived: list[float] = []
        self._turn = threading.Lock()

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        now = time.monotonic()
        with self._turn:
            self.arrived.append(now)
            if len([one for one in self.answered if one > now - WINDOW]) >= MOST:
                self.refused_at.append(now)
                return 429, {"type": "error", "error": {"type": "rate_limit_error"}}
            self.answered.append(now)
        return super().reply_at(path, body, headers)

    def headers_of(self, status: int) -> Mapping[str, str]:
        wait = {"Retry-After-Ms": str(int(1000 * WINDOW))} if status == 429 else {}
        return {**super().headers_of(status), **wait}


@pytest.fixture
def server() -> Iterator[Limited]:
    with Limited() as made:
        yield made


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_burst_of_429_ends_in_all_rollouts_done(server: Limited, way: str) -> None:
    model = anthropic(server.url, max_retries=0)
    if way == "sync":
        found = solve(PROBLEM, model, context=WIDE)
    else:
        found = asyncio.run(asolve(PROBLEM, model, context=WIDE))
    assert (found.rollouts, found.failures) == (16, [])
    # 16 critiques at once, 16 refinements, 32 scores: each burst is refused but for four
    assert len(server.answered) == 2 + 4 * 16
    assert 0 < len(server.refused_at) < len(server.answered)
    first = server.refused_at[0]
    back = [at for at in server.arrived[2 + 16 :] if at < first + WINDOW]
    assert back == []  # whoever was refused, and all others, waited for as long as was asked


class Counting(BaseRateLimiter):
    """Counts those whom it lets through."""

    def __init__(self) -> None:
        self.let_through = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.let_through += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_every_request_passes_the_rate_limiter_of_the_model(way: str) -> None:
    with Vendors() as server:
        limiter = Counting()
        model = anthropic(server.url, rate_limiter=limiter)
        context = MCTSrContext(profile="paper", max_rollouts=4, width=4, draft_temperature=0.4)
        if way == "sync":
            solve(PROBLEM, model, context=context)
        else:
            asyncio.run(asolve(PROBLEM, model, context=context))
        assert limiter.let_through == len(server.asked) == 2 + 4 * 4


def test_turns_are_spread_behind_the_time_that_the_server_named() -> None:
    """Refused at second 0 for 8 s: turns from second 8, one a second, later at half of that."""
    pace = Pace()
    assert [pace.turn(0.0) for _ in range(3)] == [0, 0, 0]
    for _ in range(3):  # made together, so this tells no more than one
        pace.refused(began=0.0, now=0.5, wait=8.0)
    assert [pace.turn(1.0) for _ in range(3)] == [8.5, 9.5, 10.5]
    pace.refused(began=8.5, now=8.5, wait=8.0)  # again: not before 16.5, one in two seconds
    assert pace.holds(9.5)
    assert [pace.turn(9.5) for _ in range(2)] == [16.5, 18.5]
    for _ in range(7):  # replies bring them closer: 0.9 ** 7 is less than a half
        pace.answered()
    assert pace.turn(18.5) == pytest.approx(18.5 + 2 * 0.9**7)
