"""What a search believes: how probable it is that each answer it has found is the right one.

Answers with equal final answers form a class. Three kinds of evidence speak for a class:
independent answers that agree on it, refinements that arrive at it or stay with it, and the
rewards of its answers. They are weighed against each other by Bayes' rule, over a grid of what is
not known: how often this model is right on this problem, what its refinements do, how its wrong
answers cluster, and how well the judge tells right from wrong. The grids' weights are a `Prior`;
`learn` fits them to the searches of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from mctsr_graph.settings.prior import USUAL, Prior
from mctsr_graph.strategies.tuned.evidence import Evidence
from mctsr_graph.strategies.tuned.likelihood import (
    View,
    World,
    mixed,
    mixed_grids,
    tally_of,
    weighed,
)
from mctsr_graph.strategies.tuned.rewards import RewardLikelihood


@dataclass(frozen=True)
class Belief:
    """What is believed of a tree's classes, and of model and judge."""

    chances: Mapping[str | None, float]
    """Probability of each class to be right, in the order of finding, and of None: that the right
    one was not found yet. They sum to 1."""
    worlds: Mapping[str | None, World]
    """What is believed if a class is right."""
    counts: Mapping[str, int]
    """How often each class was arrived at."""
    judge: tuple[float, ...]
    """Weights of DISCRIMINATION for each of SPREAD, one after the other."""
    posterior: Prior
    """What is believed of model and judge on this problem."""
    log_likelihood: float
    """Of the evidence under the prior, but for a constant."""

    @cached_property
    def views(self) -> Mapping[str | None, View]:
        """What is to be expected, by the class that is right."""
        return {right: world.view(self.chances[right]) for right, world in self.worlds.items()}


def believe(evidence: Evidence, prior: Prior = USUAL) -> Belief:
    """Weigh the evidence."""
    # The choice, the stops and the selection ask for the same belief one after another
    rewards = tuple((key, tuple(judged)) for key, judged in evidence.rewards.items())
    return _believe(tuple(evidence.votes.items()), tuple(evidence.moves.items()), rewards, prior)


@lru_cache(maxsize=256)
def _believe(votes: Any, moves: Any, rewards: Any, prior: Prior) -> Belief:
    evidence = Evidence(dict(votes), dict(moves), dict(rewards))
    tally, reward_likelihood = tally_of(evidence), RewardLikelihood(evidence, prior)
    worlds = {
        right: World(tally, right, prior, reward_likelihood) for right in [*evidence.classes, None]
    }
    all_of_them = weighed([world.log for world in worlds.values()], [1.0] * len(worlds))
    shares, seen = all_of_them.weights, list(worlds.values())
    told = zip(shares, worlds, [world.judge for world in seen], strict=True)
    level, spread = reward_likelihood.level(told)
    posterior = Prior(
        **mixed_grids(shares, seen),
        noise=reward_likelihood.deviation,
        level=level,
        level_spread=spread,
    )
    chances = dict(zip(worlds, shares, strict=True))
    judge = mixed(shares, [world.judge for world in seen])
    return Belief(chances, worlds, tally.arrived, judge, posterior, all_of_them.log)
