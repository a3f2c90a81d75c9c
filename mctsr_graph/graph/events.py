"""What a search says of itself while it runs, with `stream_mode="custom"`.

Every event is a small JSON object with `type` and `version`; fields may be added within a
version, and are neither removed nor given another meaning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from typing_extensions import TypedDict

from mctsr_graph.calls.outage import Absence
from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Cost, total_cost
from mctsr_graph.graph.recording import Moment
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.tree.copies import copies
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Tree

VERSION: Literal[1] = 1
_BETWEEN = 10.0  # seconds between two words of one absence


class Best(TypedDict):
    """The answer that would be returned now."""

    node: str
    q: float | None
    final_answer: str | None
    chance: float | None
    """Chance of its class to be right, to 4 decimals, as `Solution.record` tells it."""


class StartEvent(TypedDict):
    """A search begins."""

    type: Literal["mctsr.start"]
    version: Literal[1]
    problem: str
    profile: str
    max_rollouts: int
    width: int


class RolloutEvent(Recorded):
    """A rollout is finished: its row of the record, and what is said of it besides.

    If it failed, `node`, `reward` and `q` are None. `values` tells every q that it has changed,
    where the row itself may leave them to Eq. 3 (`backed_up`).
    """

    type: Literal["mctsr.rollout"]
    version: Literal[1]
    reward: float | None
    """Mean of the rewards that it earned, points; None if there were none."""
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


class AwayEvent(TypedDict):
    """The model answers no call. Said after 5 s, and then every 10 s at most."""

    type: Literal["mctsr.away"]
    version: Literal[1]
    model: str
    """Class and name of the model."""
    seconds: float
    """For so long it has answered nothing."""
    left: float
    """For so long it is asked again and again, at most, before a call is given up."""
    error: str
    """What the last request came to."""


class BackEvent(TypedDict):
    """A model that did not answer answers again."""

    type: Literal["mctsr.back"]
    version: Literal[1]
    model: str
    seconds: float
    """For so long it had answered nothing."""


Event = StartEvent | RolloutEvent | LeftOutEvent | RepeatedEvent | AwayEvent | BackEvent | StopEvent


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


def rollout_event(row: Recorded, now: Moment, failures: Sequence[Failure]) -> RolloutEvent:
    """Say what became of a rollout: its row, and why it failed if it did."""
    node, rewards, chance = row["node"], row["rewards"], now.chance
    return {
        **row,
        "chance": chance,
        "type": "mctsr.rollout",
        "version": VERSION,
        "reward": sum(rewards) / len(rewards) if rewards else None,
        "final_answer": now.tree[node]["final_answer"] if node is not None else None,
        "best": _best(now.tree, row["leader"], chance),
        "usage": total_cost(now.usage),
        "failure": failures[0] if node is None else None,
    }


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


def away_teller(emit: Callable[[Event], None]) -> Callable[[Absence, str], None]:
    """Say now and then that a model does not answer, however many calls wait, and that it does."""
    told: dict[str, float] = {}

    def tell(absence: Absence, model: str) -> None:
        seconds = round(absence.seconds, 3)
        if absence.left > 0 and seconds >= told.get(model, -_BETWEEN) + _BETWEEN:
            told[model] = seconds
            emit(
                AwayEvent(
                    type="mctsr.away",
                    version=VERSION,
                    model=model,
                    seconds=seconds,
                    left=round(absence.left, 3),
                    error=absence.error,
                )
            )
        elif absence.left <= 0 and told.pop(model, None) is not None:
            emit(BackEvent(type="mctsr.back", version=VERSION, model=model, seconds=seconds))

    return tell


def tell_repeated(
    patch: Mapping[str, Any], before: Tree, now: Tree, emit: Callable[[Event], None]
) -> None:
    """Say once that a reply came again, as from a cache or a model that does not sample."""
    if not any("repeats" in node for node in patch.values()):  # as of most steps
        return
    if any("repeats" in node for node in before.values()) or not (told := copies(now)):
        return
    node, repeats = next(iter(told.items()))
    emit(RepeatedEvent(type="mctsr.repeated", version=VERSION, node=node, repeats=repeats))
    warnings.warn(
        "equal requests get the same reply again (a cache, a temperature of 0, or a server that "
        "ignores sampling); each such reply counts as one vote, however often it came",
        UserWarning,
        stacklevel=2,
    )


def stop_event(now: Moment, stop_reason: str | None, rollouts: int) -> StopEvent:
    """Say that a search is over."""
    return StopEvent(
        type="mctsr.stop",
        version=VERSION,
        stop_reason=stop_reason or "",
        rollouts=rollouts,
        best=_best(now.tree, now.leader, now.chance),
        usage=total_cost(now.usage),
    )


def _best(tree: Tree, best: str | None, chance: float | None) -> Best | None:
    if best is None:
        return None
    node = tree[best]
    return Best(node=best, q=node["q"], final_answer=node["final_answer"], chance=chance)
