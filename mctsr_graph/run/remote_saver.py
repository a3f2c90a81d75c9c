"""Searches kept where a batch was begun, while they run on other machines.

One actor on the caller's machine writes the file, or holds the searches in memory, with the
journal of their calls. Whatever a worker has reported is thus there when the worker's machine
dies, and the file is the one that the same batch writes without a cluster.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph.cluster.connect import of_keeper
from mctsr_graph.cluster.journal import JournalKeeper
from mctsr_graph.errors import SearchLockedError
from mctsr_graph.run.lease import file_lease
from mctsr_graph.run.sqlite_saver import open_file


class SearchKeeper(JournalKeeper):
    """Holds the searches of a batch and the journal of their calls."""

    def __init__(self, path: str | None) -> None:
        super().__init__(path or ":memory:")
        self._path, self._open = path, ExitStack()
        self._saver: Any = self._open.enter_context(open_file(path)) if path else InMemorySaver()
        self._runners: dict[str, tuple[int, ExitStack]] = {}
        self._lock = threading.Lock()

    def saved(self, turn: int, method: str, named: dict[str, Any]) -> Any:
        """Do what a saver does, for the runner of a search.

        Raises:
            SearchLockedError: a later turn has taken the search over, or another process runs it.
        """
        with self._lock:
            self._admit(turn, str(named["config"]["configurable"]["thread_id"]))
        found = getattr(self._saver, method)(**named)
        return list(found) if method == "list" else found

    def _admit(self, turn: int, thread_id: str) -> None:
        last, lease = self._runners.get(thread_id, (0, None))
        if turn < last:
            raise SearchLockedError(f"search {thread_id!r} has been begun again elsewhere")
        if lease is None:
            lease = ExitStack()
            if self._path:
                lease.enter_context(file_lease(self._path, thread_id))
        self._runners[thread_id] = turn, lease

    def release(self, turn: int) -> None:
        """Let others run the searches of this turn."""
        with self._lock:
            for thread_id, (last, lease) in list(self._runners.items()):
                if last == turn:
                    lease.close()
                    del self._runners[thread_id]

    def close(self) -> None:
        """Close the file."""
        self._open.close()
        self._journal.close()


class RemoteSaver(BaseCheckpointSaver[str]):
    """The searches as the worker sees them that runs one of them in this turn; awaited only."""

    def __init__(self, keeper: Any, turn: int) -> None:
        super().__init__()
        self._keeper, self._turn = keeper, turn

    async def _ask(self, method: str, config: Any, **named: Any) -> Any:
        from ray.exceptions import RayError

        try:
            return await self._keeper.saved.remote(
                self._turn, method, {"config": _plain(config), **named}
            )
        except RayError as error:
            raise of_keeper(error) from None

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        """As `get_tuple`."""
        found: CheckpointTuple | None = await self._ask("get_tuple", config)
        return found

    async def alist(self, config: Any, **which: Any) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        if which.get("before") is not None:
            which["before"] = _plain(which["before"])
        for found in await self._ask("list", config, **which):
            yield found

    async def aput(
        self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any
    ) -> RunnableConfig:
        """As `put`."""
        given = {"checkpoint": checkpoint, "metadata": metadata, "new_versions": new_versions}
        kept: RunnableConfig = await self._ask("put", config, **given)
        return kept

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`; an error is kept in words, as LangGraph's serializer keeps it."""
        plain = [(to, repr(v) if isinstance(v, BaseException) else v) for to, v in writes]
        given = {"writes": plain, "task_id": task_id, "task_path": task_path}
        await self._ask("put_writes", config, **given)

    async def aget_delta_channel_history(
        self, *, config: Any, channels: Sequence[str]
    ) -> Mapping[str, Any]:
        """As `get_delta_channel_history`."""
        found: Mapping[str, Any] = await self._ask(
            "get_delta_channel_history", config, channels=channels
        )
        return found

    def get_next_version(self, current: Any, channel: None) -> str:
        """As the keeper's saver."""
        return InMemorySaver.get_next_version(self, current, channel)  # type: ignore[arg-type]


def _plain(config: Any) -> dict[str, Any]:
    """What a saver reads of a configuration; the rest cannot be sent."""
    kinds = str | int | float | bool
    return {
        part: {k: v for k, v in (config.get(part) or {}).items() if isinstance(v, kinds)}
        for part in ("configurable", "metadata")
    }
