"""A rollout in flight: from the selected node to the new node in the tree."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from mctsr_graph.calls.request import Failure, Reply
from mctsr_graph.calls.usage import Role, Usage, spent
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.reading import USUAL, FinalAnswer
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.hostile import is_suspicious
from mctsr_graph.tree.classes import classified
from mctsr_graph.tree.comparisons import Compared, add_comparisons, joined
from mctsr_graph.tree.copies import as_copy
from mctsr_graph.tree.steered import Steering
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import (
    Node,
    Patch,
    Tree,
    add_child,
    add_rewards,
    merge,
    new_node,
)


class Leaf(TypedDict):
    """One rollout in flight: scratch, replaced by the next select."""

    rollout: int
    """Number of the rollout, from 1."""
    task: Kind
    """Whether it refines its parent, drafts an independent answer, merges several, or only has one
    judged."""
    parent: str | None
    """Id of the node being refined or judged, or the first being merged; None for a draft."""
    parents: NotRequired[list[str]]
    """Ids of the nodes being merged, `parent` first."""
    critique: str | None
    """Written by critique; a person may edit it before refine."""
    answer: str | None
    """Written by refine."""
    truncated: bool
    """Whether a limit of tokens cut the answer off."""
    rewards: list[float]
    """The new answer's rewards, points; written by evaluate."""
    parent_rewards: list[float]
    """The refined node's further rewards, points; written by evaluate."""
    compared: NotRequired[Compared]
    """The new answer's comparisons, as in `Node`, of a judge that compares."""
    parent_compared: NotRequired[Compared]
    """The refined node's further comparisons."""
    failures: list[Failure]
    lost: bool
    """True once a failure has cost this rollout its new answer."""
    through: NotRequired[bool]
    """True once `pipelined` has taken it through all steps."""
    usage: Usage
    """Of the roles asked so far, without the counts that are 0 (`calls.usage.spent`)."""
    seconds: float
    certain: NotRequired[bool]
    """Whether another reply like the answer is no sample of its own."""
    by_length: NotRequired[bool]
    """True where only the length of the answer says so."""
    drawn: NotRequired[bool]
    """As in `Node`."""
    joins: NotRequired[str]
    """Id of the node that the rewards are for, where a person asked for more of them."""
    steering: NotRequired[list[Steering]]
    """The person who wrote the answer, or asked for the rewards."""


def new_leaf(rollout: int, tree: Tree, task: Task) -> Leaf:
    """Begin rollout number `rollout`, with a critique wished for at the node it refines."""
    node = None if task.node is None else tree[task.node]
    wish = node.get("wishes", {}).get(str(rollout)) if node is not None else None
    leaf = Leaf(
        rollout=rollout,
        task=task.kind,
        parent=task.node,
        critique=wish if isinstance(wish, str) else None,
        answer=node["answer"] if node is not None and task.kind == "evaluate" else None,
        truncated=False,
        rewards=[],
        parent_rewards=[],
        failures=[],
        lost=False,
        usage={},
        seconds=0.0,
    )
    return {**leaf, "parents": [*task.nodes]} if task.kind == "merge" else leaf


def with_text(leaf: Leaf, role: Role, reply: Reply) -> Patch:
    """Note a critique or a new answer; a leaf whose text cannot be had is lost."""
    return {
        "critique" if role == "critique" else "answer": reply.value,
        "truncated": reply.truncated and role != "critique",
        "lost": reply.code is not None,
        "failures": failures([reply], role, leaf["rollout"]),
        **({"certain": True} if reply.is_certain and role != "critique" else {}),
        **({"by_length": True} if reply.by_length and role != "critique" else {}),
        **({"drawn": True} if reply.is_drawn and role == "draft" else {}),
        **_charge(leaf, role, [reply]),
    }


def with_rewards(leaf: Leaf, own: Sequence[Reply], again: Sequence[Reply]) -> Patch:
    """Note the rewards of the new answer, and further ones of the answer it refines."""
    earned = rewards(own)
    told = {"compared": compared(own), "parent_compared": compared(again)}
    return {
        "rewards": earned,
        "parent_rewards": rewards(again),
        **{name: shares for name, shares in told.items() if shares},
        "lost": not earned,
        "failures": [
            *failures(own, "evaluate", leaf["rollout"]),
            *failures(again, "evaluate", leaf["rollout"], leaf["parent"]),
        ],
        **_charge(leaf, "evaluate", [*own, *again]),
    }


def rewards(replies: Iterable[Reply]) -> list[float]:
    """The rewards in evaluations, points; failed ones and copies of others are left out."""
    replies, seen = list(replies), set[Hashable]()
    again = {reply.digest for reply in replies if reply.is_certain}
    found = []
    for reply in replies:
        if reply.code is None and not (reply.digest in again and reply.digest in seen):
            found.append(reply.value)
            seen.add(reply.digest)
    return found


