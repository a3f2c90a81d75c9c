"""From a run's lines to its figures, each with its interval. Every problem is in every denominator.

Shares are in [0, 1]. Nothing here grades: it counts the verdicts that the lines hold.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Any, NamedTuple

from mctsr_graph.calls.usage import Cost, sum_costs
from mctsr_graph.errors import ConfigError

from .calibration import Calibration, calibration_of
from .comparisons import Comparison, compare_all
from .judge import Judge, judge_of
from .outcomes import (
    CALLS,
    SAMPLERS,
    VERDICTS,
    Key,
    Outcome,
    Samples,
    default_key,
    outcomes,
    points_of,
    samples,
    total_spent,
)
from .records import Line, RunSettings, lost_to_server
from .refining import Refined, refined
from .statistics import Interval, clustered_share, pass_at_k, percentile


class Spread(NamedTuple):
    """Of one number a problem."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True)
class Metrics:
    """A method at one budget on one data set."""

    key: Key
    problems: int
    """Problems times seeds; the denominator of every accuracy."""
    unmeasured: int
    """Problems times seeds left out, since it is not known what was spent on them."""
    verdicts: dict[str, int]
    """How many problems ended in each of VERDICTS, by the selected answer; they add up."""
    selected: Interval
    """Share of problems whose selected answer is right: the headline."""
    majority: Interval | None
    weighted: Interval | None
    oracle: Interval
    """Share with any right attempt. An upper bound that only the truth can reach."""
    selection_loss: Interval
    """Oracle less selected: the share in which a right attempt was there and not chosen."""
    first: Interval
    """Share whose first attempt is right."""
    fix: Interval | None
    """Share of refinements of wrong answers that are right; None where there was none."""
    breakage: Interval | None
    """Share of refinements of right answers that are not right; None where there was none."""
    refined: tuple[int, int]
    """Refinements of wrong and of right answers: the denominators of fix and breakage."""
    truncated: int
    """Problems whose selected answer a limit of tokens cut off."""
    capped: int
    """Problems whose budget had room for more attempts than the run drew."""
    stopped_early: int
    failures: int
    """Replies that could not be had."""
    calls: Spread
    tokens: Spread | None
    """Input and output, of the problems of which every call told them; None where none did."""
    untold: int
    """Problems times seeds with a call that told no tokens."""
    cost: Cost
    """Of all problems together."""
    seconds: Spread | None
    """Wall time of the problems for which it is known; None where it is for none."""
    tokens_per_solved: float | None
    """Tokens by the number of problems solved, where all were told; None where none was."""


@dataclass(frozen=True)
class Group:
    """Problems of one level or subject."""

    kind: str
    """"level" or "subject"."""
    name: str
    problems: int
    selected: dict[Key, Interval]
    oracle: dict[Key, Interval]


class PassAt(NamedTuple):
    """pass@k of independent samples."""

    chance: Interval
    problems: int
    """Problems times seeds with k samples or more, and those that the method failed on."""


class Missing(NamedTuple):
    """A problem with a seed that was not solved, or not by every method."""

    id: str
    seed: int
    why: str


@dataclass(frozen=True)
class RunMetrics:
    """Everything that is reported of one run."""

    settings: RunSettings
    problems: int
    """Distinct problems."""
    seeds: int
    """Distinct seeds."""
    planned: int | None
    """Problems times seeds that the run is to solve; None where it does not say."""
    missing: list[Missing]
    """Those of them that have no line."""
    failed: list[Missing]
    """Those that have one, in which the server kept a method from returning anything."""
    methods: dict[Key, Metrics]
    """In the order of the run: by method, then by budget."""
    pass_at_k: dict[str, dict[int, PassAt]]
    """Method of independent samples -> k -> unbiased pass@k."""
    comparisons: list[Comparison]
    """At the largest number of rollouts."""
    judges: dict[Key, Judge]
    """Where answers have rewards, at the largest number of rollouts."""
    calibrations: dict[Key, Calibration]
    """Where searches told how sure they were, at the largest number of rollouts."""
    groups: list[Group]
    refining: dict[Key, Refined]
    """Whether refining paid, of searches at the largest number of rollouts."""
    notes: list[tuple[str, str]]
    """What has to be known of how a method was run, by method."""

    def at_most(self) -> list[Key]:
        """The keys at the largest number of rollouts, and those whose cost is fixed."""
        return largest(self.methods)


