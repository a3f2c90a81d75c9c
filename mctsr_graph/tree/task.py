"""What a rollout is to do."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Kind = Literal["draft", "refine", "merge", "evaluate"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Task(NamedTuple):
    """What one rollout is to do.

    Draft an answer, refine one, merge several into a new one, or have one judged once more.
    """

    kind: Kind
    node: str | None = None
    """Id of the node to refine, to merge or to judge; None for a draft."""
    others: tuple[str, ...] = ()
    """Ids of the nodes to merge it with, one or more; () but for a merge."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Ids of all nodes that it is about."""
        return (() if self.node is None else (self.node,)) + tuple(self.others)
