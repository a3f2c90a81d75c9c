"""Whether refining pays: refinements of wrong answers beside fresh drafts of the same problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy

from mctsr_graph.strategies.tuned.refining import too_few

from .columns import Head, Results
from .outcomes import Key
from .statistics import Interval, clustered_share


@dataclass(frozen=True)
class Refined:
    """How often a search mended a wrong answer, and a fresh draft would have been right."""

    refinements: int
    """Of wrong answers."""
    mended: Interval
    """Share of them that are right."""
    drafts: int
    """Independent drafts of the same problems, without each problem's first, which is the answer
    that was refined, or was drawn as that was."""
    fresh: Interval | None
    """Share of them that are right, each problem as often as it has such refinements; None where
    no method drew any."""


def refined(
    results: Results, heads: Sequence[Head], drawn: Mapping[str, numpy.ndarray]
) -> Refined | None:
    """Count what a search has refined; None where that was no wrong answer.

    Args:
        results: The search, a problem and seed each.
        heads: The problems and seeds of `drawn`.
        drawn: The independent samples of each method that drew some, as `Table` has them.
    """
    counts = results["refined_wrong"].tolist()
    tried = [place for place, count in enumerate(counts) if count]
    if not tried:
        return None
    others: dict[str, tuple[int, int]] = {}
    if drawn:
        most = max(drawn.values(), key=lambda own: int(own[:, 0].sum()))
        for head, (samples, rights, first, _) in zip(heads, most.tolist(), strict=True):
            right, count = others.get(head.id, (0, 0))
            others[head.id] = right + rights - first, count + max(0, samples - 1)
    ids, fixed = results.ids, results["fixed"].tolist()
    known = [place for place in tried if others.get(ids[place], (0, 0))[1]]
    rights = [counts[place] * others[ids[place]][0] / others[ids[place]][1] for place in known]

    def share(hits: Sequence[float], places: Sequence[int]) -> Interval:
        names, trials = [ids[place] for place in places], [counts[place] for place in places]
        return clustered_share(hits, names, trials)

    return Refined(
        refinements=sum(counts),
        mended=share([fixed[place] for place in tried], tried),
        drafts=sum(others[name][1] for name in {ids[place] for place in known}),
        fresh=share(rights, known) if known else None,
    )


def told(found: Mapping[Key, Refined]) -> Iterator[str]:
    """Say it in a sentence for each search."""
    for key, one in found.items():
        begin = f"{key.method}: of {one.refinements} refinements of wrong answers"
        text = f"{begin} {_percent(one.mended)} were right"
        if one.fresh is None:
            text += ", and no method drew fresh drafts to compare with (self-consistency does)"
        else:
            text += f", of {one.drafts} fresh drafts of the same problems {_percent(one.fresh)}"
            text += f": {_finding(one.mended, one.fresh)}"
        yield text + too_few(one.refinements)


def _finding(mended: Interval, fresh: Interval) -> str:
    if mended.low > fresh.high:
        return "refining pays"
    return "a fresh draft is better" if mended.high < fresh.low else "no difference is shown"


def _percent(share: Interval) -> str:
    value, low, high = (100 * number for number in (share.value, share.low, share.high))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
