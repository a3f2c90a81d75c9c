"""The record of a search: what each rollout came to, written once and drawn from ever after.

An end state does not tell how it came to be: q and the leader change, rewards are added, branches
are pruned. So each step that changes the tree adds its rows, and no row is changed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NotRequired, cast

from typing_extensions import TypedDict

from mctsr_graph.tree.steered import Action
from mctsr_graph.tree.task import Kind
from mctsr_graph.tree.tree import Node, Patch, Tree, path_to_root

MOST_VALUES = 6
"""Values of other nodes in a row, so that its size does not grow with the depth of the tree."""


class Recorded(TypedDict):
    """What one rollout came to, at most 300 bytes as a checkpoint keeps it.

    There are also rows for the roots, for what a person did, and for answers that are judged when
    a search ends.
    """

    index: int
    """Number of the rollout, from 1; 0 for the roots. Else the rollouts that were finished."""
    task: Kind | None
    """What was done; None for an act of a person that is no rollout."""
    act: NotRequired[Action]
    """What a person did; `steering` of the node tells who. Absent where nobody did."""
    node: str | None
    """Id of the node that was made, judged or acted on; None where a rollout has failed."""
    parent: str | None
    """Id of the node that was refined or judged, or the first that was merged."""
    parents: NotRequired[list[str]]
    """Ids of the nodes that were merged; only of a merge."""
    rewards: list[float]
    """Rewards that `node` was given, points."""
    parent_rewards: list[float]
    """Rewards that `parent` was given, points."""
    q: float | None
    """q of `node` then, points."""
    values: NotRequired[dict[str, float | None]]
    """q of other nodes that it has changed, points by id: the nearest first, `MOST_VALUES` at most.
    Where there are so many, what lies further up is not told."""
    leader: str | None
    """Id of the node whose answer would have been returned then."""
    leader_q: float | None
    """Its q then, points."""
    chance: float | None
    """Chance of its class to be right then, to 4 decimals; None where it states no final answer, or
    where nothing else weighs so large a tree. The state holds None, too, where the choice weighs
    nothing, as the paper's: `Solution.record` and the events weigh it for whoever reads them."""
    calls: int
    """Model calls of the search so far."""
    tokens: int
    """Input and output tokens so far, as the model reported them."""
    seconds: float
    """Time spent waiting for the model so far, to a tenth of a second."""
    price: float | None
    """What it has cost so far, in the currency of the prices; None where that is not known."""


class Step(TypedDict):
    """A moment of a search, ready to be drawn: what is new with it."""

    index: int
    known: bool
    """Whether it was recorded. Else only nodes and what they were made from are known."""
    task: Kind | None
    act: NotRequired[Action]
    node: str | None
    parent: str | None
    parents: NotRequired[list[str]]
    made: list[str]
    """Ids of the nodes that are new."""
    rewards: dict[str, list[float]]
    """Rewards added, points by id."""
    values: dict[str, float | None]
    """Each q that is another now, by id; None: not known from here on."""
    leader: str | None
    leader_q: float | None
    chance: float | None
    calls: int | None
    tokens: int | None
    seconds: float | None
    price: float | None


def changed_values(
    before: Tree, after: Tree, patch: Patch, but: str | None
) -> dict[str, float | None]:
    """The q of each node that a patch has changed, the nearest first; `but` is told elsewhere."""
    changed = [
        node_id
        for node_id in patch
        if node_id != but and node_id in before and after[node_id]["q"] != before[node_id]["q"]
    ]
    changed.sort(key=lambda node_id: -after[node_id]["depth"])
    return {node_id: after[node_id]["q"] for node_id in changed[:MOST_VALUES]}


def replay(
    tree: Mapping[str, Node],
    record: Sequence[Recorded],
    rollouts: int,
    best: str | None = None,
    chance: float | None = None,
) -> list[Step]:
    """Every moment of a search, in order; the last one is the search as it is.

    Args:
        tree: The tree.
        record: What was recorded; nothing, or the end alone, of a search of an earlier version.
        rollouts: Rollouts finished.
        best: Id of the node whose answer is returned.
        chance: Chance of its class.
    """
    waiting = dict(tree)
    unknown = _beginning(record, rollouts)
    steps = [*_unrecorded(tree, unknown, waiting)]
    steps += [_step(tree, rows, waiting) for rows in _at_once(record)]
    last = steps[-1]
    if last["known"] and last["leader"] != best:  # chosen anew, or changed by hand
        last = _nothing_new(last)
        steps.append(last)
    if last["leader"] != best:
        last["leader"], last["chance"] = best, chance
        last["leader_q"] = tree[best]["q"] if best is not None else None
    last["made"] += waiting
    _settle(tree, steps, unknown)
    return steps


_MARKS: dict[Any, tuple[str, bool]] = {
    **{"prune": ("pruned", True), "restore": ("pruned", False)},
    **{"pin": ("pinned", True), "unpin": ("pinned", False)},
}


