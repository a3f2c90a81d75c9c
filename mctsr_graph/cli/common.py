"""What the commands of `mctsr` share: exit codes, the search that is meant, errors explained."""

from __future__ import annotations

import os
import shlex
import shutil
import textwrap
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from mctsr_graph.calls.retry import with_retries
from mctsr_graph.cli.streams import OutputError
from mctsr_graph.cli.terminal import as_option, show, show_interrupted
from mctsr_graph.errors import (
    CheckpointError,
    ConfigError,
    DataUnavailableError,
    MCTSrError,
    MissingExtraError,
    SearchFailedError,
    SearchInterrupted,
    UnknownModelError,
)
from mctsr_graph.run.session import need_sqlite

if TYPE_CHECKING:
    from mctsr_graph.run.stored import StoredSearch


WORK_EXIT_CODES = {
    "0": "it was done",
    "1": "a part of it failed, or the model could not be reached",
    "2": "a wrong argument, setting or model name, or a file that cannot be used",
    "3": "a package is missing",
    "130": "interrupted by Ctrl-C",
}
"""Of commands that do not search for one answer."""
EXIT_CODES = {
    **WORK_EXIT_CODES,
    "0": "an answer was found",
    "1": "the search gave up, or the model could not be reached",
    "130": "interrupted by Ctrl-C; 143 by SIGTERM",
}
HELP_WIDTH = min(shutil.get_terminal_size().columns, 80) - 2
"""Columns of a help text. Typer's own are never less than 50, which a narrow terminal breaks."""


def told_below(codes: Mapping[str, str]) -> str:
    """Exit codes as the end of a help text, in lines that Typer leaves alone."""
    told = [
        textwrap.fill(
            words, HELP_WIDTH - 2, initial_indent=f"  {code:<5}", subsequent_indent=" " * 7
        )
        for code, words in codes.items()
    ]
    return "\n".join(["\b", "Exit codes:", *told])


def searches_in(file: Path, begins: str = "") -> list[StoredSearch]:
    """The searches that a file holds, of names that begin so, the latest first."""
    need_sqlite()
    from mctsr_graph.run.stored import stored_searches

    return stored_searches(file, begins)


def chosen(file: Path, search: str | None) -> StoredSearch:
    """The one search that is meant."""
    named = searches_in(file, search or "")
    found = [stored for stored in named if not stored.damage]
    if named and not found:
        raise CheckpointError(named[0].damage)
    unfinished = [stored for stored in found if stored.stop_reason is None]
    for choice in (found, unfinished):
        if len(choice) == 1:
            return choice[0]
    what = "no search" if not found else f"{len(found)} searches"
    raise ConfigError(f"{str(file)!r} holds {what} of that id; `mctsr list` shows what it holds")


_HARMLESS = ("demo", "embedded", "smollm2")


def model_for(named: str, given: str | None, role: str = "model") -> str | None:
    """The model to go on with: the one that is given, or the file's where that is yours.

    A file that somebody sent could else spend your key, or load a folder.

    Raises:
        ConfigError: only the file names it. The message says what to type.
    """
    if given is not None or named in ("", *_HARMLESS, os.environ.get("MCTSR_MODEL", "").strip()):
        return given or named or None
    raise ConfigError(
        f"the file says that its search began with the {role.replace('_', ' ')} {named!r}, but a "
        "file does not choose what is loaded; if you trust it, add: "
        f"{as_option(role)} {shlex.quote(named)}"
    )


@contextmanager
def explained(
    err: Console,
    show_tree: bool,
    as_json: bool,
    checkpoint: Path | None = None,
    named: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[None]:
    """Turn every end of a search into a line for people and an exit code."""
    try:
        with ends(err):
            yield
    except SearchInterrupted as stop:
        with ends(err):
            show_interrupted(err, stop.solution, checkpoint, show_tree, as_json, named)
        raise typer.Exit(130) from None
    except SearchFailedError as error:
        with ends(err):
            show(error.solution, show_tree, as_json)
        err.print(f"error: {error}")
        raise typer.Exit(1) from None


@contextmanager
def ends(err: Console) -> Iterator[None]:
    """Turn every end that finds nothing into a line for people and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort, SearchFailedError):
        raise
    except Exception as error:
        told, code = told_of(error)
        err.print(f"error: {told}")
        raise typer.Exit(code) from None


def told_of(error: Exception) -> tuple[str, int]:
    """What failed, in words, and the exit code."""
    name = type(error).__name__
    if isinstance(error, MCTSrError):
        usage = isinstance(error, _USAGE)
        return str(error), 2 if usage else 3 if isinstance(error, MissingExtraError) else 1
    if isinstance(error, OutputError):
        return str(error), 2
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is missing", 3
    if _is_of_model(error):  # a wrong key, no connection, ...
        return f"the model failed: {name}: {error}", 1
    if isinstance(error, OSError):
        return f"a file cannot be used: {error}", 2
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return f"this is a fault of mctsr, not of the model: {name}: {error} ({place})", 1


_USAGE = (ConfigError, UnknownModelError, CheckpointError, DataUnavailableError)
_CALLS = {with_retries.__code__}
_MODELS = "mctsr_graph.models."


def _is_of_model(error: Exception) -> bool:
    """Whether it was raised by a call to a model, or while one was loaded."""
    return any(
        frame.f_code in _CALLS or str(frame.f_globals.get("__name__")).startswith(_MODELS)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
