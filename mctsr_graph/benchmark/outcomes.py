"""What a line says of each method at each budget: counts for one problem, no statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from statistics import fmean
from typing import Any, NamedTuple, cast

from mctsr_graph.calls.usage import Cost, no_cost, sum_costs

from .records import (
    OF_BUDGET,
    SIMPLE_METHODS,
    Attempt,
    Line,
    MethodRecord,
    Point,
    RunSettings,
    outcome,
)

VERDICTS = ("right", "wrong", "no_answer", "undecided", "failed")
"""How a problem may end; only the first counts, and all are in the denominator."""
SAMPLERS = ("self-consistency", "best-of-n")
"""Methods whose attempts are independent of each other."""


class Key(NamedTuple):
    """A method at a budget, as `Point` has them."""

    method: str
    budget: str
    rollouts: int
    against: str | None

    @property
    def searches(self) -> bool:
        """Whether the method is an MCTSr search."""
        return self.method not in SIMPLE_METHODS


class Outcome(NamedTuple):
    """A method at a budget on one problem with one seed. Right is right; all else is not."""

    id: str
    seed: int
    level: str | None
    subject: str | None
    verdict: str
    """Of the selected answer: one of VERDICTS."""
    measured: bool
    """Whether it is known that the method stayed within its budget. Where it is not, because
    some call told no tokens, the problem is in no figure of this method at this budget."""
    truncated: bool
    """Whether a limit of tokens cut the selected answer off."""
    majority: bool | None
    """Whether the vote was right; None where the method has no such vote."""
    weighted: bool | None
    """Whether the vote weighted by rewards was right; None where it has none."""
    oracle: bool
    """Whether any attempt was right, which only the truth can tell."""
    first: bool
    """Whether the first attempt was right."""
    refined_wrong: int
    """Refinements of an attempt that was not right ..."""
    fixed: int
    """... of which so many were right."""
    refined_right: int
    """Refinements of a right attempt ..."""
    broken: int
    """... of which so many were not right."""
    spent: tuple[float, ...]
    """The counts of `cost` in its order: a tenth of what a dict takes."""
    seconds: float | None
    """Wall time, None where it is not known."""
    capped: bool
    """Whether the budget had room for more attempts than the run drew."""
    stopped_early: bool
    """Whether the search had ended by itself, before its budget was spent."""
    confidence: float | None
    """Chance that the selected answer is right, as the search believed; None if it told none."""
    failures: int
    """Replies that could not be had, by the end of the run."""

    @property
    def cost(self) -> Cost:
        """Calls, tokens and money."""
        return total_spent([self])

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None where a call did not tell them."""
        if self.spent[UNMETERED]:
            return None
        return int(self.spent[INPUT] + self.spent[OUTPUT])


COUNTS = tuple(no_cost())
"""What `Outcome.spent` counts."""
CALLS, UNMETERED, INPUT, OUTPUT = (
    COUNTS.index(name) for name in ("calls", "unmetered_calls", "input_tokens", "output_tokens")
)
_counts_of = itemgetter(*COUNTS)


class Samples(NamedTuple):
    """Independent attempts of one method at one problem with one seed."""

    drawn: int
    right: int
    first: bool
    """Whether the first of them is right."""
    lost: bool
    """Whether none of them could be had."""


def key_of(method: str, point: Point) -> Key:
    """The method and budget of a point."""
    return Key(method, point["budget"], point["rollouts"], point["against"])


def default_key(method: str, rollouts: int) -> Key:
    """A method at the budget that a search of so many rollouts has, or at its own."""
    if method in ("cot", "self-refine"):
        return Key(method, "own", 0, None)
    return Key(method, "calls" if method in SIMPLE_METHODS else "rollouts", rollouts, None)


def largest(keys: Iterable[Key]) -> list[Key]:
    """Those at the largest number of rollouts, and those whose cost is fixed."""
    listed = list(keys)
    most = max((key.rollouts for key in listed), default=0)
    return [key for key in listed if key.rollouts == most or key.budget == "own"]


