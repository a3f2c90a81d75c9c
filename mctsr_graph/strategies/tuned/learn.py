"""What the searches of a batch tell of model and judge, without the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mctsr_graph.settings.prior import USUAL, Prior
from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import Evidence
from mctsr_graph.strategies.tuned.likelihood import mixed, mixed_grids
from mctsr_graph.strategies.tuned.rewards import noise_of

_FIRST_GROUP = 16  # problems; fewer tell little
_ROUNDS = 8
_PRIOR_WEIGHT = 2.0  # problems that the prior counts as
_UNTOLD = 32.0  # problems that tell of judge or refinements after which a quarter is the prior
_TRUST = 0.7  # each problem counts as less than one: the model of the world is not exact
_LEAST = 0.003  # of the largest weight: nothing is ever ruled out
_TINY = 1e-300  # instead of zero, which has no log
_LOW_SKILL = (0.34, 0.21, 0.19, 0.13, 0.08, 0.04, 0.01)
_GOOD_JUDGE = (0.02, 0.02, 0.02, 0.04, 0.3, 0.6)


def groups(problems: int) -> Iterator[range]:
    """Yield the problems of a batch, by number, in groups after each of which to learn.

    Each group makes them twice as many as were learnt from before.
    """
    first, end = 0, _FIRST_GROUP
    while first < problems:
        yield range(first, min(end, problems))
        first, end = end, 2 * end


def learn(evidences: Iterable[Evidence], prior: Prior = USUAL) -> Prior:
    """Fit a prior to the problems of a batch, without the truth.

    The skill and the level of the rewards differ from problem to problem: how they are distributed
    is fitted by expectation maximisation, where the prior given counts as two problems more. What
    refinements do, how wrong answers cluster and how well the judge tells are held to be the same
    for all problems.
    """
    seen = list(evidences)
    if not seen:
        return prior
    prior = replace(prior, noise=noise_of(seen, prior))
    # A judge that contradicts the majority knows nothing, or knows better and the majority is
    # wrong: votes hardly tell which, so both are tried
    contrary = replace(prior, skill=_LOW_SKILL, discrimination=_GOOD_JUDGE)
    fits = [_fit(seen, prior, start) for start in (prior, contrary)]
    best = max(log for log, _ in fits)
    shares = [math.exp(_TRUST * (log - best)) for log, _ in fits]
    return _cautious(seen, prior, _between(shares, [fitted for _, fitted in fits]))


def _between(shares: Sequence[float], fits: Sequence[Prior]) -> Prior:
    """The average of fits."""
    level, spread = (
        sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
        for values in ([one.level for one in fits], [one.level_spread for one in fits])
    )
    noise = fits[0].noise
    return Prior(**mixed_grids(shares, fits), noise=noise, level=level, level_spread=spread)


def _cautious(seen: Sequence[Evidence], prior: Prior, fitted: Prior) -> Prior:
    """Believe little of judge and refinements after few problems that tell.

    What is taken for useless is asked for no more, and nothing better would ever be learnt of it.
    """

    def between(before: Sequence[float], after: Sequence[float], told: int) -> tuple[float, ...]:
        doubt = (_UNTOLD / (_UNTOLD + told)) ** 2
        return mixed((doubt, 1 - doubt), (before, after))

    rivals = sum(len(evidence.rewards) > 1 for evidence in seen)
    moved = sum(bool(evidence.moves) for evidence in seen)
    return replace(
        fitted,
        refining=between(prior.refining, fitted.refining, moved),
        discrimination=between(prior.discrimination, fitted.discrimination, rivals),
    )


def _fit(seen: Sequence[Evidence], prior: Prior, fitted: Prior) -> tuple[float, Prior]:
    """The log likelihood in the last round, and what came of it."""
    log = 0.0
    for _ in range(_ROUNDS):
        beliefs = [believe(evidence, fitted) for evidence in seen]
        log = sum(belief.log_likelihood for belief in beliefs)
        found = [belief.posterior for belief in beliefs]
        judged = [one for one, of in zip(found, seen, strict=True) if of.rewards]
        shares = [_PRIOR_WEIGHT, *(1.0 for _ in found)]
        fitted = Prior(
            mixed(shares, [prior.skill, *(one.skill for one in found)]),
            _shared("refining", prior, fitted, found),
            _shared("variety", prior, fitted, found),
            _shared("discrimination", prior, fitted, found),
            prior.noise,
            *(_level(prior, judged) if judged else (prior.level, prior.level_spread)),
        )
    return log, fitted


def _level(prior: Prior, judged: Sequence[Prior]) -> tuple[float, float]:
    """Mean and spread of the levels; what the spread may be at least is the noise's."""
    mean = sum(one.level for one in judged) / len(judged)
    squares = sum(one.level_spread**2 + (one.level - mean) ** 2 for one in judged)
    squares += _PRIOR_WEIGHT * prior.noise**2
    return mean, math.sqrt(squares / (len(judged) + _PRIOR_WEIGHT))


def _shared(name: str, prior: Prior, fitted: Prior, found: Sequence[Prior]) -> tuple[float, ...]:
    """Weights of what is the same for all problems: their likelihoods are multiplied."""
    logs = [
        math.log(max(before, _LEAST))
        + _TRUST * sum(math.log(max(after, _TINY) / max(now, _TINY)) for after in column)
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
