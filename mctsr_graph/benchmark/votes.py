"""Choosing one of several answers without knowing the truth."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from mctsr_graph.text.final_answer import answer_key

from .records import Attempt


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
        if count and _key(attempt) is not None
    ]
    if not voters:
        return None
    middle = statistics.fmean(mean for _, mean in voters)
    spread = statistics.pstdev(mean for _, mean in voters) or 1.0
    weights = [0.0] * len(attempts)
    for index, mean in voters:
        weights[index] = math.exp((mean - middle) / spread)
    return _winner(attempts, weights)


def best_by_reward(attempts: Sequence[Attempt]) -> int | None:
    """Index of the attempt with the highest reward, the earliest of equals; None if empty.

    One that states a final answer goes before one that does not, as in a search.
    """
    merits = [
        (_key(attempt) is not None, max(attempt["rewards"], default=-math.inf), -index)
        for index, attempt in enumerate(attempts)
        if attempt["text"]
    ]
    return -max(merits)[2] if merits else None


def first_with_text(attempts: Sequence[Attempt]) -> int | None:
    """Index of the first attempt that is a text at all."""
    return next((i for i, attempt in enumerate(attempts) if attempt["text"]), None)


def _winner(attempts: Sequence[Attempt], weights: Sequence[float]) -> int | None:
    totals: dict[str, float] = defaultdict(float)
    first: dict[str, int] = {}
    for index, (attempt, weight) in enumerate(zip(attempts, weights, strict=True)):
        key = _key(attempt)
        if key is not None:
            totals[key] += weight
            first.setdefault(key, index)
    return first[max(totals, key=totals.__getitem__)] if totals else None


def _key(attempt: Attempt) -> str | None:
    answer = attempt["final_answer"]
    return None if answer is None or attempt["dummy"] else _known_key(answer)


# Each point of each method asks for the same keys again
_known_key = lru_cache(maxsize=4096)(answer_key)
