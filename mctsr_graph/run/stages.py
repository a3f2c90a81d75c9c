"""How far a batch has taken a search: told by what is kept, so that a batch can be called again.

A batch takes each search through stages, each under settings of its own. The checkpoints of a
stage bear its name, a digest of the settings of all stages up to it. A batch that is called again
comes to the same names: it reads how a stage has ended, and searches only where none has.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.request import Failure
from mctsr_graph.run.driver import Graph, Way
from mctsr_graph.run.settled import settled
from mctsr_graph.settings.context import MCTSrContext

_NAME, _CUT = "mctsr_stage", "mctsr_cut"


class Stage(NamedTuple):
    """A part of a search that a batch does in one go."""

    name: str
    after: str
    """Name of the one before; "" for the first."""
    is_cut: bool = False
    """Whether it, or one before, was given less than a larger budget would have given."""
    is_retry: bool = False
    """Whether it takes up a search that has failed."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What its checkpoints tell of it."""
        return {_NAME: self.name, **({_CUT: True} if self.is_cut else {})}

    def has_ended(self, found: StateSnapshot) -> bool:
        """Whether a state is its end. One that failed is not taken for the end of a retry."""
        values, why = found.values, found.values.get("stop_reason")
        if why == "failed":
            return _name(found) == self.name and not self.is_retry
        return _name(found) == self.name and why is not None and values.get("mctsr") is not None


def stage_of(before: Stage | None, context: MCTSrContext, *, is_cut: bool, is_retry: bool) -> Stage:
    """The stage under these settings that comes next."""
    after, was_cut = (before.name, before.is_cut) if before is not None else ("", False)
    given = {"profile": context.profile, **context.model_dump(mode="json", exclude_unset=True)}
    text = json.dumps([after, is_retry, given], sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Stage(name, after, is_cut or was_cut, is_retry)


async def kept_of(
    way: Way, graph: Graph, config: RunnableConfig, stage: Stage
) -> tuple[StateSnapshot, bool]:
    """The state that a stage has ended with or is to go on from, and whether that is a former one.

    A search that the batch finds further on, as another one has left it, goes on from there. Only
    what a smaller budget had cut short, and what has failed once more, is done anew.
    """
    latest = await settled(way, graph, config)
    if _name(latest) in (None, stage.after) or _is_under_way(latest, stage):
        return latest, False
    if stage.has_ended(latest):
        return latest, False
    ended = await way.latest(graph, config, {_NAME: stage.name})
    if ended is not None and stage.has_ended(ended):
        return ended, False
    if stage.is_retry or (latest.metadata or {}).get(_CUT):
        before = await way.latest(graph, config, {_NAME: stage.after})
        if before is not None:
            return before, True
    return latest, False


def failure_of(error: Exception, rollouts: int) -> Failure:
    """What ended a search, as a failure of its own."""
    return Failure(
        rollout=rollouts,
        node=None,
        role="draft",
        code="unavailable" if classify(error) == "transient" else "model_error",
        message=f"{type(error).__name__}: {error}",
    )


def _is_under_way(found: StateSnapshot, stage: Stage) -> bool:
    return _name(found) == stage.name and found.values.get("stop_reason") != "failed"


def _name(found: StateSnapshot) -> Any:
    return (found.metadata or {}).get(_NAME)
