"""A server that is away costs time: no attempt, no call, no rollout; one request looks for it."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import subprocess
import sys
import urllib.error
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from mctsr_graph import MCTSrContext, ScriptedChatModel, asolve, solve
from mctsr_graph.calls import outage, retry
from mctsr_graph.calls.outage import Absence
from mctsr_graph.calls.pace import Pace
from mctsr_graph.calls.retry import with_retries
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.cli.main import app

from .conftest import HANGS, keyed_reply, of_processes

both_ways = pytest.mark.parametrize("way", ["sync", "async"])


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


def unresolved() -> Exception:
    """As urllib says that a name is not known."""
    return urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))


class Server:
    """A server by the clock: it is away until second `back`."""

    def __init__(self, error: Exception, back: float) -> None:
        self.error, self.back = error, back
        self.time, self.requests, self.told = 0.0, 0, list[Absence]()

    async def call(self) -> str:
        self.requests += 1
        if self.time < self.back:
            raise self.error
        return "fine"

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def ask(self, **how: Any) -> Any:
        coroutine = with_retries(
            self.call,
            **{"attempts": 4, "deadline": 600.0, **how},
            sleep=self.sleep,
            rng=random.Random(1),
            now=lambda: self.time,
            tell=self.told.append,
        )
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it was suspended")


@pytest.mark.parametrize(
    "error",
    [
        *(StatusError(502), StatusError(503), StatusError(529)),
        *(ConnectionRefusedError(), ConnectionResetError(), unresolved()),
        *(httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.ReadError("no")),
    ],
    ids=repr,
)
def test_five_minutes_away_cost_no_attempt(error: Exception) -> None:
    server = Server(error, back=300)
    assert server.ask(attempts=2) == "fine"
    assert 300 <= server.time <= 330.5  # 30 s at most between two requests
    assert server.requests < 60
    # From second 5 on it is told since when and for how long yet; at last that it is back
    *away, back = server.told
    assert all(one.seconds >= 5 and one.seconds + one.left == pytest.approx(570) for one in away)
    assert (back.left, back.seconds > 299) == (0, True)


def test_the_time_of_a_call_has_an_end() -> None:
    server = Server(StatusError(503), back=1000)
    with pytest.raises(StatusError) as caught:
        server.ask()
    assert 570 <= server.time <= 571  # the rest is left to the last request
    assert f"after {server.requests} attempts" in caught.value.__notes__[-1]


def test_what_is_left_of_the_search_is_an_end_too() -> None:
    server = Server(StatusError(503), back=1000)
    with pytest.raises(StatusError):
        server.ask(patience=50.0)
    assert 50 <= server.time <= 51


@pytest.mark.parametrize("error", [StatusError(408), httpx.ReadTimeout("no")], ids=repr)
def test_what_was_reached_is_not_away(error: Exception) -> None:
    server = Server(error, back=300)
    with pytest.raises(type(error)):
        server.ask()
    assert server.requests == 4


def test_who_wants_one_attempt_gets_one() -> None:
    server = Server(StatusError(503), back=300)
    with pytest.raises(StatusError):
        server.ask(attempts=1)
    assert (server.requests, server.time) == (1, 0)


def test_a_500_to_one_request_alone_is_tried_for_a_minute() -> None:
    """Of ten: it may be the request's own fault, which no other call can tell."""
    server = Server(StatusError(500), back=1000)
    with pytest.raises(StatusError):
        server.ask()
    assert server.time == pytest.approx(60)


def test_a_500_to_another_request_too_is_an_outage() -> None:
    server, pace = Server(StatusError(500), back=300), Pace()
    for _ in range(2):
        with pytest.raises(StatusError):
            server.ask(pace=pace, deadline=10.0)
    assert server.ask(pace=pace) == "fine"
    assert server.time >= 300


