"""What a search says of itself while it runs, with `stream_mode="custom"`.

Every event is a small JSON object with `type` and `version`; fields may be added within a
version, and are neither removed nor given another meaning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Cost, Usage, total_cost
from mctsr_graph.graph.rollout import Leaf
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.tree.task import Kind
from mctsr_graph.tree.tree import Node, Tree

VERSION: Literal[1] = 1


class Best(TypedDict):
    """The answer that would be returned now."""

    node: str
    q: float | None
    final_answer: str | None


class StartEvent(TypedDict):
    """A search begins."""

    type: Literal["mctsr.start"]
    version: Literal[1]
    problem: str
    profile: str
    max_rollouts: int
    width: int


class RolloutEvent(TypedDict):
    """A rollout is finished; if it failed, `node`, `reward` and `q` are None."""

    type: Literal["mctsr.rollout"]
    version: Literal[1]
    index: int
    """Number of the rollout, from 1."""
    node: str | None
    """Id of the node it made."""
    task: Kind
    """Whether it refined an answer, drafted one, merged several, or only had one judged."""
    parent: str | None
    """Id of the node it refined or had judged, or the first it merged; None for a draft."""
    parents: NotRequired[list[str]]
    """Ids of the nodes it merged; only of a merge."""
    reward: float | None
    """Mean of the rewards that it earned, points; None if there were none."""
    q: float | None
    """The new node's q, points."""
    final_answer: str | None
    """The short answer that the new node states, or None."""
    best: Best | None
    usage: Cost
    """Cost of the search so far."""
    failure: Failure | None


class StopEvent(TypedDict):
    """A search is over."""

    type: Literal["mctsr.stop"]
    version: Literal[1]
    stop_reason: str
    rollouts: int
    best: Best | None
    usage: Cost


class LeftOutEvent(TypedDict):
    """A setting is not sent, since the model does not take it. Said once for a model."""

    type: Literal["mctsr.left_out"]
    version: Literal[1]
    setting: str
    """"temperature", "max_tokens" or "seed"."""
    value: Any
    model: str
    """Class and name of the model."""
    reason: str
    """What the model, its server or its profile says."""


class RepeatedEvent(TypedDict):
    """A reply is a copy of an earlier one to an equal request. Said once in a search."""

    type: Literal["mctsr.repeated"]
    version: Literal[1]
    node: str
    """Id of the node whose reply it is; it has no vote of its own."""
    repeats: str
    """Id of the node whose reply was the same."""


Event = StartEvent | RolloutEvent | LeftOutEvent | RepeatedEvent | StopEvent


def start_event(problem: str, context: MCTSrContext) -> StartEvent:
    """Say that a search begins."""
    return StartEvent(
        type="mctsr.start",
        version=VERSION,
        problem=problem,
        profile=context.profile,
        max_rollouts=context.max_rollouts,
        width=context.width,
    )


def rollout_event(
    leaf: Leaf, node: Node | None, tree: Tree, best: str | None, usage: Usage
) -> RolloutEvent:
    """Say what became of a rollout: `node`, or None if it failed."""
    event = RolloutEvent(
        type="mctsr.rollout",
        version=VERSION,
        index=leaf["rollout"],
        node=node["id"] if node is not None else None,
        task=leaf["task"],
        parent=leaf["parent"],
        reward=sum(leaf["rewards"]) / len(leaf["rewards"]) if leaf["rewards"] else None,
        q=node["q"] if node is not None else None,
        final_answer=node["final_answer"] if node is not None else None,
        best=_best(tree, best),
        usage=total_cost(usage),
        failure=leaf["failures"][0] if node is None else None,
    )
    return {**event, "parents": leaf["parents"]} if "parents" in leaf else event


def left_out_event(setting: str, value: Any, model: str, reason: str) -> LeftOutEvent:
    """Say that a model does not take a setting."""
    return LeftOutEvent(
        type="mctsr.left_out",
        version=VERSION,
        setting=setting,
        value=value,
        model=model,
        reason=reason,
    )


def tell_repeated(before: Tree, now: Tree, emit: Callable[[Event], None]) -> None:
    """Say once that a reply came again, as from a cache or a model that does not sample."""
    copies = [node for node in now.values() if "repeats" in node]
    if not copies or any("repeats" in node for node in before.values()):
        return
    first = copies[0]
    emit(
        RepeatedEvent(
            type="mctsr.repeated", version=VERSION, node=first["id"], repeats=first["repeats"]
        )
    )
    warnings.warn(
        "equal requests get the same reply again (a cache, a temperature of 0, or a server that "
        "ignores sampling); each such reply counts as one vote, however often it came",
        UserWarning,
        stacklevel=2,
    )


def stop_event(
    stop_reason: str | None, rollouts: int, tree: Tree, best: str | None, usage: Usage
) -> StopEvent:
    """Say that a search is over."""
    return StopEvent(
        type="mctsr.stop",
        version=VERSION,
        stop_reason=stop_reason or "",
        rollouts=rollouts,
        best=_best(tree, best),
        usage=total_cost(usage),
    )


def _best(tree: Tree, best: str | None) -> Best | None:
    if best is None:
        return None
    return Best(node=best, q=tree[best]["q"], final_answer=tree[best]["final_answer"])
