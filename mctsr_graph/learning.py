"""What the searches of a batch tell of model and judge, without the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .belief import believe
from .evidence import Evidence
from .likelihood import mixed
from .prior import USUAL, Prior
from .standing import noise_of

_TRIALS = 3  # rounds that each start gets
_ROUNDS = 5  # that the best of them gets then
_PRIOR_WEIGHT = 2.0  # problems that the prior counts as
_UNTOLD = 32.0  # problems with judged rivals that it counts as, where the judge is concerned
_TRUST = 0.7  # each problem counts as less than one: the model of the world is not exact
_LEAST = 0.003  # of the largest weight: nothing is ever ruled out
_TINY = 1e-300  # instead of zero, which has no log
_GOOD_JUDGE = (0.02, 0.02, 0.02, 0.04, 0.3, 0.6)


def learn(evidences: Iterable[Evidence], prior: Prior = USUAL) -> Prior:
    """Fit a prior to the problems of a batch, without the truth.

    The skill and the level of the rewards differ from problem to problem: how they are distributed
    is fitted by expectation maximisation, where the prior given counts as two problems more. What
    refinements do, how wrong answers cluster and how well the judge tells are held to be the same
    for all problems. Of the judge, little is believed after few problems: who takes it for useless
    asks it no more, and would never learn better.
    """
    seen = list(evidences)
    if not seen:
        return prior
    prior = replace(prior, noise=noise_of(seen, prior))
    # A judge that contradicts the majority knows nothing, or knows better: both are tried
    starts = (prior, replace(prior, discrimination=_GOOD_JUDGE))
    trials = [_fit(seen, prior, start, _TRIALS) for start in starts]
    _, fitted = _fit(seen, prior, max(trials, key=lambda trial: trial[0])[1], _ROUNDS)
    told = sum(len(evidence.rewards) > 1 for evidence in seen)
    judges = (prior.discrimination, fitted.discrimination)
    return replace(fitted, discrimination=mixed((_UNTOLD, told), judges))


def _fit(
    seen: Sequence[Evidence], prior: Prior, fitted: Prior, rounds: int
) -> tuple[float, Prior]:
    """The log likelihood in the last round, and what came of it."""
    log = 0.0
    for _ in range(rounds):
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
