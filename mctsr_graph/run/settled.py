"""What a killed search had done after its last checkpoint, brought into one."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from mctsr_graph.run.driver import Graph, Way, writable

STEERED = "mctsr_steered"
"""Key in the metadata of a checkpoint made by `steer`: the branch that begins there."""

_SETTLING: Any = {"interrupt_before": "*", "durability": "sync"}


async def settled(way: Way, graph: Graph, config: RunnableConfig) -> StateSnapshot:
    """The latest state of a search, all of which is in a checkpoint.

    What a killed step had written is shown by get_state, but in no history, and is dropped by
    update_state. Going on to the next node, but not into it, makes a checkpoint of it.

    Raises:
        CheckpointError: it cannot be read or written.
    """
    found = await way.get_state(graph, config)
    if found.next or not found.tasks:
        return found
    with writable(config):
        await way.go_on(graph, signed(config, found), **_SETTLING)
    return await way.get_state(graph, config)


def signed(config: RunnableConfig, found: StateSnapshot, **more: str) -> RunnableConfig:
    """The config under which a checkpoint tells of its search what the one found tells of it."""
    told = {
        name: value
        for name, value in (found.metadata or {}).items()
        if name.startswith("mctsr_") and name != STEERED
    }
    given = config.get("metadata", {})
    others = {name: given[name] for name in given if not name.startswith("mctsr_")}
    return {**config, "metadata": {**others, **told, **more}}
