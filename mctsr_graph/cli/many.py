"""The command `mctsr solve-many`: a file of problems in, one JSON line a solution out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mctsr_graph.cli.arguments import parse_setting
from mctsr_graph.cli.common import ends
from mctsr_graph.cli.options import JudgeOption, ProfileOption, SettingsOption, given
from mctsr_graph.cli.streams import raw, stderr
from mctsr_graph.cli.terminal import notes
from mctsr_graph.errors import ConfigError
from mctsr_graph.run.solve_many import solve_many
from mctsr_graph.run.spec import Problem
from mctsr_graph.settings.context import EFFORTS, MCTSrContext


def many_command(
    problems: Annotated[
        Path,
        typer.Argument(
            help='JSON lines: each a text, content blocks, or an object with a "problem".'
        ),
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="As for `mctsr solve`.")
    ] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(
            help="Model calls for all problems together. By default what --effort allows for each."
        ),
    ] = None,
    max_cost: Annotated[float | None, typer.Option(help="Money for each problem at most.")] = None,
    profile: ProfileOption = None,
    effort: Annotated[
        str | None,
        typer.Option(
            help=f"A budget of model calls for each problem: {', '.join(EFFORTS)}.",
            autocompletion=lambda: list(EFFORTS),
        ),
    ] = None,
    judge: JudgeOption = None,
    settings: SettingsOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="SQLite file to keep the searches in; the same command goes on."),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Searches at once.")] = 8,
    engine: Annotated[str, typer.Option(help="local: this process. ray: a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Cluster of --engine ray; by default one of this machine.")
    ] = None,
) -> None:
    """Search for the answers to many problems, under one budget of model calls.

    Each solution is one JSON line on stdout, as of `mctsr solve --json`, in the order of the file.
    """
    err = stderr()
    with ends(err), notes(err):
        named = given(profile=profile, effort=effort, judge=judge, max_cost=max_cost)
        others = dict(parse_setting(text) for text in settings or [])
        try:
            found = solve_many(
                _problems(problems),
                model,
                context=MCTSrContext(**{**named, **others}),
                max_calls=max_calls,
                checkpointer=checkpoint,
                concurrency=concurrency,
                engine=engine,
                ray_address=ray_address,
            )
        except KeyboardInterrupt:
            kept = "what is done is kept, and the same command goes on from there"
            err.print(f"stopped; {kept if checkpoint else 'with --checkpoint it would be kept'}")
            raise typer.Exit(130) from None
        for solution in found:
            raw(solution.to_json() + "\n")
        failed = sum(solution.answer is None for solution in found)
        if failed:
            err.print(f"error: no answer was found to {failed} of {len(found)} problems")
            raise typer.Exit(1)


def _problems(file: Path) -> list[Problem]:
    """The problems of a file.

    Raises:
        ConfigError: it cannot be read, or a line holds none.
    """
    try:
        # A text may hold other ends of lines
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file of problems is {str(file)!r}: {error}") from None
    found: list[Any] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        problem = told.get("problem") if isinstance(told, dict) else told
        if not isinstance(problem, str | list):
            raise ConfigError(
                f"line {number} of {str(file)!r} is {line[:80]!r}, allowed a JSON text, content "
                'blocks, or an object with a "problem"'
            )
        found.append(problem)
    if not found:
        raise ConfigError(f"the file of problems {str(file)!r} holds none, allowed one a line")
    return found
