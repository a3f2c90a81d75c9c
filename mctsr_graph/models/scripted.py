"""A chat model that follows a script: for tests, examples and benchmarks, without a network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from mctsr_graph.errors import ScriptExhaustedError


@dataclass(frozen=True)
class ScriptedCall:
    """One call of a scripted model, as it was received."""

    messages: list[BaseMessage]
    role: str | None = None
    """"draft", "critique", "refine" or "evaluate" when a search asks, else None."""
    rollout: int = 0
    sample: int = 0
    attempt: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    """temperature, max_tokens, seed, stop, tools, ... of this call."""


Scripted = str | AIMessage | BaseException
Script = Sequence[Scripted] | Mapping[str, Sequence[Scripted]] | Callable[[ScriptedCall], Scripted]


class ScriptedChatModel(BaseChatModel):
    """A chat model whose replies are given beforehand.

    `replies` is a list used in order, a dict of such lists by role ("draft", "critique",
    "refine", "evaluate"), or a function of the `ScriptedCall`. A reply that is an exception is
    raised. Every call is recorded in `calls`; a call beyond the script raises
    `ScriptExhaustedError`. Words count as tokens. `latency` is seconds per call.

    With several calls at once only a function gives each call its own reply for certain. To a
    checkpointer all scripted models are one, whatever their replies.
    """

    replies: Any
    latency: float = 0.0
    seed: int | None = None
    """Accepted as other models do; recorded in the call's settings, otherwise unused."""

    _calls: list[ScriptedCall] = PrivateAttr(default_factory=list)
    _used: Counter[str] = PrivateAttr(default_factory=Counter)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def calls(self) -> list[ScriptedCall]:
        """The calls received so far, in order."""
        return self._calls

    def bind_tools(self, tools: Sequence[Any], **settings: Any) -> Runnable[Any, AIMessage]:
        """Accept tools as other models do; a reply that is an `AIMessage` may call them."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **settings)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.latency:
            time.sleep(self.latency)
        return self._reply(messages, stop, run_manager, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.latency:
            await asyncio.sleep(self.latency)
        return self._reply(messages, stop, run_manager, kwargs)

    def _reply(
        self, messages: list[BaseMessage], stop: Any, run_manager: Any, settings: dict[str, Any]
    ) -> ChatResult:
        told = (run_manager.metadata if run_manager else None) or {}
        call = ScriptedCall(
            messages=list(messages),
            role=told.get("mctsr_role"),
            rollout=told.get("mctsr_rollout", 0),
            sample=told.get("mctsr_sample", 0),
            attempt=told.get("mctsr_attempt", 0),
            settings={**settings, **({"stop": stop} if stop else {})},
        )
        with self._lock:
            self._calls.append(call)
            reply = self.replies(call) if callable(self.replies) else self._next(call)
        if isinstance(reply, BaseException):
            raise reply
        message = reply if isinstance(reply, AIMessage) else _with_usage(reply, messages)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _next(self, call: ScriptedCall) -> Scripted:
        by_role = isinstance(self.replies, Mapping)
        script = self.replies.get(call.role, ()) if by_role else self.replies
        key = str(call.role) if by_role else "all"
        if self._used[key] >= len(script):
            raise ScriptExhaustedError(
                f"the script holds {len(script)} replies{f' for {key}' if by_role else ''}, "
                f"and call {self._used[key] + 1} was made (role {call.role}, rollout "
                f"{call.rollout}, sample {call.sample}, attempt {call.attempt})"
            )
        self._used[key] += 1
        reply: Scripted = script[self._used[key] - 1]
        return reply


def _with_usage(text: str, messages: Sequence[BaseMessage]) -> AIMessage:
    sent = len(" ".join([str(message.content) for message in messages]).split())
    received = len(text.split())
    usage = UsageMetadata(input_tokens=sent, output_tokens=received, total_tokens=sent + received)
    return AIMessage(text, usage_metadata=usage)
