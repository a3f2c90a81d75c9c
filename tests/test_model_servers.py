"""Model servers fail: every fault of a loopback server, through a real client, sync and async."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

import mctsr_graph
from mctsr_graph import MCTSrContext, SearchFailedError, Solution, asolve, solve
from mctsr_graph.calls import retry
from mctsr_graph.calls.error_kinds import away, classify
from mctsr_graph.calls.retry import TimeLimit, with_retries
from tests.conftest import PAPER

from .faults import Fault
from .faults.server import MODES, FaultServer

# What every fault comes to, if it stays: the kind of the error, or what arrives as a text
OUTCOMES = {
    "transient": [
        *("429_retry_after_seconds", "429_retry_after_date", "429_retry_after_ms", "429_plain"),
        *("408", "409", "425", "500", "502_html", "503_retry_after", "503_empty", "504", "529"),
        *("200_error_type", "200_error_text", "200_error_429_as_text"),
        *("200_error_502", "choices_empty", "choices_null", "choices_missing", "message_null"),
        *("json_null", "json_list", "json_bad", "json_not_utf8", "body_empty"),
        *("html_200", "html_200_as_json", "content_number"),
        *("closed_without_reply", "reset_before_headers", "reset_after_headers", "reset_in_body"),
        *("cut_in_headers", "cut_in_body", "cut_in_chunks", "not_http", "bad_gzip"),
        *("hang", "hang_in_body"),
        *("stream_cut", "stream_bad_json", "stream_error", "stream_empty"),
    ],
    "configuration": [
        *("400", "401", "402", "403", "404_model", "404_html", "405", "422"),
        *("429_insufficient_quota", "200_error_401"),
        *("200_error_request", "200_error_quota"),
    ],
    "context": [
        "400_context_code",
        "400_context_words",
        "413_context",
        "500_context",
        "200_error_context",
    ],
    "refusal": ["400_content_filter", "200_error_filter"],
    "other": ["usage_words"],
    "answer": [
        *("type_wrong", "type_missing", "finish_null", "usage_missing", "usage_null", "usage_nan"),
        *("lone_surrogate", "nul", "unknown_fields", "duplicate_keys", "drip", "stream_not_done"),
    ],
    "part": ["finish_length"],
    "empty": [
        *("content_null", "content_empty", "content_blank", "content_missing"),
        *("refusal_field", "finish_content_filter", "reasoning_only", "stream_no_choices"),
    ],
    "endless": ["drip_for_ever"],
}
OUTCOME = {mode: outcome for outcome, modes in OUTCOMES.items() for mode in modes}
# Of the transient ones: those that tell that the server is away, and not only for one request
AWAY = {
    *("502_html", "503_retry_after", "503_empty", "529", "200_error_502"),
    *("reset_before_headers", "reset_after_headers", "reset_in_body"),
}
# Those that may be the fault of the one request
PERHAPS = {"500", "504", "closed_without_reply", "cut_in_headers", "not_http"}
ATTEMPTS = 3
HANGS = {"hang": 0.25, "hang_in_body": 0.25, "drip": 0.25}  # the client's timeouts, seconds

WIRED = any(
    "with_retries" in path.read_text("utf-8")
    for path in Path(mctsr_graph.__file__).parent.rglob("*.py")
    if path.name != "retry.py"
)
in_a_search = pytest.mark.skipif(not WIRED, reason="the search does not use with_retries yet")
both_ways = pytest.mark.parametrize("way", ["sync", "async"])


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(running: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    """A server without faults; waits are short, whatever it asks for."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(retry, "LONGEST_RETRY_AFTER", 0.01)
    running.plan()
    return running


def chat(server: FaultServer, timeout: float, **fields: Any) -> ChatOpenAI:
    """A client without retries of its own."""
    return ChatOpenAI(
        model="m",
        base_url=server.url,
        api_key="x",  # type: ignore[arg-type]
        max_retries=0,
        timeout=timeout,
        **fields,
    )


