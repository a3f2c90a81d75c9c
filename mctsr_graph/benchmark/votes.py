"""Choosing one of several answers without knowing the truth."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

from mctsr_graph.strategies.enough import lead
from mctsr_graph.text.equality.classes import classes_of

from .records import Attempt

_TEMPERATURE = 0.1


def majority(attempts: Sequence[Attempt]) -> int | None:
    """Index of the first attempt of the largest class of equal final answers."""
    return _winner(attempts, [1.0] * len(attempts))


def weighted(attempts: Sequence[Attempt], visits: Sequence[int]) -> int | None:
    """As `majority`, each vote weighted by exp(z); None where no voter has a reward.

    z is an attempt's mean reward, standardised over the attempts that vote; one without a reward
    has no weight. `visits` says how many of its rewards each attempt had.
    """
    voters = [
        (index, statistics.fmean(attempt["rewards"][:count]))
        for index, (attempt, count) in enumerate(zip(attempts, visits, strict=True))
        if count and _vote(attempt) is not None
    ]
    if not voters:
        return None
    middle = statistics.fmean(mean for _, mean in voters)
    spread = statistics.pstdev(mean for _, mean in voters) or 1.0
    weights = [0.0] * len(attempts)
    for index, mean in voters:
        weights[index] = math.exp((mean - middle) / spread)
    return _winner(attempts, weights)


def is_decided(attempts: Sequence[Attempt], least: float) -> bool:
    """Whether the class ahead stays ahead with this chance (arXiv 2305.11860, Beta rule)."""
    votes = [vote for attempt in attempts if (vote := _vote(attempt)) is not None]
    classes = classes_of(votes)
    return lead(Counter(classes[vote] for vote in votes)) >= least


def by_weights(attempts: Sequence[Attempt], weights: Sequence[float]) -> int | None:
    """As `majority`, each vote of a weight of its own."""
    return _winner(attempts, weights)


def softmax_weights(confidences: Sequence[float]) -> list[float]:
    """Weights of votes by confidences in [0, 1]: exp(c / 0.1) (CISC, arXiv 2502.06233).

    The paper fits the temperature to known answers, model by model; 0.1 is about what it finds.
    """
    return [math.exp(confidence / _TEMPERATURE) for confidence in confidences]


def borda_weights(confidences: Sequence[float]) -> list[float]:
    """Weights of votes by the ranks of confidences: (N - rank + 1)^p (arXiv 2502.18581).

    p grows with the number of votes as in the paper, where it is 0.3 for 8 and 1.2 for 64.
    """
    count = len(confidences)
    power = max(0.0, 0.3 * math.log2(count / 4)) if count else 0.0
    order = sorted(range(count), key=lambda index: -confidences[index])
    weights = [0.0] * count
    for rank, index in enumerate(order):
        weights[index] = float(count - rank) ** power
    return weights


def next_round(alive: Sequence[int], first_wins: Sequence[bool]) -> list[int]:
    """Who is left of a knockout: neighbours have met, and the one without a rival goes on."""
    pairs = zip(alive[::2], alive[1::2], first_wins, strict=False)
    winners = [one if won else two for one, two, won in pairs]
    return [*winners, *alive[2 * len(winners) :]]


def best_by_reward(attempts: Sequence[Attempt]) -> int | None:
    """Index of the attempt with the highest reward, the earliest of equals; None if empty.

    One that states a final answer goes before one that does not, as in a search.
    """
    merits = [
        (_vote(attempt) is not None, max(attempt["rewards"], default=-math.inf), -index)
        for index, attempt in enumerate(attempts)
        if attempt["text"]
    ]
    return -max(merits)[2] if merits else None


def first_with_text(attempts: Sequence[Attempt]) -> int | None:
    """Index of the first attempt that is a text at all."""
    return next((i for i, attempt in enumerate(attempts) if attempt["text"]), None)


def _winner(attempts: Sequence[Attempt], weights: Sequence[float]) -> int | None:
    votes = [_vote(attempt) for attempt in attempts]
    classes = classes_of(vote for vote in votes if vote is not None)
    totals: dict[str, float] = defaultdict(float)
    first: dict[str, int] = {}
    for index, (vote, weight) in enumerate(zip(votes, weights, strict=True)):
        if vote is not None:
            totals[classes[vote]] += weight
            first.setdefault(classes[vote], index)
    return first[max(totals, key=totals.__getitem__)] if totals else None


def _vote(attempt: Attempt) -> str | None:
    """The final answer that an attempt votes for."""
    return None if attempt["dummy"] else attempt["final_answer"]
