"""Whether refining pays: refinements of wrong answers beside fresh drafts of the same problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mctsr_graph.strategies.tuned.refining import too_few

from .outcomes import Key, Outcome, Samples
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


def refined(results: Sequence[Outcome], drawn: Iterable[Sequence[Samples]]) -> Refined | None:
    """Count what a search has refined; None where that was no wrong answer.

    Args:
        results: The search, a problem and seed each.
        drawn: The independent samples of each method that drew some.
    """
    tried = [result for result in results if result.refined_wrong]
    if not tried:
        return None
    most: Sequence[Samples] = max(drawn, key=lambda own: sum(one.drawn for one in own), default=())
    others: dict[str, tuple[int, int]] = {}
    for one in most:
        right, count = others.get(one.id, (0, 0))
        others[one.id] = right + one.right - one.first, count + max(0, one.drawn - 1)
    known = [result for result in tried if others.get(result.id, (0, 0))[1]]
    counts = [result.refined_wrong for result in known]
    rights = [r.refined_wrong * others[r.id][0] / others[r.id][1] for r in known]
    return Refined(
        refinements=sum(result.refined_wrong for result in tried),
        mended=_share([r.fixed for r in tried], tried, [r.refined_wrong for r in tried]),
        drafts=sum(others[name][1] for name in {result.id for result in known}),
        fresh=_share(rights, known, counts) if known else None,
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


def _share(hits: Sequence[float], results: Sequence[Outcome], trials: Sequence[int]) -> Interval:
    return clustered_share(hits, [result.id for result in results], trials)


def _percent(share: Interval) -> str:
    value, low, high = (100 * number for number in (share.value, share.low, share.high))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
