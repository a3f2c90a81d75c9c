"""What many lines say of each method at each budget: a column of numbers for each figure.

An outcome takes a fifth of the memory of a tuple, and is counted without a step of Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy

from mctsr_graph.calls.usage import Cost, no_cost

from .outcomes import (
    COUNTS,
    VERDICTS,
    Key,
    Outcome,
    Samples,
    largest,
    mean_rewards,
    outcomes,
    points_of,
    samples,
)
from .records import Line, lost_to_server

# Fields of Outcome that are counted; a None is no number (NaN)
_KINDS = {
    "measured": "?",
    "truncated": "?",
    "majority": "f4",
    "weighted": "f4",
    "oracle": "?",
    "first": "?",
    "refined_wrong": "i4",
    "fixed": "i4",
    "refined_right": "i4",
    "broken": "i4",
    "spent": "f8",
    "seconds": "f8",
    "capped": "?",
    "stopped_early": "?",
    "confidence": "f8",
    "failures": "i4",
}
_PLACES = {verdict: place for place, verdict in enumerate(VERDICTS)}
_LINES = 500  # that are counted before they become columns


class NewKeysError(Exception):
    """A line has methods or budgets that are not counted."""

    def __init__(self, keys: Iterable[Key]) -> None:
        super().__init__()
        self.keys = list(keys)


class Head(NamedTuple):
    """What a line says whatever the method."""

    id: str
    seed: int
    level: str | None
    subject: str | None
    lost: str | None
    """Why the server kept a method from returning anything, if it did."""
    notes: frozenset[tuple[str, str]]
    """What has to be known of how methods were run, by method."""


class Rewards(NamedTuple):
    """Mean rewards of the answers to each problem, points: first of the right ones, then others."""

    right: numpy.ndarray
    """How many there are of right answers, a problem each ..."""
    wrong: numpy.ndarray
    """... and of others."""
    values: numpy.ndarray

    def of(self, places: numpy.ndarray) -> Rewards:
        """Those of some problems, in another order."""
        counts = self.right + self.wrong
        picked = counts[places]
        starts = (numpy.cumsum(counts) - counts)[places] - (numpy.cumsum(picked) - picked)
        index = numpy.repeat(starts, picked) + numpy.arange(picked.sum())
        return Rewards(self.right[places], self.wrong[places], self.values[index])


@dataclass(frozen=True)
class Results:
    """A method at one budget on all problems, a row each, in the order of id and seed."""

    heads: Sequence[Head]
    columns: Mapping[str, numpy.ndarray]
    rewards: Rewards | None
    """None where they are not counted, short of the largest number of rollouts."""

    def __len__(self) -> int:
        return len(self.heads)

    def __getitem__(self, name: str) -> numpy.ndarray:
        return self.columns[name]

    @property
    def ids(self) -> list[str]:
        """The problem of each row."""
        return [head.id for head in self.heads]

    @property
    def right(self) -> numpy.ndarray:
        """Whether the selected answer is right."""
        return cast(numpy.ndarray, self["verdict"] == _PLACES["right"])

    def known(self) -> Results:
        """Those of which it is known that the method stayed within its budget."""
        return self if self["measured"].all() else self.where(self["measured"])

    def where(self, chosen: numpy.ndarray) -> Results:
        """The rows for which `chosen` is true."""
        return self.of(numpy.flatnonzero(chosen))

    def of(self, places: numpy.ndarray) -> Results:
        """Some rows, in another order."""
        return Results(
            heads=[self.heads[place] for place in places.tolist()],
            columns={name: column[places] for name, column in self.columns.items()},
            rewards=None if self.rewards is None else self.rewards.of(places),
        )

    def cost(self) -> Cost:
        """What all have spent together."""
        sums = [sum(column) for column in self["spent"].T.tolist()]
        kinds = [type(zero) for zero in no_cost().values()]
        counts = [cast(Any, kind)(one) for kind, one in zip(kinds, sums, strict=True)]
        return cast(Cost, dict(zip(COUNTS, counts, strict=True)))


@dataclass(frozen=True)
class Table:
    """All that is counted in lines, a row each."""

    heads: Sequence[Head]
    results: dict[Key, Results]
    drawn: dict[str, numpy.ndarray]
    """Of each method of independent samples a column for each field of `Samples`."""


class _Rows:
    """Counts of lines, before they become columns."""

    def __init__(self, keys: Sequence[Key], samplers: Sequence[str]) -> None:
        self._keys, self._known = keys, {*keys}
        self.heads: list[Head] = []
        self._outcomes: dict[Key, list[Outcome]] = {key: [] for key in keys}
        self._rewards: dict[Key, list[tuple[list[float], list[float]]]] = {
            key: [] for key in largest(keys)
        }
        self._drawn: dict[str, list[Samples]] = {name: [] for name in samplers}

    def add(self, line: Line) -> None:
        """Count a line.

        Raises:
            NewKeysError: it has more.
        """
        points = points_of(line)
        if not points.keys() <= self._known:
            raise NewKeysError(points.keys() - self._known)
        notes = [(name, one["note"]) for name, one in line["methods"].items() if "note" in one]
        about = (line["id"], line["seed"], line["level"], line["subject"])
        self.heads.append(Head(*about, lost_to_server(line), frozenset(notes)))
        for key, result in zip(self._keys, outcomes(line, self._keys, points), strict=True):
            self._outcomes[key].append(result)
        for key, rewards in self._rewards.items():
            rewards.append(mean_rewards(line, key.method, points.get(key)))
        for name, counts in self._drawn.items():
            counts.append(samples(line, name))

    def table(self) -> Table:
        """The counts as columns."""
        results = {}
        for key, own in self._outcomes.items():
            rewards = _rewards(self._rewards[key]) if key in self._rewards else None
            results[key] = Results(self.heads, _columns(own), rewards)
        drawn = {
            name: numpy.array(counts, "i8").reshape(-1, len(Samples._fields))
            for name, counts in self._drawn.items()
        }
        return Table(self.heads, results, drawn)


def _columns(results: Sequence[Outcome]) -> dict[str, numpy.ndarray]:
    found = dict(zip(Outcome._fields, zip(*results, strict=True), strict=True)) if results else {}
    places = [_PLACES.get(verdict, -1) for verdict in found.get("verdict", ())]
    columns = {name: numpy.array(found.get(name, ()), kind) for name, kind in _KINDS.items()}
    columns["spent"] = columns["spent"].reshape(-1, len(COUNTS))
    return {"verdict": numpy.array(places, "i1"), **columns}


def _rewards(found: Sequence[tuple[list[float], list[float]]]) -> Rewards:
    right, wrong = (numpy.array([len(pair[side]) for pair in found], "i4") for side in (0, 1))
    values = [value for pair in found for part in pair for value in part]
    return Rewards(right, wrong, numpy.array(values, "f8"))


def counted(lines: Iterable[Line], keys: Sequence[Key], samplers: Sequence[str]) -> Iterator[Table]:
    """Count lines at some methods and budgets, some hundred of them a table.

    Raises:
        NewKeysError: A line has others.
    """
    rows = _Rows(keys, samplers)
    for line in lines:
        rows.add(line)
        if len(rows.heads) == _LINES:
            yield rows.table()
            rows = _Rows(keys, samplers)
    yield rows.table()


def joined(parts: Sequence[Table]) -> Table:
    """Put tables of the same keys together; of rows of one problem and seed the first counts.

    They are in the order of id and seed, so that no digit depends on who finished first.
    """
    heads = [head for part in parts for head in part.heads]
    firsts: dict[tuple[str, int], int] = {}
    for place, head in enumerate(heads):
        firsts.setdefault((head.id, head.seed), place)
    places = numpy.array([firsts[which] for which in sorted(firsts)], "i8")
    ordered = [heads[place] for place in places.tolist()]
    results = {}
    for key in parts[0].results:
        own = [part.results[key] for part in parts]
        found = Results(heads, _stacked([one.columns for one in own]), _together(own))
        results[key] = replace(found.of(places), heads=ordered)
    drawn = _stacked([part.drawn for part in parts])
    return Table(ordered, results, {name: own[places] for name, own in drawn.items()})


def _stacked(parts: Sequence[Mapping[str, numpy.ndarray]]) -> dict[str, numpy.ndarray]:
    return {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}


def _together(parts: Sequence[Results]) -> Rewards | None:
    found = [part.rewards for part in parts if part.rewards is not None]
    return Rewards(*map(numpy.concatenate, zip(*found, strict=True))) if found else None