def use(
    way: str,
    server: FaultServer,
    blocking: Callable[[ChatOpenAI], Any],
    awaiting: Callable[[ChatOpenAI], Coroutine[Any, Any, Any]],
    timeout: float = 5.0,
    **fields: Any,
) -> Any:
    """Use a client one way or the other, and close its connections."""
    # verify=False: to read the certificates takes longer than a whole search, and there is no TLS
    if way == "sync":
        with openai.DefaultHttpxClient(trust_env=False, verify=False) as http:
            return blocking(chat(server, timeout, http_client=http, **fields))

    async def run() -> Any:
        async with openai.DefaultAsyncHttpxClient(trust_env=False, verify=False) as http:
            return await awaiting(chat(server, timeout, http_async_client=http, **fields))

    return asyncio.run(run())


def error_of(function: Callable[..., Any], *args: Any) -> Exception:
    """What a call raises, of whatever class."""
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


# --------------------------------------------------------------------------- one call
def ask(way: str, server: FaultServer, mode: str, deadline: float = 60.0) -> AIMessage:
    """One call with retries."""
    how: dict[str, Any] = {"attempts": ATTEMPTS, "deadline": deadline, "rng": random.Random(0)}

    async def sleep_here(seconds: float) -> None:
        time.sleep(seconds)

    def blocking(model: ChatOpenAI) -> Any:
        async def call() -> Any:
            return model.invoke("hi")

        try:
            with_retries(call, sleep=sleep_here, **how).send(None)
        except StopIteration as done:
            return done.value

    async def awaiting(model: ChatOpenAI) -> Any:
        return await with_retries(
            lambda: model.ainvoke("hi"), sleep=asyncio.sleep, limit=TimeLimit, **how
        )

    reply: AIMessage = use(
        way,
        server,
        blocking,
        awaiting,
        timeout=HANGS.get(mode, 5.0),
        streaming=mode.startswith("stream_"),
    )
    return reply


def test_every_mode_has_its_outcome() -> None:
    assert sorted(OUTCOME) == sorted(MODES)
    assert len(MODES) > 60


@both_ways
@pytest.mark.parametrize("mode", OUTCOMES["transient"])
def test_a_transient_fault_heals_or_ends_after_the_last_attempt(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode, times=ATTEMPTS - 1))
    assert "\\boxed{0}" in ask(way, server, mode).text
    assert len(server.seen) == ATTEMPTS
    if mode in AWAY | PERHAPS:  # they take time, and no attempt
        return
    server.plan(Fault(mode))
    error = error_of(ask, way, server, mode)
    assert (classify(error), away(error)) == ("transient", "no")
    assert len(server.seen) == ATTEMPTS
    assert f"{ATTEMPTS} of {ATTEMPTS} attempts" in error.__notes__[-1]


@both_ways
@pytest.mark.parametrize("mode", sorted(AWAY | PERHAPS))
def test_a_server_that_is_away_costs_time_and_no_attempt(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode, times=2 * ATTEMPTS))
    assert "\\boxed{0}" in ask(way, server, mode).text
    assert len(server.seen) == 2 * ATTEMPTS + 1


@pytest.mark.parametrize("mode", sorted(AWAY | PERHAPS))
def test_a_server_that_stays_away_is_given_up_when_the_time_is_over(
    server: FaultServer, mode: str
) -> None:
    server.plan(Fault(mode))
    error = error_of(ask, "sync", server, mode, 0.05)
    assert away(error) == ("yes" if mode in AWAY else "perhaps")
    assert f"transient error after {len(server.seen)} attempts" in error.__notes__[-1]


@both_ways
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, m)
        for kind in ("configuration", "context", "refusal", "other")
        for m in OUTCOMES[kind]
    ],
)
def test_every_other_error_costs_exactly_one_request(
    server: FaultServer, way: str, kind: str, mode: str
) -> None:
    server.plan(Fault(mode))
    error = error_of(ask, way, server, mode)
    assert classify(error) == kind
    assert len(server.seen) == 1


@both_ways
@pytest.mark.parametrize(
    ("outcome", "mode"), [(o, m) for o in ("answer", "part", "empty") for m in OUTCOMES[o]]
)
def test_a_reply_that_is_only_odd_arrives(
    server: FaultServer, way: str, outcome: str, mode: str
) -> None:
    server.plan(Fault(mode))
    reply = ask(way, server, mode)
    text = reply.text.strip()
    assert {"answer": "\\boxed{0}" in text, "part": text == "Answer", "empty": not text}[outcome]
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("mode", "finish", "refusal"),
    [
        ("finish_content_filter", "content_filter", None),
        ("finish_length", "length", None),
        ("reasoning_only", "length", None),
        ("refusal_field", "stop", "I can't help with that."),
        ("content_null", "stop", None),
    ],
)
def test_only_these_fields_tell_empty_replies_apart(
    server: FaultServer, mode: str, finish: str, refusal: str | None
) -> None:
    server.plan(Fault(mode))
    reply = ask("sync", server, mode)
    assert reply.response_metadata["finish_reason"] == finish
    assert reply.additional_kwargs["refusal"] == refusal


