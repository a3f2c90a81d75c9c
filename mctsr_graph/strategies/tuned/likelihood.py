"""How likely what a tree says is, if one class of its answers is the right one.

The likelihood is a product over three kinds of evidence, each over a grid of what is not known:

- Independent answers are right with the model's skill on this problem. A refinement mends a wrong
  answer with a share of that skill, else it stays or strays; it keeps or spoils a right one.
- Wrong answers, fresh ones and those strayed to, fall into classes as in an Ewens process.
- What rewards say is in `rewards`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from mctsr_graph.settings.prior import (
    DISCRIMINATION,
    GRIDS,
    REFINING,
    SKILL,
    VARIETY,
    Prior,
)
from mctsr_graph.strategies.tuned.evidence import Evidence
from mctsr_graph.strategies.tuned.rewards import RewardLikelihood


class View(NamedTuple):
    """What is to be expected if one class is the right one."""

    weight: float
    """Probability that it is."""
    right: float
    """Chance that the next independent answer is right."""
    mends: float
    """Chance that a refinement of a wrong answer is right ..."""
    stays: float
    """... or leaves it as it was ..."""
    strays: float
    """... or goes to a wrong answer as an independent one would."""
    keeps: float
    """Chance that a refinement of a right answer stays right."""
    known: float
    """Chance of a wrong answer to be of a known class, for each time that class was seen."""
    new: float
    """Chance of a wrong answer to be of a new class."""


class Tally(NamedTuple):
    """Evidence, counted in the way that the likelihoods need it."""

    votes: Mapping[str, int]
    voted: int
    arrived: Mapping[str, int]
    """Votes and refinements that came from elsewhere."""
    stayed: Mapping[str, int]
    came: Mapping[str, int]
    went: Mapping[str, int]


def tally_of(evidence: Evidence) -> Tally:
    """Count evidence."""
    stayed: Counter[str] = Counter()
    came: Counter[str] = Counter()
    went: Counter[str] = Counter()
    for (before, after), count in evidence.moves.items():
        if before == after:
            stayed[before] += count
        else:
            came[after] += count
            went[before] += count
    arrived = {key: evidence.votes.get(key, 0) + came[key] for key in evidence.classes}
    return Tally(evidence.votes, sum(evidence.votes.values()), arrived, stayed, came, went)


_LOG_SKILL = [(math.log(skill), math.log(1 - skill)) for skill in SKILL]
_LOG_MENDS = [
    [(math.log(one.mends_at(skill)), math.log(1 - one.mends_at(skill))) for skill in SKILL]
    for one in REFINING
]
_LOG_KEEPS = [(math.log(one.keeps), math.log(1 - one.keeps)) for one in REFINING]
_LOG_STRAYS = [math.log(1 - one.stays) for one in REFINING]
_LOG_VARIETY = [(math.log(one), math.lgamma(one)) for one in VARIETY]


class World:
    """The likelihood of everything if one class is right, over the grids."""

    def __init__(
        self, tally: Tally, right: str | None, prior: Prior, reward_likelihood: RewardLikelihood
    ) -> None:
        self._wrong = [n for key, n in tally.arrived.items() if key != right and n]
        self._seen = sum(self._wrong)
        own = right if right is not None else ""  # a name that no class has
        agree, kept = tally.votes.get(own, 0), tally.stayed.get(own, 0)
        came, went = tally.came.get(own, 0), tally.went.get(own, 0)
        strays = sum(tally.came.values()) - came - went
        unmended = sum(tally.stayed.values()) - kept + strays
        self._skills = _by_skill(
            agree, tally.voted - agree, kept, went, came, unmended, prior.skill
        )
        stayed = [(tally.arrived[key], n) for key, n in tally.stayed.items() if key != right]
        varieties = self._by_variety(stayed, strays, prior.variety)
        logs = [
            skill.log + variety.log for skill, variety in zip(self._skills, varieties, strict=True)
        ]
        refining = weighed(logs, prior.refining)
        judge = weighed(reward_likelihood.log_likelihoods(right), judges(prior))
        self.refining, self.judge = refining.weights, judge.weights
        self.discrimination, self.spread = marginals(judge.weights)
        self.skill = mixed(self.refining, [one.weights for one in self._skills])
        self.variety = mixed(self.refining, [one.weights for one in varieties])
        self.log = refining.log + judge.log

    def _by_variety(
        self, stayed: Sequence[tuple[int, int]], strays: int, weights: Sequence[float]
    ) -> list[Weighed]:
        """How wrong answers fell into classes: over VARIETY, for each of REFINING.

        Args:
            stayed: How often each wrong class was arrived at, and how often one stayed there.
            strays: Refinements of a wrong answer that went to another wrong one.
            weights: Of VARIETY.
        """
        shapes = _log_shapes(tuple(sorted(self._wrong)))
        rows = []
        for refining, log_strays in zip(REFINING, _LOG_STRAYS, strict=True):
            row = []
            for variety, log_shape in zip(VARIETY, shapes, strict=True):
                log = log_shape + strays * log_strays
                for count, times in stayed:
                    log += times * _log_stays(refining.stays, count / (variety + self._seen))
                row.append(log)
            rows.append(weighed(row, weights))
        return rows

    def view(self, weight: float) -> View:
        """What is to be expected, with this probability."""
        mends = stays = strays = keeps = 0.0
        for share, refining, by in zip(self.refining, REFINING, self._skills, strict=True):
            mended = sum(w * refining.mends_at(s) for s, w in zip(SKILL, by.weights, strict=True))
            fails = 1 - mended
            mends += share * mended
            stays += share * fails * refining.stays
            strays += share * fails * (1 - refining.stays)
            keeps += share * refining.keeps
        right = sum(s * w for s, w in zip(SKILL, self.skill, strict=True))
        known = sum(w / (v + self._seen) for v, w in zip(VARIETY, self.variety, strict=True))
        return View(weight, right, mends, stays, strays, keeps, known, 1 - known * self._seen)


@lru_cache(maxsize=65536)
def _log_stays(stays: float, known: float) -> float:
    """Of a refinement that mends nothing: the answer is as it was, or as one drawn anew."""
    return math.log(stays + (1 - stays) * known)


def judges(prior: Prior) -> list[float]:
    """Weights of DISCRIMINATION for each of SPREAD, one after the other."""
    return [own * by for own in prior.spread for by in prior.discrimination]


def marginals(weights: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights of DISCRIMINATION and of SPREAD, of those that `judges` has made one."""
    steps = len(DISCRIMINATION)
    rows = [weights[i : i + steps] for i in range(0, len(weights), steps)]
    return tuple(map(sum, zip(*rows, strict=True))), tuple(map(sum, rows))


