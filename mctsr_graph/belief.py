"""What a search believes: how probable it is that each answer it has found is the right one.

Answers with equal final answers form a class. Three kinds of evidence speak for a class:
independent answers that agree on it, refinements that arrive at it, and the rewards of its
answers. They are weighed against each other by Bayes' rule, over a grid of what is not known: how
often this model is right on this problem, how often a refinement mends a wrong answer, and how
well the judge tells right from wrong. The grids' weights are a `Prior`; `learn` fits them to the
searches of a batch, without the truth.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .answers import answer_key
from .branches import in_play
from .errors import ConfigError
from .tree import Node

SKILL = (0.03, 0.15, 0.35, 0.6, 0.82, 0.96)
"""Chances that an independent answer is right."""
MENDING = (0.3, 0.9)
"""Chances that a refinement of a wrong answer is right, as shares of the skill."""
DISCRIMINATION = (0.0, 0.35, 0.8, 1.4, 2.0)
"""By how much a right answer's reward is higher, in standard deviations of a reward."""

_VARIETY = 1.0  # concentration of wrong answers: how readily one differs from those before it
_KEEPS = 0.85  # chance that a refinement of a right answer stays right
_STAYS = 0.85  # chance that one that mends nothing leaves a wrong answer: staying tells nothing
_NOISE = 30.0  # standard deviation of a reward before any was seen, points,
_NOISE_WEIGHT = 4.0  # counted as so many rewards
_OWN_SHARE = 0.3  # share of a reward's variance that is the answer's own: no repetition removes it
_CLASS_SPREAD = 0.25  # standard deviation of what a judge holds for or against a class as such


@dataclass(frozen=True)
class Prior:
    """Weights of the grids. Each list sums to 1.

    Raises:
        ConfigError: it does not, or is of another length.
    """

    skill: tuple[float, ...] = (0.08, 0.12, 0.17, 0.22, 0.22, 0.19)
    mending: tuple[float, ...] = (0.8, 0.2)
    discrimination: tuple[float, ...] = (0.5, 0.17, 0.15, 0.11, 0.07)

    def __post_init__(self) -> None:
        """Check the weights."""
        for name, grid in (
            ("skill", SKILL),
            ("mending", MENDING),
            ("discrimination", DISCRIMINATION),
        ):
            weights = getattr(self, name)
            fits = len(weights) == len(grid) and min(weights) >= 0
            if not fits or not math.isclose(sum(weights), 1, abs_tol=1e-6):
                raise ConfigError(
                    f"prior.{name} is {weights!r}, allowed {len(grid)} weights that sum to 1"
                )


USUAL = Prior()
"""What is believed before anything is known of model and judge."""


@dataclass(frozen=True)
class Evidence:
    """What a tree says of its classes, which are named by `answer_key`."""

    votes: Mapping[str, int] = field(default_factory=dict)
    """Independent answers by class."""
    moves: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Refinements by the classes of the answer refined and of the new one."""
    rewards: Mapping[str, Sequence[tuple[float, int]]] = field(default_factory=dict)
    """By class: mean and number of each judged answer's rewards, points."""

    @property
    def classes(self) -> list[str]:
        """Every class that was seen, in order."""
        return list(dict.fromkeys([*self.votes, *(key for move in self.moves for key in move)]))


@dataclass(frozen=True)
class Belief:
    """Probabilities that sum to 1."""

    chances: Mapping[str | None, float]
    """Of each class to be right; under None, that the right answer was not found yet."""
    skill: Sequence[float]
    """Over `SKILL`."""
    mending: Sequence[float]
    """Over `MENDING`."""
    discrimination: Sequence[float]
    """Over `DISCRIMINATION`."""

    @property
    def entropy(self) -> float:
        """How much is not known of which class is right, nats."""
        return -sum(chance * math.log(chance) for chance in self.chances.values() if chance > 0)


@lru_cache(maxsize=65536)
def class_of(final_answer: str | None) -> str | None:
    """The class of a final answer; None belongs to no class."""
    return None if final_answer is None else answer_key(final_answer)


