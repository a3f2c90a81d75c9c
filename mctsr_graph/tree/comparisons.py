"""What a judge that compares said of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

Compared = dict[str, list[float]]
"""By the digest of another answer's text, whether this one is better (1), worse (0) or equally good
(1/2), for each time that the judge was asked."""


class Comparing(TypedDict, total=False):
    """What a node has of it, where its judge compares."""

    compared: Compared


def joined(*told: Mapping[str, list[float]]) -> Compared:
    """Several comparisons as one, in order."""
    found: Compared = {}
    for one in told:
        for other, shares in one.items():
            found[other] = [*found.get(other, ()), *shares]
    return found


def add_comparisons(tree: Mapping[str, Any], node_id: str, told: Compared) -> dict[str, Any]:
    """The patch that adds comparisons to a node."""
    return {node_id: {"compared": joined(tree[node_id].get("compared", {}), told)}} if told else {}
