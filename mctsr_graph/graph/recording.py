"""The rows that each step adds to the record of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mctsr_graph.calls.usage import Usage, tokens, total_cost
from mctsr_graph.graph.rollout import Leaf
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.choose import chance_at_hand, chance_of
from mctsr_graph.tree.record import Recorded, compact, with_values
from mctsr_graph.tree.task import Kind
from mctsr_graph.tree.tree import Node, Patch, Tree


class Moment(NamedTuple):
    """A search after something was done."""

    tree: Tree
    context: MCTSrContext
    leader: str | None
    """Id of the node whose answer would be returned now."""
    usage: Usage
    seconds: float
    record: Sequence[Recorded] = ()
    """The rows before."""

    @property
    def value(self) -> str | None:
        """How own values are computed, where the record tells the search from its roots on."""
        is_whole = bool(self.record) and self.record[0]["index"] == 0 and self.record[0]["task"]
        return self.context.value if is_whole else None

    @property
    def chance(self) -> float | None:
        """Chance of the leader's class to be right, to 4 decimals."""
        return chance_of(self.tree, self.context, self.leader)

    @property
    def chance_at_hand(self) -> float | None:
        """The same where the choice weighs that anyway; else None, and who reads the row weighs."""
        return chance_at_hand(self.tree, self.context, self.leader)

    def row(
        self,
        index: int,
        node: str | None,
        *,
        task: Kind | None = None,
        parent: str | None = None,
        rewards: Sequence[float] = (),
        parent_rewards: Sequence[float] = (),
    ) -> Recorded:
        """A row about `node`, without what other nodes it has changed."""
        leader, cost = self.leader, total_cost(self.usage)
        return Recorded(
            index=index,
            task=task,
            node=node,
            parent=parent,
            rewards=[*rewards],
            parent_rewards=[*parent_rewards],
            q=self.tree[node]["q"] if node is not None else None,
            leader=leader,
            leader_q=self.tree[leader]["q"] if leader is not None else None,
            chance=self.chance_at_hand,
            calls=cost["calls"],
            tokens=tokens(cost),
            seconds=round(self.seconds, 1),
            price=None if cost["unpriced_calls"] else round(cost["price"], 6),
        )


def roots_recorded(now: Moment) -> list[Recorded]:
    """A row for each root."""
    return [
        now.row(0, node_id, task="draft", rewards=node["rewards"])
        for node_id, node in now.tree.items()
    ]


def rollout_recorded(
    now: Moment, before: Tree, leaf: Leaf, node: Node | None, patch: Patch
) -> Recorded:
    """The row of a rollout that has made or judged `node`, or has failed."""
    made = node["id"] if node is not None else None
    row = now.row(
        leaf["rollout"],
        made,
        task=leaf["task"],
        parent=leaf["parent"],
        rewards=leaf["rewards"] if made is not None else (),
        parent_rewards=leaf["parent_rewards"] if made is not None else (),
    )
    if "parents" in leaf:
        row["parents"] = leaf["parents"]
    if "steering" in leaf:
        row["act"] = leaf["steering"][-1]["action"]
    return with_values(row, before, now.tree, patch)


class Judged(NamedTuple):
    """An answer that was judged when the search was over."""

    node: str
    before: Tree
    after: Tree
    patch: Patch


def judged_recorded(now: Moment, judged: Sequence[Judged], rollouts: int) -> list[Recorded]:
    """A row for each answer that was judged when the search was over."""
    rows = []
    for node_id, before, after, patch in judged:
        known = len(before[node_id]["rewards"])
        added = after[node_id]["rewards"][known:]
        row = now.row(rollouts, node_id, task="evaluate", rewards=added)
        row["q"] = after[node_id]["q"]
        row = with_values(row, before, after, patch)
        rows.append(compact(row, before, after, now.value))
    return rows


def act_recorded(now: Moment, before: Tree, rollouts: int, patch: Patch) -> list[Recorded]:
    """The row of what a person did, which a patch to the tree has signed."""

    def signatures(tree: Tree, node_id: str) -> int:
        return len(tree[node_id].get("steering", ())) if node_id in tree else 0

    rows = []
    for node_id in patch:
        if signatures(now.tree, node_id) > signatures(before, node_id):
            node, is_new = now.tree[node_id], node_id not in before
            parent, rewards = (node["parent"], node["rewards"]) if is_new else (None, ())
            row = now.row(rollouts, node_id, parent=parent, rewards=rewards)
            row["act"] = node["steering"][-1]["action"]
            row = with_values(row, before, now.tree, patch)
            rows.append(compact(row, before, now.tree, now.value))
    return rows
