"""What the searches of a batch tell of model and judge, without the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .belief import believe
from .evidence import Evidence
from .likelihood import mixed, noise_of
from .prior import USUAL, Prior

_FIRST_GROUP = 16  # problems; fewer tell little
_ROUNDS = 8
_PRIOR_WEIGHT = 2.0  # problems that the prior counts as
_TRUST = 0.7  # each problem counts as less than one: the model of the world is not exact
_LEAST = 0.003  # of the largest weight: nothing is ever ruled out
_TINY = 1e-300  # instead of zero, which has no log
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

    The skill differs from problem to problem: its weights are fitted by expectation maximisation,
    where the prior given counts as two problems more. What refinements do, how wrong answers
    cluster and how well the judge tells are held to be the same for all problems.
    """
    seen = list(evidences)
    if not seen:
        return prior
    prior = replace(prior, noise=noise_of(seen, prior))
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
            mixed(shares, [prior.skill, *(one.skill for one in found)]),
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
