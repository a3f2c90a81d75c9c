"""An engine that answers with given texts: what a trained model would write, token by token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from mctsr_graph.models import ChatTransformers
from mctsr_graph.models.engine.jobs import Job, Row
from mctsr_graph.models.engine.protocol import Request, Sample, TokenTree
from tests.engine_models import tiny
from tests.tokenizer_families import family


class ScriptedEngine:
    """Keeps limits, ends and stop texts as the real one does; a reply is a function of the prompt.

    `requests` holds what it was asked, `prompts` the same as text.
    """

    closed = False

    def __init__(self, tokenizer: Any, reply: Callable[[str], str]) -> None:
        self.tokenizer, self.reply = tokenizer, reply
        self.requests: list[Request] = []
        self.prompts: list[str] = []

    def submit(self, request: Request) -> Future[list[Sample]]:
        self.requests.append(request)
        self.prompts.append(self.tokenizer.decode(request.ids))
        text = self.reply(self.prompts[-1])
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        job = Job(request)
        for j in range(request.n):
            row = Row(job, j)
            for token in [*ids, min(request.ends)]:
                if row.add(token):
                    break
        return job.future

    def score(self, ids: list[int], tree: TokenTree) -> Future[list[float]]:
        future: Future[list[float]] = Future()
        self.prompts.append(self.tokenizer.decode(ids))
        future.set_result([-1.0] * len(tree.tokens))
        return future

    def close(self) -> None:
        self.closed = True


def scripted(name: str, reply: str | Callable[[str], str], **settings: Any) -> ChatTransformers:
    """A chat model of that family of tokenizers which says what the script says."""
    tokenizer = family(name)
    model = tiny(vocab_size=len(tokenizer), max_position_embeddings=8192)
    chat = ChatTransformers.from_loaded(model, tokenizer, **settings)
    answer = reply if callable(reply) else lambda _: str(reply)
    chat._weights.engine = ScriptedEngine(tokenizer, answer)
    return chat


def engine_of(chat: ChatTransformers) -> ScriptedEngine:
    engine: Any = chat._weights.engine
    return engine


def obedient(prompt: str) -> str:
    """What a good model of the family "qwen3" writes: a call of the first tool that is offered.

    Numbers are 3, texts the name in quotes that the question holds. After a tool's result, and
    without tools, it says so in words.
    """
    offered = re.search(r"<tools>\s*(\{.*?)</tools>", prompt, re.DOTALL)
    turns = prompt.split("<|im_start|>")
    if offered is None or "<tool_response>" in turns[-2]:
        return "It is 5."
    function = json.JSONDecoder().raw_decode(offered[1])[0]["function"]
    asked = re.findall(r"named '([^']*)'", turns[-2])
    kinds = {"integer": 3, "number": 3, "string": (asked or ["a cat"])[0]}
    properties = function["parameters"].get("properties", {})
    required = function["parameters"].get("required", [])
    values = {name: kinds.get(properties[name].get("type")) for name in required}
    call = json.dumps({"name": function["name"], "arguments": values}, ensure_ascii=False)
    whole = f"<tool_call>\n{call}\n</tool_call>"
    begun = turns[-1].removeprefix("assistant\n")  # a call that is demanded is begun already
    return whole.removeprefix(begun)
