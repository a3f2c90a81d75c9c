"""In which order methods are shown: each search with what is compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mctsr_graph.benchmark.metrics import Metrics, RunMetrics
from mctsr_graph.benchmark.outcomes import Key

from . import words


def by_search(run: RunMetrics, every: bool = True) -> Iterator[tuple[str, bool, Metrics]]:
    """Yield names, whether they stand below a search, and figures at the largest budget.

    First methods that belong to no search, then each search with those that cost as much.

    Args:
        run: What was measured.
        every: Whether to show searches at their smaller budgets, too.
    """
    last = run.at_most()
    for key in last:
        if not key.searches and key.against is None:
            yield words.brief_name(key), False, run.methods[key]
    for search in (key for key in run.methods if key.searches and (every or key in last)):
        yield words.brief_name(search), False, run.methods[search]
        for key in last:
            if search in last and key.against == search.method:
                yield beside(key, search), True, run.methods[key]


def beside(key: Key, search: Key) -> str:
    """A method's name where it stands below a search."""
    if key.against == search.method:
        return f"{words.plain_name(key)}, equal {key.budget}"
    return words.brief_name(key)


def at_equal_tokens(keys: Sequence[Key]) -> list[Key]:
    """All but baselines at equal calls of which there are figures at equal tokens."""
    equal = {key.method for key in keys if key.budget == "tokens"}
    return [key for key in keys if key.searches or key.budget != "calls" or key.method not in equal]
