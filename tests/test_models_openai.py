"""A search through an OpenAI-compatible server sends prompts that a prefix cache hits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, solve
from mctsr_graph.models.engine.prefix import common

from .loopback import LoopbackServer, completion

openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

PROBLEM = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left?"
LONG = "First I multiply, then I subtract, and I check every step of it once more. " * 8


class Server(LoopbackServer):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[list[dict[str, str]]] = []

    def reply(self, body: Any, headers: Any) -> tuple[int, Any]:
        self.requests.append(body["messages"])
        number = len(self.requests)
        judged = "grade" in body["messages"][-1]["content"]
        text = f"Score: {number}" if judged else f"{number}. {LONG} It is \\boxed{{{number}}}."
        return 200, completion([text], 1, 1)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


def written(messages: list[dict[str, str]]) -> list[str]:
    """What a server sees, in words, as ChatML has it."""
    return [w for m in messages for w in ["<im>", m["role"], *m["content"].split(" "), "</im>"]]


def test_consecutive_calls_share_their_beginnings(server: Server) -> None:
    import httpx

    with httpx.Client() as client:
        chat = openai.ChatOpenAI(
            base_url=f"{server.url}/v1",
            api_key="none",
            model="m",
            http_client=client,
        )
        found = solve(PROBLEM, chat, context=MCTSrContext(profile="paper", max_rollouts=4))
    assert found.rollouts == 4
    prompts = [written(messages) for messages in server.requests]
    kinds = [messages[-1]["content"][:9] for messages in server.requests]
    assert len(prompts) >= 2 + 4 * 3  # draft, its score, and then critique, refine, scores
    hits = [
        max((common(prompt, before) for before in prompts[:i]), default=0)
        for i, prompt in enumerate(prompts)
    ]
    for i, prompt in enumerate(prompts):
        last = server.requests[i][-1]["content"].split(" ")
        if kinds[i].startswith("Write"):  # refine: all of the critique's prompt
            assert hits[i] >= len(prompts[i - 1])
            critique = server.requests[i][-2]
            assert critique["role"] == "assistant"
            assert critique["content"].startswith(f"{i}. {LONG}")  # verbatim
        if kinds[i].startswith("Now be") and hits[i] < len(prompt) - len(last) - 1:
            pytest.fail("a critique computes the conversation before it again")
    shared, total = sum(hits[1:]), sum(map(len, prompts[1:]))
    assert shared / total > 0.55, f"{shared} of {total} words"
