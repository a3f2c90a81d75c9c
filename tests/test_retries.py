"""One layer of bounded retry: which errors are tried again, how long it waits, when it ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import math
import random
import ssl
import subprocess
import sys
import time
import urllib.error
from collections.abc import Awaitable, Callable
from email.message import Message
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from mctsr_graph.calls import retry
from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.pace import Pace
from mctsr_graph.calls.retry import TimeLimit, delay, retry_after, with_retries
from mctsr_graph.errors import (
    ConfigError,
    MissingExtraError,
    ReplyError,
    ScriptExhaustedError,
    UnknownModelError,
)


class StatusError(Exception):
    """An error as any provider's client might raise it."""

    def __init__(self, status: int, words: str = "", code: str | None = None, **headers: str):
        super().__init__(words)
        self.status_code, self.code = status, code
        self.response = SimpleNamespace(
            headers={n.replace("_", "-"): v for n, v in headers.items()}
        )


def named(name: str, *bases: type[Exception], **fields: Any) -> Exception:
    """An error of a class known by its name alone."""
    error: Exception = type(name, bases or (Exception,), {})("no")
    vars(error).update(fields)
    return error


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def raised_in(module: str, code: str) -> Exception:
    """What some code raises inside a module of that name."""
    try:
        exec(code, {"__name__": module})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


# --------------------------------------------------------------------------- classify
BY_STATUS = {
    "transient": [408, 409, 425, 429, 500, 501, 502, 503, 504, 520, 529, 599],
    "configuration": [400, 401, 402, 403, 404, 405, 406, 410, 415, 422, 451],
    "context": [413],
}


@pytest.mark.parametrize(
    ("status", "kind"), [(status, kind) for kind, all_ in BY_STATUS.items() for status in all_]
)
def test_a_status_is_found_wherever_the_client_keeps_it(status: int, kind: str) -> None:
    response = httpx.Response(status, request=httpx.Request("POST", "http://x"))
    old = requests.Response()
    old.status_code = status
    for error in (
        StatusError(status),
        named("ClientResponseError", status=status),
        named("GoogleAPICallError", code=status),
        httpx.HTTPStatusError("no", request=response.request, response=response),
        requests.HTTPError("no", response=old),
        urllib.error.HTTPError("http://x", status, "no", Message(), None),
        openai.APIStatusError("no", response=response, body=None),  # type: ignore[arg-type]
        ValueError({"message": "no", "code": status}),
        caused(RuntimeError("the model failed"), StatusError(status)),
    ):
        assert classify(error) == kind, repr(error)