@pytest.mark.parametrize("mode", ["hang", "hang_in_body", "drip_for_ever"])
def test_the_deadline_ends_what_no_timeout_of_the_client_ends(
    server: FaultServer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HANGS, mode, 30.0)
    server.plan(Fault(mode))
    deadline = 0.3
    while not server.seen:  # a busy machine may not even have asked by then
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="no reply within"):
            ask("async", server, mode, deadline=deadline)
        assert time.monotonic() - began < HANGS[mode]  # the deadline ended it, a part of that
        deadline *= 4
    assert len(server.seen) == 1


def test_a_server_that_is_not_there_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.002)
    with FaultServer() as server:
        pass
    with pytest.raises(openai.APIConnectionError) as caught:
        ask("sync", server, "", deadline=0.05)
    assert away(caught.value) == "yes"


# --------------------------------------------------------------------------- a whole search
def search(way: str, server: FaultServer, timeout: float = 5.0, **settings: Any) -> Solution:
    limits = {"max_attempts": ATTEMPTS} if WIRED else {}
    context = MCTSrContext(**{**PAPER, "max_rollouts": 3, **limits, **settings})
    solution: Solution = use(
        way,
        server,
        lambda model: solve("How many?", model, context=context),
        lambda model: asolve("How many?", model, context=context),
        timeout=timeout,
    )
    return solution


@pytest.fixture(scope="module")
def healthy_tree(running: FaultServer) -> dict[str, Any]:
    """The tree of a rollout in which nothing fails."""
    running.plan()
    return search("sync", running, max_rollouts=1).tree


def tries(server: FaultServer) -> Counter[tuple[str, int]]:
    """How often each request was sent."""
    return Counter((seen.role, seen.nth) for seen in server.seen)


@both_ways
def test_a_healthy_server_is_asked_once_a_call(server: FaultServer, way: str) -> None:
    solution = search(way, server)
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 2, 3]
    calls = Counter(seen.role for seen in server.seen)
    assert calls == {"draft": 1, "critique": 3, "refine": 3, "evaluate": 7}
    assert set(tries(server).values()) == {1}


@in_a_search
@both_ways
@pytest.mark.parametrize("mode", [m for m in OUTCOMES["transient"] if "stream" not in m])
def test_transient_faults_that_heal_cost_no_rollout(
    server: FaultServer, healthy_tree: dict[str, Any], way: str, mode: str
) -> None:
    server.plan(Fault(mode, times=1))
    solution = search(way, server, HANGS.get(mode, 5.0), max_rollouts=1)
    assert solution.failures == []
    assert solution.tree == healthy_tree
    assert set(tries(server).values()) == {2}


@in_a_search
@both_ways
@pytest.mark.parametrize(
    ("mode", "code", "sent"),
    [
        ("408", "unavailable", ATTEMPTS),
        ("429_retry_after_seconds", "unavailable", ATTEMPTS),
        ("cut_in_body", "unavailable", ATTEMPTS),
        ("choices_empty", "unavailable", ATTEMPTS),
        ("hang", "unavailable", ATTEMPTS),
        ("400_context_code", "context", 1),
        ("400_content_filter", "refusal", 1),
        ("usage_words", "model_error", 1),
    ],
)
def test_a_fault_that_stays_costs_that_rollout_and_the_search_goes_on(
    server: FaultServer, way: str, mode: str, code: str, sent: int
) -> None:
    server.plan(Fault(mode, "critique", nth=[2]))
    solution = search(way, server, HANGS.get(mode, 5.0))
    assert solution.rollouts == 3
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 3]
    [failure] = solution.failures
    assert (failure["rollout"], failure["role"], failure["code"]) == (2, "critique", code)
    assert "Error" in failure["message"]
    assert tries(server)["critique", 2] == sent
    assert set(tries(server).values()) <= {1, sent}


