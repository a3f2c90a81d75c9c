"""Which of two methods is better on the same problems, said only where the figures show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from mctsr_graph.errors import ConfigError

from .columns import Results
from .outcomes import Key
from .paired import Paired
from .statistics import Interval, detectable

ALPHA = 0.05
"""Chance of calling anything in a family of comparisons better by luck."""
_NEIGHBOURS = ("self-consistency", "best-of-n")
"""With whom a search is compared first, if they are there."""
_BUDGETS = ("tokens", "calls", "rollouts", "own")


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same problems, by their selected answers."""

    first: Key
    second: Key
    primary: bool
    """Whether it belongs to the family that is corrected as one: one comparison a search. All
    others are exploratory: they ask many questions, and prove nothing."""
    problems: int
    """Problems times seeds that both sides have, and on which it is known what both spent."""
    distinct: int
    """Problems, whatever their seeds."""
    left_out: tuple[str, ...]
    """Ids of the other problems."""
    difference: Interval
    """Accuracy of the first less that of the second, from pairs. Those of all primary ones hold
    together with 95 % (Bonferroni); that of an exploratory one holds alone."""
    only_first: int
    """Problems on which the first did better."""
    only_second: int
    p: float
    """Exact McNemar test of these two counts; with several seeds a problem, a sign test."""
    corrected: float
    """Smallest chance of error at which `difference` would leave 0 out (`paired`), corrected as
    the interval is."""
    shows: float
    """Smallest difference that would show on so many problems, if the two differed on as many of
    them as they do; with 80 % power, corrected as the interval is."""

    @property
    def finding(self) -> str:
        """Return "better", "worse" (the first than the second) or "not shown"; or "exploratory".

        It is better or worse if the interval leaves 0 out, and never otherwise.
        """
        if not self.primary:
            return "exploratory"
        if self.difference.holds(0):
            return "not shown"
        return "better" if self.difference.value > 0 else "worse"


@dataclass(frozen=True)
class Pair:
    """Two methods on the same problems, before anything is concluded."""

    first: Key
    second: Key
    problems: int
    left_out: tuple[str, ...]
    paired: Paired

    def concluded(self, family: int | None) -> Comparison:
        """Conclude from it.

        Args:
            family: Primary comparisons that are corrected together; None for an exploratory one.
        """
        alpha = ALPHA / (family or 1)
        paired = self.paired
        return Comparison(
            first=self.first,
            second=self.second,
            primary=family is not None,
            problems=self.problems,
            distinct=paired.count,
            left_out=self.left_out,
            difference=paired.interval(1 - alpha),
            only_first=paired.gains,
            only_second=paired.losses,
            p=paired.exact,
            corrected=min(1.0, paired.p * (family or 1)),
            shows=detectable(
                paired.count, (paired.gains + paired.losses) / paired.count, alpha=alpha
            ),
        )


def compare_all(results: Mapping[Key, Results], baseline: str | None = None) -> list[Comparison]:
    """Compare each search with everything else; without a search, all with each other.

    A baseline at the cost of one search is compared with that search only. Each comparison is of
    the problems on which it is known that both sides stayed within their budgets. One comparison
    a search is primary: with self-consistency (else best-of-N, any other, a search) at equal
    tokens (else calls). With a baseline, it is one for each other method.

    Args:
        results: Outcomes of the same problems in the same order, by method and budget.
        baseline: Method with which all others are compared instead.

    Returns:
        The primary ones first.

    Raises:
        ConfigError: there is no such method.
    """
    if baseline is not None and baseline not in {key.method for key in results}:
        allowed = ", ".join(dict.fromkeys(key.method for key in results))
        raise ConfigError(f"baseline is {baseline!r}, allowed {allowed}")
    pairs = [pair for pair in combinations(results, 2) if _belongs(*pair, results, baseline)]
    ordered = [(b, a) if _comes_first(b, a, baseline) else (a, b) for a, b in pairs]
    rights = {key: _rights(found) for key, found in results.items()}
    ids = next(iter(results.values())).ids
    paired = [pair_up(a, b, ids, rights[a], rights[b]) for a, b in ordered]
    found = [pair for pair in paired if pair is not None]
    first = _primary(found, baseline)
    others = [pair.concluded(None) for pair in found if pair not in first]
    return [*simultaneous(first), *others]


def simultaneous(pairs: Sequence[Pair]) -> list[Comparison]:
    """Conclude from all of them as one family of primary comparisons."""
    return [pair.concluded(len(pairs)) for pair in pairs]


def _primary(pairs: Sequence[Pair], baseline: str | None) -> list[Pair]:
    """The one comparison of each search, or of each method with the baseline that was named."""
    owned: dict[str, list[Pair]] = {}
    for pair in pairs:
        if baseline is not None or pair.first.searches:
            owned.setdefault(pair.first.method, []).append(pair)
    return [min(own, key=_rank) for own in owned.values()]


def _rank(pair: Pair) -> tuple[bool, int, int, bool]:
    """The less, the sooner a comparison is the primary one of its first method."""
    other = pair.second
    near = [*_NEIGHBOURS, other.method].index(other.method)
    return other.searches, near, _BUDGETS.index(other.budget), other.against is None


def _comes_first(key: Key, other: Key, baseline: str | None) -> bool:
    if baseline is not None:
        return other.method == baseline
    return key.searches and not other.searches


def _belongs(a: Key, b: Key, results: Iterable[Key], baseline: str | None) -> bool:
    if baseline is not None:
        names = {a.method, b.method}
        same = a.against == b.against or None in (a.against, b.against)
        return len(names) == 2 and baseline in names and same
    if any(key.searches for key in results) and not (a.searches or b.searches):
        return False
    return a.against in (None, b.method) and b.against in (None, a.method)


def _rights(results: Results) -> list[bool | None]:
    """Whether each selected answer is right; None where it is not known what was spent."""
    pairs = zip(results.right.tolist(), results["measured"].tolist(), strict=True)
    return [right if measured else None for right, measured in pairs]


def pair_up(
    first: Key,
    second: Key,
    ids: Sequence[str],
    ours: Sequence[bool | None],
    theirs: Sequence[bool | None],
) -> Pair | None:
    """Pair two methods by problem; None where they have none in common.

    Args:
        first: One method.
        second: The other.
        ids: The problems, each as often as it has seeds.
        ours: Whether the first was right on each; None where that does not count.
        theirs: The same of the second.
    """
    differences: dict[str, list[int]] = {}
    left_out = []
    for name, one, other in zip(ids, ours, theirs, strict=True):
        if one is None or other is None:
            left_out.append(name)
        else:
            differences.setdefault(name, []).append(one - other)
    if not differences:
        return None
    paired = Paired([fmean(values) for values in differences.values()])
    return Pair(first, second, len(ids) - len(left_out), tuple(left_out), paired)
