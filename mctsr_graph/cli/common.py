"""What the commands of `mctsr` share: exit codes, the search that is meant, errors explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from mctsr_graph.cli.terminal import show, show_interrupted
from mctsr_graph.errors import (
    CheckpointError,
    ConfigError,
    MCTSrError,
    MissingExtraError,
    SearchFailedError,
    SearchInterrupted,
    UnknownModelError,
)
from mctsr_graph.run.session import need_sqlite

if TYPE_CHECKING:
    from mctsr_graph.run.stored import StoredSearch


EXIT_CODES = """\b
Exit codes:
  0    an answer was found
  1    the search gave up, or the model could not be reached
  2    a wrong argument, setting or model name, or a file that cannot be used
  3    a package is missing
  130  interrupted by Ctrl-C; 143 by SIGTERM
"""


def searches_in(file: Path) -> list[StoredSearch]:
    """The searches that a file holds, the latest first."""
    need_sqlite()
    from mctsr_graph.run.stored import stored_searches

    return stored_searches(file)


def chosen(file: Path, search: str | None) -> StoredSearch:
    """The one search that is meant."""
    found = [s for s in searches_in(file) if s.thread_id.startswith(search or "")]
    unfinished = [stored for stored in found if stored.stop_reason is None]
    for choice in (found, unfinished):
        if len(choice) == 1:
            return choice[0]
    what = "no search" if not found else f"{len(found)} searches"
    raise ConfigError(f"{str(file)!r} holds {what} of that id; `mctsr list` shows what it holds")


@contextmanager
def explained(
    err: Console, show_tree: bool, as_json: bool, checkpoint: Path | None = None
) -> Iterator[None]:
    """Turn every foreseen end of a search into a line for people and an exit code."""
    try:
        yield
    except SearchInterrupted as stop:
        show_interrupted(err, stop.solution, checkpoint, show_tree, as_json)
        raise typer.Exit(130) from None
    except SearchFailedError as error:
        show(error.solution, show_tree, as_json)
        err.print(f"error: {error}")
        raise typer.Exit(1) from None
    except MCTSrError as error:
        err.print(f"error: {error}")
        usage = isinstance(error, ConfigError | UnknownModelError | CheckpointError)
        raise typer.Exit(2 if usage else 3 if isinstance(error, MissingExtraError) else 1) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # the model's own: a wrong key, no connection, ...
        err.print(f"error: the model failed: {type(error).__name__}: {error}")
        raise typer.Exit(1) from None
