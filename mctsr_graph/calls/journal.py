"""A write-ahead record of model calls, so that no call that has returned is ever paid for twice.

LangGraph writes a step's result in the background after the step; a process killed in between
would make the step's calls again. The journal keeps each reply before anything else happens.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.finish_reason import model_told, reason_of
from mctsr_graph.calls.sqlite import connected
from mctsr_graph.calls.usage import usage_told
from mctsr_graph.errors import CheckpointError, JournalMismatchError

_SCHEMA = """
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS mctsr_calls (
    search TEXT NOT NULL, rollout INTEGER NOT NULL, role TEXT NOT NULL,
    sample INTEGER NOT NULL, attempt INTEGER NOT NULL,
    request TEXT NOT NULL, reply TEXT NOT NULL,
    PRIMARY KEY (search, rollout, role, sample, attempt)
) WITHOUT ROWID;
"""


class Slot(NamedTuple):
    """The place of one model call in one search."""

    search: str
    rollout: int
    role: str
    sample: int
    attempt: int


class CallJournal:
    """Replies of model calls by slot, in an SQLite file. Safe to share between threads.

    The same search recorded in the same file is never paid for twice, so another seed makes a
    search anew. The file may be the one that a checkpointer writes. What is recorded survives
    the death of the process at any moment; after a power cut the last calls may be missing.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._taken: dict[object, list[tuple[Any, ...]]] = {}
        """Rows that are still to be written."""
        self._connection = connected(path, _SCHEMA)

    def __enter__(self) -> CallJournal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, with all that was taken over in it."""
        with self._turn():
            try:
                self._write_taken()
            finally:
                self._connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the file to oneself.

        Raises:
            CheckpointError: it cannot be read or written, or is closed. No failure of a model,
                for which a search would ask again or go on without the reply.
        """
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise CheckpointError(
                    f"the model calls could not be written to {str(self._path)!r} or read from it "
                    f"({type(error).__name__}: {error})"
                ) from error

    def get(self, slot: Slot, request: str) -> AIMessage | None:
        """Return the reply recorded in `slot`, or None.

        Raises:
            JournalMismatchError: another request was recorded there.
            CheckpointError: the file or the reply cannot be read, or the file is closed.
        """
        with self._turn():
            self._write_taken()
            row = self._connection.execute(
                "SELECT request, reply FROM mctsr_calls WHERE search = ? AND rollout = ? "
                "AND role = ? AND sample = ? AND attempt = ?",
                slot,
            ).fetchone()
        if row is None:
            return None
        if row[0] != request:
            raise JournalMismatchError(
                f"the journal holds another request for {slot.role} of rollout {slot.rollout}: "
                "the problem, a prompt, a critique or a setting has changed since. To go on from "
                'an edited checkpoint, give it a branch: update_state(config, {"branch": NAME})'
            )
        try:
            told = json.loads(row[1])
            if told.pop("checksum", None) not in (None, _checksum(slot, request, told)):
                raise ValueError("it is not the one that was recorded there")
            metadata = {"finish_reason": told["ending"], "model_name": told.get("model")}
            known = {name: value for name, value in metadata.items() if value}
            reply = AIMessage(told["text"], response_metadata=known)
            if not isinstance(told["usage"], dict | None):
                raise TypeError(f"its usage is {told['usage']!r}, allowed an object or null")
            # Not by the constructor, which refuses what a cache or a server may have told
            return reply.model_copy(update={"usage_metadata": told["usage"]})
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"the reply that {str(self._path)!r} holds for {slot.role} of rollout "
                f"{slot.rollout} cannot be read ({type(error).__name__}: {error})"
            ) from error

    def put(self, slot: Slot, request: str, reply: AIMessage) -> None:
        """Record a reply; it is in the file when this returns."""
        self.put_all([(slot, request, reply)])

    def put_all(self, replies: Sequence[tuple[Slot, str, AIMessage]]) -> None:
        """Record what came of one request: all of it is in the file when this returns, or none."""
        self.writing(replies)()

    def writing(self, replies: Sequence[tuple[Slot, str, AIMessage]]) -> Callable[[], None]:
        """Take over what came of one request; what is returned records it, as `put_all` does.

        If that is never called, for the task that would do so is cancelled, `close` records it.
        """
        key, rows = object(), [(*one[0], one[1], _told(*one)) for one in replies]
        self._taken[key] = rows

        def write() -> None:
            with self._turn():
                if key in self._taken:
                    self._write(rows)
                    del self._taken[key]

        return write

    def _write_taken(self) -> None:
        for key, rows in list(self._taken.items()):
            self._write(rows)
            del self._taken[key]

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO mctsr_calls VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )

    def holds(self, search: str) -> bool:
        """Whether a call of that search is recorded."""
        query = "SELECT 1 FROM mctsr_calls WHERE search = ? LIMIT 1"
        with self._turn():
            self._write_taken()
            return self._connection.execute(query, (search,)).fetchone() is not None

    def count(self) -> int:
        """Number of calls recorded."""
        with self._turn():
            self._write_taken()
            row = self._connection.execute("SELECT COUNT(*) FROM mctsr_calls").fetchone()
        return int(row[0])


def _told(slot: Slot, request: str, reply: AIMessage) -> str:
    usage, model = usage_told(reply.usage_metadata), model_told(reply)
    told = {"text": str(reply.text), "usage": usage, "ending": reason_of(reply)}
    told |= {"model": model} if model else {}
    return json.dumps({**told, "checksum": _checksum(slot, request, told)})


def _checksum(slot: Slot, request: str, told: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps([*slot[1:], request, told], sort_keys=True).encode())


def hash_request(messages: Sequence[BaseMessage], settings: dict[str, Any]) -> str:
    """A hash of everything that a model call depends on."""
    parts = [[message.type, message.content] for message in messages]
    text = json.dumps([parts, settings], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
