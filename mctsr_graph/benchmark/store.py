"""The folder of a run: its lines, appended one by one so that no kill can spoil them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from mctsr_graph.errors import ConfigError, SearchLockedError

from .records import CALLS_FILE, LINES_FILE, SETTINGS_FILE, VERSION, Line, RunSettings


class RunFolder:
    """A run's folder. What `append` has returned from survives a kill and a power cut."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def calls(self) -> Path:
        """The journal of model calls."""
        return self.path / CALLS_FILE

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Make the folder if need be, and be its only writer.

        Raises:
            SearchLockedError: another process writes it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "run.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise SearchLockedError(f"run {str(self.path)!r} has another writer") from None
        try:
            self._cut_torn_line()
            yield
        finally:
            lock.release()

    def settings(self) -> RunSettings | None:
        """What was run, or None where nothing was.

        Raises:
            ConfigError: the file is no run's, or of another version.
        """
        path = self.path / SETTINGS_FILE
        try:
            found = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            raise ConfigError(f"{str(path)!r} holds no JSON") from None
        _check_version(found, str(path))
        return cast(RunSettings, found)

    def write_settings(self, settings: RunSettings) -> None:
        """Write what is run, whole or not at all."""
        _replace(self.path / SETTINGS_FILE, [json.dumps(settings, indent=2, ensure_ascii=False)])

    def lines(self) -> Iterator[Line]:
        """Read the lines in order; a last one that a kill has cut off is left out.

        Raises:
            ConfigError: a line is damaged, or of another version.
        """
        path = self.path / LINES_FILE
        if not path.exists():
            return
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return
                try:
                    line = json.loads(raw)
                except ValueError:
                    raise ConfigError(f"line {number} of {str(path)!r} is damaged") from None
                _check_version(line, f"line {number} of {str(path)!r}")
                yield line

    def append(self, line: Line) -> None:
        """Add a line; it is on disk when this returns."""
        raw = json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"
        with (self.path / LINES_FILE).open("ab", buffering=0) as file:
            if file.write(raw) != len(raw):  # the disk is full
                raise OSError(f"{str(self.path / LINES_FILE)!r} could not be written")
            os.fsync(file.fileno())

    def copy_calls(self, other: RunFolder) -> None:
        """Copy the journal into another folder, whatever state the last kill has left it in."""
        with (
            closing(sqlite3.connect(self.calls)) as old,
            closing(sqlite3.connect(other.calls)) as new,
        ):
            old.backup(new)

    def rewrite(self, lines: Iterable[Line]) -> None:
        """Put other lines in the place of all, or change nothing."""
        _replace(self.path / LINES_FILE, (json.dumps(one, ensure_ascii=False) for one in lines))

    def _cut_torn_line(self) -> None:
        path = self.path / LINES_FILE
        if not path.exists():
            return
        with path.open("r+b") as file:
            whole = sum(len(raw) for raw in file if raw.endswith(b"\n"))
            file.truncate(whole)


def read_run(path: str | Path) -> tuple[RunSettings, Iterator[Line]]:
    """Read a run's folder.

    Raises:
        ConfigError: it is none.
    """
    folder = RunFolder(path)
    settings = folder.settings()
    if settings is None:
        raise ConfigError(f"{str(path)!r} is no run: it holds no {SETTINGS_FILE}")
    return settings, folder.lines()


def _replace(path: Path, lines: Iterable[str]) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _check_version(found: Any, place: str) -> None:
    version = found.get("version") if isinstance(found, dict) else None
    if version != VERSION:
        raise ConfigError(f"{place} has version {version!r}, allowed {VERSION}")
