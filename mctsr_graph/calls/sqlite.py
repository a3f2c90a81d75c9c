"""An SQLite file that several processes and threads may open at once."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from mctsr_graph.errors import CheckpointError

# The default of 5 s fails a search when another process writes for longer
_SECONDS_FOR_A_LOCK = 60
_PAGE_BYTES = 16384


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
        # In a new file: a checkpoint of 2.6 KB leaves a third of SQLite's usual 4 KB page empty
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        _write_ahead(connection)
        connection.executescript(script)
    except sqlite3.Error as error:
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
