"""What a rollout is to do, and the kind of rule that chooses it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from mctsr_graph.tree.tree import Node

if TYPE_CHECKING:
    from mctsr_graph.settings.context import MCTSrContext

Kind = Literal["draft", "refine", "evaluate"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Task(NamedTuple):
    """What one rollout is to do: draft an answer, refine one, or have one judged once more."""

    kind: Kind
    node: str | None = None
    """Id of the node to refine or to judge; None for a draft."""


SelectionRule = Callable[
    [Mapping[str, Node], "MCTSrContext", random.Random, int], Sequence[Task | str]
]
"""Takes tree, settings, a random generator seeded for this wave, and the width of the wave.

Returns that many tasks at most; the id of a node is short for refining it. With none at all the
search is "exhausted".
"""
