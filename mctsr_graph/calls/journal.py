"""A write-ahead record of model calls, so that no call that has returned is ever paid for twice.

LangGraph writes a step's result in the background after the step; a process killed in between
would make the step's calls again. The journal keeps each reply before anything else happens.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage
from typing_extensions import TypedDict

from mctsr_graph.calls.finish_reason import model_told, reason_of
from mctsr_graph.calls.independence import SAMPLING, sampling_told
from mctsr_graph.calls.logprobs import TOKENS
from mctsr_graph.calls.sqlite import check_path, shared
from mctsr_graph.calls.sync_async import Way
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
CREATE TABLE IF NOT EXISTS mctsr_prompts (request TEXT PRIMARY KEY, asked BLOB) WITHOUT ROWID;
"""
_ASKS = {"system": "System", "human": "Asked", "ai": "Answered before"}


class Slot(NamedTuple):
    """The place of one model call in one search."""

    search: str
    rollout: int
    role: str
    sample: int
    attempt: int


class Asked(str):
    """The hash of a request that also tells its words, so that they can be shown."""

    words: list[list[str]]
    """Who says what, in order: "System", "Asked" or "Answered before", and the text."""


class Told(TypedDict):
    """A call as it is recorded, for a person to read."""

    rollout: int
    role: str
    sample: int
    attempt: int
    """0, or how often it had been asked before to no use."""
    text: str
    """The reply."""
    asked: list[list[str]]
    """Who said what before; nothing where it was not kept."""


class CallJournal:
    """Replies of model calls by slot, in an SQLite file. Safe to share between threads.

    The same search recorded in the same file is never paid for twice, so another seed makes a
    search anew. The file may be the one that a checkpointer writes. What is recorded survives
    the death of the process at any moment; after a power cut the last calls may be missing.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file.

        Args:
            path: Of the file, which is made if need be; ":memory:" for none.

        Raises:
            ConfigError: no file has such a name.
            CheckpointError: it cannot be opened.
        """
        check_path("journal", path, "allowed the path of an SQLite file")
        self._path = path
        self._is_closed = False
        self._taken: dict[object, tuple[list[tuple[Any, ...]], list[Asked]]] = {}
        """Rows that are still to be written, and what was asked."""
        self._open = ExitStack()
        self._shared, self._lock = self._open.enter_context(shared(path, _SCHEMA))

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
        if self._is_closed:
            return
        try:
            with self._turn():
                self._write_taken()
        finally:
            self._is_closed = True
            self._open.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._is_closed:  # for others it may be open yet
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return self._shared

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
            metadata |= {name: told.get(name) for name in (TOKENS, SAMPLING)}
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

    async def known(self, entries: Sequence[tuple[Slot, str]], way: Way) -> list[AIMessage | None]:
        """As `get` for each entry, without holding up an event loop."""

        def found() -> list[AIMessage | None]:
            return [self.get(*entry) for entry in entries]

        with self.without_waiting() as is_free:
            if is_free:  # to look takes less time than to hop into a thread
                return found()
        return await way.call(found)

    @contextmanager
    def without_waiting(self) -> Iterator[bool]:
        """Have the file to oneself, if nobody else has it and nothing is to be written first."""
        if not self._lock.acquire(blocking=False):
            yield False
            return
        try:
            yield not self._taken
        finally:
            self._lock.release()

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
        key, rows = object(), [(*one[0], str(one[1]), _told(*one)) for one in replies]
        asked = [one[1] for one in replies if isinstance(one[1], Asked)]
        self._taken[key] = rows, asked

        def write() -> None:
            with self._turn():
                if key in self._taken:
                    self._write(rows, asked)
                    del self._taken[key]

        return write

    def _write_taken(self) -> None:
        for key, taken in list(self._taken.items()):
            self._write(*taken)
            del self._taken[key]

    def _write(self, rows: list[tuple[Any, ...]], asked: Sequence[Asked]) -> None:
        prompts = [(str(one), _packed(one.words)) for one in asked]
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO mctsr_calls VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO mctsr_prompts VALUES (?, ?)", prompts
            )

    def holds(self, search: str) -> bool:
        """Whether a call of that search is recorded."""
        query = "SELECT 1 FROM mctsr_calls WHERE search = ? LIMIT 1"
        with self._turn():
            self._write_taken()
            return self._connection.execute(query, (search,)).fetchone() is not None

    def recorded(self, search: str) -> list[Told]:
        """Every call of a search in order, with what was asked; what cannot be read is left out."""
        query = "SELECT rollout, role, sample, attempt, reply, asked FROM mctsr_calls"
        query += " LEFT JOIN mctsr_prompts USING (request) WHERE search = ?"
        query += " ORDER BY rollout, role = 'evaluate', role = 'refine', role, sample, attempt"
        with self._turn():
            self._write_taken()
            rows = self._connection.execute(query, (search,)).fetchall()
        found = []
        for rollout, role, sample, attempt, reply, asked in rows:
            with suppress(ValueError, TypeError, LookupError, zlib.error):
                text = str(json.loads(reply)["text"])
                words = json.loads(zlib.decompress(asked)) if asked is not None else []
                found.append(
                    Told(
                        rollout=rollout,
                        role=role,
                        sample=sample,
                        attempt=attempt,
                        text=text,
                        asked=words,
                    )
                )
        return found

    def count(self) -> int:
        """Number of calls recorded."""
        with self._turn():
            self._write_taken()
            row = self._connection.execute("SELECT COUNT(*) FROM mctsr_calls").fetchone()
        return int(row[0])


def _packed(words: list[list[str]]) -> bytes:
    return zlib.compress(json.dumps(words).encode())


def _told(slot: Slot, request: str, reply: AIMessage) -> str:
    usage = usage_told(reply.usage_metadata)
    told = {"text": str(reply.text), "usage": usage, "ending": reason_of(reply)}
    more = {"model": model_told(reply), TOKENS: reply.response_metadata.get(TOKENS)}
    more[SAMPLING] = sampling_told(reply)
    told |= {name: value for name, value in more.items() if value}
    return json.dumps({**told, "checksum": _checksum(slot, request, told)})


def _checksum(slot: Slot, request: str, told: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps([*slot[1:], request, told], sort_keys=True).encode())


def hashed(messages: Sequence[BaseMessage], settings: dict[str, Any]) -> Asked:
    """The hash of a request, with its words."""
    request = Asked(hash_request(messages, settings))
    request.words = [[_ASKS.get(one.type, one.type), str(one.text)] for one in messages]
    return request


def hash_request(messages: Sequence[BaseMessage], settings: dict[str, Any]) -> str:
    """A hash of everything that a model call depends on."""
    parts = [[message.type, message.content] for message in messages]
    text = json.dumps([parts, settings], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