REQUEST = httpx.Request("POST", "http://x")
TRANSIENT = [
    TimeoutError(),
    concurrent.futures.TimeoutError(),
    ConnectionError(),
    ConnectionResetError(),
    ConnectionRefusedError(),
    BrokenPipeError(),
    http.client.RemoteDisconnected(""),
    http.client.IncompleteRead(b""),
    http.client.BadStatusLine("SSH"),
    urllib.error.URLError("no route"),
    httpx.ReadTimeout(""),
    httpx.ConnectTimeout(""),
    httpx.PoolTimeout(""),
    httpx.ConnectError(""),
    httpx.ReadError(""),
    httpx.WriteError(""),
    httpx.RemoteProtocolError(""),
    httpx.DecodingError(""),
    requests.ConnectionError(),
    requests.Timeout(),
    named("Odd", status_code="503", code=True, response=None, headers=7),
    requests.exceptions.ChunkedEncodingError(),
    requests.exceptions.JSONDecodeError("", "", 0),
    openai.APITimeoutError(REQUEST),  # type: ignore[arg-type]
    openai.APIConnectionError(request=REQUEST),  # type: ignore[arg-type]
    openai.APIError("the stream broke", REQUEST, body=None),  # type: ignore[arg-type]
    json.JSONDecodeError("", "", 0),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""),
    named("ModelRateLimitError", is_retryable=True),
    named("ThrottlingException"),
    named("ClientPayloadError"),
    raised_in("langchain_core.x", "[][0]"),
    raised_in("langchain_openai.x", "{}['choices']"),
    raised_in("langchain_openai.x", "x = None; x['message']"),
    raised_in("langchain_openai.x", "None.get('content')"),
    raised_in("langchain_core.x", "raise ValueError('No generations found in stream.')"),
    caused(RuntimeError("the model failed"), httpx.ReadTimeout("")),
]
CONFIGURATION = [
    StatusError(429, "pay first", "insufficient_quota"),
    StatusError(429, "Error code: 429 - {'code': 'insufficient_quota'}"),
    openai.OpenAIError("The api_key client option must be set"),
    ValueError("Did not find openai_api_key"),
    httpx.UnsupportedProtocol(""),
    httpx.LocalProtocolError("illegal header value"),
    httpx.InvalidURL(""),
    requests.exceptions.MissingSchema(),
    caused(
        openai.APIConnectionError(request=REQUEST),  # type: ignore[arg-type]
        caused(httpx.ConnectError(""), ssl.SSLCertVerificationError()),
    ),
    ModuleNotFoundError("no module 'x'"),
    named("NoCredentialsError"),
    named("AccessDeniedException"),
    ConfigError("no"),
    UnknownModelError("no"),
    MissingExtraError("no"),
]
CONTEXT = [
    StatusError(400, "no", "context_length_exceeded"),
    StatusError(400, "This model's maximum context length is 2048 tokens"),
    StatusError(400, "prompt is too long: 9000 tokens > 2048 maximum"),
    StatusError(400, "Input is too long for requested model."),
    StatusError(400, "the request exceeds the available context size"),
    StatusError(422, "Please reduce the length of the messages"),
    StatusError(500, "context window exceeded"),
    named("ContextOverflowError"),
    named("ContextLengthError"),
    named("ContextLengthError", ConfigError),
    named("ContextWindowExceededError", status_code=400),
    caused(RuntimeError("no"), StatusError(400, "no", "context_length_exceeded")),
]
REFUSAL = [
    StatusError(400, "no", "content_filter"),
    StatusError(400, "triggering Azure OpenAI's content management policy"),
    StatusError(403, "violates our content policy"),
    named("ContentFilterFinishReasonError"),
    named("OpenAIRefusalError"),
]
OTHER = [
    RuntimeError("CUDA out of memory"),
    MemoryError(),
    NotImplementedError(),
    OSError("down"),
    PermissionError("wrong key"),
    FileNotFoundError(),
    ValueError("no"),
    AssertionError(),
    RecursionError(),
    IndexError("in our own code"),
    raised_in("mctsr_graph.x", "[][0]"),
    raised_in("langchain_openai.x", "len(1)"),
    raised_in("langchain_openai.x", "int(x=1)"),
    ReplyError("empty", "timeout, connection error and api key are only words here"),
    ScriptExhaustedError("no"),
    caused(ReplyError("empty", "no"), TimeoutError()),
    named("Odd", status_code="5030", code=True, response=None, headers=7),
    named("Odd", code=302),
]


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("transient", TRANSIENT),
        ("configuration", CONFIGURATION),
        ("context", CONTEXT),
        ("refusal", REFUSAL),
        ("other", OTHER),
    ],
)
def test_every_error_has_its_kind(kind: str, errors: list[BaseException]) -> None:
    wrong = {repr(error): classify(error) for error in errors if classify(error) != kind}
    assert not wrong


def test_a_limit_per_minute_is_not_an_empty_purse() -> None:
    # A well-known server words the one like the other; only the code tells them apart
    words = "You exceeded your current quota, please check your plan and billing details"
    assert classify(StatusError(429, words)) == "transient"
    assert classify(StatusError(429, words, "insufficient_quota")) == "configuration"


def test_causes_in_a_circle_end() -> None:
    error, other = RuntimeError("a"), RuntimeError("b")
    error.__cause__, other.__cause__ = other, error
    assert classify(error) == "other"
    assert retry_after(error) is None


@given(st.text(), st.none() | st.integers() | st.text(), st.none() | st.text())
def test_no_error_is_too_odd_to_classify(words: str, status: Any, code: Any) -> None:
    assert classify(StatusError(status, words, code, retry_after=words)) in (*BY_STATUS, "other")