def compared(replies: Iterable[Reply]) -> Compared:
    """What a judge that compares said in evaluations; nothing of failed ones."""
    return joined(*(reply.compared for reply in replies if reply.code is None))


def certain_alike(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves, each certain where one of the same reply is: a cache marks all but the first."""

    def reply(leaf: Leaf) -> tuple[str | None, ...]:
        merged = sorted(leaf.get("parents", ()))
        parent = None if merged else leaf["parent"]
        return leaf["answer"], leaf["critique"], parent, *merged

    again = {reply(leaf) for leaf in leaves if leaf.get("certain")}
    return [{**leaf, "certain": True} if reply(leaf) in again else leaf for leaf in leaves]


def known_answers(tree: Tree, leaves: Iterable[Leaf]) -> list[str]:
    """Every answer in the tree and in flight, but no dummy, each once."""
    found = [node["answer"] for node in tree.values() if not node["dummy"]]
    return list(dict.fromkeys([*found, *(leaf["answer"] or "" for leaf in leaves)]))


def failures(
    replies: Iterable[Reply], role: Role, rollout: int, node: str | None = None
) -> list[Failure]:
    """The failures among replies; `node` is the one whose reward was asked for, if not new."""
    return [
        Failure(rollout=rollout, node=node, role=role, code=reply.code, message=reply.message)
        for reply in replies
        if reply.code is not None
    ]


def longest(leaves: Iterable[Leaf]) -> float:
    """Seconds that leaves have waited for the model, which they do at the same time."""
    return max([leaf["seconds"] for leaf in leaves], default=0.0)


def grow(
    tree: Tree,
    leaf: Leaf,
    strategy: Strategy,
    context: MCTSrContext,
    reading: FinalAnswer = USUAL,
) -> tuple[Node | None, Patch]:
    """Turn a leaf into a node.

    Returns:
        The node as it is in the tree afterwards, or None for a lost leaf, and the patch that
        brings the tree there.
    """
    parent = leaf["parent"]
    if leaf["lost"] or leaf["answer"] is None:
        return None, {}
    patch: Patch = {}
    if parent is not None:
        patch = _judged(tree, parent, leaf["parent_rewards"], leaf.get("parent_compared"))
    grown: Tree = merge(tree, [patch])
    child = new_node(
        grown,
        parent=parent,
        answer=leaf["answer"],
        final_answer=reading.of(leaf["answer"]),
        rewards=leaf["rewards"],
        critique=leaf["critique"] or None,
        rollout=leaf["rollout"],
        truncated=leaf["truncated"],
        suspicious=is_suspicious(leaf["answer"]),
    )
    kept: Any = {name: leaf[name] for name in ("parents", "compared", "drawn") if name in leaf}
    child = {**child, **kept}
    if leaf.get("certain"):
        child = as_copy(grown, child, leaf.get("by_length", False))
    same = leaf.get("joins") or (parent if leaf["task"] == "evaluate" else None)
    if same is None and strategy.merges_equal_answers:
        same = child["duplicate_of"]
    if same is not None:
        # Differs: the official code also hangs the node under its newest parent
        target, change = same, _judged(grown, same, leaf["rewards"], leaf.get("compared"))
    else:
        target, change = child["id"], add_child(grown, child)
        whole = merge(grown, [change])
        change = merge(change, [classified(whole, child["id"], reading.comparing)])
    patch = merge(patch, [change])
    if "steering" in leaf:
        before = tree[target].get("steering", []) if target in tree else []
        patch = merge(patch, [{target: {"steering": [*before, *leaf["steering"]]}}])
    after: Tree = merge(tree, [patch])
    for touched in [target] if parent is None else [parent, target]:
        values = strategy.backpropagate(after, touched, context)
        patch, after = merge(patch, [values]), merge(after, [values])
    return after[target], patch


def _judged(tree: Tree, node_id: str, rewards: list[float], told: Compared | None) -> Patch:
    """The patch that adds what a judge said to a node."""
    return merge(add_rewards(tree, node_id, rewards), [add_comparisons(tree, node_id, told or {})])


def _charge(leaf: Leaf, role: Role, replies: Sequence[Reply]) -> Patch:
    """What a leaf has cost after some replies had at once."""
    usage, costs = leaf["usage"], [reply.cost for reply in replies]
    # A merge is asked for as a refinement is, and is none
    name = "merge" if leaf["task"] == "merge" and role == "refine" else role
    return {
        "usage": {**usage, name: spent([*([usage[name]] if name in usage else []), *costs])},
        "seconds": leaf["seconds"] + max([reply.seconds for reply in replies], default=0.0),
    }
