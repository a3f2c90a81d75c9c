"""Which of two methods is better on the same problems, said only where the figures show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

from mctsr_graph.errors import ConfigError

from .outcomes import Key, Outcome
from .statistics import Interval, detectable, holm, mcnemar, paired_difference

ALPHA = 0.05
"""Chance of calling anything in a family of comparisons better by luck."""


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same problems, by their selected answers."""

    first: Key
    second: Key
    problems: int
    """Problems times seeds that both sides have, and on which it is known what both spent."""
    left_out: tuple[str, ...]
    """Ids of the other problems."""
    difference: Interval
    """Accuracy of the first less that of the second, from pairs."""
    only_first: int
    """Problems on which the first did better."""
    only_second: int
    p: float
    """Exact McNemar test of these two counts; with several seeds a problem, a sign test."""
    holm: float
    """p after Holm's correction for all comparisons of the family."""
    shows: float
    """Smallest difference that would show on so many problems, if the two differed on as many of
    them as they do; with 80 % power, before any correction."""

    @property
    def finding(self) -> str:
        """Return "better" or "worse" (the first than the second), or "not shown".

        It needs both: an interval without 0, and Holm's p below ALPHA. With few problems the
        interval alone may leave 0 out by luck.
        """
        if self.difference.holds(0) or self.holm >= ALPHA:
            return "not shown"
        return "better" if self.difference.value > 0 else "worse"


def compare_all(
    results: Mapping[Key, Sequence[Outcome]], baseline: str | None = None
) -> list[Comparison]:
    """Compare each search with everything else; without a search, all with each other.

    A baseline at the cost of one search is compared with that search only. Each comparison is of
    the problems on which it is known that both sides stayed within their budgets.

    Args:
        results: Outcomes of the same problems in the same order, by method and budget.
        baseline: Method with which all others are compared instead.

    Raises:
        ConfigError: there is no such method.
    """
    if baseline is not None and baseline not in {key.method for key in results}:
        allowed = ", ".join(dict.fromkeys(key.method for key in results))
        raise ConfigError(f"baseline is {baseline!r}, allowed {allowed}")
    pairs = [pair for pair in combinations(results, 2) if _belongs(*pair, results, baseline)]
    ordered = [(b, a) if _comes_first(b, a, baseline) else (a, b) for a, b in pairs]
    return corrected([compare(a, b, results[a], results[b]) for a, b in ordered])


def corrected(found: Sequence[Comparison | None]) -> list[Comparison]:
    """The comparisons that could be made, with Holm's correction for all of them."""
    plain = [comparison for comparison in found if comparison is not None]
    raised = holm([comparison.p for comparison in plain])
    return [replace(one, holm=p) for one, p in zip(plain, raised, strict=True)]


def _comes_first(key: Key, other: Key, baseline: str | None) -> bool:
    if baseline is not None:
        return other.method == baseline
    return key.searches and not other.searches


def _belongs(
    a: Key, b: Key, results: Mapping[Key, Sequence[Outcome]], baseline: str | None
) -> bool:
    if baseline is not None:
        names = {a.method, b.method}
        same = a.against == b.against or None in (a.against, b.against)
        return len(names) == 2 and baseline in names and same
    if any(key.searches for key in results) and not (a.searches or b.searches):
        return False
    return a.against in (None, b.method) and b.against in (None, a.method)


def compare(
    first: Key, second: Key, ours: Sequence[Outcome], theirs: Sequence[Outcome]
) -> Comparison | None:
    """Compare two methods; None where they have no problem in common."""
    pairs = list(zip(ours, theirs, strict=True))
    both = [(one, other) for one, other in pairs if one.measured and other.measured]
    if not both:
        return None
    differences: dict[str, list[float]] = defaultdict(list)
    for one, other in both:
        differences[one.id].append((one.verdict == "right") - (other.verdict == "right"))
    by_problem = {name: fmean(values) for name, values in differences.items()}
    only_first = sum(value > 0 for value in by_problem.values())
    only_second = sum(value < 0 for value in by_problem.values())
    p = mcnemar(only_first, only_second)
    return Comparison(
        first=first,
        second=second,
        problems=len(both),
        left_out=tuple(one.id for one, other in pairs if not (one.measured and other.measured)),
        difference=paired_difference(list(by_problem.values()), list(by_problem)),
        only_first=only_first,
        only_second=only_second,
        p=p,
        holm=p,
        shows=detectable(len(by_problem), (only_first + only_second) / len(by_problem)),
    )
