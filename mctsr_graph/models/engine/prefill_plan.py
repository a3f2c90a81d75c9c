"""Which prompts are computed together, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mctsr_graph.models.engine.prefix import common

_WORTH = 16  # tokens that another prompt must save to be waited for


def plan(
    prompts: Sequence[list[int]],
    known: Callable[[list[int]], int] | None,
    most: int,
    price: int = 16,
) -> Iterator[list[int]]:
    """Indices of prompts to compute in one forward each.

    A prompt that shares more with one of this round than `known` has of it waits until that one
    is computed: `known` is asked again then. Without `known` nothing waits. A group holds
    prompts of similar rests, at most `most` tokens with padding unless it is a single prompt.
    `price` is how many tokens take as long as one more forward: neither padding nor what is
    computed twice may be more, lest another forward would have been cheaper.
    """
    left = list(range(len(prompts)))
    while left:
        rests: dict[int, int] = {}
        later, saved = [], 0
        for i in left:
            have = known(prompts[i]) if known else 0
            shared = max((common(prompts[i], prompts[j]) for j in rests), default=0)
            if known and shared - have >= _WORTH:
                later.append(i)
                saved += shared - have
            else:
                rests[i] = len(prompts[i]) - have
        if later and known and saved < price:
            rests |= {i: len(prompts[i]) - known(prompts[i]) for i in later}
            later = []
        yield from _groups(rests, most, price)
        left = later


def _groups(rests: dict[int, int], most: int, price: int) -> Iterator[list[int]]:
    group: list[int] = []
    for i in sorted(rests, key=rests.__getitem__, reverse=True):
        total = sum(rests[j] for j in [*group, i])
        padded = (len(group) + 1) * rests[group[0]] if group else 0
        if padded > most or padded - total > price:
            yield group
            group = []
        group.append(i)
    if group:
        yield group
