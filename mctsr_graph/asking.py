"""Asking a chat model: unusable replies are asked for again, failures become records."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from .calls import Budget, Model, Reply, Request, derive_seed, innermost
from .config import MCTSrContext
from .errors import ConfigError, MCTSrError, ReplyError
from .journal import CallJournal, Slot, hash_request
from .retries import classify, with_retries
from .usage import Cost, no_cost, sum_costs
from .ways import Way, all_at_once


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
        """Ask until a reply can be used, at most 1 + max_retries times."""
        began, costs, messages = time.monotonic(), [no_cost()], request.messages
        code, why = "unasked", ""
        for attempt in range(1 + self.context.max_retries):
            try:
                self.budget.take()
                message = await self._reply(request, attempt, messages, way)
            except ReplyError as error:
                code, why = error.code, str(error)
                break
            except MCTSrError:
                raise
            except Exception as error:
                kind = classify(error)
                if self.strict or kind == "configuration":
                    raise
                code = kind if kind in ("context", "refusal") else "model_error"
                why = f"{type(error).__name__}: {error}"
                break
            costs.append(self._cost(message))
            try:
                value = request.read(str(message.text))
            except ReplyError as error:
                code, why = error.code, f"{error}: {error.reply!r}"
            else:
                return Reply(value, sum_costs(costs), time.monotonic() - began)
            messages = request.again()
        return Reply(None, sum_costs(costs), time.monotonic() - began, code, _short(why))

    async def _reply(
        self, request: Request, attempt: int, messages: list[BaseMessage], way: Way
    ) -> AIMessage:
        """The model's reply, or the one that the journal holds."""
        settings = self._settings(request, attempt)
        config = _config(request, attempt)

        async def send() -> AIMessage:
            return await with_retries(
                lambda: way.send(self.model, messages, config=config, **settings),
                attempts=self.context.max_attempts,
                deadline=self.context.call_seconds,
                sleep=way.sleep,
                limit=way.limit,
                rng=random.Random(),  # only for waiting; the search does not depend on it
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


def _short(message: str, most: int = 200) -> str:
    return message if len(message) <= most else message[: most - 3] + "..."