@both_ways
@pytest.mark.parametrize("mode", [m for m in OUTCOMES["empty"] if "stream" not in m])
def test_an_empty_reply_that_stays_costs_that_rollout(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode, "critique", nth=[2]))
    solution = search(way, server, max_retries=0)
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 3]
    assert [failure["rollout"] for failure in solution.failures] == [2]


@both_ways
@pytest.mark.parametrize(
    "mode", [m for m in OUTCOMES["answer"] if m != "drip" and "stream" not in m]
)
def test_a_search_over_odd_replies_keeps_nothing_odd(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode))
    solution = search(way, server)
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 2, 3]
    text = json.dumps(asdict(solution), ensure_ascii=False, allow_nan=False)
    text.encode()  # a lone surrogate could not be
    assert "\\u0000" not in text
    for cost in solution.usage.values():
        counts = {name: n for name, n in cost.items() if name != "price"}
        assert all(isinstance(n, int) and n >= 0 for n in counts.values()), cost


@both_ways
@pytest.mark.parametrize("mode", OUTCOMES["configuration"])
def test_a_configuration_error_stops_the_search_with_its_first_request(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode))
    error = error_of(search, way, server)
    assert classify(error) == "configuration"
    assert len(server.seen) == 1


@in_a_search
@both_ways
@pytest.mark.parametrize("mode", ["401", "404_model", "429_insufficient_quota"])
def test_a_configuration_error_half_way_stops_the_search(
    server: FaultServer, way: str, mode: str
) -> None:
    server.plan(Fault(mode, "critique", nth=range(2, 99)))
    error = error_of(search, way, server)
    assert isinstance(error, SearchFailedError)
    assert isinstance(error.__cause__, Exception)
    assert classify(error.__cause__) == "configuration"
    assert error.solution.rollouts == 1
    last = server.seen[-1]
    assert (last.role, last.nth, last.tries) == ("critique", 2, 1)


@in_a_search
@both_ways
def test_a_first_call_that_stays_broken_raises_what_the_client_raised(
    server: FaultServer, way: str
) -> None:
    server.plan(Fault("409"))
    with pytest.raises(openai.ConflictError) as caught:
        search(way, server)
    assert f"transient error after {ATTEMPTS} of {ATTEMPTS} attempts" in caught.value.__notes__[0]
    assert tries(server) == {("draft", 1): ATTEMPTS}


@in_a_search
@both_ways
def test_five_failures_in_a_row_stop_the_search_and_keep_the_tree(
    server: FaultServer, way: str
) -> None:
    server.plan(Fault("json_bad", "critique", nth=range(2, 99)))
    with pytest.raises(SearchFailedError, match="critique") as caught:
        search(way, server, max_rollouts=16)
    solution = caught.value.solution
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1]
    assert (solution.rollouts, solution.best is not None) == (6, True)
    assert [failure["rollout"] for failure in solution.failures] == [2, 3, 4, 5, 6]
    asked = [n for (role, _), n in tries(server).items() if role == "critique"]
    assert asked == [1, *[ATTEMPTS] * 5]


@in_a_search
@both_ways
def test_requests_never_exceed_attempts_times_calls(server: FaultServer, way: str) -> None:
    server.plan(
        Fault("408", "critique", nth=range(1, 99, 2)),
        Fault("cut_in_body", "refine", nth=range(2, 99, 3)),
        Fault("choices_null", "evaluate", nth=range(5, 99, 4)),
        Fault("429_plain", times=1),
    )
    solution = search(way, server, max_rollouts=6, width=2)
    assert max(tries(server).values()) == ATTEMPTS
    assert len(server.seen) <= ATTEMPTS * len(tries(server))
    lost = {failure["rollout"] for failure in solution.failures if failure["node"] is None}
    found = {node["rollout"] for node in solution.tree.values()}
    assert lost | found >= set(range(solution.rollouts + 1))


@in_a_search
def test_the_deadline_of_a_call_ends_a_server_that_drips_for_ever(server: FaultServer) -> None:
    server.plan(Fault("drip_for_ever", "critique", nth=[2]))
    solution = search("async", server, timeout=30.0, call_seconds=1.0)
    assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 3]
    assert "no reply within" in solution.failures[0]["message"]
    assert tries(server)["critique", 2] == 1
