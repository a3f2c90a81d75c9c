"""One runner a search: among the threads of a process, and among processes that share a file.

A file of searches has one lock file beside it, whatever it holds: each search is a byte of that,
at a place made of its id, and whoever runs the search has the byte locked. The system lets go of
it when the process ends, however that happens. The lock file stays empty.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mctsr_graph.errors import CheckpointError, SearchLockedError

_running: set[tuple[int, str]] = set()
_running_lock = threading.Lock()

if sys.platform == "win32":
    import msvcrt

    _PLACES = 2**31

    def _take(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _leave(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    _PLACES = 2**60

    def _take(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)

    def _leave(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


class _Locks:
    """The searches of one file that this process runs.

    One descriptor for all of them: a process that closes any descriptor of a file loses all its
    locks on it.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        self.file = os.open(path, flags, 0o666)
        self.places: set[int] = set()


_locks: dict[str, _Locks] = {}


@contextmanager
def file_lease(path: str | Path, thread_id: str) -> Iterator[None]:
    """Be the only runner of a search in a file; a runner that was killed holds nothing.

    Raises:
        SearchLockedError: another process or thread runs it.
        CheckpointError: there can be no lock file beside the file.
    """
    try:
        name = f"{Path(path).resolve()}-lock"  # links to one file share its lock
    except (OSError, RuntimeError) as error:  # links in a circle
        raise CheckpointError(f"{str(path)!r} cannot be opened ({error})") from None
    # Whatever the thread is called
    place = int(hashlib.sha256(thread_id.encode()).hexdigest(), 16) % _PLACES
    if not _locked(path, name, place):
        raise SearchLockedError(f"search {thread_id!r} in {str(path)!r} has another runner at work")
    try:
        yield
    finally:
        _unlock(name, place)


def _locked(path: str | Path, name: str, place: int) -> bool:
    """Lock a place; say whether it was free."""
    with _running_lock:
        try:
            locks = _locks[name] = _locks.get(name) or _Locks(name)
        except OSError as error:
            why = error.strerror or error
            raise CheckpointError(
                f"{str(path)!r} cannot be locked: {name!r} cannot be made ({why})"
            ) from None
        if place in locks.places:
            return False
        try:
            _take(locks.file, place)
            locks.places.add(place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be locked ({error})") from None
        finally:
            _close_if_idle(name, locks)
        return True


def _unlock(name: str, place: int) -> None:
    with _running_lock:
        if (locks := _locks.get(name)) is None or place not in locks.places:
            return  # in a child that was forked meanwhile
        locks.places.discard(place)
        _leave(locks.file, place)
        _close_if_idle(name, locks)


def _close_if_idle(name: str, locks: _Locks) -> None:
    if not locks.places:
        del _locks[name]
        os.close(locks.file)


def _forget() -> None:
    """Hold nothing: the locks stay with the parent process."""
    global _running_lock
    _running_lock = threading.Lock()
    for locks in _locks.values():
        os.close(locks.file)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@contextmanager
def memory_lease(saver: Any, thread_id: str) -> Iterator[None]:
    """Be the only runner, in this process, of a search in a checkpointer.

    Raises:
        SearchLockedError: another thread or task runs it.
    """
    mine = (id(saver), thread_id)
    with _running_lock:
        if mine in _running:
            raise SearchLockedError(f"search {thread_id!r} has another runner in this process")
        _running.add(mine)
    try:
        yield
    finally:
        with _running_lock:
            _running.discard(mine)