def keys_of(lines: Iterable[Line], settings: RunSettings) -> list[Key]:
    """Every method and budget that some line has, in the order of the run."""
    return in_order(set().union(*map(points_of, lines)), settings)


def in_order(keys: Iterable[Key], settings: RunSettings) -> list[Key]:
    """Methods and budgets in the order of the run."""
    order = {name: place for place, name in enumerate(settings["methods"])}

    def place(key: Key) -> tuple[int, int, str, str]:
        return order.get(key.method, len(order)), key.rollouts, key.budget, key.against or ""

    return sorted(keys, key=place)


def distinct(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the first line of each problem and seed."""
    seen = set()
    for line in lines:
        which = (line["id"], line["seed"])
        if which not in seen:
            seen.add(which)
            yield line


def outcomes(
    line: Line, keys: Sequence[Key], points: Mapping[Key, Point] | None = None
) -> Iterator[Outcome]:
    """Yield one outcome for each of `keys`; a point that the line lacks has failed.

    `points` are those of the line, where they have been read before.
    """
    points, known = points_of(line) if points is None else points, dict[str, _Known]()
    for key in keys:
        method, point = line["methods"].get(key.method), points.get(key)
        measured = key.budget != "tokens" or _tells_tokens(line, key, point)
        if method is not None and point is not None:
            if key.method not in known:
                known[key.method] = _known(method["attempts"])
            yield _outcome(line, method, known[key.method], point, measured)
        else:
            yield _failed(line, method, measured)


def point_at(line: Line, key: Key) -> Point | None:
    """The point of a line that a key names, if it has one."""
    return points_of(line).get(key)


def points_of(line: Line) -> dict[Key, Point]:
    """All points of a line."""
    methods = line["methods"].items()
    return {key_of(name, point): point for name, method in methods for point in method["points"]}


def _tells_tokens(line: Line, key: Key, own: Point | None) -> bool:
    """Whether every call of a baseline, and of the search whose tokens it gets, told its tokens."""
    record = line["methods"].get(key.against or "")
    others = (
        [point for point in record["points"] if point["rollouts"] == key.rollouts] if record else []
    )
    seen = [*others, *([] if own is None else [own])]
    return not any(point["cost"]["unmetered_calls"] for point in seen)


def samples(line: Line, method: str) -> Samples:
    """Count the independent attempts of one of SAMPLERS."""
    record = line["methods"].get(method)
    attempts = record["attempts"] if record else []
    verdicts = [attempt["verdict"] for attempt in attempts]
    lost = not any(attempt["text"] for attempt in attempts)
    return Samples(len(verdicts), verdicts.count("right"), verdicts[:1] == ["right"], lost)


def mean_rewards(line: Line, method: str, point: Point | None) -> tuple[list[float], list[float]]:
    """Mean rewards by then of the right attempts that had any, and of the others, points."""
    right, wrong = list[float](), list[float]()
    if point is None or not any(point["visits"]):
        return right, wrong
    attempts = line["methods"][method]["attempts"][: point["attempts"]]
    for attempt, count in zip(attempts, point["visits"], strict=True):
        if count and not attempt["dummy"]:
            rewards = attempt["rewards"]
            kind = right if is_right(attempt) else wrong
            kind.append(rewards[0] if count == 1 else fmean(rewards[:count]))
    return right, wrong


def is_right(attempt: Attempt) -> bool:
    """Whether the grader found an attempt right; not graded is not right."""
    return attempt["verdict"] == "right"


class _Known(NamedTuple):
    """What is counted in the attempts of a method, of which each point sees the first ones."""

    first_is_right: bool
    """Whether the first that is no dummy is right; `first` and `right` are places, ..."""
    first: float
    right: float
    """... of the first that is right, and infinite where there is none."""
    refined: list[tuple[int, bool, bool]]
    """Of each refinement of a real attempt: its place, and whether its parent and it are right."""


def _known(attempts: Sequence[Attempt]) -> _Known:
    real = [place for place, one in enumerate(attempts) if not one["dummy"]]
    first = real[0] if real else math.inf
    return _Known(
        first_is_right=bool(real) and is_right(attempts[real[0]]),
        first=first,
        right=next((place for place in real if is_right(attempts[place])), math.inf),
        refined=[
            (place, is_right(attempts[one["parent"]]), is_right(one))
            for place, one in enumerate(attempts)
            # One without a parent is drafted, one with several is merged
            if one["parent"] is not None
            and "parents" not in one
            and not attempts[one["parent"]]["dummy"]
        ],
    )


def _outcome(
    line: Line, method: MethodRecord, known: _Known, point: Point, measured: bool
) -> Outcome:
    count, selected = point["attempts"], point["selected"]
    fixes = [after for place, before, after in known.refined if place < count and not before]
    keeps = [after for place, before, after in known.refined if place < count and before]
    return Outcome(
        id=line["id"],
        seed=line["seed"],
        level=line["level"],
        subject=line["subject"],
        verdict=outcome(method, selected),
        measured=measured,
        truncated=selected is not None and method["attempts"][selected]["truncated"],
        majority=_vote(method, point["majority"]),
        weighted=_vote(method, point["weighted"]),
        oracle=known.right < count,
        first=known.first_is_right and known.first < count,
        refined_wrong=len(fixes),
        fixed=fixes.count(True),
        refined_right=len(keeps),
        broken=keeps.count(False),
        spent=_spent([point["cost"]]),
        seconds=point["seconds"],
        capped=point["capped"],
        stopped_early=_stopped_early(line, method, point),
        confidence=point.get("confidence"),
        failures=len(method["failures"]),
    )


def _stopped_early(line: Line, method: MethodRecord, point: Point) -> bool:
    """Whether a search had ended by itself; earlier versions do not say it of each point."""
    if "stop_reason" in point:
        return point["stop_reason"] is not None
    if point["budget"] == "rollouts":
        return point["rollouts_made"] < point["rollouts"]
    ended = method["stop_reason"] not in OF_BUDGET
    whole = point["rollouts_made"] == method["points"][-1]["rollouts_made"]
    return ended and whole and point["cost"]["calls"] < (point["limit"] or 0)


def _failed(line: Line, method: MethodRecord | None, measured: bool) -> Outcome:
    """A method that gave up before a point: what it had cost by then is not forgotten."""
    attempts = [] if method is None else method["attempts"]
    return Outcome(
        id=line["id"],
        seed=line["seed"],
        level=line["level"],
        subject=line["subject"],
        verdict="failed",
        measured=measured,
        truncated=False,
        majority=None,
        weighted=None,
        oracle=False,
        first=False,
        refined_wrong=0,
        fixed=0,
        refined_right=0,
        broken=0,
        spent=_spent([attempt["cost"] for attempt in attempts]),
        seconds=None,
        capped=False,
        stopped_early=False,
        confidence=None,
        failures=0 if method is None else len(method["failures"]),
    )


def total_spent(results: Sequence[Outcome]) -> Cost:
    """Add up what one or more have spent."""
    sums = map(sum, zip(*(result.spent for result in results), strict=True))
    return cast(Cost, dict(zip(COUNTS, sums, strict=True)))


def _spent(costs: Sequence[Cost]) -> tuple[float, ...]:
    if len(costs) == 1 and len(costs[0]) == len(COUNTS):
        return cast(tuple[float, ...], _counts_of(costs[0]))
    return tuple(cast(Any, sum_costs(costs).values()))


def _vote(method: MethodRecord, index: int | None) -> bool | None:
    return None if index is None else is_right(method["attempts"][index])