def evidence_of(tree: Mapping[str, Node]) -> Evidence:
    """Collect what the answers in play say. Dummies and answers without a final one say nothing."""
    votes: Counter[str] = Counter()
    moves: Counter[tuple[str, str]] = Counter()
    rewards: dict[str, list[tuple[float, int]]] = {}
    for node in in_play(tree).values():
        own = class_of(node["final_answer"])
        if own is None or node["dummy"]:
            continue
        parent = tree[node["parent"]] if node["parent"] is not None else None
        before = class_of(parent["final_answer"]) if parent is not None else None
        if parent is None or before is None:
            votes[own] += 1
        else:
            moves[before, own] += 1
        if node["rewards"]:
            count = len(node["rewards"])
            rewards.setdefault(own, []).append((sum(node["rewards"]) / count, count))
    return Evidence(dict(votes), dict(moves), rewards)


def believe(evidence: Evidence, prior: Prior = USUAL) -> Belief:
    """Weigh the evidence."""
    tally, standing = tally_of(evidence), standing_of(evidence, prior)
    weighed = {
        right: _answer_likelihoods(*tally.rightness(right), prior)
        for right in [*evidence.classes, None]
    }
    logs = {right: tally.log_wrong(right) + log for right, (log, _) in weighed.items()}
    highest = max(logs.values())
    chances: dict[str | None, float] = {}
    skill = [0.0] * len(SKILL)
    mending = [0.0] * len(MENDING)
    discrimination = [0.0] * len(DISCRIMINATION)
    for right, log in logs.items():
        _, by_answers = weighed[right]
        by_rewards = standing.likelihoods(right)
        answers, judged = math.exp(log - highest) * sum(map(sum, by_answers)), sum(by_rewards)
        chances[right] = answers * judged
        scale = math.exp(log - highest) * judged
        for i, row in enumerate(by_answers):
            skill[i] += scale * sum(row)
            for j, value in enumerate(row):
                mending[j] += scale * value
        for i, value in enumerate(by_rewards):
            discrimination[i] += answers * value
    total = sum(chances.values())
    return Belief(
        {right: value / total for right, value in chances.items()},
        [value / total for value in skill],
        [value / total for value in mending],
        [value / total for value in discrimination],
    )


def entropy_of(tally: Tally, standing: Standing, prior: Prior) -> float:
    """Entropy of what would be believed of these counts and rewards, nats."""
    logs = log_chances(tally, standing, prior)
    highest = max(logs.values())
    weights = [math.exp(log - highest) for log in logs.values()]
    total = sum(weights)
    mean = sum(w * (log - highest) for w, log in zip(weights, logs.values(), strict=True)) / total
    return math.log(total) - mean


def log_chances_of(evidence: Evidence, prior: Prior) -> dict[str | None, float]:
    """As `believe`, but no more than each class's chance: its log, but for a constant."""
    return log_chances(tally_of(evidence), standing_of(evidence, prior), prior)


def log_chances(tally: Tally, standing: Standing, prior: Prior) -> dict[str | None, float]:
    """Log of each class's chance to be right, but for a constant."""
    known = _known_answers(prior)
    logs: dict[str | None, float] = {}
    for right in (*tally.classes, None):
        counts = tally.rightness(right)
        log = known.get(counts)
        if log is None:
            log = known[counts] = _log_answers(*counts, prior)
        logs[right] = tally.log_wrong(right) + log + standing.logs.get(right, 0.0)
    return logs


def learn(evidences: Iterable[Evidence], prior: Prior = USUAL, rounds: int = 20) -> Prior:
    """Fit a prior to the problems of a batch by expectation maximisation.

    The prior given counts as one problem more, so that a small batch changes little.
    """
    seen, fitted = list(evidences), prior
    for _ in range(rounds):
        beliefs = [believe(evidence, fitted) for evidence in seen]
        fitted = Prior(
            _mean([prior.skill, *(belief.skill for belief in beliefs)]),
            _mean([prior.mending, *(belief.mending for belief in beliefs)]),
            _mean([prior.discrimination, *(belief.discrimination for belief in beliefs)]),
        )
    return fitted


