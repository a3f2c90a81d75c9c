"""What a search believes: how probable it is that each answer it has found is the right one.

Answers with equal final answers form a class. Three kinds of evidence speak for a class:
independent answers that agree on it, refinements that arrive at it or stay with it, and the
rewards of its answers. They are weighed against each other by Bayes' rule, over a grid of what is
not known: how often this model is right on this problem, what its refinements do, how its wrong
answers cluster, and how well the judge tells right from wrong. The grids' weights are a `Prior`;
`learn` fits them to the searches of a batch, without the truth.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import ConfigError
from .evidence import Evidence

SKILL = (0.01, 0.06, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Chances that an independent answer is right."""


class Refining(NamedTuple):
    """What a refinement does."""

    mends: float
    """Chance that one of a wrong answer is right, as a share of the skill."""
    keeps: float
    """Chance that one of a right answer stays right."""
    stays: float
    """Chance that one that mends nothing leaves a wrong answer; else it strays to another."""


REFINING = (Refining(0.3, 0.8, 0.9), Refining(0.7, 0.88, 0.7), Refining(1.0, 0.95, 0.5))
VARIETY = (0.4, 0.9, 2.0, 4.5, 10.0)
"""How readily a wrong answer differs from those before it: the concentration of an Ewens process."""
DISCRIMINATION = (0.0, 0.3, 0.6, 0.9, 1.3, 1.8)
"""By how much a right answer's reward is higher, in standard deviations of a reward."""

_NOISE_WEIGHT = 4.0  # the noise that is expected counts as so many rewards
_OWN_SHARE = 0.3  # share of a reward's variance that is the answer's own: no repetition removes it
_CLASS_SPREAD = 0.25  # standard deviation of what a judge holds for or against a class as such

# In `learn`
_ROUNDS = 8
_PRIOR_WEIGHT = 2.0  # problems that the prior counts as
_TRUST = 0.7  # each problem counts as less than one: the model of the world is not exact
_LEAST = 0.003  # of the largest weight: nothing is ever ruled out
_GOOD_JUDGE = (0.02, 0.02, 0.02, 0.04, 0.3, 0.6)


@dataclass(frozen=True)
class Prior:
    """Weights of the grids; each list sums to 1.

    Raises:
        ConfigError: it does not, or is of another length.
    """

    skill: tuple[float, ...] = (0.1, 0.1, 0.15, 0.15, 0.15, 0.17, 0.18)
    refining: tuple[float, ...] = (0.34, 0.33, 0.33)
    variety: tuple[float, ...] = (0.1, 0.2, 0.3, 0.25, 0.15)
    discrimination: tuple[float, ...] = (0.3, 0.15, 0.15, 0.15, 0.13, 0.12)
    noise: float = 30.0
    """Standard deviation of a reward within a class, points."""

    def __post_init__(self) -> None:
        """Check the weights."""
        for name, grid in GRIDS.items():
            weights = getattr(self, name)
            fits = len(weights) == len(grid) and min(weights) >= 0
            if not fits or not math.isclose(sum(weights), 1, abs_tol=1e-6):
                raise ConfigError(
                    f"prior.{name} is {weights!r}, allowed {len(grid)} weights that sum to 1"
                )


GRIDS: dict[str, Sequence[object]] = {
    "skill": SKILL,
    "refining": REFINING,
    "variety": VARIETY,
    "discrimination": DISCRIMINATION,
}
USUAL = Prior()
"""What is believed before anything is known of model and judge."""


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


@dataclass(frozen=True)
class Belief:
    """What is believed of a tree's classes, and of model and judge."""

    views: Mapping[str | None, View]
    """By the class that is right; None: it was not found yet."""
    counts: Mapping[str, int]
    """How often each class was arrived at."""
    posterior: Prior
    """What is believed of model and judge on this problem."""
    log_likelihood: float
    """Of the evidence under the prior."""

    @property
    def chances(self) -> dict[str | None, float]:
        """Probability of each class to be right, in the order of finding; they sum to 1."""
        return {right: view.weight for right, view in self.views.items()}