# --------------------------------------------------------------------------- several calls
class Shared:
    """A server that calls ask at the same time, in real but short time."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.is_away = True
        self.now, self.most, self.requests = 0, 0, list[str]()

    async def ask(self, name: str, poison: bool = False, **how: Any) -> str:
        async def call() -> str:
            self.requests.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.002)
            self.now -= 1
            if self.is_away:
                raise StatusError(503)
            if poison:
                raise StatusError(500)
            return name

        return await with_retries(
            call,
            **{"attempts": 4, "deadline": 60.0, **how},
            sleep=asyncio.sleep,
            rng=random.Random(name),
            pace=self.pace,
        )


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(outage, "LONGEST_NAP", 0.004)
    return Shared()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_while_it_is_away_one_call_at_a_time_asks_and_not_always_the_same(
    shared: Shared,
) -> None:
    calls = [asyncio.create_task(shared.ask(str(n))) for n in range(20)]
    await until(lambda: shared.pace.outage.is_known and shared.now == 0)
    shared.most, shared.requests = 0, []
    more = [asyncio.create_task(shared.ask(str(n))) for n in range(20, 40)]
    await until(lambda: len(shared.requests) == 6)
    assert shared.most == 1
    assert len(set(shared.requests)) > 1
    shared.is_away = False
    assert await asyncio.gather(*calls, *more) == [str(n) for n in range(40)]


async def test_one_request_that_always_fails_ends_after_its_attempts_and_holds_nobody(
    shared: Shared,
) -> None:
    shared.is_away = False
    poison = asyncio.create_task(shared.ask("poison", poison=True))
    while not poison.done():
        await shared.ask("good")
    with pytest.raises(StatusError) as caught:
        await poison
    assert "4 of 4 attempts" in caught.value.__notes__[-1]
    # The first may have been before the first answer
    assert shared.requests.count("poison") in (4, 5)


async def test_a_request_that_always_fails_does_not_hide_that_the_server_is_back(
    shared: Shared,
) -> None:
    poison = asyncio.create_task(shared.ask("poison", poison=True))
    await until(lambda: shared.pace.outage.is_known)
    good = asyncio.create_task(shared.ask("good"))
    shared.is_away = False
    assert await good == "good"
    # With nobody else at work it is given up as one that is alone
    poison.cancel()
    await asyncio.wait([poison])


async def test_cancelling_ends_the_wait_and_lets_others_look(shared: Shared) -> None:
    calls = [asyncio.create_task(shared.ask(str(n))) for n in range(3)]
    await until(lambda: shared.pace.outage.is_known and shared.now == 1)
    looking = calls[int(shared.requests[-1])]
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    shared.is_away = False
    others = [call for call in calls if call is not looking]
    assert await asyncio.gather(*others) == [str(calls.index(call)) for call in others]


# --------------------------------------------------------------------------- a whole search
class Away:
    """Replies of a server that goes away at the third rollout, for so many requests."""

    def __init__(self, requests: int) -> None:
        self.left = requests

    def __call__(self, call: Any) -> Any:
        if call.rollout >= 3 and self.left:
            self.left -= 1
            return ConnectionRefusedError("nobody listens")
        return keyed_reply(call)


CONTEXT = MCTSrContext(profile="paper", max_rollouts=4, width=2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(retry, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(outage, "LONGEST_NAP", 0.004)
    monkeypatch.setattr(retry, "NEWS", 0.0)


def run(way: str, model: ScriptedChatModel, **options: Any) -> Any:
    if way == "sync":
        return solve("How many?", model, **options)
    return asyncio.run(asolve("How many?", model, **options))


@pytest.mark.usefixtures("quick")
@both_ways
def test_an_outage_costs_no_rollout_and_no_call_and_is_told(way: str) -> None:
    events: list[Any] = []
    model = ScriptedChatModel(replies=Away(30))
    found = run(way, model, context=CONTEXT, on_event=events.append)
    whole = run(way, ScriptedChatModel(replies=keyed_reply), context=CONTEXT)
    assert (found.failures, found.tree) == ([], whole.tree)
    assert total_cost(found.usage)["calls"] == total_cost(whole.usage)["calls"]
    kinds = [event["type"] for event in events]
    # However many calls wait, it is told once, and once that it is over
    assert (kinds.count("mctsr.away"), kinds.count("mctsr.back")) == (1, 1)
    away = next(event for event in events if event["type"] == "mctsr.away")
    assert away["model"] == "ScriptedChatModel:"
    assert away["error"] == "ConnectionRefusedError: nobody listens"
    assert away["seconds"] + away["left"] == pytest.approx(570, abs=60)


@pytest.mark.usefixtures("quick")
@both_ways
def test_a_search_waits_no_longer_than_its_own_time(way: str) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=40, width=2, max_seconds=0.3)
    found = run(way, ScriptedChatModel(replies=Away(10**9)), context=context)
    assert found.stop_reason == "max_seconds"
    assert found.rollouts <= 4  # two that fail when the time is over, and no others


@pytest.mark.usefixtures("quick")
def test_whoever_listens_to_nothing_finds_it_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    solve("How many?", ScriptedChatModel(replies=Away(30)), context=CONTEXT)
    [line] = [r for r in caplog.records if r.name == "mctsr_graph.calls.outage"]
    assert "the model does not answer (ConnectionRefusedError: nobody" in line.getMessage()


INTERRUPTED = """
import signal, threading
from mctsr_graph import MCTSrContext, ScriptedChatModel, SearchInterrupted, solve
from tests.conftest import keyed_reply

def reply(call):
    if call.rollout >= 3:
        seen.set()
        return ConnectionRefusedError()
    return keyed_reply(call)

seen = threading.Event()
main = threading.get_ident()
# As a terminal's, it wakes a thread that waits
ctrl_c = lambda: (seen.wait(), signal.pthread_kill(main, signal.SIGINT))
threading.Thread(target=ctrl_c, daemon=True).start()
context = MCTSrContext(profile="paper", max_rollouts=12, width=4)
try:
    solve("How many?", ScriptedChatModel(replies=reply), context=context)
except SearchInterrupted as stop:
    print(stop.solution.rollouts)
"""


@of_processes
def test_ctrl_c_ends_the_wait_in_all_threads() -> None:
    """Else the process would wait for them at its end, for ten minutes."""
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=True)
    assert done.stdout in ("0\n", "2\n"), done.stderr


@pytest.mark.usefixtures("quick")
def test_the_command_says_since_when_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedChatModel(replies=Away(30))
    monkeypatch.setattr(sys.modules["mctsr_graph.run.session"], "load_model", lambda name: model)
    arguments = ["solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    told = r"the model does not answer since \d+ s \(ConnectionRefusedError: nobody listens\)"
    assert re.search(told + r"; trying again until \d\d:\d\d:\d\d\n", result.stderr)
    assert re.search(r"the model answers again, after \d+ s\n", result.stderr)
