"""A table as plain text in rows; how it is drawn is for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mctsr_graph.benchmark.outcomes import Key

from . import words


@dataclass(frozen=True)
class Table:
    """A table with what one must know to read it. No cell is markup."""

    name: str
    """A short word, to find it by."""
    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def names(key: Key) -> tuple[str, str, str]:
    """Rollouts, method and budget, for the first columns."""
    rollouts = words.NONE if key.budget == "own" else str(key.rollouts)
    return rollouts, words.method_name(key), words.budget_name(key)
