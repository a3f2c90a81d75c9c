"""A search kept in an SQLite file, for sync and async code alike."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver

# The default of 5 s fails a search when another process writes for longer
_SECONDS_FOR_A_LOCK = 60


class SqliteFileSaver(SqliteSaver):
    """LangGraph's SqliteSaver with its async half run in threads.

    A cancelled task cannot stop a thread between a write and its commit, as it can stop
    AsyncSqliteSaver, which then loses steps or leaves the file locked.
    """

    async def aget_tuple(self, *args: Any, **kwargs: Any) -> CheckpointTuple | None:
        """As `get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, *args, **kwargs)

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        for found in await asyncio.to_thread(lambda: [*self.list(*args, **kwargs)]):
            yield found

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        """As `put`."""
        return await asyncio.to_thread(self.put, *args, **kwargs)

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        """As `put_writes`."""
        await asyncio.to_thread(self.put_writes, *args, **kwargs)

    async def adelete_thread(self, *args: Any, **kwargs: Any) -> None:
        """As `delete_thread`."""
        await asyncio.to_thread(self.delete_thread, *args, **kwargs)

    async def aget_delta_channel_history(self, *args: Any, **kwargs: Any) -> Any:
        """As `get_delta_channel_history`."""
        return await asyncio.to_thread(self.get_delta_channel_history, *args, **kwargs)


@contextmanager
def open_file(path: str | Path) -> Iterator[SqliteFileSaver]:
    """Open, or make, an SQLite file of searches."""
    connection = sqlite3.connect(path, timeout=_SECONDS_FOR_A_LOCK, check_same_thread=False)
    saver = SqliteFileSaver(connection)
    try:
        yield saver
    finally:
        with saver.lock:  # a write that a cancelled task has left behind comes to its end
            connection.close()
