"""What a search believes: how probable it is that each answer it has found is the right one.

Answers with equal final answers form a class. Three kinds of evidence speak for a class:
independent answers that agree on it, refinements that arrive at it or stay with it, and the
rewards of its answers. They are weighed against each other by Bayes' rule, over a grid of what is
not known: how often this model is right on this problem, what its refinements do, how its wrong
answers cluster, and how well the judge tells right from wrong. The grids' weights are a `Prior`;
`learning` fits them to the searches of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .evidence import Evidence
from .likelihood import Standing, View, World, mixed, tally_of
from .prior import USUAL, Prior


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
    tally, standing = tally_of(evidence), Standing(evidence, prior)
    worlds = {right: World(tally, right, prior, standing) for right in [*evidence.classes, None]}
    highest = max(world.log for world in worlds.values())
    weights = {right: math.exp(world.log - highest) for right, world in worlds.items()}
    total = sum(weights.values())
    shares = {right: weight / total for right, weight in weights.items()}
    weighed, seen = list(shares.values()), list(worlds.values())
    posterior = Prior(
        mixed(weighed, [world.skill for world in seen]),
        mixed(weighed, [world.refining for world in seen]),
        mixed(weighed, [world.variety for world in seen]),
        mixed(weighed, [world.discrimination for world in seen]),
        standing.deviation,
    )
    views = {right: world.view(shares[right]) for right, world in worlds.items()}
    return Belief(views, tally.arrived, posterior, highest + math.log(total))
