"""Whether a search that a checkpointer gives back is the one that it was given.

The first step of a run checks what it finds, as does whoever shows a search: the form of each
value, the links between nodes, the counts, and the checksum (`checksum.py`). An update by hand
takes the checksum away: then the rest is checked, as of a search of before there were checksums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from langgraph.types import StateSnapshot
from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mctsr_graph.errors import CheckpointError
from mctsr_graph.graph.checksum import grown_sum, now_sum, told_checksum
from mctsr_graph.graph.state import ROLLOUT
from mctsr_graph.text.reward_scale import is_on_scale
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node

_NEXT = {
    "initialize": ROLLOUT[:1],
    "select": (ROLLOUT[1], "finalize"),
    **{
        before: (after,)
        for before, after in zip(ROLLOUT[1:], (*ROLLOUT[2:], ROLLOUT[0]), strict=True)
    },
}

_PAPER = '"profile": "paper"'


class _Kept(TypedDict, total=False):
    """What of a state is read without further ado."""

    tree: dict[str, Node]
    best: str | None
    answer: str | None
    final_answer: str | None
    rollouts: NonNegativeInt
    idle_rollouts: NonNegativeInt
    failed_rollouts: NonNegativeInt
    lost_rollouts: NonNegativeInt
    seconds: float
    stop_reason: str | None
    choice: dict[str, Any] | None
    usage: dict[str, dict[str, NonNegativeInt | float]]
    failures: list[dict[str, Any]]
    record: list[Recorded]
    attachments: list[dict[str, Any]]
    wave: dict[str, dict[str, Any]]


def values_of(found: StateSnapshot) -> dict[str, Any]:
    """The state of a search; of one that was asked for and has not begun, the problem alone.

    All else is then of an earlier search on the same thread.
    """
    values: dict[str, Any] = found.values
    waits = found.next == ("initialize",)
    return {"problem": values["problem"]} if waits and "problem" in values else values


def check_search(
    state: Mapping[str, Any], thread: str, *, told: Mapping[str, Any] | None = None, step: str = ""
) -> None:
    """Refuse a search that is not what was kept.

    Args:
        state: What the checkpointer gave back.
        thread: Where that was.
        told: The metadata of the checkpoint.
        step: The step that is about to be done.

    Raises:
        CheckpointError: it is damaged; the message says what is wrong.
    """
    wrong = next(_wrong(state, told or {}, step), None)
    if wrong is not None:
        raise CheckpointError(f"what is kept as search {thread!r} is damaged: {wrong}")


def _wrong(state: Mapping[str, Any], told: Mapping[str, Any], step: str) -> Iterator[str]:
    """What is wrong with a search, the most telling first."""
    if told.get("mctsr_checksum") not in (None, told_checksum(told)):
        yield "its settings, model or version are not those that were written"
    tree, best = state.get("tree") or {}, state.get("best")
    if best is not None and not tree:
        yield (
            f"the checkpointer gave back {state['rollouts']} rollouts but no tree: it keeps not "
            "all the checkpoints that a DeltaChannel is rebuilt from (a pruned thread, or a saver "
            "that keeps only the latest one)"
        )
    yield from _ill_formed(state)
    yield from _ill_linked(tree)
    if best is not None and best not in tree:
        yield f"its best node {best!r} is not there"
    yield from _miscounted(state, tree, told)
    yield from _ill_recorded(state, tree)
    for number, leaf in (state.get("wave") or {}).items():
        for parent in leaf.get("parents", [leaf.get("parent")]):
            if parent is not None and parent not in tree:
                yield f"rollout {number} is at node {parent!r}, which is not there"
    yield from _changed(state, step)


def _ill_formed(state: Mapping[str, Any]) -> Iterator[str]:
    try:
        _form().validate_python(state, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        yield f"{place} is {_brief(first['input'])}: {first['msg']}"


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[_Kept]:
    return TypeAdapter(_Kept)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _ill_linked(tree: Mapping[str, Any]) -> Iterator[str]:
    below: dict[str, list[str]] = {node_id: [] for node_id in tree}
    for number, (node_id, node) in enumerate(tree.items()):
        if node_id != str(number):
            yield f"node {number} is not there, in its place is node {node_id!r}"
        yield from (f"node {node_id!r} {wrong}" for wrong in _ill_placed(tree, node, number))
        if node["parent"] is not None:  # of the nodes that were merged, the first alone
            below[node["parent"]].append(node_id)
    for node_id, node in tree.items():
        if sorted(node["children"]) != sorted(below[node_id]):
            children, known = _brief(node["children"]), _brief(below[node_id])
            yield f"node {node_id!r} has the children {children}, but {known} are below it"


def _ill_placed(tree: Mapping[str, Any], node: Mapping[str, Any], number: int) -> Iterator[str]:
    """What is wrong with the node of a number, as words that follow its name."""
    above = node["parent"]
    if node["id"] != str(number):
        yield f"says that it is {node['id']!r}"
    # Depths that grow by one leave no path that is a circle
    if above is not None and (above not in tree or tree[above]["depth"] != node["depth"] - 1):
        yield f"has depth {node['depth']}, below {above!r}"
    if above is None and node["depth"]:
        yield f"has depth {node['depth']}, but no parent"
    if "parents" in node and node["parents"][:1] != [above]:
        yield f"merges {_brief(node['parents'])}, but is below {above!r}"
    others = [above, node["duplicate_of"], node.get("repeats"), *node.get("parents", ())]
    for other in others:
        if other is not None and other not in tree:
            yield f"tells of node {other!r}, which is not there"
    if wrong := [reward for reward in node["rewards"] if not is_on_scale(reward)]:
        yield f"has a reward of {wrong[0]!r}"


def _ill_recorded(state: Mapping[str, Any], tree: Mapping[str, Any]) -> Iterator[str]:
    """Rows about nodes that are not there, or out of order."""
    last = 0
    for row in state.get("record") or ():
        others = (row["node"], row["parent"], row["leader"])
        for other in (*others, *row.get("parents", ()), *row.get("values", ())):
            if other is not None and other not in tree:
                yield f"its record tells of node {other!r}, which is not there"
        if not last <= row["index"] <= state.get("rollouts", 0):
            yield f"its record tells of rollout {row['index']} after {last}"
        last = row["index"]


def _miscounted(
    state: Mapping[str, Any], tree: Mapping[str, Node], told: Mapping[str, Any]
) -> Iterator[str]:
    rollouts = state.get("rollouts", 0)
    made = {node["rollout"] for node in tree.values()}
    if made and max(made) > rollouts:
        yield f"it has {rollouts} rollouts, but a node of rollout {max(made)}"
    if "mctsr_strategy" in told or "mctsr_settings" not in told:
        return  # of another strategy, or not known
    failed = {failure.get("rollout") for failure in state.get("failures") or ()}
    left = len((made | failed) - {0})
    if _PAPER in told["mctsr_settings"]:
        steered = [one["action"] for node in tree.values() for one in node.get("steering", ())]
        joined = steered.count("rewards")
    else:  # a rollout may add rewards to a node that is there, and leave no other trace
        joined = sum(len(node["rewards"]) for node in tree.values())
    if left + joined < rollouts:
        yield f"it has {rollouts} rollouts, but nodes or failures of {left} only"


def _changed(state: Mapping[str, Any], step: str) -> Iterator[str]:
    known = state.get("checksum")
    if known is None:
        return
    if not isinstance(known, dict) or known.keys() != {"grown", "now", "step"}:
        yield f"its checksum is {_brief(known)}"
        return
    if known["grown"] != grown_sum(state):
        yield "its problem, nodes or failures are not those that were written"
    if known["now"] != now_sum(state):
        yield "its counts, answer or rollouts in flight are not those that were written"
    if step and step not in _NEXT.get(known["step"], ()):
        yield f"the step {step} is to follow {known['step']!r}"
