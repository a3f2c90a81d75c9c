"""What a line says of each method at each budget: counts for one problem, no statistics."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple, cast

from mctsr_graph.calls.usage import Cost, no_cost, sum_costs

from .records import OF_BUDGET, SIMPLE_METHODS, Attempt, Line, MethodRecord, Point, outcome

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


@dataclass(frozen=True, slots=True)
class Outcome:
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
    judged: Judged
    """Mean rewards of the attempts with rewards, points."""
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
        return cast(Cost, dict(zip(no_cost(), self.spent, strict=True)))

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None where a call did not tell them."""
        if self.spent[_UNMETERED]:
            return None
        return int(self.spent[_INPUT] + self.spent[_OUTPUT])


class Judged(NamedTuple):
    """Mean rewards of answers, points: in arrays, since there may be millions."""

    right: array[float]
    wrong: array[float]


_UNMETERED, _INPUT, _OUTPUT = (
    list(no_cost()).index(name) for name in ("unmetered_calls", "input_tokens", "output_tokens")
)
_UNJUDGED = Judged(array("d"), array("d"))


class Samples(NamedTuple):
    """Independent attempts of one method at one problem with one seed."""

    id: str
    seed: int
    drawn: int
    right: int
    first: bool
    """Whether the first of them is right."""


def key_of(method: str, point: Point) -> Key:
    """The method and budget of a point."""
    return Key(method, point["budget"], point["rollouts"], point["against"])


def default_key(method: str, rollouts: int) -> Key:
    """A method at the budget that a search of so many rollouts has, or at its own."""
    if method in ("cot", "self-refine"):
        return Key(method, "own", 0, None)
    return Key(method, "calls" if method in SIMPLE_METHODS else "rollouts", rollouts, None)


def outcomes(line: Line, keys: Sequence[Key]) -> Iterator[Outcome]:
    """Yield one outcome for each of `keys`; a point that the line lacks has failed."""
    points = points_of(line)
    for key in keys:
        method, point = line["methods"].get(key.method), points.get(key)
        measured = key.budget != "tokens" or _tells_tokens(line, key, point)
        if method is not None and point is not None:
            yield _outcome(line, method, point, measured)
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
    verdicts = [attempt["verdict"] for attempt in record["attempts"]] if record else []
    first = verdicts[:1] == ["right"]
    return Samples(line["id"], line["seed"], len(verdicts), verdicts.count("right"), first)


def judged(attempts: Sequence[Attempt], visits: Sequence[int]) -> Judged:
    """Mean of the first `visits` rewards of each attempt that had any."""
    if not any(visits):
        return _UNJUDGED
    found = Judged(array("d"), array("d"))
    for attempt, count in zip(attempts, visits, strict=True):
        if count and not attempt["dummy"]:
            kind = found.right if is_right(attempt) else found.wrong
            kind.append(fmean(attempt["rewards"][:count]))
    return found


def is_right(attempt: Attempt) -> bool:
    """Whether the grader found an attempt right; not graded is not right."""
    return attempt["verdict"] == "right"


def _outcome(line: Line, method: MethodRecord, point: Point, measured: bool) -> Outcome:
    seen = method["attempts"][: point["attempts"]]
    real = [attempt for attempt in seen if not attempt["dummy"]]
    fixes = [is_right(child) for parent, child in _refinements(seen) if not is_right(parent)]
    keeps = [is_right(child) for parent, child in _refinements(seen) if is_right(parent)]
    selected = point["selected"]
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
        oracle=any(map(is_right, real)),
        first=bool(real) and is_right(real[0]),
        refined_wrong=len(fixes),
        fixed=fixes.count(True),
        refined_right=len(keeps),
        broken=keeps.count(False),
        judged=judged(seen, point["visits"]),
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
        judged=_UNJUDGED,
        spent=_spent([attempt["cost"] for attempt in attempts]),
        seconds=None,
        capped=False,
        stopped_early=False,
        confidence=None,
        failures=0 if method is None else len(method["failures"]),
    )


def _spent(costs: Sequence[Cost]) -> tuple[float, ...]:
    return tuple(cast(Any, sum_costs(costs).values()))


def _refinements(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """Pairs of a real attempt and a refinement of it."""
    for child in attempts:
        if child["parent"] is None or "parents" in child:  # drafted, or merged
            continue
        if not attempts[child["parent"]]["dummy"]:
            yield attempts[child["parent"]], child


def _vote(method: MethodRecord, index: int | None) -> bool | None:
    return None if index is None else is_right(method["attempts"][index])
