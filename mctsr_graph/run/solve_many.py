"""Many problems under one budget of calls, which flows to those that are undecided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import isawaitable
from typing import Any, cast

from typing_extensions import Unpack

from mctsr_graph.calls.request import Failure, Model
from mctsr_graph.calls.sync_async import gathered
from mctsr_graph.calls.usage import no_usage, total_cost
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.spec import check_options
from mctsr_graph.run.attempt import ModelMaker, Search
from mctsr_graph.run.engines import engine_of
from mctsr_graph.run.learn_prior import learn_prior
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import (
    BatchOptions,
    ManyOptions,
    OnSolution,
    Problem,
    SolveSpec,
    changed,
)
from mctsr_graph.run.stages import Stage, stage_of
from mctsr_graph.settings.context import EFFORTS, MCTSrContext
from mctsr_graph.settings.prior import Prior
from mctsr_graph.settings.question import Question, as_question
from mctsr_graph.strategies.tuned.learn import groups

_FIRST_CALLS = EFFORTS["low"]
_CALLS_MORE = 8  # of one problem in one round: two refinements that are judged, or eight drafts
_NEWS = 1.25  # times the calls that the last prior was learnt from
_GOES_ON = ("max_calls", "settled")
_BROKEN_OFF = ("failed", "interrupted")


def solve_many(
    problems: Iterable[Problem],
    model: Model | ModelMaker | str | None = None,
    **options: Unpack[ManyOptions],
) -> list[Solution]:
    """Search for an answer to each problem, under one budget of calls. See `asolve_many`.

    Raises:
        ConfigError: a setting or a problem is wrong, or it is called inside a running event loop;
            await `asolve_many` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # there is none
        pass
    else:
        raise ConfigError(
            "solve_many is called inside a running event loop, allowed there: await asolve_many"
        )
    return asyncio.run(asolve_many(problems, model, **options))


async def asolve_many(
    problems: Iterable[Problem],
    model: Model | ModelMaker | str | None = None,
    **options: Unpack[ManyOptions],
) -> list[Solution]:
    """Search for an answer to each problem, under one budget of calls.

    Each problem first gets a small share (11 calls at most). What is left goes, round by round,
    to those that are undecided, the least certain first, until it is spent; those whose choice is
    settled by what one more share could change come last.

    The first shares go to groups of problems, one after the other: 0 to 15, to 31, to 63 and so on.
    After each group and round, `learn_prior` fits what is known of model and judge to the
    searches so far; at the end all answers are chosen again under it, without a call. A search that
    failed since the model could not be reached keeps its share, and is tried once more after all
    others, and whenever the batch is called again. Its failures stay in its solution.

    The results depend neither on `concurrency` nor on which search is done first. With a
    `checkpointer` a batch that was killed and is called again ends as if it had not been; one that
    is over makes no call. A larger `max_calls` later comes to what it comes to at once, where the
    smaller one had 11 calls a problem; the shares of fewer than 8 calls with which that had ended
    are made anew. Searches that others have kept there go on from where they are.

    Args:
        problems: The problems, as in `solve`. Equal ones are searched once and share a solution;
            a sum over all solutions counts its usage as often as it is there.
        model: As in `solve`.
        context: The settings; by default profile "tuned". Its max_calls, times the number of
            problems, counts only where `max_calls` is not given.
        max_calls: Model calls for all problems together, never exceeded; by default what
            `context` allows for each, times their number.
        engine: Where the searches run. "local": in this process. "ray": on a Ray cluster; see
            docs/durability.md. Then the model is a name, a function that makes it, or one that
            pickle takes, and there is no on_event, on_change, control and journal.
        ray_address: The cluster, as `ray.init` takes it; by default one of this machine only.
        concurrency: Searches that run at the same time, from 1.
        learn: Whether what the problems so far say of model and judge helps with them all. Without
            it all problems begin at the same time.
        checkpointer: Where the searches are kept, as in `solve`; by default in memory, and gone
            when the batch is over.
        on_solution: Called with the number of a problem, from 0, and its solution: after each
            group or round for those that were in it, at the end for those whose answer changes.
            It may be async; what it raises ends the batch.
        **options: Whatever else `solve` takes: prompts, judge, journal, ...

    Returns:
        The solutions in the order of the problems. One whose search failed has the stop_reason
        "failed" and the best that was found, if anything; the others go on.

    Raises:
        ConfigError: a setting or a problem is wrong.
        ClusterError: the cluster has no worker, or lost too many.
    """
    problems = _listed(problems)
    spec, budget = _asked(model, options, len(problems))
    async with engine_of(model, spec, options) as search:
        return await _rounds(problems, spec, budget, search, options)


