"""Counts what the lines of a run say; many lines of files on all cores."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

from .columns import NewKeysError, Table, counted, joined
from .outcomes import SAMPLERS, Key, default_key, in_order, keys_of
from .records import LINES_FILE, Line, RunSettings
from .store import RunFolder

_LARGE = 200_000_000  # bytes of lines that pay for more processes
_PART = 16_000_000
_MOST = 4  # processes, of 100 MB each
_FIRST = 20  # lines that tell which methods and budgets there are
_PROGRAM = "from mctsr_graph.benchmark.reading import serve; serve()"


class _Part(NamedTuple):
    """Lines of a file, from a place in it to another."""

    folder: Path
    begin: int
    end: int


def counts_of(lines: Iterable[Line], settings: RunSettings) -> Table:
    """Count what the lines say, at every method and budget that some line has.

    They are read once where the first line has all of these, and anew from each line that does not.
    """
    keys: list[Key] = []
    while True:
        try:
            with _no_collecting():
                table = joined(list(counted(lines, keys, _samplers(settings))))
            new = _silent(keys, settings)
        except NewKeysError as error:
            new = error.keys
        if not new:
            return table
        keys = in_order([*keys, *new], settings)


def _samplers(settings: RunSettings) -> list[str]:
    return [name for name in SAMPLERS if name in settings["methods"]]


def _silent(keys: Sequence[Key], settings: RunSettings) -> list[Key]:
    """What stands for methods that failed on every problem, which are not to go missing."""
    silent = {*settings["methods"]} - {key.method for key in keys}
    return [default_key(name, max(settings["rollouts"])) for name in silent]


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Counts hold no cycles, and looking for some among millions takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def counts_of_files(folders: Sequence[Path], settings: RunSettings) -> Table | None:
    """Count what the lines of large files say, in several processes.

    None where files are small, there is one core, or anything stands in the way: a damaged line,
    a method or budget that the first lines do not have. Who reads in one process can say which.
    """
    parts = [part for folder in folders for part in _parts(folder)]
    count = min(_cores(), _MOST)
    if count < 2 or sum(part.end - part.begin for part in parts) < _LARGE:
        return None
    firsts = [line for folder in folders for line in islice(RunFolder(folder).lines(), _FIRST)]
    keys = keys_of(firsts, settings)
    if _silent(keys, settings):
        return None
    with ExitStack() as stack:
        readers = [
            stack.enter_context(_started(parts[place::count], keys, _samplers(settings)))
            for place in range(count)
        ]
        try:
            found: list[Table] = []
            for place in range(len(parts)):
                found += pickle.load(cast(IO[bytes], readers[place % count].stdout))
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
    return joined(found)


def _cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parts(folder: Path) -> Iterator[_Part]:
    """The lines of a folder, some megabytes a part."""
    path, begin = folder / LINES_FILE, 0
    size = path.stat().st_size if path.exists() else 0
    while begin < size:
        with path.open("rb") as file:
            file.seek(begin + _PART)
            file.readline()
            end = min(file.tell(), size)
        yield _Part(folder, begin, end)
        begin = end


def _started(
    parts: Sequence[_Part], keys: Sequence[Key], samplers: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start a process that counts the lines of parts, one after the other.

    It is no `multiprocessing`, which would run the caller's main module again.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as pipe:
        pickle.dump((parts, keys, samplers), pipe)
    return process


def serve() -> None:
    """Do what `_started` asks for."""
    parts, keys, samplers = pickle.load(sys.stdin.buffer)
    gc.disable()
    for folder, begin, end in parts:
        lines = RunFolder(folder).lines(begin, end)
        pickle.dump(list(counted(lines, keys, samplers)), sys.stdout.buffer)
        sys.stdout.buffer.flush()
