"""The record of a search: what each rollout came to, written once and drawn from ever after.

An end state does not tell how it came to be: q and the leader change, rewards are added, branches
are pruned. So each step that changes the tree adds its rows, and no row is changed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat, takewhile
from typing import Any, NotRequired, cast

from typing_extensions import TypedDict

from mctsr_graph.tree.steered import Action
from mctsr_graph.tree.task import Kind
from mctsr_graph.tree.tree import Node, Patch, Tree
from mctsr_graph.tree.values import values_above


class Recorded(TypedDict):
    """What one rollout came to, at most 300 bytes as JSON.

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
    """q of all other nodes that it has changed, points by id, the nearest first."""
    backed_up: NotRequired[str]
    """In the place of `values` where they follow by Eq. 3 from earlier rows: the setting `value`,
    by which own rewards count. So a row is as small in a deep tree."""
    leader: str | None
    """Id of the node whose answer would have been returned then."""
    leader_q: NotRequired[float | None]
    """Its q then, points; absent where earlier rows tell it."""
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
    """What it has cost so far, in the currency of the prices, to 6 decimals; None where that is not
    known."""


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
    """Each q that is another now, points by id."""
    leader: str | None
    leader_q: float | None
    chance: float | None
    calls: int | None
    tokens: int | None
    seconds: float | None
    price: float | None


def with_values(row: Recorded, before: Tree, after: Tree, patch: Patch) -> Recorded:
    """A row with the q of each other node that a patch has changed."""
    changed = [
        node_id
        for node_id in patch
        if node_id != row["node"]
        and node_id in before
        and after[node_id]["q"] != before[node_id]["q"]
    ]
    changed.sort(key=lambda node_id: -after[node_id]["depth"])
    values = {node_id: after[node_id]["q"] for node_id in changed}
    return {**row, "values": values} if values else row


def compact(row: Recorded, before: Tree, after: Tree, value: str | None) -> Recorded:
    """A row without what a replay finds by itself: values by Eq. 3, and the leader's.

    Args:
        row: It.
        before: The tree before.
        after: The tree after.
        value: The setting `value`; None where the record does not tell the search from its roots.
    """
    if value is None:
        return row
    row = _without(row, "leader_q")
    if row["node"] is None or "values" not in row:
        return row

    def q_before(node_id: str) -> float | None:
        return before[node_id]["q"] if node_id in before else None

    found = values_above(after, row["node"], row["parent"], row["q"], value, q_before)
    if found != row["values"]:
        return row
    return {**_without(row, "values"), "backed_up": value}


def _without(row: Recorded, field: str) -> Recorded:
    return cast(Recorded, {name: told for name, told in row.items() if name != field})


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
    at_once = [*_at_once(record)]
    steps += [_step(rows, waiting) for rows in at_once]
    last = steps[-1]
    if last["known"] and last["leader"] != best:  # chosen anew, or changed by hand
        last = _nothing_new(last)
        steps.append(last)
    if last["leader"] != best:
        last["leader"], last["chance"] = best, chance
        last["leader_q"] = tree[best]["q"] if best is not None else None
    last["made"] += waiting
    _give_rewards(tree, steps[unknown - 1], steps)
    nothing: list[Recorded] = []
    _give_values(tree, steps, [*repeat(nothing, unknown), *at_once, nothing])
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


def _step(rows: list[Recorded], waiting: dict[str, Node]) -> Step:
    last = rows[-1]
    own = [row["node"] for row in rows if row["node"] is not None]
    # Nodes of rollouts that have no row come in front: an earlier version has made them
    before = takewhile(lambda node: node["rollout"] < last["index"], waiting.values())
    made = dict.fromkeys([*(node["id"] for node in before), *own])
    new = [node_id for node_id in made if waiting.pop(node_id, None)]
    told = {name: value for name, value in last.items() if name in Step.__annotations__}
    drawn = {"known": True, "made": new, "rewards": _added(rows), "values": {}}
    told.setdefault("leader_q", None)
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


def _give_rewards(tree: Mapping[str, Node], first: Step, steps: Sequence[Step]) -> None:
    """Add rewards that no row tells of: they were there when the record began, or came at the end.

    Args:
        tree: The tree.
        first: The step that they are added to.
        steps: All steps.
    """
    added: dict[str, int] = {}
    for step in steps:
        for node_id, rewards in step["rewards"].items():
            added[node_id] = added.get(node_id, 0) + len(rewards)
    for node_id, node in tree.items():
        missing = len(node["rewards"]) - added.get(node_id, 0)
        if missing > 0:
            own = first["rewards"].get(node_id, [])
            first["rewards"][node_id] = [*node["rewards"][:missing], *own]


def _give_values(
    tree: Mapping[str, Node], steps: Sequence[Step], at_once: Sequence[list[Recorded]]
) -> None:
    """Add to each step the q that it changes, so that they lead to the tree as it is."""
    nodes: dict[str, dict[str, Any]] = {}
    now: dict[str, float | None] = {}
    for step, rows in zip(steps, at_once, strict=False):  # the last one may have no rows
        _grow(tree, nodes, step)
        for row in rows:
            values = _values(nodes, row, now)
            now |= values
            step["values"] |= values
        if rows and step["leader"] is not None:
            step["leader_q"] = now.get(step["leader"])
    for node_id, node in tree.items():
        if node_id not in now or now[node_id] != node["q"]:
            steps[-1]["values"][node_id] = node["q"]


def _grow(tree: Mapping[str, Node], nodes: dict[str, dict[str, Any]], step: Step) -> None:
    """Let the nodes, with what their values depend on, be those after a step."""
    for node_id in step["made"]:
        parent = tree[node_id]["parent"]
        nodes[node_id] = {"parent": parent, "children": [], "rewards": []}
        if parent is not None:
            nodes[parent]["children"].append(node_id)
    for node_id, rewards in step["rewards"].items():
        nodes[node_id]["rewards"] += rewards


def _values(
    nodes: Mapping[str, Any], row: Recorded, now: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Each q that a row changes, or tells of."""
    node_id, leader = row["node"], row["leader"]
    values = {**row.get("values", {})}
    if node_id is not None:
        values[node_id] = row["q"]
        if (value := row.get("backed_up")) is not None:
            values |= values_above(nodes, node_id, row["parent"], row["q"], value, now.get)
    if leader is not None and "leader_q" in row:
        values[leader] = row["leader_q"]
    return values
