"""Runs compared with each other: other models or settings on the same problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mctsr_graph.errors import ConfigError

from .comparisons import Comparison, Pair, pair_up, simultaneous
from .outcomes import Key, Outcome, distinct, keys_of, largest, outcomes
from .records import Line, RunSettings

Problem = tuple[str, str]
"""Id and right answer of a problem."""


@dataclass(frozen=True)
class AcrossRuns:
    """The same method and budget in two runs."""

    this: str
    """Name of the run that is compared."""
    that: str
    """Name of the run that it is compared with, the first of all."""
    comparison: Comparison


def compare_runs(
    runs: Sequence[tuple[str, RunSettings, Iterable[Line]]], method: str | None = None
) -> list[AcrossRuns]:
    """Compare each run with the first, method by method at the largest budget they share.

    Problems are paired by id and right answer; those that one of the two lacks are left out, and
    named. With several seeds, each side of a problem is the mean over its own. The intervals of
    all comparisons hold together with 95 %.

    Args:
        runs: Names, settings and lines of two runs or more; lines can be read twice.
        method: Only this method; by default each that both runs have.

    Raises:
        ConfigError: there are fewer than two runs, or two have nothing in common.
    """
    if len(runs) < 2:
        raise ConfigError(f"{len(runs)} run is given, allowed two or more")
    kept = [(name, _outcomes_of(settings, lines)) for name, settings, lines in runs]
    (first, base), *others = kept
    names, found = [], []
    for name, results in others:
        shared = [key for key in results if key in base and method in (None, key.method)]
        pairs = [_paired(key, results[key], base[key]) for key in largest(shared)]
        if not any(pairs):
            raise ConfigError(
                f"runs {name!r} and {first!r} have no method, budget and problem in common"
            )
        names += [name for pair in pairs if pair is not None]
        found += [pair for pair in pairs if pair is not None]
    return [
        AcrossRuns(name, first, comparison)
        for name, comparison in zip(names, simultaneous(found), strict=True)
    ]


def _outcomes_of(
    settings: RunSettings, lines: Iterable[Line]
) -> Mapping[Key, Mapping[Problem, list[Outcome]]]:
    keys = keys_of(lines, settings)
    found: dict[Key, dict[Problem, list[Outcome]]] = {key: {} for key in keys}
    for line in distinct(lines):
        for key, result in zip(keys, outcomes(line, keys), strict=True):
            if result.measured:
                found[key].setdefault((line["id"], line["gold"]), []).append(result)
    return found


def _paired(
    key: Key, ours: Mapping[Problem, list[Outcome]], theirs: Mapping[Problem, list[Outcome]]
) -> Pair | None:
    """Compare two sides whose seeds may differ: each seed of one with each of the other."""
    both = [problem for problem in ours if problem in theirs]
    pairs = [(a, b) for problem in both for a in ours[problem] for b in theirs[problem]]
    ids = [a.id for a, _ in pairs]
    rights = [[one.verdict == "right" for one in side] for side in zip(*pairs, strict=True)]
    made = pair_up(key, key, ids, *rights) if pairs else None
    if made is None:
        return None
    alone = {*ours} ^ {*theirs}
    return replace(made, problems=len(both), left_out=tuple(sorted({id_ for id_, _ in alone})))
