"""The folder of a run: its lines, appended one by one so that no kill can spoil them."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import orjson
from filelock import FileLock, Timeout

from mctsr_graph.errors import ConfigError, SearchLockedError

from .records import (
    CALLS_FILE,
    LINES_FILE,
    SETTINGS_FILE,
    UNFINISHED_FILE,
    VERSION,
    Attempted,
    Line,
    RunSettings,
)


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
            self._cut_torn_lines()
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
        except (ValueError, RecursionError):
            raise ConfigError(f"{str(path)!r} holds no JSON") from None
        _check_version(found, str(path))
        return cast(RunSettings, found)

    def write_settings(self, settings: RunSettings) -> None:
        """Write what is run, whole or not at all."""
        _replace(self.path / SETTINGS_FILE, [_written(settings, indent=2)])

    def lines(self, begin: int = 0, end: float = math.inf) -> Iterator[Line]:
        """Read the lines in order; a last one that a kill has cut off is left out.

        Args:
            begin: Place in the file where the first of them begins.
            end: Place in the file where the last of them has ended.

        Raises:
            ConfigError: a line is damaged, of another version or of another run.
        """
        return (line for _, line in self._lines(begin, end))

    def _lines(self, begin: int = 0, end: float = math.inf) -> Iterator[tuple[int, Line]]:
        """Each line with its place in the file."""
        settings = self.settings()
        for at, place, line in self._objects(LINES_FILE, begin, end):
            _check_version(line, place)
            if settings is not None and line.get("run") != settings["run"]:
                raise ConfigError(
                    f"{place} is of run {line.get('run')!r}, but the folder holds run "
                    f"{settings['run']!r}"
                )
            if not _is_whole(line):
                raise ConfigError(f"{place} is damaged")
            yield at, line

    def by_problem(self) -> Iterator[list[Line]]:
        """Read the lines of each problem together, whatever their seeds; of a repeated one once.

        Problems of the same words are one. Of the lines only their places are kept in memory.
        """
        places: dict[str, dict[tuple[str, int], int]] = {}
        for begin, line in self._lines():
            which = (line["id"], line["seed"])
            places.setdefault(line["problem"], {}).setdefault(which, begin)
        for same in places.values():
            with (self.path / LINES_FILE).open("rb") as file:
                found = []
                for begin in same.values():
                    file.seek(begin)
                    found.append(_read(file.readline()))
            yield found

    def unfinished(self) -> dict[tuple[str, int], list[str]]:
        """Why each start that could not finish a problem could not, by id and seed."""
        found: dict[tuple[str, int], list[str]] = {}
        for _, _, one in self._objects(UNFINISHED_FILE):
            found.setdefault((one["id"], one["seed"]), []).append(one["why"])
        return found

    def _objects(
        self, name: str, begin: int = 0, end: float = math.inf
    ) -> Iterator[tuple[int, str, Any]]:
        """Each line of a file as JSON, with its place in the file and what to call it."""
        path = self.path / name
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(begin)
            for number, raw in enumerate(file, 1):
                if begin >= end or not raw.endswith(b"\n"):
                    return
                place = f"line {number} of {str(path)!r}"
                try:
                    found = _read(raw)
                except (ValueError, RecursionError):
                    raise ConfigError(f"{place} is damaged") from None
                yield begin, place, found
                begin += len(raw)

    def append(self, line: Line) -> None:
        """Add a line; it is on disk when this returns."""
        self._append(LINES_FILE, line)

    def note(self, attempted: Attempted) -> None:
        """Add that a problem could not be finished."""
        self._append(UNFINISHED_FILE, attempted)

    def forget(self, failed: Container[tuple[str, int]]) -> None:
        """Take away the lines of some problems and seeds, which are to be solved anew."""
        kept = (line for line in self.lines() if (line["id"], line["seed"]) not in failed)
        self.rewrite(kept)
        (self.path / UNFINISHED_FILE).unlink(missing_ok=True)

    def _append(self, name: str, found: Mapping[str, Any]) -> None:
        raw = _written(found).encode("utf-8") + b"\n"
        with (self.path / name).open("ab", buffering=0) as file:
            if file.write(raw) != len(raw):  # the disk is full
                raise OSError(f"{str(self.path / name)!r} could not be written")
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
        _replace(self.path / LINES_FILE, map(_written, lines))

    def _cut_torn_lines(self) -> None:
        for path in (self.path / LINES_FILE, self.path / UNFINISHED_FILE):
            if path.exists():
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


def _read(raw: bytes) -> Any:
    """JSON as `_written` wrote it.

    Raises:
        ValueError: it is none.
    """
    try:
        return orjson.loads(raw)
    except ValueError:  # NaN and halves of surrogate pairs, which only the slower one takes
        return json.loads(raw)


def _written(value: Any, **options: Any) -> str:
    """JSON as it can be encoded: half a surrogate pair is escaped, and read as it was."""
    text = json.dumps(value, ensure_ascii=False, **options)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, **options)
    return text


def _replace(path: Path, lines: Iterable[str]) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _is_whole(line: Any) -> bool:
    """Whether a line tells of a problem, and its points name attempts that are there."""
    try:
        for method in line["methods"].values():
            there = range(len(method["attempts"]))
            for point in method["points"]:
                for choice in (point["selected"], point["majority"], point["weighted"]):
                    if choice is not None and choice not in there:
                        return False
    except (AttributeError, KeyError, TypeError):
        return False
    return {"id", "seed", "problem", "gold"} <= {*line}


def _check_version(found: Any, place: str) -> None:
    version = found.get("version") if isinstance(found, dict) else None
    if version != VERSION:
        raise ConfigError(f"{place} has version {version!r}, allowed {VERSION}")
