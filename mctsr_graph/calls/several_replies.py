"""Several replies by one request, from chat models whose servers read the prompt only once then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import LLMResult
from langchain_core.runnables.config import ensure_config, merge_configs

from mctsr_graph.calls.adapter import Adapted, Prepared, Wish
from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.journal import hash_request
from mctsr_graph.calls.model_words import words_of
from mctsr_graph.calls.request import Model, Request
from mctsr_graph.calls.sync_async import Way

_MOST = 64  # replies of one request; OpenAI allows 128


@dataclass(frozen=True)
class Giver:
    """A chat model that takes `n`, with what `bind` and `with_config` have added to it."""

    chat: BaseChatModel
    settings: dict[str, Any]
    config: Any

    async def ask(
        self, messages: list[BaseMessage], count: int, way: Way, config: Any, wish: Wish
    ) -> list[AIMessage]:
        """Return up to `count` replies, whose usage adds up to that of the request."""
        full = ensure_config(merge_configs(self.config, config))
        options = {name: full.get(name) for name in ("callbacks", "tags", "metadata", "run_name")}
        # A handler that streams would turn several replies into one
        options |= {"stream": False}
        several = replace(wish, settings={**wish.settings, "n": count})
        chat = Adapted(self.chat, several, words_of(self.chat))

        async def generate(call: Prepared) -> LLMResult:
            return await way.generate(call.model, messages, **{**call.kwargs, **options})

        found = _messages(await chat.asked(generate, self.settings))[:count]
        if len(found) < 2:
            self.forget()
        return found

    def failed(self, error: Exception) -> None:
        """Ask this model for one reply at a time, if the error may come from `n`."""
        if classify(error) in ("configuration", "other"):
            self.forget()

    def forget(self) -> None:
        """Ask this model for one reply at a time from now on."""
        words_of(self.chat).left_out["n"] = "it gives one reply to a request"


def giver_of(model: Model) -> Giver | None:
    """The chat model that gives several replies to one request, or None if it gives one.

    It has a field `n`, as those for OpenAI's protocol have, and does not say by
    `shares_prompts = True` that requests of one prompt cost the prompt only once anyway.
    """
    settings: dict[str, Any] = {}
    config: Any = {}
    inner: Any = model
    while not isinstance(inner, BaseChatModel):
        own = getattr(inner, "__dict__", {})
        if "bound" not in own or own.get("config_factories"):
            return None
        settings = {**getattr(inner, "kwargs", {}), **settings}
        its: Any = getattr(inner, "config", None)
        config = merge_configs(its, config)
        inner = inner.bound
    takes_n = "n" in type(inner).model_fields and words_of(inner).way("n") is not None
    if not takes_n or getattr(inner, "shares_prompts", False):
        return None
    return Giver(inner, settings, config)


def alike(requests: Sequence[Request]) -> list[list[int]]:
    """Indices of requests by what they send to the model."""
    groups: dict[object, list[int]] = {}
    for i, request in enumerate(requests):
        key = i if request.send else (request.role, hash_request(request.messages, {}))
        groups.setdefault(key, []).append(i)
    return [own[i : i + _MOST] for own in groups.values() for i in range(0, len(own), _MOST)]


def _messages(result: LLMResult) -> list[AIMessage]:
    """The replies; where a server told the usage of all together, each with its share of it.

    The first one bears the prompt, so that any number of them, from the first on, cost what a
    request for so many would have.
    """
    generations: Sequence[Any] = result.generations[0]
    messages: list[AIMessage] = [one.message for one in generations]
    told: Any = (result.llm_output or {}).get("token_usage") or {}
    sent, received = told.get("prompt_tokens"), told.get("completion_tokens")
    if len(messages) < 2 or not isinstance(sent, int) or not isinstance(received, int):
        return messages
    cached = _detail(told, "prompt", "cached_tokens")
    thought = _shares(_detail(told, "completion", "reasoning_tokens"), messages)
    for message, own, hidden in zip(messages, _shares(received, messages), thought, strict=True):
        message.usage_metadata = UsageMetadata(
            input_tokens=sent,
            output_tokens=own,
            total_tokens=sent + own,
            input_token_details={"cache_read": cached},
            output_token_details={"reasoning": hidden},
        )
        sent = cached = 0
    return messages


def _detail(told: Any, way: str, name: str) -> int:
    count = (told.get(f"{way}_tokens_details") or {}).get(name)
    return count if isinstance(count, int) else 0


def _shares(total: int, messages: Sequence[AIMessage]) -> list[int]:
    """Whole numbers by the length of the texts, that add up to `total`."""
    sizes = [1 + len(message.text) for message in messages]
    upto = [total * size // sum(sizes) for size in accumulate(sizes, initial=0)]
    return [after - before for before, after in pairwise(upto)]
