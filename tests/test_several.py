"""Several replies by one request: fewer requests and prompt tokens, and nothing else differs."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from mctsr_graph import CheckpointError, MCTSrContext, ScriptedChatModel, asolve, solve
from mctsr_graph.benchmark.persistent import Persistent
from mctsr_graph.calls import retry
from mctsr_graph.calls.journal import CallJournal, Slot
from mctsr_graph.calls.several_replies import giver_of
from mctsr_graph.models import ChatTransformers

from .conftest import keyed_reply
from .loopback import LoopbackServer, completion

openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

DRAFTS, SAMPLES = 4, 3
CONTEXT = MCTSrContext(
    profile="paper",
    max_rollouts=1,
    drafts=DRAFTS,
    init="answer",
    reward_samples=SAMPLES,
    max_attempts=2,
)
# Drafts, SAMPLES rewards each; one rollout: critique, refine, SAMPLES rewards, the parent's again
CALLS = DRAFTS + DRAFTS * SAMPLES + 2 + SAMPLES + 1
TOGETHER = 1 + DRAFTS + 2 + 1 + 1
PROBLEM = "How many muffins are left?"


class Server(LoopbackServer):
    """Does with `n` what `mode` says; a reply depends on its prompt and number only."""

    def start_again(self, mode: str) -> None:
        self.mode, self.lock = mode, threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.replies: Counter[str] = Counter()
        self.sent = self.received = 0

    def reply(self, body: Any, headers: Any) -> tuple[int, Any]:
        failing = {"refuse": 400, "break": 500} if body.get("n", 1) > 1 else {}
        status = failing.get(self.mode, 200)
        texts = self.choices(body, keep=status == 200)
        if status != 200:
            return status, {"error": {"message": "only one completion choice is allowed"}}
        sent = len(json.dumps(body["messages"]).split())
        return 200, completion(texts, sent, sum(len(text.split()) for text in texts))

    def choices(self, body: dict[str, Any], *, keep: bool) -> list[str]:
        prompt = json.dumps(body["messages"])
        wanted = body.get("n", 1)
        many = {"all": wanted, "some": min(2, wanted)}.get(self.mode, 1)
        with self.lock:
            self.bodies.append(body)
            if not keep:
                return []
            first = self.replies[prompt]
            self.replies[prompt] += many
            texts = [self.text(body["messages"], first + i) for i in range(many)]
            self.sent += len(prompt.split())
            self.received += sum(len(text.split()) for text in texts)
        return texts

    @staticmethod
    def text(messages: list[dict[str, str]], number: int) -> str:
        last = messages[-1]["content"]
        if "Calculation" in last:
            return f"Understanding: {number}\nReasoning: 1\nCalculation: 1\nAnswer: 1"
        if "grade" in last:
            return f"Score: {10 + 7 * number}"
        if len(messages) == 2:
            return f"{number}. Some words about it. \\boxed{{{number}}}"
        return "Flaw. \\boxed{9}"


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as made:
        yield made


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.002)
    running.start_again("all")
    return running


@pytest.fixture
def chat(server: Server) -> Iterator[Any]:
    import httpx

    with httpx.Client(trust_env=False, verify=False) as client:
        yield openai.ChatOpenAI(
            base_url=f"{server.url}/v1",
            api_key="none",
            model="m",
            max_retries=0,
            http_client=client,
        )


def what(found: Any) -> list[Any]:
    """What a search found, whatever the order in which replies came."""
    nodes = found.tree.values()
    rewards = sorted(reward for node in nodes for reward in node["rewards"])
    return [sorted(node["answer"] for node in nodes), rewards]


def tokens(found: Any) -> tuple[int, int]:
    costs = found.usage.values()
    return sum(c["input_tokens"] for c in costs), sum(c["output_tokens"] for c in costs)


def calls(found: Any) -> int:
    return sum(cost["calls"] for cost in found.usage.values())


def test_samples_of_one_prompt_are_one_request(server: Server, chat: Any) -> None:
    found = solve(PROBLEM, chat, context=CONTEXT)
    assert len(server.bodies) == TOGETHER
    assert sorted(body.get("n", 1) for body in server.bodies) == [1] * 3 + [3] * 5 + [4]
    assert calls(found) == CALLS  # a reply is a call, whatever it came with
    assert tokens(found) == (server.sent, server.received)
    sent = server.sent
    server.start_again("all")
    alone = solve(PROBLEM, chat | RunnableLambda(lambda reply: reply), context=CONTEXT)
    assert len(server.bodies) == CALLS == calls(alone)
    assert tokens(alone) == (server.sent, server.received)
    assert what(alone) == what(found)
    assert sent < 0.5 * server.sent


async def test_the_same_awaited(server: Server) -> None:
    import httpx

    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        chat = openai.ChatOpenAI(
            base_url=f"{server.url}/v1",
            api_key="none",
            model="m",
            http_async_client=client,
        )
        found = await asolve(PROBLEM, chat, context=CONTEXT)
    assert (len(server.bodies), calls(found)) == (TOGETHER, CALLS)
    assert tokens(found) == (server.sent, server.received)


@pytest.mark.parametrize(
    ("mode", "requests"),
    [
        ("ignore", CALLS),  # the first request for several gave one; then none is made
        ("refuse", 1 + CALLS),  # the first one is refused
        ("some", 1 + 2 + 3 + (4 + 1) * 2),  # two choices at most: 4 by 3 requests, 3 by 2
        ("break", CALLS + 6 * 2),  # may be over next time: both attempts each time
    ],
)
def test_a_server_that_cannot_gives_the_same(
    server: Server, chat: Any, mode: str, requests: int
) -> None:
    wanted = what(solve(PROBLEM, chat, context=CONTEXT))
    server.start_again(mode)
    found = solve(PROBLEM, chat, context=CONTEXT)
    assert (what(found), calls(found)) == (wanted, CALLS)
    assert not found.failures
    if mode in ("ignore", "some"):
        assert tokens(found) == (server.sent, server.received)
    assert len(server.bodies) == requests
    assert (giver_of(chat) is None) == (mode in ("ignore", "refuse"))


def test_the_journal_is_the_same_whichever_way_they_came(
    server: Server, chat: Any, tmp_path: Path
) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        first = solve(PROBLEM, chat, context=CONTEXT, journal=journal)
        assert journal.count() == CALLS
        server.start_again("all")
        again = solve(PROBLEM, chat, context=CONTEXT, journal=journal)
        giver = giver_of(chat)
        assert giver is not None
        giver.forget()
        alone = solve(PROBLEM, chat, context=CONTEXT, journal=journal)
    assert not server.bodies
    assert first.tree == again.tree == alone.tree
    assert first.usage == again.usage == alone.usage


def test_what_the_journal_holds_is_not_asked_again(
    server: Server, chat: Any, tmp_path: Path
) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        first = solve(PROBLEM, chat, context=CONTEXT, journal=journal)
        lost = "DELETE FROM mctsr_calls WHERE role = 'draft' AND sample > 1"
        journal._connection.execute(lost)
        server.bodies.clear()
        server.replies = Counter(dict.fromkeys(server.replies, 2))
        found = solve(PROBLEM, chat, context=CONTEXT, journal=journal)
    assert [body["n"] for body in server.bodies] == [2]
    assert found.tree == first.tree


def test_replies_of_one_request_are_recorded_all_or_none(tmp_path: Path) -> None:
    rows: list[Any] = [(Slot("s", 0, "draft", i, 0), "h", AIMessage("good")) for i in range(3)]
    with CallJournal(tmp_path / "calls.db") as journal:
        connection = journal._connection
        connection.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON mctsr_calls WHEN NEW.sample = 2 "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        with pytest.raises(CheckpointError, match="no room"):
            journal.put_all(rows)
        assert connection.execute("SELECT COUNT(*) FROM mctsr_calls").fetchone() == (0,)
        connection.execute("DROP TRIGGER full")
        assert journal.count() == 3  # nothing that was paid for is lost


def test_a_budget_of_calls_is_kept_to_the_call(server: Server, chat: Any) -> None:
    context = CONTEXT.model_copy(update={"max_calls": DRAFTS + 5})
    found = solve(PROBLEM, chat, context=context)
    assert calls(found) == DRAFTS + 5 == sum(server.replies.values())


def test_nothing_streams_and_bound_settings_and_callbacks_are_kept(
    server: Server, chat: Any
) -> None:
    runs: list[Any] = []

    class Handler(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            runs.append((kwargs["name"], kwargs["tags"], kwargs["metadata"]))

    streaming = openai.ChatOpenAI(
        **{name: getattr(chat, name) for name in ("openai_api_base", "http_client")},
        api_key="none",
        model="m",
        streaming=True,
    )
    model = streaming.bind(top_p=0.5).with_config(callbacks=[Handler()], tags=["mine"])
    giver = giver_of(model)
    assert giver is not None
    assert (giver.chat, giver.settings) == (streaming, {"top_p": 0.5})
    solve(PROBLEM, model.with_retry(), context=CONTEXT.model_copy(update={"max_rollouts": 0}))
    assert {(body["n"], body["stream"], body["top_p"]) for body in server.bodies} == {
        (DRAFTS, False, 0.5),
        (SAMPLES, False, 0.5),
    }
    names = Counter(name for name, _, _ in runs)
    assert names == {"draft": 1, "evaluate": DRAFTS}
    assert all({"mine", f"mctsr:{name}"} <= {*tags} for name, tags, _ in runs)
    assert {told["mctsr_rollout"] for _, _, told in runs} == {0}


def test_other_models_are_asked_one_by_one(chat: Any) -> None:
    for model in (chat, Persistent(chat, CONTEXT)):  # as a run of the benchmark has it
        giver = giver_of(model)
        assert giver is not None
        assert giver.chat is chat
    assert giver_of(chat.with_fallbacks([chat])) is None
    assert giver_of(chat | RunnableLambda(lambda reply: reply)) is None
    assert giver_of(GenericFakeChatModel(messages=iter([]))) is None
    assert giver_of(ScriptedChatModel(replies=keyed_reply)) is None
    assert giver_of(ChatTransformers(model_id="nowhere")) is None  # it shares prompts anyway


def test_samples_of_a_judge_with_a_rubric_are_one_request(server: Server, chat: Any) -> None:
    judge_model = chat.model_copy()  # each model is known by itself
    found = solve(PROBLEM, chat, judge="rubric", judge_model=judge_model, context=CONTEXT)
    assert (len(server.bodies), calls(found)) == (TOGETHER, CALLS)