def _mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def move_chances(evidence: Evidence, belief: Belief, parent: str) -> dict[str | None, float]:
    """Chance of each class to be the one that a refinement of `parent` arrives at."""
    classes = evidence.classes
    spread = 1 / (len(classes) + 1)
    mends = _mean_of_products(belief.skill, belief.mending)
    found: dict[str | None, float] = {}
    for child in [*classes, None]:
        chance = 0.0
        for right, probability in belief.chances.items():
            if right == parent and right is not None:
                step = _KEEPS if child == parent else (1 - _KEEPS) * spread
            elif child == right:
                step = mends
            else:
                wrong = _STAYS if child == parent else (1 - _STAYS) * spread
                step = (1 - mends) * wrong
            chance += probability * step
        found[child] = chance
    total = sum(found.values())
    return {child: chance / total for child, chance in found.items()}


def vote_chances(evidence: Evidence) -> dict[str | None, float]:
    """Chance of each class to be the one of the next independent answer; None: a new one."""
    total = sum(evidence.votes.values()) + _VARIETY
    found: dict[str | None, float] = {key: n / total for key, n in evidence.votes.items()}
    return {**found, None: _VARIETY / total}


def weight_of_rewards(judged: Sequence[tuple[float, int]]) -> float:
    """Precision of a class's mean reward, in units of one reward's variance."""
    if not judged:
        return 0.0
    return 1 / (_CLASS_SPREAD**2 + 1 / sum(_precision(count) for _, count in judged))


def _precision(count: int) -> float:
    return 1 / (_OWN_SHARE + (1 - _OWN_SHARE) / count)


def _mean_of_products(skill: Sequence[float], mending: Sequence[float]) -> float:
    right = sum(chance * weight for chance, weight in zip(SKILL, skill, strict=True))
    return right * sum(share * weight for share, weight in zip(MENDING, mending, strict=True))


@dataclass(frozen=True)
class Tally:
    """Evidence, counted in the way that the likelihoods need it."""

    classes: Sequence[str]
    votes: Mapping[str, int]
    voted: int
    kept: Mapping[str, int]
    """Refinements that stayed in a class."""
    came: Mapping[str, int]
    """Refinements that arrived at a class from another."""
    went: Mapping[str, int]
    """Refinements that left a class."""
    moved: int
    stayed: int
    log_classes: float
    """Log likelihood of the votes' classes, were all of them wrong."""
    log_spread: float
    """Log of the number of classes that a refinement can go to."""

    def rightness(self, right: str | None) -> tuple[int, int, int, int]:
        """Votes for and against a class, refinements that mended and that did not."""
        if right is None:
            return 0, self.voted, 0, self.moved
        agree, mended = self.votes.get(right, 0), self.came.get(right, 0)
        from_wrong = self.moved - self.kept.get(right, 0) - self.went.get(right, 0)
        return agree, self.voted - agree, mended, from_wrong - mended

    def log_wrong(self, right: str | None) -> float:
        """Log likelihood of how wrong answers fell into classes and moved between them."""
        log = self.log_classes
        own = self.votes.get(right, 0) if right is not None else 0
        if own:
            log -= _LOG_VARIETY + math.lgamma(own)
        log -= math.lgamma(_VARIETY + self.voted - own) - math.lgamma(_VARIETY)
        if not self.moved:
            return log
        kept, came, went = (
            (counts.get(right, 0) if right is not None else 0)
            for counts in (self.kept, self.came, self.went)
        )
        elsewhere = self.moved - self.stayed - came - went
        log += kept * _LOG_KEEPS + went * _LOG_LEAVES + (self.stayed - kept) * _LOG_STAYS
        return log + elsewhere * _LOG_STRAYS - (went + elsewhere) * self.log_spread


def tally_of(evidence: Evidence) -> Tally:
    """Count evidence."""
    kept: Counter[str] = Counter()
    came: Counter[str] = Counter()
    went: Counter[str] = Counter()
    for (before, after), count in evidence.moves.items():
        if before == after:
            kept[before] += count
        else:
            came[after] += count
            went[before] += count
    return Tally(
        evidence.classes,
        evidence.votes,
        sum(evidence.votes.values()),
        kept,
        came,
        went,
        sum(evidence.moves.values()),
        sum(kept.values()),
        sum(_LOG_VARIETY + math.lgamma(count) for count in evidence.votes.values()),
        math.log(len(evidence.classes) + 1),
    )


