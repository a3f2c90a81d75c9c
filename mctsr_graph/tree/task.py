"""What a rollout is to do."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Kind = Literal["draft", "refine", "evaluate"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Task(NamedTuple):
    """What one rollout is to do: draft an answer, refine one, or have one judged once more."""

    kind: Kind
    node: str | None = None
    """Id of the node to refine or to judge; None for a draft."""