async def _rounds(
    problems: Sequence[Problem], spec: SolveSpec, budget: int, search: Search, options: ManyOptions
) -> list[Solution]:
    """Share the budget out, round by round."""
    learn = options.get("learn", True)
    places: dict[str, list[int]] = {}
    asked: dict[str, Question] = {}
    for place, problem in enumerate(problems):
        question = as_question(problem)
        places.setdefault(question.key, []).append(place)
        asked[question.key] = question
    batch = _Batch(
        list(asked.values()),
        list(places.values()),
        spec,
        search,
        asyncio.Semaphore(options.get("concurrency", 8)),
        options.get("on_solution"),
        learn,
    )
    share = min(_FIRST_CALLS, budget // max(1, len(places)))
    for group in groups(len(places)) if learn else [range(len(places))]:
        await batch.round(dict.fromkeys(group, share), _FIRST_CALLS)
    await batch.rounds(budget)
    await batch.try_again()
    await batch.rounds(budget)
    await batch.choose_again()
    return batch.solutions()


def _listed(problems: Any) -> list[Problem]:
    if isinstance(problems, str | bytes | Mapping) or not isinstance(problems, Iterable):
        raise ConfigError(f"problems is {problems!r:.40}, allowed a list of problems")
    return list(problems)


def _asked(
    model: Model | ModelMaker | str | None, options: ManyOptions, problems: int
) -> tuple[SolveSpec, int]:
    """What is asked of each search, and the calls for all of them."""
    check_options("a batch", options, ManyOptions)
    concurrency = options.get("concurrency", 8)
    if not _is_whole(concurrency) or concurrency < 1:
        raise ConfigError(f"concurrency is {concurrency!r}, allowed 1 or more")
    of_each = {name: one for name, one in options.items() if name in BatchOptions.__optional_keys__}
    context = options.get("context") or MCTSrContext()
    # On a cluster each worker makes it, and nobody asks it here
    here = cast(Model | str | None, model if options.get("engine") != "ray" else None)
    spec = SolveSpec.of(here, cast(BatchOptions, {**of_each, "context": context}))
    each, most = spec.context.max_calls or EFFORTS["medium"], options.get("max_calls")
    budget = each * problems if most is None else most
    if not _is_whole(budget):
        raise ConfigError(f"max_calls is {budget!r}, allowed a whole number")
    if budget < problems:
        raise ConfigError(f"max_calls is {budget}, allowed {problems} or more, one a problem")
    return spec, budget


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


class _Batch:
    """The problems, and what was found so far."""

    def __init__(
        self,
        problems: list[Question],
        places: list[list[int]],
        spec: SolveSpec,
        search: Search,
        free: asyncio.Semaphore,
        on_solution: OnSolution | None,
        learns: bool,
    ) -> None:
        self._problems, self._places, self._learns = problems, places, learns
        self._engine, self._context, self._free = search, spec.context, free
        self._on_solution = on_solution
        self._more = max(_CALLS_MORE, spec.search.bound_judge.reward_calls(spec.context))
        """Calls of one problem in one round; a dear judge would else never be asked."""
        self._usual = spec.context.belief_prior
        self._learnt_from = 0
        """Calls that had been made when the prior was last fitted."""
        self._allowed: dict[int, int] = {}
        self._stages: dict[int, Stage] = {}
        """How far each search has been taken."""
        self._cut: set[int] = set()
        """Whose shares the budget has cut short."""
        self._tried_again: set[int] = set()
        self._lost: dict[int, list[Failure]] = {}
        """Failures of searches that had to begin anew."""
        self._chosen_under: dict[int, Prior | None] = {}
        self._settled: set[int] = set()
        """Whose choice another share would hardly change."""
        self._idle: set[int] = set()
        """Who can do nothing with another share."""
        self.found: dict[int, Solution] = {}

    async def rounds(self, budget: int) -> None:
        """Search on, round by round, until nobody can use what is left."""
        while granted := self._grants(budget):
            await self.round(granted, self._more)

    async def round(self, granted: dict[int, int], share: int) -> None:
        """Search on where calls are granted, up to that many in all; a full share is `share`."""
        before = {number: self._spent(number) for number in granted}
        self._cut |= {number for number in granted if granted[number] - before[number] < share}
        await self._search_all(granted)
        # A search that is taken up and already settled stops again without a call
        still = {number for number in granted if self._spent(number) == before[number]}
        self._idle |= still & self._settled
        self._settled |= still
        self._settled |= {n for n in granted if self.found[n].stop_reason == "settled"}
        await self._tell(granted)
        if self._learns:
            await self._learn()

    async def try_again(self) -> None:
        """Search once more where the model could not be reached, with what is kept for it."""
        failed = [number for number in self.found if self._waits(number)]
        self._tried_again |= set(failed)
        self._lost |= {n: self.found[n].failures for n in failed if not self.found[n].tree}
        await self._search_all({number: self._allowed[number] for number in failed})
        await self._tell(failed)
        if self._learns:
            await self._learn()

    async def choose_again(self) -> None:
        """Choose every answer under the last prior, without a call."""
        before = dict(self.found)
        spent = {
            number: calls
            for number, solution in before.items()
            if solution.tree
            and self._chosen_under[number] != self._context.prior
            and solution.stop_reason not in _BROKEN_OFF
            and (calls := self._spent(number))
        }
        await self._search_all(spent)
        await self._tell(
            number for number in spent if self.found[number].answer != before[number].answer
        )

    def solutions(self) -> list[Solution]:
        """The solutions, in the order of the problems as they were given."""
        found = {place: self.found[n] for n, own in enumerate(self._places) for place in own}
        return [found[place] for place in sorted(found)]

    async def _search_all(self, allowed: dict[int, int]) -> None:
        self._allowed |= allowed
        self._chosen_under |= dict.fromkeys(allowed, self._context.prior)
        solutions = await gathered([self._search(number) for number in allowed])
        self.found |= dict(zip(allowed, solutions, strict=True))

    async def _tell(self, numbers: Iterable[int]) -> None:
        if self._on_solution is not None:
            for number in numbers:
                for place in self._places[number]:
                    told = self._on_solution(place, self.found[number])
                    if isawaitable(told):
                        await told

    async def _learn(self) -> None:
        """Fit what is known of model and judge to the searches so far, where there is news."""
        spent = sum(self._spent(number) for number in self.found)
        if spent < _NEWS * self._learnt_from:
            return
        self._learnt_from = spent
        solutions = [self.found[number] for number in sorted(self.found)]
        prior = await asyncio.to_thread(learn_prior, solutions, self._usual)
        self._context = changed(self._context, prior=prior)

    def _grants(self, budget: int) -> dict[int, int]:
        """Who may spend how many calls in all after the next round."""
        left = budget - sum(
            self._allowed[n] if self._is_away(n) else self._spent(n) for n in self.found
        )
        waiting = [
            number
            for number, solution in self.found.items()
            if number not in self._idle
            and solution.stop_reason in _GOES_ON
            # One without a tree would begin anew, and pay again
            and solution.tree
        ]
        granted: dict[int, int] = {}
        # Half of the undecided at most, so that what they learn moves the next round
        for number in sorted(waiting, key=self._rank)[: (len(waiting) + 1) // 2]:
            more = min(self._more, left)
            if more <= 0:
                break
            granted[number] = self._spent(number) + more
            left -= more
        return granted

    def _waits(self, number: int) -> bool:
        """Whether a search is to be tried again."""
        return self._is_away(number) and number not in self._tried_again

    def _is_away(self, number: int) -> bool:
        """Whether the model could not be reached, so that the rest of the share is kept."""
        failures = self.found[number].failures
        failed = self.found[number].stop_reason == "failed"
        return failed and bool(failures) and failures[-1]["code"] == "unavailable"

    def _rank(self, number: int) -> tuple[bool, float]:
        choice = self.found[number].choice
        confidence = choice["confidence"] if choice is not None else None
        return number in self._settled, confidence or 0.0

    def _spent(self, number: int) -> int:
        solution = self.found.get(number)
        return total_cost(solution.usage)["calls"] if solution is not None else 0

    async def _search(self, number: int) -> Solution:
        context = changed(self._context, max_calls=self._allowed[number])
        if number in self._settled:  # nobody needs the calls more
            context = changed(context, settle=False)
        before = self.found.get(number)
        stage = stage_of(
            self._stages.get(number),
            context,
            is_cut=number in self._cut,
            is_retry=before is not None and before.stop_reason == "failed",
        )
        if before is None or not before.tree:
            before = _nothing(self._problems[number].text)
        async with self._free:
            changes = {"context": context, "stage": stage}
            found = await self._engine(self._problems[number], changes)
        if not isinstance(found, Solution):
            failure = Failure({**found, "rollout": before.rollouts})
            found = replace(before, stop_reason="failed", failures=[*before.failures, failure])
        self._stages[number] = stage
        return replace(found, failures=[*self._lost.get(number, ()), *found.failures])


def _nothing(problem: str) -> Solution:
    return Solution(
        problem=problem,
        answer=None,
        final_answer=None,
        best=None,
        rollouts=0,
        usage=no_usage(),
        stop_reason=None,
        tree={},
        failures=[],
        cost=0.0,
    )
