"""Searches kept in an SQLite file: checkpoints, the call journal, and one runner at a time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from mctsr_graph.calls.sqlite import shared
from mctsr_graph.errors import CheckpointError


class SqliteFileSaver(SqliteSaver):
    """LangGraph's SqliteSaver with its async half run in threads.

    A cancelled task cannot stop a thread between a write and its commit, as it can stop
    AsyncSqliteSaver. Nothing but plain types is read back: a file that someone has tampered
    with runs no code.
    """

    def __init__(self, connection: sqlite3.Connection, lock: Any) -> None:
        super().__init__(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.lock = lock
        self.is_closed = False

    def setup(self) -> None:
        """As in SqliteSaver, and no other thread uses the connection meanwhile."""
        with self.lock:
            super().setup()

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """As in SqliteSaver. What a cancelled task has left behind comes too late after the end."""
        with super().cursor(transaction) as cursor:
            if self.is_closed:
                raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
            yield cursor

    def get_next_version(self, current: str | None, channel: None) -> str:
        """As in SqliteSaver, without the random digits, which a file need not tell apart.

        Each checkpoint holds some twenty versions. They sort among those that have such digits.

        Raises:
            CheckpointError: the version that was kept is none.
        """
        try:
            return super().get_next_version(current, channel).partition(".")[0]
        except ValueError as error:
            raise CheckpointError(
                f"what is kept is damaged: a value of the state has the version {current!r}"
            ) from error

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
    """Open, or make, an SQLite file of searches.

    Raises:
        CheckpointError: the file cannot be opened, or is none of SQLite's.
    """
    with shared(path) as (connection, lock):
        saver = SqliteFileSaver(connection, lock)
        try:
            yield saver
        finally:
            with saver.lock:  # a write that a cancelled task has left behind comes to its end
                saver.is_closed = True
