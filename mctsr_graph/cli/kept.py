"""The commands on searches that a file keeps: `mctsr list` and `learn`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mctsr_graph.cli.common import explained, searches_in
from mctsr_graph.cli.streams import raw, stderr, stdout
from mctsr_graph.errors import CheckpointError, ConfigError
from mctsr_graph.run.learn_prior import learn_prior, refining_learnt
from mctsr_graph.run.solution import Solution
from mctsr_graph.strategies.tuned.refining import told
from mctsr_graph.text.printable import one_line

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The file that --checkpoint named.")
]

_WIDE = 80  # columns of a terminal for the frame of a table


def list_command(
    file: FileArgument,
    most: Annotated[int, typer.Option(min=1, help="Searches shown.")] = 200,
) -> None:
    """List the searches in a file, the latest first."""
    err = stderr()
    with explained(err, False, False):
        table = Table("search", "problem", "rollouts", "best so far", "state")
        found = searches_in(file)
        for stored in found[:most]:
            table.add_row(
                stored.thread_id[:8],
                one_line(stored.problem),
                str(stored.rollouts),
                one_line(stored.final_answer or "-"),
                stored.damage or stored.stop_reason or "unfinished",
            )
        out = stdout()
        if out.is_terminal and out.room < _WIDE:
            table.box, table.pad_edge, table.columns[0].no_wrap = None, False, True
            out.print(table, soft_wrap=False, width=out.room)
        else:
            out.print(table)
        if len(found) > most:
            err.print(f"note: {len(found) - most} earlier searches are left out; --most shows more")


def learn_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files that --checkpoint named.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Only searches that began with this model.")
    ] = None,
) -> None:
    """Learn from searches how good their model and judge are, for `mctsr solve --prior`.

    The truth is not needed. All searches should have the same model and judge; from some 16
    problems on it is worth having. What is believed of refining is told on stderr.
    """
    err = stderr()
    with explained(err, False, False):
        found = []
        for file in dict.fromkeys(files):
            for stored in searches_in(file):
                if stored.damage:
                    err.print(f"note: left out of {str(file)!r}: {stored.damage}")
                else:
                    found.append((file, stored))
        names = sorted({stored.model for _, stored in found})
        if model is None and len(names) > 1:
            raise ConfigError(f"the searches are of several models, allowed --model with {names}")
        if model is not None and model not in names:
            raise ConfigError(f"--model is {model!r}, allowed of these searches: {names}")
        of_it = [one for one in found if model in (None, one[1].model)]
        solutions = list(_solutions(of_it, err))
        prior = learn_prior(solutions)
        raw(json.dumps(asdict(prior)) + "\n")
        err.print(f"note: {told(refining_learnt(solutions, prior))}", markup=False)


def _solutions(found: list[tuple[Path, Any]], err: Console) -> Iterator[Solution]:
    """What searches have found; damage may show only when one is opened."""
    from mctsr_graph.run.stored import stored_solution

    for file, stored in found:
        try:
            yield stored_solution(file, stored)
        except CheckpointError as error:
            err.print(f"note: left out of {str(file)!r}: {error}")
