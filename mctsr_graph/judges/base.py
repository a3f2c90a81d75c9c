"""The seam behind which every judge stands: one answer in, its reward out."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from mctsr_graph.calls.ask import Asker, First, shorten
from mctsr_graph.calls.request import Model, Reply, Request
from mctsr_graph.calls.several_replies import giver_of
from mctsr_graph.calls.sync_async import Way, all_at_once
from mctsr_graph.calls.usage import sum_costs
from mctsr_graph.errors import MCTSrError, ReplyError, ScoreError, bubbles_up
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.digests import digest_of
from mctsr_graph.text.reward_scale import RANGE, is_on_scale

# Samples of a rollout, at most; the further requests of one sample are numbered behind them
_SAMPLES = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One answer, to be judged once."""

    problem: str
    answer: str
    rollout: int = 0
    """Number of the rollout, from 1; 0 for the roots."""
    sample: int = 0
    """Tells apart the cases of one rollout."""
    known: Sequence[str] = ()
    """All answers found so far, the one to be judged among them."""

    @property
    def others(self) -> list[str]:
        """The other answers found so far."""
        return [answer for answer in self.known if answer != self.answer]


@dataclass
class JudgeCalls:
    """Does all waiting for a judge, under `invoke` and `ainvoke` alike, and keeps the account."""

    case: Case
    prompts: Prompts
    """The words of the search."""
    asker: Asker
    strategy: Strategy
    """How scores are read, and which are too good to be believed."""
    way: Way
    first: First | None = None
    """The reply to the `first_request`, where that was made together with others like it."""
    asked: int = 0
    """Requests made so far."""
    replies: list[Reply] = field(default_factory=list)
    """What came of them."""
    error: Exception | None = None
    """What the model raised that is to end the search."""
    compared: dict[str, list[float]] = field(default_factory=dict)
    """Where the judge compares: by the text of another answer, whether this one is better (1),
    worse (0) or equally good (1/2), for each time that it was asked."""

    @property
    def context(self) -> MCTSrContext:
        """The settings of the search."""
        return self.asker.context

    @property
    def model(self) -> Model:
        """The judge's chat model: `judge_model`, or else the model of the search."""
        return self.asker.model

    async def ask(self, request: Request) -> Any:
        """Ask the judge's chat model; return what `request.read` makes of the reply.

        Retries, budget and journal are taken care of.

        Raises:
            ReplyError: no usable reply could be had. Let it pass: it becomes a failed reward.
        """
        [value] = await self.ask_all([request])
        return value

    async def ask_all(self, requests: Sequence[Request]) -> list[Any]:
        """As `ask`, for several requests at once."""
        asked, self.asked = self.asked, self.asked + len(requests)
        numbered = [_numbered(request, self.case, asked + i) for i, request in enumerate(requests)]
        try:
            if len(numbered) == 1:  # needs no task or thread of its own
                first = None if asked else self.first
                replies = [await self.asker.ask(numbered[0], self.way, first)]
            else:
                replies = await self.asker.ask_all(numbered, self.way)
        except Exception as error:
            self.error = error
            raise
        self.replies += replies
        for reply in replies:
            if reply.code is not None:
                raise ReplyError(reply.code, reply.message)
        return [reply.value for reply in replies]

    async def call(self, function: Callable[..., T | Awaitable[T]], *args: Any) -> T:
        """Return what a slow function returns; it is called in a thread, or awaited.

        Raises:
            TimeoutError: it took longer than `call_seconds`, where that can be told.
        """
        async with self.way.limit(self.context.call_seconds):
            return await self.way.call(function, *args)


@runtime_checkable
class Judge(Protocol):
    """Rewards answers. Frozen: a search may ask it from several threads at once.

    `name` (optional) names it in messages; by default it is the name of the class. A kept search
    is taken up by the same judge only: by its class, code and fields, or `label_parts()`
    (optional), a dict of what tells it from others of its class.
    `prompts_used` (optional) are the names of the texts of `Prompts` that it asks by, besides
    those of the draft; by default all for evaluations.
    `first_request` (optional) takes what `reward` takes, and returns what that asks first, alone.
    So a model that can give several replies is asked once for all samples of an answer.
    `reward_calls` (optional) is how many requests `reward` makes at most, from 0, where no reply
    has to be asked for again; by default 1. No rollout begins for which `max_calls` leaves less.
    """

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the reward of one answer, points on the reward scale (-100 to 100).

        All waiting goes through `calls`. Whatever this raises costs this reward only.
        """


def cases_of(
    problem: str, answers: Sequence[str], known: Sequence[str], rollout: int = 0, first: int = 0
) -> list[Case]:
    """One case an answer; the samples are numbered from `first`."""
    return [Case(problem, one, rollout, first + i, known) for i, one in enumerate(answers)]


async def judge_all(
    judge: Judge,
    cases: Sequence[Case],
    asker: Asker,
    prompts: Prompts,
    strategy: Strategy,
    way: Way,
) -> list[Reply]:
    """Have every case judged at once; return the rewards in order, each a value or a failure."""

    def judged(
        asker: Asker, case: Case, way: Way, first: First | None = None
    ) -> Coroutine[Any, Any, Reply]:
        return _judged(judge, JudgeCalls(case, prompts, asker, strategy, way, first))

    begins, calls = getattr(judge, "first_request", None), getattr(judge, "reward_calls", 1)
    if begins is None or giver_of(asker.model) is None:
        askers = asker.parted([case.rollout for case in cases], calls)
        jobs = [
            lambda way, own=own, case=case: judged(own, case, way)
            for own, case in zip(askers, cases, strict=True)
        ]
        return await all_at_once(jobs, asker.model, way)
    asked = [
        _numbered(begins(case, JudgeCalls(case, prompts, asker, strategy, way)), case, 0)
        for case in cases
    ]
    return await asker.ask_alike(asked, cases, judged, way, calls)


def _numbered(request: Request, case: Case, number: int) -> Request:
    """The judge's request of that number, as the journal tells it from all others."""
    place = case.rollout, case.sample + _SAMPLES * number
    if (request.rollout, request.sample) == place:
        return request
    return replace(request, rollout=place[0], sample=place[1])


async def _judged(judge: Judge, calls: JudgeCalls) -> Reply:
    began, value, code, why = time.monotonic(), None, None, ""
    try:
        value = _checked(await judge.reward(calls.case, calls), judge, calls.strategy)
    except ReplyError as error:
        code, why = error.code, error.why
    except Exception as error:
        if isinstance(error, MCTSrError) or error is calls.error or bubbles_up(error):
            raise
        code, why = "judge_error", f"{name_of(judge)} raised {type(error).__name__}: {error}"
    replies = calls.replies
    only = replies[0] if len(replies) == 1 else None
    return Reply(
        value,
        sum_costs([reply.cost for reply in replies]),
        time.monotonic() - began,
        code,
        shorten(why),
        digest=only and only.digest,
        is_certain=only is not None and only.is_certain,
        compared={digest_of(text): told for text, told in calls.compared.items()},
    )


def _checked(value: Any, judge: Judge, strategy: Strategy) -> float:
    is_number = isinstance(value, float | int | numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        code = "not_finite"
    elif not strategy.keeps_any_score and not is_on_scale(value):
        code = "out_of_range"
    else:
        return float(value)
    told = f"{name_of(judge)} returned {shorten(repr(value))}, allowed {RANGE} points"
    raise ScoreError(code, told)


def name_of(judge: Judge) -> str:
    """What messages call a judge."""
    kind = type(judge)
    return str(getattr(judge, "name", f"{kind.__module__}.{kind.__qualname__}"))
