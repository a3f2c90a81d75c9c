"""How the state keeps its values, so that a checkpoint stays small.

Each checkpoint holds every value, and the version of each that was ever written: 65 bytes or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.channels import DeltaChannel, LastValue

from mctsr_graph.tree.tree import merge


class NoneAtFirst(LastValue[Any]):
    """Is None until a step writes another value, so nobody has to write it before it is read."""

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.value = None


def append(records: Sequence[Any] | None, writes: Sequence[Sequence[Any]]) -> list[Any]:
    """Return `records` with the records of every write after them."""
    return [*(records or ()), *(record for write in writes for record in write)]


def overwrite(value: Any) -> dict[str, Any]:
    """LangGraph's `Overwrite` as JSON, since an update is shown as it is in streams."""
    return {"__overwrite__": value}


# A checkpoint holds what its step has added instead of the whole value, so its size does not grow
# with the tree. A snapshot of the whole every 1000 updates bounds the replay of a thread opened
PATCHED: Any = DeltaChannel(merge, snapshot_frequency=1000)
"""A dict of dicts, by the changes of each step."""
APPENDED: Any = DeltaChannel(append, snapshot_frequency=1000)
"""A list, by what each step adds."""