def believe(evidence: Evidence, prior: Prior = USUAL) -> Belief:
    """Weigh the evidence."""
    # The choice, the stops and the selection ask for the same belief one after another
    rewards = tuple((key, tuple(judged)) for key, judged in evidence.rewards.items())
    return _believe(tuple(evidence.votes.items()), tuple(evidence.moves.items()), rewards, prior)


@lru_cache(maxsize=256)
def _believe(votes: Any, moves: Any, rewards: Any, prior: Prior) -> Belief:
    evidence = Evidence(dict(votes), dict(moves), dict(rewards))
    tally, standing = _tally(evidence), _Standing(evidence, prior)
    worlds = {right: _World(tally, right, prior, standing) for right in [*evidence.classes, None]}
    highest = max(world.log for world in worlds.values())
    weights = {right: math.exp(world.log - highest) for right, world in worlds.items()}
    total = sum(weights.values())
    shares = {right: weight / total for right, weight in weights.items()}
    posterior = Prior(
        *(
            _mixed(shares.values(), [getattr(world, name) for world in worlds.values()])
            for name in GRIDS
        ),
        noise=standing.deviation,
    )
    views = {right: world.view(shares[right]) for right, world in worlds.items()}
    return Belief(views, tally.arrived, posterior, highest + math.log(total))