_LOG_VARIETY = math.log(_VARIETY)
_LOG_KEEPS, _LOG_LEAVES = math.log(_KEEPS), math.log(1 - _KEEPS)
_LOG_STAYS, _LOG_STRAYS = math.log(_STAYS), math.log(1 - _STAYS)


_LOG_GRID = [
    (math.log(skill), math.log(1 - skill), math.log(skill * part), math.log(1 - skill * part))
    for skill in SKILL
    for part in MENDING
]


def _answer_likelihoods(
    agree: int, differ: int, mended: int, unmended: int, prior: Prior
) -> tuple[float, list[list[float]]]:
    """Weighted likelihoods of the right answers, over SKILL and MENDING.

    Returns:
        The log of their common factor, without which hundreds of votes would underflow, and the
        rest of each.
    """
    weights = [skill * part for skill in prior.skill for part in prior.mending]
    logs = [
        agree * right + differ * wrong + mended * mends + unmended * fails
        for right, wrong, mends, fails in _LOG_GRID
    ]
    highest = max(log for log, weight in zip(logs, weights, strict=True) if weight)
    cells = [
        weight * math.exp(log - highest) if weight else 0.0
        for log, weight in zip(logs, weights, strict=True)
    ]
    parts = len(MENDING)
    return highest, [cells[i : i + parts] for i in range(0, len(cells), parts)]


@lru_cache(maxsize=64)
def _known_answers(prior: Prior) -> dict[tuple[int, int, int, int], float]:
    """What _log_answers gave for a prior; searches ask for the same counts again and again."""
    return {}


def _log_answers(agree: int, differ: int, mended: int, unmended: int, prior: Prior) -> float:
    log, rows = _answer_likelihoods(agree, differ, mended, unmended, prior)
    return log + math.log(sum(map(sum, rows)))


@dataclass(frozen=True)
class Standing:
    """How the classes' rewards stand against each other."""

    means: Mapping[str, float]
    """In standard deviations of a reward."""
    precisions: Mapping[str, float]
    mean: float
    precision: float
    prior: Prior
    logs: Mapping[str | None, float]
    """Log likelihood of the rewards if a class is right, against no discrimination."""

    def likelihoods(self, right: str | None) -> list[float]:
        """Weighted likelihoods over DISCRIMINATION, against no discrimination."""
        if right is None or right not in self.means:
            return list(self.prior.discrimination)
        precision = self.precisions[right]
        lead = precision * (self.means[right] - self.mean)
        loss = precision * (1 - precision / self.precision) / 2
        return [
            weight * math.exp(max(-700.0, min(lead * by - loss * by * by, 700.0)))
            for by, weight in zip(DISCRIMINATION, self.prior.discrimination, strict=True)
        ]


def standing_of(evidence: Evidence, prior: Prior) -> Standing:
    """Compare the rewards of the classes."""
    squares, freedom = _NOISE_WEIGHT * _NOISE**2, _NOISE_WEIGHT
    for judged in evidence.rewards.values():
        mean = sum(value for value, _ in judged) / len(judged)
        squares += sum((value - mean) ** 2 for value, _ in judged)
        freedom += len(judged) - 1
    deviation = math.sqrt(squares / freedom)
    means, precisions = {}, {}
    for key, judged in evidence.rewards.items():
        parts = [_precision(count) for _, count in judged]
        mean = sum(value * part for (value, _), part in zip(judged, parts, strict=True))
        means[key] = mean / sum(parts) / deviation
        precisions[key] = weight_of_rewards(judged)
    total = sum(precisions.values())
    mean = sum(precisions[key] * means[key] for key in means) / total if total else 0.0
    logs: dict[str | None, float] = {}
    standing = Standing(means, precisions, mean, total, prior, logs)
    logs.update((key, math.log(sum(standing.likelihoods(key)))) for key in means)
    return standing