def measure(
    settings: RunSettings,
    lines: Iterable[Line],
    attempted: Mapping[tuple[str, int], Sequence[str]] = MappingProxyType({}),
    baseline: str | None = None,
) -> RunMetrics:
    """Compute every figure of a run.

    Args:
        settings: The run's.
        lines: Its lines in any order; of several for one problem and seed the first counts.
            They may be read more than once, so that only counts need to be kept: give a list,
            or something that can be read again.
        attempted: Why starts of the run could not finish a problem, by id and seed.
        baseline: Method with which all others are compared, instead of searches with everything.

    Raises:
        ConfigError: There is no line.
    """
    with _no_collecting():
        keys, (kept, drawn, failed, notes) = _read(lines, settings)
    if not any(kept.values()):
        raise ConfigError(f"run {settings['run']!r} has no finished problem")
    ids = kept[keys[0]]
    planned = [(id_, one["seed"]) for one in settings.get("planned", []) for id_ in one["ids"]]
    done = {(result.id, result.seed) for result in ids}
    last = largest(key for key in keys if _known(kept[key]))
    return RunMetrics(
        settings=settings,
        problems=len({result.id for result in ids}),
        seeds=len({result.seed for result in ids}),
        planned=len(planned) or None,
        missing=[
            Missing(*one, attempted[one][-1] if attempted.get(one) else "not begun or not finished")
            for one in planned
            if one not in done
        ],
        failed=failed,
        methods={key: _metrics(key, results) for key, results in kept.items() if _known(results)},
        pass_at_k={name: _pass_at(counts) for name, counts in drawn.items()},
        comparisons=compare_all({key: kept[key] for key in last}, baseline),
        judges={key: judge for key in last if (judge := judge_of(_known(kept[key]))) is not None},
        calibrations={
            key: found for key in last if (found := calibration_of(_known(kept[key]))) is not None
        },
        groups=[*_groups("level", kept, last), *_groups("subject", kept, last)],
        refining=_refining({key: kept[key] for key in last if key.searches}, drawn),
        notes=sorted(notes),
    )


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Counts hold no cycles, and looking for some among millions takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _refining(
    kept: dict[Key, list[Outcome]], drawn: dict[str, list[Samples]]
) -> dict[Key, Refined]:
    found = {key: refined(_known(results), drawn.values()) for key, results in kept.items()}
    return {key: one for key, one in found.items() if one is not None}


def distinct(lines: Iterable[Line]) -> Iterable[Line]:
    """Yield the first line of each problem and seed."""
    seen = set()
    for line in lines:
        which = (line["id"], line["seed"])
        if which not in seen:
            seen.add(which)
            yield line


def largest(keys: Iterable[Key]) -> list[Key]:
    """Those at the largest number of rollouts, and those whose cost is fixed."""
    listed = list(keys)
    most = max((key.rollouts for key in listed), default=0)
    return [key for key in listed if key.rollouts == most or key.budget == "own"]


class _Counts(NamedTuple):
    kept: dict[Key, list[Outcome]]
    drawn: dict[str, list[Samples]]
    failed: list[Missing]
    notes: set[tuple[str, str]]


def _read(lines: Iterable[Line], settings: RunSettings) -> tuple[list[Key], _Counts]:
    """Count what the lines say, at every method and budget that some line has.

    They are read once where the first line has all of these, and anew from each line that does not.
    """
    keys: list[Key] = []
    while True:
        new, counts = _read_for(lines, settings, keys)
        # A method that failed on every problem is not to go missing
        silent = {*settings["methods"]} - {key.method for key in [*keys, *new]}
        if not new:
            new = [default_key(name, max(settings["rollouts"])) for name in silent]
        if not new:
            return keys, counts
        keys = _in_order([*keys, *new], settings)


def _read_for(
    lines: Iterable[Line], settings: RunSettings, keys: Sequence[Key]
) -> tuple[list[Key], _Counts]:
    """Count what the lines say at some keys; stops at a line that has more, and returns those."""
    drawn: dict[str, list[Samples]] = {name: [] for name in SAMPLERS if name in settings["methods"]}
    counts = _Counts({key: [] for key in keys}, drawn, [], set())
    for line in distinct(lines):
        points = points_of(line)
        if new := points.keys() - counts.kept.keys():
            return list(new), counts
        told = ((n, method["note"]) for n, method in line["methods"].items() if "note" in method)
        counts.notes.update(told)
        if (why := lost_to_server(line)) is not None:
            counts.failed.append(Missing(line["id"], line["seed"], why))
        for key, result in zip(keys, outcomes(line, keys, points), strict=True):
            counts.kept[key].append(result)
        for name in drawn:
            drawn[name].append(samples(line, name))
    # So that no digit depends on the order in which problems were finished
    every: list[Any] = [*counts.kept.values(), *drawn.values(), counts.failed]
    for found in every:
        found.sort(key=lambda one: (one.id, one.seed))
    return [], counts


