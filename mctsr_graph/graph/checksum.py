"""A checksum of a search's state, which every step leaves in it.

It covers what grows, that is the problem, the nodes, the record and the failures, as a sum, so that
a step pays for what it changes only; all else it covers anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from langgraph.channels import EphemeralValue
from ormsgpack import OPT_REPLACE_SURROGATES, OPT_SORT_KEYS, packb

from mctsr_graph.tree.tree import merge

_NOW = (
    *("search", "answer", "final_answer", "mctsr", "best", "rollouts", "usage", "stop_reason"),
    *("choice", "wave", "drafted", "branch", "idle_rollouts", "failed_rollouts", "lost_rollouts"),
    "seconds",
)
"""What is small."""
_LISTS = ("record", "failures")
"""What grows, and of which nothing changes."""
BY_PATCHES = ("tree", "wave", "usage", *_LISTS, "attachments")
"""Of what a step writes a part only."""


class Checksum(EphemeralValue[Any]):
    """Keeps what a step wrote, until something else changes the state: a person, by hand."""

    def __init__(self, typ: Any, guard: bool = True) -> None:
        super().__init__(typ, guard)
        self._is_new = False

    def update(self, values: Sequence[Any]) -> bool:
        """Take what a step wrote; a step that writes nothing leaves only what is new."""
        if not values and self._is_new:
            return False  # `get_state` tells so of what a killed run has left
        self._is_new = bool(values)
        return super().update(values)


def with_checksum(state: Mapping[str, Any], update: Mapping[str, Any], step: str) -> dict[str, Any]:
    """The update that a step makes, with the checksum of the state that it leads to."""
    after = {**state, **update}
    for name in BY_PATCHES:
        if name in update:
            after[name] = _patched(state.get(name), update[name])
    known = state.get("checksum")
    if known is None or step == "initialize":
        grown = grown_sum(after)
    else:
        grown = known["grown"] + _growth(state, after, update)
    return {**update, "checksum": {"grown": grown, "now": now_sum(after), "step": step}}


def _patched(value: Any, write: Any) -> Any:
    """What a key of the state that takes patches is after it was written."""
    whole = write.get("__overwrite__") if isinstance(write, dict) else getattr(write, "value", None)
    if whole is not None:
        return whole
    return merge(value, [write]) if isinstance(write, dict) else [*(value or ()), *write]


def _growth(state: Mapping[str, Any], after: Mapping[str, Any], update: Mapping[str, Any]) -> int:
    """What a patch adds to the sum over what grows, and takes away."""
    if not update.keys() & {"tree", *_LISTS}:
        return 0
    tree, new, changed = state["tree"], after["tree"], update.get("tree", ())
    nodes = sum([_sum([one, new[one]]) for one in changed])
    nodes -= sum([_sum([one, tree[one]]) for one in changed if one in tree])
    return nodes + sum(
        [_of_list(after, name, len(state.get(name) or ())) for name in _LISTS if name in update]
    )


def grown_sum(state: Mapping[str, Any]) -> int:
    """The sum over what grows."""
    asked = _sum([state.get("problem"), state.get("attachments") or []])
    nodes = sum([_sum(list(one)) for one in (state.get("tree") or {}).items()])
    return asked + nodes + sum([_of_list(state, name) for name in _LISTS])


def _of_list(state: Mapping[str, Any], name: str, first: int = 0) -> int:
    own = (state.get(name) or [])[first:]
    return sum([_sum([i, one]) for i, one in enumerate(own, first)])


def now_sum(state: Mapping[str, Any]) -> int:
    """The sum of what is small."""
    return _sum({name: state[name] for name in _NOW if name in state and state[name] is not None})


def told_checksum(told: Mapping[str, Any]) -> int:
    """The checksum of what is told of a search beside its state, under names of `mctsr_`."""
    own = {name: value for name, value in told.items() if name.startswith("mctsr_")}
    return _sum({name: own[name] for name in own if name not in _NOT_TOLD})


_NOT_TOLD = ("mctsr_checksum", "mctsr_steered")


_HOW = OPT_SORT_KEYS | OPT_REPLACE_SURROGATES  # which do not come back


def _sum(value: Any) -> int:
    try:
        packed = packb(value, _plain, _HOW)
    except TypeError:  # a number or a key that MessagePack has not
        packed = json.dumps(value, sort_keys=True, default=_plain, skipkeys=True).encode()
    return crc32(packed)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float) else type(value).__name__