@lru_cache(maxsize=16384)
def _by_skill(
    agree: int,
    differ: int,
    kept: int,
    went: int,
    came: int,
    unmended: int,
    weights: tuple[float, ...],
) -> list[Weighed]:
    """How often answers were right: over SKILL, for each of REFINING."""
    rows = []
    for (log_keeps, log_spoils), log_mending in zip(_LOG_KEEPS, _LOG_MENDS, strict=True):
        fixed = kept * log_keeps + went * log_spoils
        logs = [
            fixed + agree * log_right + differ * log_wrong + came * log_mends + unmended * log_fails
            for (log_right, log_wrong), (log_mends, log_fails) in zip(
                _LOG_SKILL, log_mending, strict=True
            )
        ]
        rows.append(weighed(logs, weights))
    return rows


@lru_cache(maxsize=16384)
def _log_shapes(wrong: tuple[int, ...]) -> list[float]:
    """Log likelihoods over VARIETY of wrong answers falling into classes of these sizes."""
    seen, log_sizes = sum(wrong), sum(map(math.lgamma, wrong))
    return [
        len(wrong) * log_variety + log_gamma + log_sizes - math.lgamma(variety + seen)
        for variety, (log_variety, log_gamma) in zip(VARIETY, _LOG_VARIETY, strict=True)
    ]


class Weighed(NamedTuple):
    """What is believed of a grid."""

    weights: tuple[float, ...]
    """They sum to 1."""
    log: float
    """Log likelihood of what was seen."""


def weighed(logs: Sequence[float], weights: Sequence[float]) -> Weighed:
    """Weigh a grid by log likelihoods; hundreds of answers would underflow without the logs."""
    highest = max([log for log, weight in zip(logs, weights, strict=True) if weight])
    parts = [
        w * math.exp(log - highest) if w else 0.0 for log, w in zip(logs, weights, strict=True)
    ]
    total = sum(parts)
    return Weighed(tuple(part / total for part in parts), highest + math.log(total))


def mixed(shares: Iterable[float], rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The sum of rows times their shares, made to sum to 1."""
    mixture = [0.0] * len(rows[0])
    for share, row in zip(shares, rows, strict=True):
        for k, value in enumerate(row):
            mixture[k] += share * value
    total = sum(mixture)
    return tuple(value / total for value in mixture)


def mixed_grids(shares: Sequence[float], ones: Sequence[Any]) -> dict[str, tuple[float, ...]]:
    """`mixed` for the weights of each of GRIDS, which each of the ones has."""
    return {name: mixed(shares, [getattr(one, name) for one in ones]) for name in GRIDS}