def keys_of(lines: Iterable[Line], settings: RunSettings) -> list[Key]:
    """Every method and budget that some line has, in the order of the run."""
    return _in_order(set().union(*map(points_of, lines)), settings)


def _in_order(keys: Iterable[Key], settings: RunSettings) -> list[Key]:
    order = {name: place for place, name in enumerate(settings["methods"])}

    def place(key: Key) -> tuple[int, int, str, str]:
        return order.get(key.method, len(order)), key.rollouts, key.budget, key.against or ""

    return sorted(keys, key=place)


def _metrics(key: Key, results: Sequence[Outcome]) -> Metrics:
    def share_of(test: Callable[[Outcome], bool | None]) -> Interval:
        return clustered_share([bool(test(result)) for result in results], ids)

    every, results = results, _known(results)
    ids = [result.id for result in results]
    cost = sum_costs([total_spent(results)])
    told = [result for result in results if result.tokens is not None]
    tokens = [result.tokens or 0 for result in told]
    seconds = [result.seconds for result in results if result.seconds is not None]
    solved = sum(result.verdict == "right" for result in told)
    wrong = sum(result.refined_wrong for result in results)
    right = sum(result.refined_right for result in results)
    return Metrics(
        key=key,
        problems=len(results),
        unmeasured=len(every) - len(results),
        verdicts={name: sum(r.verdict == name for r in results) for name in VERDICTS},
        selected=share_of(lambda result: result.verdict == "right"),
        majority=None if _none(results, "majority") else share_of(lambda r: r.majority),
        weighted=None if _none(results, "weighted") else share_of(lambda r: r.weighted),
        oracle=share_of(lambda result: result.oracle),
        selection_loss=share_of(lambda result: result.oracle and result.verdict != "right"),
        first=share_of(lambda result: result.first),
        fix=_rate(results, [r.fixed for r in results], [r.refined_wrong for r in results]),
        breakage=_rate(results, [r.broken for r in results], [r.refined_right for r in results]),
        refined=(wrong, right),
        truncated=sum(result.truncated for result in results),
        capped=sum(result.capped for result in results),
        stopped_early=sum(result.stopped_early for result in results),
        failures=sum(result.failures for result in results),
        calls=_spread([result.spent[CALLS] for result in results]),
        tokens=_spread(tokens) if tokens else None,
        untold=len(results) - len(told),
        cost=cost,
        seconds=_spread(seconds) if seconds else None,
        tokens_per_solved=sum(tokens) / solved if solved else None,
    )


def _known(results: Sequence[Outcome]) -> list[Outcome]:
    return [result for result in results if result.measured]


def _none(results: Sequence[Outcome], field: str) -> bool:
    return all(getattr(result, field) is None for result in results)


def _share(results: Sequence[Outcome], hits: Sequence[bool]) -> Interval:
    return clustered_share(hits, [result.id for result in results])


def _rate(
    results: Sequence[Outcome], hits: Sequence[int], trials: Sequence[int]
) -> Interval | None:
    if not any(trials):
        return None
    return clustered_share(hits, [result.id for result in results], trials)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(fmean(values), percentile(values, 0.5), percentile(values, 0.95))


def _pass_at(counts: Sequence[Samples]) -> dict[int, PassAt]:
    """Unbiased pass@k for k = 1, 2, 4, ... up to what most problems have samples for.

    Problems with fewer samples than k cannot tell it, and are left out. A sample that could not
    be had counts as not right, and so does a problem without any.
    """
    usual = int(percentile([count.drawn for count in counts], 0.5))
    found = {}
    for k in (2**power for power in range(usual.bit_length())):
        known = [count for count in counts if count.drawn >= k or count.drawn == 0]
        chances = [pass_at_k(max(one.drawn, k), one.right, k) for one in known]
        found[k] = PassAt(clustered_share(chances, [one.id for one in known]), len(known))
    return found


def _groups(kind: str, kept: dict[Key, list[Outcome]], keys: Sequence[Key]) -> Iterable[Group]:
    """Accuracy by level or subject; nothing where the problems have none."""
    names = {getattr(result, kind) for results in kept.values() for result in results}
    for name in sorted(name for name in names if name is not None):
        parts = {key: [r for r in _known(kept[key]) if getattr(r, kind) == name] for key in keys}
        yield Group(
            kind=kind,
            name=name,
            problems=max(map(len, parts.values())),
            selected={
                key: _share(part, [r.verdict == "right" for r in part])
                for key, part in parts.items()
                if part
            },
            oracle={
                key: _share(part, [r.oracle for r in part]) for key, part in parts.items() if part
            },
        )
