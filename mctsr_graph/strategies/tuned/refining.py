"""Whether refining is believed to pay: mending against drafting anew."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from mctsr_graph.settings.prior import REFINING, SKILL, Prior

_ENOUGH = 30  # refinements that tell a model which mends from one that does not


class RefiningBelief(TypedDict):
    """How often a refinement of a wrong answer is right, beside an independent answer.

    Believed, as no truth is known: by what was seen and the prior.
    """

    mended: float
    """Chance that a refinement of a wrong answer is right."""
    fresh: float
    """Chance that an independent answer is right."""
    share: float
    """`mended` as a share of `fresh`, on average."""
    low: float
    """The lower end of where 95 % of what is believed of `share` lies."""
    high: float
    """The upper end."""
    seen: int
    """Refinements that it was told from."""


def refining_of(believed: Prior, seen: int) -> RefiningBelief:
    """What is believed of refining.

    Args:
        believed: The posterior of a search, or what was learnt from several.
        seen: Refinements that it was told from.
    """
    shares = [(one.mends, weight) for one, weight in zip(REFINING, believed.refining, strict=True)]
    skills = list(zip(SKILL, believed.skill, strict=True))
    mended = sum(
        weight * by * one.mends_at(skill)
        for one, weight in zip(REFINING, believed.refining, strict=True)
        for skill, by in skills
    )
    return RefiningBelief(
        mended=mended,
        fresh=sum(skill * by for skill, by in skills),
        share=sum(share * weight for share, weight in shares),
        low=_quantile(shares, 0.025),
        high=_quantile(shares, 0.975),
        seen=seen,
    )


def told(belief: RefiningBelief) -> str:
    """Say it in a sentence."""
    share, low, high = belief["share"], belief["low"], belief["high"]
    return (
        f"believed, without the truth: a refinement of a wrong answer is right {share:.2f} "
        f"({low:g} to {high:g}) times as often as a fresh draft{too_few(belief['seen'])}"
    )


def too_few(refinements: int) -> str:
    """A warning where so many refinements do not tell; else nothing."""
    if refinements >= _ENOUGH:
        return ""
    return f" ({refinements} refinements seen; at least {_ENOUGH} needed to tell)"


def _quantile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    total = 0.0
    for value, weight in sorted(weighed):
        total += weight
        if total >= share:
            return value
    return max(value for value, _ in weighed)
