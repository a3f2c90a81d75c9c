"""An SQLite file that several processes and threads may open at once."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mctsr_graph.errors import CheckpointError, ConfigError

# The default of 5 s fails a search when another process writes for longer
_SECONDS_FOR_A_LOCK = 60
_PAGE_BYTES = 16384
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/|(file):", re.IGNORECASE)


def check_path(what: str, given: str | Path, allowed: str) -> None:
    """Raise ConfigError where no file could have this name."""
    text = str(given)
    if address := _ADDRESS.match(text):  # which may hold a password
        scheme = address[1] or address[2]
        raise ConfigError(f"{what} is an address ({scheme}:...), {allowed}")
    if not text.strip() or "\0" in text:
        raise ConfigError(f"{what} is {text!r}, {allowed}")


class Shared:
    """A connection that all of a process use which have a file open, each in its turn."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held by whoever uses the connection."""
        self.connection: sqlite3.Connection | None = None
        self.users = 0
        self.file: tuple[int, int] | None = None
        """The device and number of the file; another one may bear its name by now."""


_shared: dict[tuple[str, str], Shared] = {}
_shared_lock = threading.Lock()


@contextmanager
def shared(path: str | Path, script: str = "") -> Iterator[tuple[sqlite3.Connection, Any]]:
    """As `connected`: the connection of this process, with the lock that its users take.

    Each connection takes some three descriptors, of which a process has few.
    """
    name = (os.path.realpath(path), script)
    with _shared_lock:
        one = _shared.get(name)
        if one is None or one.file not in (None, _number(path)):
            one = _shared[name] = Shared()
        one.users += 1
    try:
        with one.lock:
            if one.connection is None:
                one.connection = connected(path, script)
                one.file = _number(path)
        yield one.connection, one.lock
    finally:
        _leave(name, one)


def _leave(name: tuple[str, str], one: Shared) -> None:
    with _shared_lock:
        one.users -= 1
        if one.users:
            return
        if _shared.get(name) is one:
            del _shared[name]
    if one.connection is not None:
        with one.lock:
            one.connection.close()


def _number(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _forget() -> None:
    """Share nothing with the parent process: SQLite's connections do not survive a fork."""
    global _shared_lock
    _shared_lock = threading.Lock()
    _parents.extend(one.connection for one in _shared.values())
    _shared.clear()


_parents: list[sqlite3.Connection | None] = []  # kept: to close one would unlock the parent's file
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def connected(path: str | Path, script: str = "") -> sqlite3.Connection:
    """Open, or make, an SQLite file that is written ahead (WAL), and run a script in it.

    Raises:
        CheckpointError: the file cannot be opened, or is none of SQLite's.
    """
    try:
        connection = sqlite3.connect(path, timeout=_SECONDS_FOR_A_LOCK, check_same_thread=False)
    except sqlite3.Error as error:
        raise CheckpointError(f"{str(path)!r} cannot be opened ({error})") from None
    try:
        # In a new file: a checkpoint of 2.2 KB leaves nearly half of SQLite's usual 4 KB page empty
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        _write_ahead(connection)
        connection.executescript(script)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise CheckpointError(f"{str(path)!r} holds no searches ({error})") from None
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Wait as for any lock: where several switch a new file at once, SQLite itself does not."""
    last = time.monotonic() + _SECONDS_FOR_A_LOCK
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > last:
                raise
        time.sleep(0.01)