# --------------------------------------------------------------------------- retry_after
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.25"}, 0.25),
        ({"Retry_After": " 3 "}, 3),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after_ms": "soon", "retry_after": "9"}, 9),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry_after": "999999"}, retry.LONGEST_RETRY_AFTER),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, retry.LONGEST_RETRY_AFTER),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "99 Foo 99999 99:99:99"}, None),
        ({"retry_after": ""}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_from_the_headers(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(StatusError(429, **headers)) == seconds


def test_a_date_is_turned_into_seconds() -> None:
    seconds = retry_after(StatusError(429, retry_after=formatdate(time.time() + 300, usegmt=True)))
    assert seconds is not None
    assert 200 < seconds <= 300


def test_headers_are_found_on_the_error_its_response_and_its_cause() -> None:
    here = named("RateLimited", headers={"Retry-After": "4"})
    response = httpx.Response(429, headers={"retry-after": "5"}, request=REQUEST)
    there = httpx.HTTPStatusError("no", request=REQUEST, response=response)
    assert retry_after(here) == 4
    assert retry_after(there) == 5
    assert retry_after(caused(RuntimeError("no"), there)) == 5
    assert retry_after(TimeoutError()) is None


# --------------------------------------------------------------------------- delay
def test_the_delay_doubles_at_most_and_has_an_end() -> None:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    assert [delay(k, Highest()) for k in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert delay(10**6, Highest()) == 30
    assert delay(2, Highest(), 10) == 11  # what the server asks for, and the jitter on top


def test_the_jitter_is_full_and_comes_from_the_seed() -> None:
    drawn = [delay(3, random.Random(seed)) for seed in range(200)]
    assert min(drawn) < 0.2
    assert max(drawn) > 1.8
    assert all(0 <= seconds <= 2 for seconds in drawn)
    assert drawn == [delay(3, random.Random(seed)) for seed in range(200)]
    assert all(delay(1, random.Random(seed), 9) >= 9 for seed in range(20))


# --------------------------------------------------------------------------- with_retries
class Fake:
    """A model server and a clock by script: each call takes some seconds and raises or returns."""

    def __init__(self, *script: Any, takes: float = 0.0) -> None:
        self.script, self.takes = list(script), takes
        self.time, self.slept, self.attempts = 100.0, list[float](), 0

    async def call(self) -> Any:
        self.time += self.takes
        self.attempts += 1
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(reply, BaseException):
            raise reply
        return reply

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def run(
        self, attempts: int = 4, deadline: float = 1000.0, pace: Pace | None = None
    ) -> Any:
        return await with_retries(
            self.call,
            attempts=attempts,
            deadline=deadline,
            sleep=self.sleep,
            rng=random.Random(7),
            now=lambda: self.time,
            pace=pace,
        )


def here(coroutine: Any) -> Any:
    """Run a coroutine that must not suspend, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it was suspended")


def test_a_call_that_works_is_made_once() -> None:
    fake = Fake("fine")
    assert here(fake.run()) == "fine"
    assert (fake.attempts, fake.slept) == (1, [])


def test_a_fault_that_heals_costs_only_time() -> None:
    fake = Fake(StatusError(503), TimeoutError(), "fine", takes=2.0)
    assert here(fake.run()) == "fine"
    assert fake.attempts == 3
    first, second = fake.slept
    assert 0 <= first <= 0.5
    assert 0 <= second <= 1.0
    assert fake.time - 100 == pytest.approx(3 * 2.0 + first + second)


def test_a_fault_that_stays_raises_the_last_error_with_a_note() -> None:
    last = StatusError(408, "still slow")
    fake = Fake(StatusError(409), StatusError(425), last, takes=1.0)
    with pytest.raises(StatusError, match="still slow") as caught:
        here(fake.run(attempts=3))
    assert caught.value is last
    assert fake.attempts == 3
    seconds = 3 + sum(fake.slept)
    assert last.__notes__ == [f"transient error after 3 of 3 attempts and {seconds:.1f} s"]
    assert last.__context__ is None  # the earlier errors are not dragged along


@pytest.mark.parametrize(
    "error", [StatusError(401), StatusError(413), named("OpenAIRefusalError"), OSError("down")]
)
def test_every_error_but_a_transient_one_is_raised_at_once(error: Exception) -> None:
    fake = Fake(error)
    with pytest.raises(type(error)):
        here(fake.run())
    assert (fake.attempts, fake.slept) == (1, [])
    assert error.__notes__ == [f"{classify(error)} error after 1 of 4 attempts and 0.0 s"]


def test_a_configuration_error_ends_the_retries_of_a_transient_one() -> None:
    fake = Fake(StatusError(503), StatusError(401), "never")
    with pytest.raises(StatusError):
        here(fake.run())
    assert fake.attempts == 2


def test_one_attempt_is_one_attempt() -> None:
    fake = Fake(TimeoutError())
    with pytest.raises(TimeoutError):
        here(fake.run(attempts=1))
    assert (fake.attempts, fake.slept) == (1, [])


def test_it_waits_as_long_as_the_server_asks() -> None:
    fake = Fake(StatusError(429, retry_after="40"), "fine")
    assert here(fake.run()) == "fine"
    [slept] = fake.slept
    assert 40 <= slept <= 40.5


def test_it_gives_up_instead_of_sleeping_beyond_the_deadline() -> None:
    fake = Fake(StatusError(429, retry_after="40"), "never", takes=25.0)
    with pytest.raises(StatusError):
        here(fake.run(deadline=60.0))
    assert (fake.attempts, fake.slept, fake.time) == (1, [], 125.0)


BUSY = StatusError(429, retry_after="40")


def test_a_call_waits_for_what_the_server_has_told_another_one() -> None:
    pace = Pace()
    pace.refused(began=90.0, now=99.0, wait=21.0)
    fake = Fake("fine")
    assert here(fake.run(pace=pace)) == "fine"
    assert (fake.attempts, fake.slept) == (1, [20.0])  # it begins at second 100


def test_a_call_that_has_no_time_to_wait_is_made_at_once() -> None:
    pace = Pace()
    pace.refused(began=90.0, now=99.0, wait=500.0)
    fake = Fake(BUSY)
    with pytest.raises(StatusError):
        here(fake.run(deadline=60.0, pace=pace))
    assert (fake.attempts, fake.slept) == (1, [])


def test_a_refusal_is_no_attempt_while_the_server_answers_others() -> None:
    """Six refusals, and a reply to another call before each but the first."""
    pace = Pace()
    fake = Fake(*[BUSY] * 6, "fine")
    ask = fake.call

    async def call() -> Any:
        if fake.attempts:
            pace.answered()
        return await ask()

    fake.call = call  # type: ignore[method-assign]
    assert here(fake.run(attempts=2, pace=pace)) == "fine"
    assert fake.attempts == 7


def test_a_server_that_refuses_everyone_is_given_up() -> None:
    fake = Fake(BUSY)
    with pytest.raises(StatusError) as caught:
        here(fake.run(attempts=3, pace=Pace()))
    assert fake.attempts == 3
    assert "3 of 3 attempts" in caught.value.__notes__[-1]


@given(st.integers(1, 12), st.floats(0.01, 500), st.floats(0, 100), st.none() | st.integers(0, 300))
def test_attempts_and_deadline_always_hold(
    attempts: int, deadline: float, takes: float, asked: int | None
) -> None:
    headers = {} if asked is None else {"retry_after": str(asked)}
    fake = Fake(StatusError(408, **headers), takes=takes)
    with pytest.raises(StatusError):
        here(fake.run(attempts, deadline))
    assert 1 <= fake.attempts <= attempts
    # No attempt begins after the deadline, so that only the last one can end later
    assert fake.time - 100 - takes <= deadline
    assert len(fake.slept) == fake.attempts - 1


def test_what_is_no_error_passes_through() -> None:
    for stop in (KeyboardInterrupt(), asyncio.CancelledError(), SystemExit()):
        fake = Fake(stop)
        with pytest.raises(type(stop)):
            here(fake.run())
        assert fake.attempts == 1
        assert not hasattr(stop, "__notes__")


# --------------------------------------------------------------------------- TimeLimit
async def limited(call: Callable[[], Awaitable[Any]], deadline: float, attempts: int = 3) -> Any:
    return await with_retries(
        call,
        attempts=attempts,
        deadline=deadline,
        sleep=asyncio.sleep,
        limit=TimeLimit,
        rng=random.Random(1),
    )


async def test_the_deadline_ends_a_call_that_hangs() -> None:
    ended = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError, match=r"no reply within 0\.05 s") as caught:
        await limited(hang, 0.05)
    assert ended == [True]
    assert caught.value.__notes__[0].startswith("transient error after 1 of 3 attempts")


async def test_the_calls_own_timeout_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    script: list[Any] = [TimeoutError("mine"), "fine"]

    async def call() -> Any:
        await asyncio.sleep(0)
        reply = script.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    assert await limited(call, math.inf) == "fine"


async def test_cancelling_is_no_timeout() -> None:
    task = asyncio.create_task(limited(asyncio.Event().wait, 5))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_import_needs_no_client_of_any_provider() -> None:
    code = (
        "import sys, types; p = types.ModuleType('mctsr_graph'); p.__path__ = sys.argv[1:]; "
        "sys.modules['mctsr_graph'] = p; import mctsr_graph.calls.retry; "
        "assert not {'openai', 'httpx', 'requests', 'torch', 'langchain_core'} & set(sys.modules)"
    )
    folder = str(retry.__file__).removesuffix("/calls/retry.py")
    subprocess.run([sys.executable, "-c", code, folder], check=True)
