"""Asking a chat model: unusable replies are asked for again, failures become records."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from .calls import Budget, Model, Reply, Request, derive_seed, innermost
from .config import MCTSrContext
from .defuse import defuse_control_tokens
from .endings import is_refusal, is_repetitive, is_truncated
from .errors import ConfigError, MCTSrError, ReplyError
from .journal import CallJournal, Slot, hash_request
from .retries import classify, with_retries
from .usage import Cost, no_cost, sum_costs
from .ways import Way, all_at_once

_JITTER = random.Random()  # of waits between attempts, on which no search depends
# What asking again would not help
_FINAL = ("budget", "context", "refusal", "model_error")


@dataclass(frozen=True)
class Asker:
    """Asks one model, under the settings and the budget of one step of a search."""

    model: Model
    context: MCTSrContext
    budget: Budget
    journal: CallJournal | None = None
    search: str = ""
    """Id of the search in the journal."""
    strict: bool = False
    """Whether the model's own exceptions are raised instead of becoming failures."""

    async def ask_all(self, requests: Sequence[Request], way: Way) -> list[Reply]:
        """Ask for everything at once; return the replies in the order of `requests`."""
        jobs = [lambda way, one=one: self.ask(one, way) for one in requests]
        return await all_at_once(jobs, self.model, way)

    async def ask(self, request: Request, way: Way) -> Reply:
        """Ask until a reply can be used, at most 1 + max_retries times.

        A reply that was cut off before it came to its point is asked for once more, with twice
        the tokens where a limit was set, and is kept where that does not help.
        """
        began, costs, messages = time.monotonic(), [no_cost()], request.messages
        failed, cut_off, shorter = ReplyError("unasked", ""), None, list(request.shorter)
        for attempt in range(1 + self.context.max_retries):
            try:
                value, truncated = await self._attempt(request, attempt, messages, way, costs)
            except ReplyError as error:
                failed = error
                if error.code == "context" and shorter:
                    messages = shorter.pop(0)()
                elif error.code in _FINAL:
                    break
                else:
                    messages = request.again()
                continue
            reply = Reply(value, sum_costs(costs), _since(began), truncated=truncated)
            if not truncated or cut_off is not None or request.is_whole(value):
                return reply
            cut_off = reply
        if cut_off is not None:
            return replace(cut_off, cost=sum_costs(costs), seconds=_since(began))
        why = f"{failed.why}: {failed.reply!r}" if failed.reply else failed.why
        return Reply(None, sum_costs(costs), _since(began), failed.code, shorten(why))

    async def _attempt(
        self,
        request: Request,
        attempt: int,
        messages: list[BaseMessage],
        way: Way,
        costs: list[Cost],
    ) -> tuple[Any, bool]:
        """What one reply says, and whether it was cut off; adds its cost to `costs`.

        Raises:
            ReplyError: it cannot be used, or there is none.
        """
        self.budget.take()
        try:
            message = await self._reply(request, attempt, messages, way)
        except MCTSrError:
            raise
        except Exception as error:
            kind = classify(error)
            if self.strict or kind == "configuration":
                raise
            code = kind if kind in _FINAL else "model_error"
            raise ReplyError(code, f"{type(error).__name__}: {error}") from error
        costs.append(self._cost(message))
        if is_refusal(message):
            raise ReplyError("refusal", "the model refused", str(message.text))
        value, truncated = request.read(str(message.text)), is_truncated(message)
        if truncated and not request.is_whole(value) and is_repetitive(value):
            raise ReplyError("degenerate", "the reply repeats itself without end", value[:100])
        return value, truncated

    async def _reply(
        self, request: Request, attempt: int, messages: list[BaseMessage], way: Way
    ) -> AIMessage:
        """The model's reply, or the one that the journal holds."""
        settings = self._settings(request, attempt)
        config = _config(request, attempt)
        messages = [_defused(message) for message in messages]

        async def once() -> AIMessage:
            if request.send is not None:
                return await request.send(self.model, messages, way)
            return await way.send(self.model, messages, config=config, **settings)

        async def send() -> AIMessage:
            return await with_retries(
                once,
                attempts=self.context.max_attempts,
                deadline=self.context.call_seconds,
                sleep=way.sleep,
                limit=way.limit,
                rng=_JITTER,
            )

        if self.journal is None:
            return await send()
        slot = Slot(self.search, request.rollout, request.role, request.sample, attempt)
        request_hash = hash_request(messages, settings)
        known = await way.call(self.journal.get, slot, request_hash)
        if known is not None:
            return known
        reply = await send()
        await way.call(self.journal.put, slot, request_hash, reply)
        return reply

    def _settings(self, request: Request, attempt: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            name: value
            for name in ("temperature", "max_tokens")
            if (value := self.context.of_role(name, request.role)) is not None
        }
        if attempt and request.role != "evaluate" and "max_tokens" in settings:
            settings["max_tokens"] *= 2
        if "seed" in getattr(type(innermost(self.model)), "model_fields", {}):
            settings["seed"] = derive_seed(
                self.context.seed, request.rollout, request.role, request.sample, attempt
            )
        return settings

    def _cost(self, message: AIMessage) -> Cost:
        told: Any = message.usage_metadata or {}
        counts = [told.get("input_tokens"), told.get("output_tokens")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            if self.context.max_tokens is not None:
                raise ConfigError(
                    f"max_tokens is {self.context.max_tokens}, but the model reports no token "
                    "usage; use max_calls or max_seconds instead"
                )
            return Cost(calls=1, input_tokens=0, output_tokens=0, unmetered_calls=1)
        cost = Cost(calls=1, input_tokens=counts[0], output_tokens=counts[1], unmetered_calls=0)
        self.budget.add(cost)
        return cost


def _defused(message: BaseMessage) -> BaseMessage:
    """The message without control tokens: the model's tokenizer may be out of reach."""
    if not isinstance(message.content, str):
        return message
    text = defuse_control_tokens(message.content)
    return message if text == message.content else message.model_copy(update={"content": text})


def _since(began: float) -> float:
    return time.monotonic() - began


def _config(request: Request, attempt: int) -> Any:
    """What tracers and callbacks see of a call."""
    return {
        "run_name": request.role,
        "tags": [f"mctsr:{request.role}"],
        "metadata": {
            "mctsr_role": request.role,
            "mctsr_rollout": request.rollout,
            "mctsr_sample": request.sample,
            "mctsr_attempt": attempt,
        },
    }


def shorten(message: str, most: int = 200) -> str:
    """The beginning of a message, so many characters at most."""
    return message if len(message) <= most else message[: most - 3] + "..."
