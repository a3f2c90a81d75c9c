"""From a run's lines to its figures, each with its interval. Every problem is in every denominator.

Shares are in [0, 1]. Nothing here grades: it counts the verdicts that the lines hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy

from mctsr_graph.calls.usage import Cost, sum_costs
from mctsr_graph.errors import ConfigError

from .calibration import Calibration, calibration_of
from .columns import Head, Results, Table
from .comparisons import Comparison, compare_all
from .judge import Judge, judge_of
from .outcomes import CALLS, INPUT, OUTPUT, UNMETERED, VERDICTS, Key, largest
from .reading import counts_of
from .records import Line, RunSettings
from .refining import Refined, refined
from .statistics import Interval, clustered_share, pass_at_k, percentile

_Found = TypeVar("_Found")


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
    lines: Iterable[Line] | Table,
    attempted: Mapping[tuple[str, int], Sequence[str]] = MappingProxyType({}),
    baseline: str | None = None,
) -> RunMetrics:
    """Compute every figure of a run.

    Args:
        settings: The run's.
        lines: Its lines in any order; of several for one problem and seed the first counts.
            They may be read more than once, so that only counts need to be kept: give a list,
            or something that can be read again. Or what has been counted in them.
        attempted: Why starts of the run could not finish a problem, by id and seed.
        baseline: Method with which all others are compared, instead of searches with everything.

    Raises:
        ConfigError: There is no line.
    """
    table = lines if isinstance(lines, Table) else counts_of(lines, settings)
    if not table.heads:
        raise ConfigError(f"run {settings['run']!r} has no finished problem")
    heads, drawn = table.heads, table.drawn
    planned = [(id_, one["seed"]) for one in settings.get("planned", []) for id_ in one["ids"]]
    done = {(head.id, head.seed) for head in heads}
    kept = {key: results.known() for key, results in table.results.items()}
    last = largest(key for key, results in kept.items() if len(results))
    return RunMetrics(
        settings=settings,
        problems=len({head.id for head in heads}),
        seeds=len({head.seed for head in heads}),
        planned=len(planned) or None,
        missing=[
            Missing(*one, attempted[one][-1] if attempted.get(one) else "not begun or not finished")
            for one in planned
            if one not in done
        ],
        failed=[Missing(one.id, one.seed, one.lost) for one in heads if one.lost is not None],
        methods={
            key: _metrics(key, results, len(heads)) for key, results in kept.items() if len(results)
        },
        pass_at_k={name: _pass_at(heads, counts) for name, counts in drawn.items()},
        comparisons=compare_all({key: table.results[key] for key in last}, baseline),
        judges=dict(_found((key, judge_of(kept[key])) for key in last)),
        calibrations=dict(_found((key, calibration_of(kept[key])) for key in last)),
        groups=[*_groups("level", heads, kept, last), *_groups("subject", heads, kept, last)],
        refining=dict(
            _found((key, refined(kept[key], heads, drawn)) for key in last if key.searches)
        ),
        notes=sorted(set().union(*{head.notes for head in heads})),
    )


def _found(pairs: Iterable[tuple[Key, _Found | None]]) -> Iterator[tuple[Key, _Found]]:
    """Those of which there is something."""
    return ((key, one) for key, one in pairs if one is not None)


def _metrics(key: Key, results: Results, every: int) -> Metrics:
    ids, right, spent = results.ids, results.right, results["spent"]

    def share_of(hits: numpy.ndarray) -> Interval:
        return clustered_share(hits.tolist(), ids)

    def total(name: str) -> int:
        return int(results[name].sum())

    told = spent[:, UNMETERED] == 0
    tokens = (spent[:, INPUT] + spent[:, OUTPUT])[told].tolist()
    seconds = results["seconds"][~numpy.isnan(results["seconds"])].tolist()
    solved = int(right[told].sum())
    votes = {name: results[name] for name in ("majority", "weighted")}
    voted = {
        name: None if numpy.isnan(vote).all() else share_of(vote == 1)
        for name, vote in votes.items()
    }
    return Metrics(
        key=key,
        problems=len(results),
        unmeasured=every - len(results),
        verdicts={
            name: int((results["verdict"] == place).sum()) for place, name in enumerate(VERDICTS)
        },
        selected=share_of(right),
        majority=voted["majority"],
        weighted=voted["weighted"],
        oracle=share_of(results["oracle"]),
        selection_loss=share_of(results["oracle"] & ~right),
        first=share_of(results["first"]),
        fix=_rate(ids, results["fixed"], results["refined_wrong"]),
        breakage=_rate(ids, results["broken"], results["refined_right"]),
        refined=(total("refined_wrong"), total("refined_right")),
        truncated=total("truncated"),
        capped=total("capped"),
        stopped_early=total("stopped_early"),
        failures=total("failures"),
        calls=_spread(spent[:, CALLS].tolist()),
        tokens=_spread(tokens) if tokens else None,
        untold=len(results) - len(tokens),
        cost=sum_costs([results.cost()]),
        seconds=_spread(seconds) if seconds else None,
        tokens_per_solved=sum(tokens) / solved if solved else None,
    )


def _rate(ids: Sequence[str], hits: numpy.ndarray, trials: numpy.ndarray) -> Interval | None:
    return clustered_share(hits.tolist(), ids, trials.tolist()) if trials.any() else None


def _spread(values: Sequence[float]) -> Spread:
    return Spread(fmean(values), percentile(values, 0.5), percentile(values, 0.95))


def _pass_at(heads: Sequence[Head], counts: numpy.ndarray) -> dict[int, PassAt]:
    """Unbiased pass@k for k = 1, 2, 4, ... up to what most problems have samples for.

    Problems with fewer samples than k cannot tell it, and are left out. A sample that could not
    be had counts as not right, and so does a problem of which none could be had.
    """
    drawn, rights, _, lost = counts.T.tolist()
    usual, chance = int(percentile(drawn, 0.5)), lru_cache(None)(pass_at_k)
    found = {}
    for k in (2**power for power in range(usual.bit_length())):
        known = [place for place, count in enumerate(drawn) if count >= k or lost[place]]
        chances = [chance(max(drawn[place], k), rights[place], k) for place in known]
        ids = [heads[place].id for place in known]
        found[k] = PassAt(clustered_share(chances, ids), len(known))
    return found


def _groups(
    kind: str, heads: Sequence[Head], kept: Mapping[Key, Results], keys: Sequence[Key]
) -> Iterator[Group]:
    """Accuracy by level or subject; nothing where the problems have none."""
    names = {getattr(head, kind) for head in heads} - {None}
    for name in sorted(names):
        parts = {
            key: kept[key].where(
                numpy.array([getattr(head, kind) == name for head in kept[key].heads])
            )
            for key in keys
        }
        some = {key: part for key, part in parts.items() if len(part)}
        yield Group(
            kind=kind,
            name=name,
            problems=max(map(len, parts.values())),
            selected={k: clustered_share(p.right.tolist(), p.ids) for k, p in some.items()},
            oracle={k: clustered_share(p["oracle"].tolist(), p.ids) for k, p in some.items()},
        )
