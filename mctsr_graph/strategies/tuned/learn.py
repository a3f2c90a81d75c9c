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

    What model and judge are like differs from problem to problem; how that is distributed is fitted
    by expectation maximisation, where the prior given counts as two problems more.
    """
    seen = list(evidences)
    if not seen:
        return prior
    prior = replace(prior, noise=noise_of(seen, prior))
    return _cautious(seen, prior, _fit(seen, prior))


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
        spread=between(prior.spread, fitted.spread, rivals),
    )


def _fit(seen: Sequence[Evidence], prior: Prior) -> Prior:
    """The prior by expectation maximisation: each problem has a model and a judge of its own."""
    fitted = prior
    for _ in range(_ROUNDS):
        found = [believe(evidence, fitted).posterior for evidence in seen]
        judged = [one for one, of in zip(found, seen, strict=True) if of.rewards]
        shares = [_PRIOR_WEIGHT, *(1.0 for _ in found)]
        level = _level(prior, judged) if judged else (prior.level, prior.level_spread)
        fitted = Prior(
            **mixed_grids(shares, [prior, *found]),
            noise=prior.noise,
            level=level[0],
            level_spread=level[1],
        )
    return fitted


def _level(prior: Prior, judged: Sequence[Prior]) -> tuple[float, float]:
    """Mean and spread of the levels; what the spread may be at least is the noise's."""
    mean = sum(one.level for one in judged) / len(judged)
    squares = sum(one.level_spread**2 + (one.level - mean) ** 2 for one in judged)
    squares += _PRIOR_WEIGHT * prior.noise**2
    return mean, math.sqrt(squares / (len(judged) + _PRIOR_WEIGHT))