def _mixed(shares: Iterable[float], rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    mixture = [0.0] * len(rows[0])
    for share, row in zip(shares, rows, strict=True):
        for k, value in enumerate(row):
            mixture[k] += share * value
    total = sum(mixture)
    return tuple(value / total for value in mixture)


def learn(evidences: Iterable[Evidence], prior: Prior = USUAL) -> Prior:
    """Fit a prior to the problems of a batch, without the truth.

    The skill differs from problem to problem: its weights are fitted by expectation maximisation,
    where the prior given counts as two problems more. What refinements do, how wrong answers
    cluster and how well the judge tells are held to be the same for all problems.
    """
    seen = list(evidences)
    if not seen:
        return prior
    prior = replace(prior, noise=_noise(seen, prior))
    # A judge that contradicts the majority knows nothing, or knows better: both are tried
    starts = (prior, replace(prior, discrimination=_GOOD_JUDGE))
    fits = [_fit(seen, prior, start) for start in starts]
    return max(fits, key=lambda fit: fit[0])[1]


def _fit(seen: Sequence[Evidence], prior: Prior, fitted: Prior) -> tuple[float, Prior]:
    """The log likelihood in the last round, and what came of it."""
    log = 0.0
    for _ in range(_ROUNDS):
        beliefs = [believe(evidence, fitted) for evidence in seen]
        log = sum(belief.log_likelihood for belief in beliefs)
        found = [belief.posterior for belief in beliefs]
        shares = [_PRIOR_WEIGHT, *(1.0 for _ in found)]
        fitted = Prior(
            _mixed(shares, [prior.skill, *(one.skill for one in found)]),
            _shared("refining", prior, fitted, found),
            _shared("variety", prior, fitted, found),
            _shared("discrimination", prior, fitted, found),
            prior.noise,
        )
    return log, fitted


def _shared(name: str, prior: Prior, fitted: Prior, found: Sequence[Prior]) -> tuple[float, ...]:
    """Weights of what is the same for all problems: their likelihoods are multiplied."""
    logs = [
        math.log(max(before, _LEAST))
        + _TRUST * sum(math.log(max(after, 1e-300) / now) for after in column)
        for before, now, *column in zip(
            getattr(prior, name),
            getattr(fitted, name),
            *(getattr(one, name) for one in found),
            strict=True,
        )
    ]
    highest = max(logs)
    weights = [max(math.exp(log - highest), _LEAST) for log in logs]
    return tuple(weight / sum(weights) for weight in weights)


class _Tally(NamedTuple):
    """Evidence, counted in the way that the likelihoods need it."""

    votes: Mapping[str, int]
    voted: int
    arrived: Mapping[str, int]
    """Votes and refinements that came from elsewhere."""
    stayed: Mapping[str, int]
    came: Mapping[str, int]
    went: Mapping[str, int]


def _tally(evidence: Evidence) -> _Tally:
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
    return _Tally(evidence.votes, sum(evidence.votes.values()), arrived, stayed, came, went)


_LOG_SKILL = [(math.log(skill), math.log(1 - skill)) for skill in SKILL]
_LOG_MENDS = [
    [(math.log(one.mends * skill), math.log(1 - one.mends * skill)) for skill in SKILL]
    for one in REFINING
]
_LOG_KEEPS = [(math.log(one.keeps), math.log(1 - one.keeps)) for one in REFINING]
_LOG_STRAYS = [math.log(1 - one.stays) for one in REFINING]
_LOG_VARIETY = [(math.log(one), math.lgamma(one)) for one in VARIETY]


class _World:
    """The likelihood of everything if one class is right, over the grids."""

    def __init__(self, tally: _Tally, right: str | None, prior: Prior, standing: _Standing) -> None:
        self._wrong = [count for key, count in tally.arrived.items() if key != right]
        self._seen = sum(self._wrong)
        own = right if right is not None else ""  # a name that no class has
        agree, kept = tally.votes.get(own, 0), tally.stayed.get(own, 0)
        came, went = tally.came.get(own, 0), tally.went.get(own, 0)
        strays = sum(tally.came.values()) - came - went
        unmended = sum(tally.stayed.values()) - kept + strays
        self._skills, log_skills = _by_skill(
            agree, tally.voted - agree, kept, went, came, unmended, prior.skill
        )
        stayed = [(tally.arrived[key], n) for key, n in tally.stayed.items() if key != right]
        varieties, log_varieties = self._by_variety(stayed, strays, prior.variety)
        shares = [
            weight * sum(some) * sum(others)
            for weight, some, others in zip(prior.refining, self._skills, varieties, strict=True)
        ]
        judged = standing.likelihoods(right)
        self.refining = _mixed([1.0], [shares])
        self.skill = _mixed(self.refining, [_mixed([1.0], [row]) for row in self._skills])
        self.variety = _mixed(self.refining, [_mixed([1.0], [row]) for row in varieties])
        self.discrimination = _mixed([1.0], [judged])
        self.log = log_skills + log_varieties + math.log(sum(shares)) + math.log(sum(judged))

    def _by_variety(
        self, stayed: Sequence[tuple[int, int]], strays: int, weights: Sequence[float]
    ) -> tuple[list[list[float]], float]:
        """Weighted likelihoods over REFINING and VARIETY of how wrong answers fell into classes.

        Args:
            stayed: How often each wrong class was arrived at, and how often one stayed there.
            strays: Refinements of a wrong answer that went to another wrong one.
            weights: Of VARIETY.

        Returns:
            Without their common factor, and its log.
        """
        shapes, log_shapes = _shapes(tuple(sorted(self._wrong)), weights)
        rows, logs = [], []
        for refining, log_strays in zip(REFINING, _LOG_STRAYS, strict=True):
            log = strays * log_strays
            row = list(shapes)
            for k, variety in enumerate(VARIETY):
                known = (1 - refining.stays) / (variety + self._seen)
                for count, times in stayed:
                    row[k] *= (refining.stays + known * count) ** times
            rows.append(row)
            logs.append(log)
        highest = max(logs)
        return [
            [value * math.exp(log - highest) for value in row]
            for row, log in zip(rows, logs, strict=True)
        ], highest + log_shapes

    def view(self, weight: float) -> View:
        """What is to be expected, with this probability."""
        mends = stays = strays = keeps = 0.0
        for share, refining, row in zip(self.refining, REFINING, self._skills, strict=True):
            mean = sum(s * w for s, w in zip(SKILL, row, strict=True)) / sum(row)
            fails = 1 - refining.mends * mean
            mends += share * refining.mends * mean
            stays += share * fails * refining.stays
            strays += share * fails * (1 - refining.stays)
            keeps += share * refining.keeps
        right = sum(s * w for s, w in zip(SKILL, self.skill, strict=True))
        known = sum(w / (v + self._seen) for v, w in zip(VARIETY, self.variety, strict=True))
        return View(weight, right, mends, stays, strays, keeps, known, 1 - known * self._seen)


@lru_cache(maxsize=16384)
def _by_skill(
    agree: int,
    differ: int,
    kept: int,
    went: int,
    came: int,
    unmended: int,
    weights: tuple[float, ...],
) -> tuple[list[list[float]], float]:
    """Weighted likelihoods over REFINING and SKILL of how often answers were right.

    Returns:
        Without their common factor, as hundreds of votes would underflow; and its log.
    """
    rows = [
        [
            kept * log_keeps
            + went * log_spoils
            + agree * log_right
            + differ * log_wrong
            + came * log_mends
            + unmended * log_fails
            for (log_right, log_wrong), (log_mends, log_fails) in zip(
                _LOG_SKILL, log_mending, strict=True
            )
        ]
        for (log_keeps, log_spoils), log_mending in zip(_LOG_KEEPS, _LOG_MENDS, strict=True)
    ]
    highest = max(map(max, rows))
    return [
        [weight * math.exp(log - highest) for weight, log in zip(weights, row, strict=True)]
        for row in rows
    ], highest


@lru_cache(maxsize=16384)
def _shapes(wrong: tuple[int, ...], weights: tuple[float, ...]) -> tuple[list[float], float]:
    """Weighted likelihoods over VARIETY of wrong answers falling into classes of these sizes."""
    seen = sum(wrong)
    logs = [
        len(wrong) * log_variety + log_gamma - math.lgamma(variety + seen)
        for variety, (log_variety, log_gamma) in zip(VARIETY, _LOG_VARIETY, strict=True)
    ]
    highest = max(logs)
    shapes = [weight * math.exp(log - highest) for weight, log in zip(weights, logs, strict=True)]
    return shapes, highest + sum(map(math.lgamma, wrong))


def weight_of_rewards(judged: Sequence[tuple[float, int]]) -> float:
    """Precision of a class's mean reward, in units of one reward's variance."""
    if not judged:
        return 0.0
    return 1 / (_CLASS_SPREAD**2 + 1 / sum(_precision(count) for _, count in judged))


def _precision(count: int) -> float:
    return 1 / (_OWN_SHARE + (1 - _OWN_SHARE) / count)


class _Standing:
    """How the classes' rewards stand against each other."""

    def __init__(self, evidence: Evidence, prior: Prior) -> None:
        self._weights = prior.discrimination
        squares, freedom = _squares([evidence])
        self.deviation = math.sqrt(
            (_NOISE_WEIGHT * prior.noise**2 + squares) / (_NOISE_WEIGHT + freedom)
        )
        self._means: dict[str, float] = {}
        self._precisions: dict[str, float] = {}
        for key, judged in evidence.rewards.items():
            parts = [_precision(count) for _, count in judged]
            mean = sum(value * part for (value, _), part in zip(judged, parts, strict=True))
            self._means[key] = mean / sum(parts) / self.deviation
            self._precisions[key] = weight_of_rewards(judged)
        self._total = sum(self._precisions.values())
        weighed = sum(self._precisions[key] * mean for key, mean in self._means.items())
        self._mean = weighed / self._total if self._total else 0.0

    def likelihoods(self, right: str | None) -> list[float]:
        """Weighted likelihoods over DISCRIMINATION, against no discrimination."""
        if right is None or right not in self._means:
            return list(self._weights)
        precision = self._precisions[right]
        lead = precision * (self._means[right] - self._mean)
        loss = precision * (1 - precision / self._total) / 2
        return [
            weight * math.exp(max(-700.0, min(lead * by - loss * by * by, 700.0)))
            for by, weight in zip(DISCRIMINATION, self._weights, strict=True)
        ]


def _squares(evidences: Iterable[Evidence]) -> tuple[float, int]:
    """Squared differences of the rewards from the mean of their class, and their freedom."""
    squares, freedom = 0.0, 0
    for evidence in evidences:
        for judged in evidence.rewards.values():
            mean = sum(value for value, _ in judged) / len(judged)
            squares += sum((value - mean) ** 2 for value, _ in judged)
            freedom += len(judged) - 1
    return squares, freedom


def _noise(evidences: Iterable[Evidence], prior: Prior) -> float:
    squares, freedom = _squares(evidences)
    return math.sqrt((_NOISE_WEIGHT * prior.noise**2 + squares) / (_NOISE_WEIGHT + freedom))
