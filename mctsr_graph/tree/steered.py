"""What a person has said of branches: which are out of play, which are wanted, which come next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

Action = Literal["prune", "restore", "pin", "unpin", "expand", "critique", "answer", "rewards"]


class Steering(TypedDict):
    """Something that a person did to a node."""

    action: Action
    by: str
    """Who did it, in their own words."""
    at: str
    """When: ISO 8601, UTC."""
    rollout: NotRequired[int]
    """Number of the rollout that it is for, if it is for one."""


class Steered(TypedDict, total=False):
    """What a person may have said of a node. The fields are there once somebody has."""

    pruned: bool
    """The node and all below it are out of play: neither refined nor returned."""
    pinned: bool
    """Only this node, all below it, and other pinned branches are in play."""
    wishes: dict[str, str | None]
    """Rollouts, by number, that are to refine this node: the critique to use, or None to ask."""
    steering: list[Steering]
    """Everything that people did here, in order."""


N = TypeVar("N", bound=Mapping[str, Any])


def in_play(tree: Mapping[str, N]) -> Mapping[str, N]:
    """The part of `tree` that may be refined and returned; all of it unless a person said so."""
    # A list, which takes half the time of `any` over a tree of which nobody has said anything
    if not [True for node in tree.values() if "pruned" in node or "pinned" in node]:
        return tree
    out: set[str] = set()
    wanted: set[str] = set()
    for node_id, node in tree.items():  # in order of creation, so a parent goes first
        if node.get("pruned") or node["parent"] in out:
            out.add(node_id)
        elif node.get("pinned") or node["parent"] in wanted:
            wanted.add(node_id)
    return {
        node_id: node
        for node_id, node in tree.items()
        if (node_id in wanted if wanted else node_id not in out)
    }


def live_children(tree: Mapping[str, N], node: N) -> list[N]:
    """The children of `node` that are not pruned; only these count for its value."""
    return [
        child for i in node["children"] if "pruned" not in (child := tree[i]) or not child["pruned"]
    ]


def pending(node: Mapping[str, Any], rollouts: int) -> dict[int, str | None]:
    """The wishes of `node` for rollouts after the first `rollouts`, by number."""
    wishes = {int(number): critique for number, critique in node.get("wishes", {}).items()}
    return {number: critique for number, critique in wishes.items() if number > rollouts}


def wished(tree: Mapping[str, Any], rollout: int) -> str | None:
    """Id of the node that rollout number `rollout` is to refine by a person's wish, or None."""
    number = str(rollout)
    return next((i for i, node in tree.items() if number in node.get("wishes", ())), None)