def moments(
    tree: Mapping[str, Node], record: Sequence[Recorded]
) -> Iterator[tuple[Recorded, Mapping[str, Node]]]:
    """Each row, with the tree after it: its nodes, their rewards and what was in play then.

    All else is as it is now. The tree is the same object each time, which changes.
    """
    steps, unknown = replay(tree, record, 0), _beginning(record, 0)
    begun: dict[str, Any] = {node_id: {**node, "rewards": []} for node_id, node in tree.items()}
    for row in record:
        if (act := row.get("act")) in _MARKS:
            begun[row["node"] or ""].pop(_MARKS[act][0], None)
    now: dict[str, Any] = {}
    for step, rows in zip(steps, [*([()] * unknown), *_at_once(record)], strict=False):
        for node_id in step["made"]:
            now[node_id] = begun[node_id]
        for node_id, added in step["rewards"].items():
            now[node_id] = {**now[node_id], "rewards": [*now[node_id]["rewards"], *added]}
        if (act := step.get("act")) in _MARKS:
            mark, is_set = _MARKS[act]
            node_id = step["node"] or ""
            now[node_id] = {**now[node_id], mark: is_set}
        yield from ((row, now) for row in rows)


def _beginning(record: Sequence[Recorded], rollouts: int) -> int:
    """How many of roots and rollouts there were before the record begins."""
    if not record:
        return rollouts + 1
    first = record[0]
    return first["index"] + (first["task"] is None)


def _unrecorded(tree: Mapping[str, Node], count: int, waiting: dict[str, Node]) -> Iterator[Step]:
    """The steps before the record begins: what the nodes themselves tell."""
    made: dict[int, list[str]] = {}
    for node_id, node in tree.items():
        made.setdefault(node["rollout"], []).append(node_id)
    for index in range(count):
        new = [node_id for node_id in made.get(index, []) if waiting.pop(node_id, None)]
        yield _without_record(index, new, tree)


def _without_record(index: int, made: list[str], tree: Mapping[str, Node]) -> Step:
    node = tree[made[-1]] if made else None
    parent = node["parent"] if node is not None else None
    merged = node.get("parents") if node is not None else None
    made_by = "merge" if merged else "refine" if parent is not None else "draft"
    step = Step(
        index=index,
        known=False,
        task=cast(Kind, made_by) if node is not None else None,
        node=node["id"] if node is not None else None,
        parent=parent,
        made=made,
        rewards={},
        values={},
        leader=None,
        leader_q=None,
        chance=None,
        calls=None,
        tokens=None,
        seconds=None,
        price=None,
    )
    return {**step, "parents": merged} if merged else step


def _nothing_new(step: Step) -> Step:
    """A step after another, at the same cost."""
    kept = {name: step[name] for name in ("calls", "tokens", "seconds", "price")}
    return cast(Step, {**_without_record(step["index"], [], {}), "known": True, **kept})


def _at_once(record: Sequence[Recorded]) -> Iterator[list[Recorded]]:
    """The rows by step: those of the roots are one."""
    count = sum(row["index"] == 0 and row["task"] == "draft" for row in record)
    if count:
        yield [*record[:count]]
    yield from ([row] for row in record[count:])


def _step(tree: Mapping[str, Node], rows: list[Recorded], waiting: dict[str, Node]) -> Step:
    last = rows[-1]
    own = [row["node"] for row in rows if row["node"] is not None]
    # Nodes of rollouts that have no row come in front: an earlier version has made them
    before = takewhile(lambda node: node["rollout"] < last["index"], waiting.values())
    made = dict.fromkeys([*(node["id"] for node in before), *own])
    new = [node_id for node_id in made if waiting.pop(node_id, None)]
    values: dict[str, float | None] = {}
    for row in rows:
        if row["node"] is not None:
            values[row["node"]] = row["q"]
        values |= _told(tree, row)
    if last["leader"] is not None:
        values[last["leader"]] = last["leader_q"]
    told = {name: value for name, value in last.items() if name in Step.__annotations__}
    drawn = {"known": True, "made": new, "rewards": _added(rows), "values": values}
    return cast(Step, {**told, **drawn})


def _added(rows: list[Recorded]) -> dict[str, list[float]]:
    rewards: dict[str, list[float]] = {}
    for row in rows:
        # In the order in which a node that is both gets them
        given = ((row["parent"], row["parent_rewards"]), (row["node"], row["rewards"]))
        for node_id, added in given:
            if node_id is not None and added:
                rewards[node_id] = [*rewards.get(node_id, ()), *added]
    return rewards


def _told(tree: Mapping[str, Node], row: Recorded) -> dict[str, float | None]:
    """The values of a row; of what lies further up, that it is not known."""
    values = row.get("values", {})
    if len(values) < MOST_VALUES:
        return {**values}
    beyond = [*path_to_root(tree, list(values)[-1])][1:]
    return {**dict.fromkeys(beyond), **values}


def _settle(tree: Mapping[str, Node], steps: list[Step], unknown: int) -> None:
    """Let the steps, the first `unknown` of them without a row, lead to the tree as it is.

    Rewards that no row tells of were there when the record began, or else came at the end.
    """
    now: dict[str, float | None] = {}
    added: dict[str, int] = {}
    for step in steps:
        now |= step["values"]
        for node_id, rewards in step["rewards"].items():
            added[node_id] = added.get(node_id, 0) + len(rewards)
    earlier, last = steps[unknown - 1], steps[-1]
    for node_id, node in tree.items():
        missing = len(node["rewards"]) - added.get(node_id, 0)
        if missing > 0:
            own = earlier["rewards"].get(node_id, [])
            earlier["rewards"][node_id] = [*node["rewards"][:missing], *own]
        if node_id not in now or now[node_id] != node["q"]:
            last["values"][node_id] = node["q"]
