"""Step into a paused or finished search: `steer` does an act to it, `undo` takes it back.

    steer(graph, config, prune("7"), by="Ann")   # `await asteer(...)` in async code
    graph.invoke(None, config)                   # the search goes on without branch 7
    undo(graph, config)                          # or from where it was before

Each act is a checkpoint of its own, and is written to the node concerned with who and when. The
search goes on with its next selection: a rollout in flight is begun anew.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Overwrite, StateSnapshot

from mctsr_graph.calls.sync_async import run_blocking
from mctsr_graph.errors import CheckpointError, ConfigError
from mctsr_graph.graph.checksum import with_checksum
from mctsr_graph.graph.identity_v1 import stored_context
from mctsr_graph.graph.integrity import check_search, values_of
from mctsr_graph.graph.recording import Moment, act_recorded
from mctsr_graph.graph.rollout import Leaf
from mctsr_graph.graph.state import ROLLOUT
from mctsr_graph.run.driver import AWAITING, BLOCKING, Graph, Way
from mctsr_graph.run.settled import STEERED, settled, signed
from mctsr_graph.run.steering_acts import (
    Act,
    Change,
    Paused,
    add_answer,
    ask_rewards,
    edit_critique,
    expand,
    merge_answers,
    pin,
    prune,
    restore,
    unpin,
)
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.reading import FinalAnswer
from mctsr_graph.strategies.conclude import chosen
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.tree.steered import pending
from mctsr_graph.tree.tree import Patch, Tree, merge

__all__ = [
    "Act",
    "add_answer",
    "ask_rewards",
    "asteer",
    "aundo",
    "edit_critique",
    "expand",
    "merge_answers",
    "pin",
    "prune",
    "restore",
    "steer",
    "undo",
    "unpin",
]

_NONE_IN_FLIGHT: Any = Overwrite({})


def steer(
    graph: Graph,
    config: RunnableConfig,
    act: Act,
    *,
    by: str,
    context: MCTSrContext | None = None,
) -> StateSnapshot:
    """Do something to a paused or finished search.

    Args:
        graph: The search, compiled with the checkpointer that keeps it.
        config: Names the thread, and a checkpoint where it is not to be the latest.
        act: What to do: `prune("7")`, `pin("3")`, ...
        by: Who does it; kept with the node.
        context: The search's settings. By default those that `solve` kept with it, else the
            graph's own.

    Returns:
        The search as it is now; `graph.invoke(None, config)` or `solve` goes on from there.

    Raises:
        ConfigError: It cannot be done to this search.
        CheckpointError: There is no search, or it has no answer yet.
    """
    return run_blocking(_steer(graph, config, act, by, context, BLOCKING))


async def asteer(
    graph: Graph,
    config: RunnableConfig,
    act: Act,
    *,
    by: str,
    context: MCTSrContext | None = None,
) -> StateSnapshot:
    """Do something to a paused or finished search, awaited. As `steer` in all else."""
    return await _steer(graph, config, act, by, context, AWAITING)


async def _steer(
    graph: Graph,
    config: RunnableConfig,
    act: Act,
    by: str,
    context: MCTSrContext | None,
    way: Way,
) -> StateSnapshot:
    search = _Paused(await settled(way, graph, config), config, graph, context)
    change = search.changed(act, by)
    written = await way.update_state(graph, **search.update(change))
    if change.to_judge is not None:
        await way.go_on(graph, search.thread, **search.judging)
    return await _kept(graph, search.thread, written, way)


def undo(graph: Graph, config: RunnableConfig) -> StateSnapshot:
    """Fork the search from where it was before the last act that led to its present state.

    What it did since is left behind, in the thread's history. Acts before it can be undone
    next.

    Raises:
        CheckpointError: There is no search, or nothing was done to it.
    """
    return run_blocking(_undo(graph, config, BLOCKING))


async def aundo(graph: Graph, config: RunnableConfig) -> StateSnapshot:
    """Fork the search from where it was before the last act, awaited. As `undo` in all else."""
    return await _undo(graph, config, AWAITING)


async def _undo(graph: Graph, config: RunnableConfig, way: Way) -> StateSnapshot:
    search = _Paused(await settled(way, graph, config), config, graph)
    act = await way.latest(graph, search.thread, search.last_act)
    before = await way.get_state(graph, _before(act))
    written = await way.update_state(graph, **_Paused(before, before.config, graph).again())
    return await _kept(graph, search.thread, written, way)


async def _kept(
    graph: Graph, thread: RunnableConfig, written: RunnableConfig, way: Way
) -> StateSnapshot:
    """The search as it is kept after a change.

    A damaged index of a database may hide what is written from now on, or may show what was.

    Raises:
        CheckpointError: it is not what was written.
    """
    found = await way.get_state(graph, thread)
    name = str(thread["configurable"].get("thread_id"))
    if found.config["configurable"]["checkpoint_id"] < written["configurable"]["checkpoint_id"]:
        raise CheckpointError(
            f"what is kept as search {name!r} is damaged: the change was written, but the "
            "checkpointer gives back the search as it was before"
        )
    check_search(found.values, name, told=found.metadata)
    return found


class _Paused:
    """A search that is not running, and the updates that change it."""

    def __init__(
        self,
        found: StateSnapshot,
        config: RunnableConfig,
        graph: Graph,
        context: MCTSrContext | None = None,
    ) -> None:
        self._values = values_of(found)
        thread = str(config["configurable"].get("thread_id"))
        check_search(self._values, thread, told=found.metadata)
        if not self._values.get("tree"):
            raise CheckpointError("there is no search to steer, or it has no answer yet")
        self._found = found
        self._config = config
        told: dict[str, Any] = dict(found.metadata or {})
        asked: Any = graph.builder.nodes["select"].runnable  # knows what the graph was made of
        if context is None and "mctsr_settings" in told:
            context = stored_context(json.loads(told["mctsr_settings"]))
        self._context: MCTSrContext = context or asked.default
        if "mctsr_strategy" in told and asked.spec.given is None:
            raise CheckpointError(
                f"the search decides by the strategy {told['mctsr_strategy']}: steer it with a "
                "graph that has it"
            )
        is_known = "mctsr_final_answer" not in told or not asked.spec.reading.is_usual
        self._reading: FinalAnswer | None = asked.spec.reading if is_known else None
        self._strategy: Strategy = asked.spec.strategy(self._context)
        place = {**config["configurable"]}
        place.pop("checkpoint_id", None)
        self.thread = signed({**config, "configurable": place}, found)
        self.judging: dict[str, Any] = {
            "context": self._context,
            "interrupt_before": ["select"],
            "durability": "sync",
        }

    @property
    def last_act(self) -> dict[str, str]:
        """What tells the checkpoint of the last act from others.

        Raises:
            CheckpointError: there was none.
        """
        if not self._values.get("branch"):
            raise CheckpointError("there is nothing to undo: nobody has steered this search")
        return {STEERED: self._values["branch"]}

    def changed(self, act: Act, by: str) -> Change:
        """What the act makes of the search."""
        rollouts = self._values["rollouts"]
        wave: dict[str, Leaf] = {
            number: leaf
            for number, leaf in self._values["wave"].items()
            if leaf["rollout"] > rollouts
        }
        if any("steering" in leaf for leaf in wave.values()):
            raise ConfigError(
                "what a person added waits for the judge's rewards: let the search go on first"
            )
        paused = self._found.next == ("refine",)
        live = {number: leaf for number, leaf in wave.items() if paused and not leaf["lost"]}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return act(
            Paused(
                self._values["tree"],
                rollouts,
                live,
                self._context,
                self._strategy,
                by,
                at,
                self._reading,
            )
        )

    def update(self, change: Change) -> dict[str, Any]:
        """The arguments of `update_state` that make the change."""
        tree, rollouts = self._values["tree"], self._values["rollouts"]
        patch, as_node, wave = change.patch, "backpropagate", _NONE_IN_FLIGHT
        if change.to_judge is not None:
            number = rollouts + 1
            patch = merge(patch, [_later(tree, rollouts)])
            as_node = ROLLOUT[ROLLOUT.index("evaluate") - 1]
            wave = Overwrite({str(number): {**change.to_judge, "rollout": number}})
        elif change.wave is not None:
            as_node, wave = "critique", change.wave
        branch = uuid.uuid4().hex[:12]
        after = merge(tree, [patch])
        # Calls recorded for the search as it was do not fit what it is now
        values = self._on(after, tree=patch, wave=wave, branch=branch)
        told = (values["best"], self._values["usage"], self._values["seconds"])
        now = Moment(after, self._context, *told, self._values.get("record") or [])
        if change.to_judge is None:  # else the rollout that judges it tells
            values["record"] = act_recorded(now, tree, rollouts, patch)
        return {
            "config": signed(self._config, self._found, **{STEERED: branch}),
            "values": with_checksum(self._values, values, as_node),
            "as_node": as_node,
        }

    def again(self) -> dict[str, Any]:
        """The arguments of `update_state` that go on from this state, as the latest one."""
        branch = self._values.get("branch") or ""
        values = self._on(self._values["tree"], wave=_NONE_IN_FLIGHT, branch=branch)
        values = with_checksum(self._values, values, "backpropagate")
        config = signed(self._config, self._found)
        return {"config": config, "values": values, "as_node": "backpropagate"}

    def _on(self, after: Tree, **changes: Any) -> dict[str, Any]:
        """What leads a search back into its loop with changes, whether or not it had stopped."""
        return {
            **changes,
            "stop_reason": None,
            "answer": None,
            "final_answer": None,
            "choice": None,
            "mctsr": None,
            "best": chosen(self._strategy, after, self._context),
            "idle_rollouts": 0,
            "failed_rollouts": 0,
            "lost_rollouts": 0,
        }


def _before(act: StateSnapshot | None) -> RunnableConfig:
    if act is None or act.parent_config is None:
        raise CheckpointError("the checkpoint of the last act is gone, or `steer` did not make it")
    return act.parent_config


def _later(tree: Tree, rollouts: int) -> Patch:
    """The patch that puts off every wish by one rollout, which something else takes."""

    def later(number: int) -> int:
        return number + (number > rollouts)

    return {
        node_id: {
            "wishes": {str(later(int(n))): words for n, words in node["wishes"].items()},
            "steering": [
                {**one, "rollout": later(one["rollout"])} if "rollout" in one else one
                for one in node["steering"]
            ],
        }
        for node_id, node in tree.items()
        if pending(node, rollouts)
    }
