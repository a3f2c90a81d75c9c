"""Asking a chat model: unusable replies are asked for again, failures become records."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.adapter import Tell, Wish, adapted, as_message
from mctsr_graph.calls.budget import Budget
from mctsr_graph.calls.conversation import (
    Abilities,
    abilities_of,
    check_blocks,
    prepared,
    with_system,
)
from mctsr_graph.calls.cost import cost_told
from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.finish_reason import REFUSED, TRUNCATED, is_repetitive, reason_of
from mctsr_graph.calls.independence import Sample, sample_of
from mctsr_graph.calls.journal import CallJournal, Slot, hashed
from mctsr_graph.calls.outage import Absence
from mctsr_graph.calls.pace import Pace, pace_of
from mctsr_graph.calls.request import (
    Model,
    Reply,
    Request,
    derive_seed,
    innermost,
    model_name,
    names_of,
    told_by,
)
from mctsr_graph.calls.retry import with_retries
from mctsr_graph.calls.several_replies import Giver, alike, giver_of
from mctsr_graph.calls.structured import asking_for, has_structured_output, of_form
from mctsr_graph.calls.sync_async import Gate, Way, all_at_once
from mctsr_graph.calls.thinking_limit import all_thinking, limit_reached, longer
from mctsr_graph.calls.usage import Cost, sum_costs
from mctsr_graph.errors import ConfigError, MCTSrError, ReplyError, bubbles_up
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.question import Question, kind_of
from mctsr_graph.text.final_answer import clean_text, cut_long
from mctsr_graph.text.remembered import LONG
from mctsr_graph.text.replies import LONGEST_REPLY, look_through
from mctsr_graph.text.thinking import strip_reasoning

_JITTER = random.Random()  # of waits between attempts, on which no search depends
# What asking again would not help
_FINAL = ("budget", "context", "refusal", "unavailable", "model_error", "logprobs")
T = TypeVar("T")
_NO_QUESTION = Question("")
_UNASKED = ReplyError("unasked", "")


@dataclass(frozen=True)
class First:
    """The first reply to a request that was made together with others like it.

    The budget has been asked for it.
    """

    message: AIMessage | None
    """None: the model gave fewer replies than there were requests."""
    began: float
    """When they were asked for, by the clock of `time.monotonic`."""


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
    tell: Tell | None = None
    """Hears of each setting that the model does not take, once."""
    question: Question = _NO_QUESTION
    """The problem, with pictures and files that go with every request."""
    gate: Gate = field(default_factory=Gate)
    """Lets so many calls run at once."""
    tell_away: Callable[[Absence, str], None] | None = None
    """Hears now and then that the model of that name does not answer, and that it does again."""

    @cached_property
    def _names(self) -> list[str]:
        return names_of(self.model)

    @cached_property
    def _pace(self) -> Pace:
        return pace_of(innermost(self.model))

    @cached_property
    def _abilities(self) -> Abilities:
        return abilities_of(self.model)

    async def ask_all(self, requests: Sequence[Request], way: Way) -> list[Reply]:
        """Ask for everything at once; return the replies in the order of `requests`."""
        return await self.ask_alike(requests, requests, Asker.ask, way)

    async def ask_alike(
        self,
        requests: Sequence[Request],
        items: Sequence[T],
        ask: Callable[[Asker, T, Way, First | None], Coroutine[Any, Any, Reply]],
        way: Way,
        calls: int = 1,
    ) -> list[Reply]:
        """Call `ask` for each item at once; return the replies in order.

        Each is given an asker with a part of the budget, for so many `calls` and retries. Requests
        of the same messages, one an item, are made as one, if the model can give several replies;
        `ask` is given the item's own.
        """
        askers = self.parted([request.rollout for request in requests], calls)
        giver = giver_of(self.model) if len(requests) > 1 else None
        if giver is None or any(self._schema(request) for request in requests):
            jobs = [
                lambda way, asker=asker, item=item: ask(asker, item, way, None)
                for asker, item in zip(askers, items, strict=True)
            ]
            return await all_at_once(jobs, self.model, way)

        async def together(group: Sequence[int], way: Way) -> list[Reply]:
            budgets = [askers[i].budget for i in group]
            firsts = await self._firsts([requests[i] for i in group], budgets, giver, way)
            jobs = [
                lambda way, i=i, first=first: ask(askers[i], items[i], way, first)
                for i, first in zip(group, firsts, strict=True)
            ]
            return await all_at_once(jobs, self.model, way)

        groups = alike(requests)
        waiting = [lambda way, group=group: together(group, way) for group in groups]
        found = await all_at_once(waiting, self.model, way)
        order = [i for group in groups for i in group]
        replies = dict(zip(order, (reply for own in found for reply in own), strict=True))
        return [replies[i] for i in range(len(order))]

    def parted(self, rollouts: Sequence[int], calls: int) -> list[Asker]:
        """An asker for each of some jobs that are done at once, with its part of the budget.

        Args:
            rollouts: The rollout that each is for.
            calls: Of one job at most, where no reply has to be asked for again.
        """
        parts = self.budget.parts(rollouts, calls)
        return [self if one is self.budget else replace(self, budget=one) for one in parts]

    async def ask(self, request: Request, way: Way, first: First | None = None) -> Reply:
        """Ask until a reply can be used, at most 1 + max_retries times.

        A reply that was cut off before it came to its point is asked for once more, with twice
        the tokens where a limit was set, and is kept where that does not help.
        """
        began = time.monotonic() if first is None else first.began
        costs: list[Cost] = []
        messages, failed = self._formed(request), _UNASKED
        cut_off, shorter = None, list(request.shorter)
        limit: int | None = None
        for attempt in range(1 + self.context.max_retries):
            try:
                given = first if attempt == 0 else None
                value, truncated, sample = await self._attempt(
                    request, attempt, messages, way, given, costs, limit
                )
            except ReplyError as error:
                failed = error
                if error.code == "context" and shorter:
                    messages, request = shorter.pop(0)(), replace(request, schema=None)
                elif error.code in _FINAL and not _is_sample(error):
                    break
                elif error.code == "thinking":  # as it was, for a longer reply
                    asked = self._settings(request, attempt, limit).get("max_tokens")
                    limit = longer(limit, limit_reached(self.model, asked, costs[-1]), self.model)
                else:  # then for text
                    messages, request = request.again(), replace(request, schema=None)
                continue
            reply = Reply(
                value,
                sum_costs(costs),
                _since(began),
                truncated=truncated,
                digest=sample.digest,
                is_certain=sample.is_certain,
                by_length=sample.by_length,
                is_drawn=sample.is_drawn,
            )
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
        first: First | None,
        costs: list[Cost],
        limit: int | None = None,
    ) -> tuple[Any, bool, Sample]:
        """What one reply says, and whether it was cut off; adds its cost to `costs`.

        Raises:
            ReplyError: it cannot be used, or there is none.
        """
        if first is None:
            self.budget.take()
        message = None if first is None else first.message
        try:
            if message is None:
                message = await self._reply(request, attempt, messages, way, limit)
        except Exception as error:
            failure = self._failure(error)
            if failure is error:
                raise
            raise failure from error
        names = [] if request.send is not None else self._names
        costs.append(cost_told(message, names, self.context))
        self.budget.add(costs[-1])
        text, reason = cut_long(str(message.text), LONGEST_REPLY), reason_of(message)
        truncated = reason == TRUNCATED
        if reason == REFUSED:
            raise ReplyError("refusal", "the model refused", text)

        def read() -> tuple[Any, bool, Sample]:
            if truncated and not strip_reasoning(text):
                asked = self._settings(request, attempt, limit).get("max_tokens")
                raise all_thinking(limit_reached(self.model, asked, costs[-1]), costs[-1])
            value = _read(request, text, truncated)
            temperature = partial(self._temperature, request)
            seed = partial(self._seed, request, attempt)
            sample = sample_of(messages, message, text, costs[-1], temperature, seed)
            return value, truncated, sample

        return await way.call(read) if len(text) > LONG else read()

    def _failure(self, error: Exception) -> Exception:
        """What an error of a call means: itself where it is to end the search."""
        kind = classify(error)
        ends = isinstance(error, MCTSrError) or bubbles_up(error)
        if ends or self.strict or kind == "configuration":
            return error
        code = {"transient": "unavailable", "other": "model_error"}.get(kind, kind)
        return ReplyError(code, f"{type(error).__name__}: {error}")

    def _temperature(self, request: Request) -> float | None:
        """The temperature of a request, as far as settings or model tell it."""
        asked: float | None = self.context.of_role("temperature", request.role)
        return asked if asked is not None else next(iter(told_by(self.model, "temperature")), None)

    async def _reply(
        self,
        request: Request,
        attempt: int,
        messages: list[BaseMessage],
        way: Way,
        limit: int | None,
    ) -> AIMessage:
        """The model's reply, or the one that the journal holds."""
        settings = self._settings(request, attempt, limit)
        is_long = any([len(message.content) > LONG for message in messages])
        prepare = partial(self._prepared, request, messages)
        messages = await way.call(prepare) if is_long else prepare()
        schema = self._schema(request)

        async def send(given: list[BaseMessage]) -> AIMessage:
            wish = self._wish(request, settings)
            model = self.model if schema is None else of_form(self.model, schema)
            reply = await way.send(adapted(model, wish), given, config=_config(request, attempt))
            if wish.error is not None:  # behind a fallback
                raise wish.error
            message = _shortened(as_message(reply, self.model))
            return message if request.kept is None else request.kept(message)

        async def once() -> AIMessage:
            async with self.gate.turn(way):
                if request.send is not None:
                    return await request.send(self.model, messages, way)
                return await with_system(self.model, self._abilities, messages, send)

        if self.journal is None:
            return await self._retried(once, way, request)
        enter = partial(self._entry, request, settings, attempt, messages)
        entry = await way.call(enter) if is_long else enter()
        return await self._recorded(
            self.journal, entry, lambda: self._retried(once, way, request), way
        )

    def _prepared(self, request: Request, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The messages as they are sent.

        Raises:
            ConfigError: the question holds what the model does not take.
        """
        if self.question.blocks and request.send is not None:
            kind = kind_of(self.question.blocks[0])
            raise ConfigError(f"problem holds {kind} content, and the judge takes words only")
        check_blocks(self.model, self.question.blocks)
        return prepared(messages, self.question)

    def _schema(self, request: Request) -> dict[str, Any] | None:
        """The schema that is asked for, where settings and model allow it."""
        wanted = self.context.structured_output and request.schema and request.send is None
        return request.schema if wanted and has_structured_output(self.model) else None

    def _formed(self, request: Request) -> list[BaseMessage]:
        """The messages of a request, which ask for its schema where that can be had."""
        schema = self._schema(request)
        return request.messages if schema is None else asking_for(request.messages, schema)

    async def _recorded(
        self,
        journal: CallJournal,
        entry: tuple[Slot, str],
        once: Callable[[], Awaitable[AIMessage]],
        way: Way,
    ) -> AIMessage:
        [known] = await journal.known([entry], way)
        if known is not None:
            return known
        reply = await once()
        await way.call(journal.writing([(*entry, reply)]))
        return reply

    async def _firsts(
        self, requests: Sequence[Request], budgets: Sequence[Budget], giver: Giver, way: Way
    ) -> list[First | None]:
        """First replies to requests of the same messages, by one request to the model.

        None is for a request that is to be made as if it were alone. The journal keeps each reply
        in its own slot, so it is the same whichever way they came.
        """
        firsts: list[First | None] = [None] * len(requests)
        if len(requests) == 1:
            return firsts
        began, journal = time.monotonic(), self.journal
        messages = self._prepared(requests[0], requests[0].messages)
        settings = [self._settings(request, 0) for request in requests]
        entries = [self._entry(*one, 0, messages) for one in zip(requests, settings, strict=True)]
        known: list[Any] = firsts
        if journal is not None:
            known = await journal.known(entries, way)
        new = [i for i, reply in enumerate(known) if reply is None and budgets[i].takes()]

        async def once() -> list[AIMessage]:
            config = _config(requests[new[0]], 0)
            wish = self._wish(requests[new[0]], settings[new[0]])
            async with self.gate.turn(way):
                return await with_system(
                    self.model,
                    self._abilities,
                    messages,
                    lambda given: giver.ask(given, len(new), way, config, wish),
                )

        found: list[AIMessage] = []
        try:
            # To wait for a server that is away is left to those that are asked for alone
            found = (
                await self._retried(once, way, requests[0], patience=0.0) if len(new) > 1 else []
            )
        except Exception as error:  # each is asked for by itself then
            if isinstance(error, MCTSrError) or bubbles_up(error):
                raise
            giver.failed(error)
        if journal is not None and found:
            replies = [(*entries[i], reply) for i, reply in zip(new, found, strict=False)]
            await way.call(journal.writing(replies))
        for i, reply in zip_longest(new, found):
            firsts[i] = First(reply, began)
        return firsts

    def _retried(
        self,
        once: Callable[[], Awaitable[T]],
        way: Way,
        request: Request,
        patience: float | None = None,
    ) -> Awaitable[T]:
        return with_retries(
            once,
            attempts=self.context.max_attempts,
            deadline=self.context.call_seconds,
            sleep=way.sleep,
            limit=way.limit,
            rng=_JITTER,
            pace=self._pace if request.server is None else pace_of(request.server),
            patience=self.budget.seconds_left if patience is None else patience,
            tell=self._tell_away,
        )

    def _tell_away(self, absence: Absence) -> None:
        if self.tell_away is not None:
            self.tell_away(absence, model_name(self.model))

    def _entry(
        self, request: Request, settings: Any, attempt: int, messages: list[BaseMessage]
    ) -> tuple[Slot, str]:
        """Where the journal keeps a reply, and what it is the reply to."""
        slot = Slot(self.search, request.rollout, request.role, request.sample, attempt)
        # As settings were told by earlier versions, whose journals are still read
        settings = {"temperature": 0.95, **settings}
        if "seed" not in getattr(type(innermost(self.model)), "model_fields", {}):
            settings = {name: value for name, value in settings.items() if name != "seed"}
        return slot, hashed(messages, settings)

    def _settings(self, request: Request, attempt: int, limit: int | None = None) -> dict[str, Any]:
        """What is asked of the model beside the messages; `limit` goes before a limit of tokens."""
        settings: dict[str, Any] = {
            name: value
            for name in ("temperature", "max_tokens")
            if (value := self.context.of_role(name, request.role)) is not None
        }
        if attempt and request.role != "evaluate" and "max_tokens" in settings:
            settings["max_tokens"] *= 2
        if limit is not None:
            settings["max_tokens"] = limit
        settings["seed"] = self._seed(request, attempt)
        effort = self.context.effort_of(request.role)
        settings |= {} if effort is None else {"reasoning_effort": effort}
        return {**settings, **request.settings}

    def _seed(self, request: Request, attempt: int) -> int:
        return derive_seed(
            self.context.seed, request.rollout, request.role, request.sample, attempt
        )

    def _wish(self, request: Request, settings: dict[str, Any]) -> Wish:
        # A limit that was raised for a reply cut off may be more than the model has
        limit = None
        if "max_tokens" in settings:
            limit = self.context.of_role("max_tokens", request.role)
        instead = {} if limit is None else {"max_tokens": limit}
        given, explicit = dict[str, str](), self.context.model_fields_set
        if "reasoning_effort" in settings:
            given["reasoning_effort"] = "reasoning_effort"
        for name in ("temperature", *instead):
            if (own := f"{request.role}_{name}") in explicit:
                given[name] = own
        return Wish(settings, given, instead, self.tell)


def _read(request: Request, text: str, truncated: bool) -> Any:
    """What a reply says.

    Raises:
        ReplyError: it cannot be used.
    """
    value = request.read(text)
    if truncated and not request.is_whole(value) and is_repetitive(value):
        raise ReplyError("degenerate", "the reply repeats itself without end", value[:100])
    if isinstance(value, str) and len(value) > LONG:
        look_through(value)
    return value


def _shortened(message: AIMessage) -> AIMessage:
    """A reply that is kept, sent and shown: its middle is cut out where it is endless."""
    text = str(message.text)
    if len(text) <= LONGEST_REPLY:
        return message
    return message.model_copy(update={"content": cut_long(text, LONGEST_REPLY)})


def _is_sample(error: ReplyError) -> bool:
    """Whether the model refused in a reply, which another sample may not; a request is for ever."""
    return error.code == "refusal" and error.__cause__ is None


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
    """The beginning of a message, so many characters at most, as it can be kept."""
    return clean_text(message if len(message) <= most else message[: most - 3] + "...")
