"""The two ways to run a compiled graph, so that what is done with one is written once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from mctsr_graph.calls import sync_async
from mctsr_graph.errors import CheckpointError, MCTSrError

Graph = CompiledStateGraph[Any, Any, Any, Any]
Hear = Callable[[str, Any], Awaitable[None]]
"""Takes the mode and the content of each part of a stream."""
_logger = logging.getLogger(__name__)


@contextmanager
def readable(config: RunnableConfig) -> Iterator[None]:
    """Say of what is kept, and cannot be read, which search it is.

    Raises:
        CheckpointError: whatever the checkpointer has raised. What strangers or accidents wrote
            makes it raise anything.
    """
    try:
        yield
    except (MCTSrError, GraphBubbleUp):
        raise
    except Exception as error:
        raise CheckpointError(
            f"what is kept as search {config['configurable']['thread_id']!r} cannot be read "
            f"({type(error).__name__}: {error})"
        ) from error


@contextmanager
def writable(config: RunnableConfig) -> Iterator[None]:
    """Say of what is kept, and cannot be changed, which search it is.

    Raises:
        CheckpointError: whatever the checkpointer has raised. It reads what it changes, so that
            this may be anything, too.
    """
    try:
        yield
    except (MCTSrError, GraphBubbleUp):
        raise
    except Exception as error:
        raise CheckpointError(
            f"what is kept as search {config['configurable']['thread_id']!r} cannot be changed "
            f"({type(error).__name__}: {error})"
        ) from error


class Blocking(sync_async.Blocking):
    """Runs the graph in this thread; nothing suspends."""

    async def get_state(self, graph: Graph, config: RunnableConfig) -> StateSnapshot:
        """Return the state that a checkpoint holds."""
        with readable(config):
            return graph.get_state(config)

    async def update_state(
        self, graph: Graph, config: RunnableConfig, **update: Any
    ) -> RunnableConfig:
        """Write a checkpoint with changes; return where it is."""
        with writable(config):
            return graph.update_state(config, **update)

    async def go_on(self, graph: Graph, config: RunnableConfig, **how: Any) -> None:
        """Run the graph from its latest checkpoint."""
        graph.invoke(None, config, **how)

    async def stream(self, graph: Graph, given: Any, hear: Hear, **how: Any) -> None:
        """Run the graph, and pass on what it streams."""
        for mode, part in graph.stream(given, **how):
            await hear(mode, part)

    async def latest(
        self, graph: Graph, config: RunnableConfig, told: dict[str, Any]
    ) -> StateSnapshot | None:
        """Return the latest checkpoint whose metadata are so."""
        with readable(config):
            return next(graph.get_state_history(config, filter=told, limit=1), None)


class Awaiting(sync_async.Awaiting):
    """Runs the graph without holding up the event loop."""

    async def get_state(self, graph: Graph, config: RunnableConfig) -> StateSnapshot:
        """Return the state that a checkpoint holds."""
        with readable(config):
            return await graph.aget_state(config)

    async def update_state(
        self, graph: Graph, config: RunnableConfig, **update: Any
    ) -> RunnableConfig:
        """Write a checkpoint with changes; return where it is."""
        with writable(config):
            return await graph.aupdate_state(config, **update)

    async def go_on(self, graph: Graph, config: RunnableConfig, **how: Any) -> None:
        """Run the graph from its latest checkpoint."""
        await graph.ainvoke(None, config, **how)

    async def stream(self, graph: Graph, given: Any, hear: Hear, **how: Any) -> None:
        """Run the graph, and pass on what it streams."""
        async for mode, part in graph.astream(given, **how):
            await hear(mode, part)

    async def latest(
        self, graph: Graph, config: RunnableConfig, told: dict[str, Any]
    ) -> StateSnapshot | None:
        """Return the latest checkpoint whose metadata are so."""
        with readable(config):
            return await anext(graph.aget_state_history(config, filter=told, limit=1), None)


Way = Blocking | Awaiting
BLOCKING, AWAITING = Blocking(), Awaiting()


async def tell(way: Way, listener: Callable[..., Any], *told: Any) -> None:
    """Call who asked to be told, and wait where that is async.

    What a listener raises is its own affair: it is logged, and the search goes on.
    """
    try:
        result = listener(*told)
        if isawaitable(result):
            await way.call(lambda: result)
    except GraphBubbleUp:
        raise
    except Exception as error:
        name = getattr(listener, "__qualname__", repr(listener))
        _logger.warning("%s raised what the search takes no notice of", name, exc_info=error)
