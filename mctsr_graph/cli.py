"""The command `mctsr`: arguments in, text out."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import __version__
from .config import MCTSrContext
from .errors import (
    CheckpointError,
    ConfigError,
    MCTSrError,
    MissingExtraError,
    SearchFailedError,
    SearchInterrupted,
    UnknownModelError,
)
from .events import Best, Event
from .solve import SearchControl, Solution, need_sqlite, solve
from .usage import ROLES, total_cost
from .viewers.text import render_text

if TYPE_CHECKING:
    from .stored import StoredSearch

EXIT_CODES = """\b
Exit codes:
  0    an answer was found
  1    the search gave up, or the model could not be reached
  2    a wrong argument, setting or model name, or a file that cannot be used
  3    a package is missing
  130  interrupted by Ctrl-C; 143 by SIGTERM
"""

app = typer.Typer(
    help="Let a chat model search for an answer (MCTS Self-Refine).",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Let a chat model search for an answer (MCTS Self-Refine)."""


@app.command("solve", epilog=EXIT_CODES)
def solve_command(
    problem: Annotated[
        str | None,
        typer.Argument(help="The problem in words. Without it, or with -, it is read from stdin."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the problem from this file.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="embedded, huggingface:ID, or provider:name as in openai:gpt-4o-mini. "
            "By default $MCTSR_MODEL, else embedded.",
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help="The set of settings: paper or official.")] = "paper",
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts at most. By default the profile's.")
    ] = None,
    width: Annotated[int, typer.Option(help="Leaves expanded at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of selection and sampling.")] = 0,
    max_reply_tokens: Annotated[
        int | None, typer.Option(help="Tokens of each reply at most.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other setting, as in --set patience=4."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="SQLite file to keep the search in; the same command goes on with it."),
    ] = None,
    show_tree: Annotated[bool, typer.Option("--show-tree", help="Print the tree too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the solution, tree included, as one JSON object.")
    ] = False,
) -> None:
    """Search for the answer to a problem.

    The answer goes to stdout; progress and notes go to stderr.
    """
    err = _stderr()
    with _explained(err, show_tree, as_json, checkpoint), _notes(err):
        limits = {f"{role}_max_tokens": max_reply_tokens for role in ROLES}
        context = MCTSrContext(
            **{
                "profile": profile,
                "width": width,
                "seed": seed,
                **({"max_rollouts": rollouts} if rollouts is not None else {}),
                **(limits if max_reply_tokens is not None else {}),
                **dict(_setting(text) for text in settings or []),
            }
        )
        text = _problem(problem, file)
        _run(err, text, model, context, checkpoint, None, show_tree, as_json)


@app.command("resume", epilog=EXIT_CODES)
def resume_command(
    file: Annotated[Path, typer.Argument(help="The file that --checkpoint named.")],
    search: Annotated[
        str | None,
        typer.Option(help="Which search, by the beginning of its id in `mctsr list`."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="By default the one it began with.")
    ] = None,
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts at most, those made included.")
    ] = None,
    show_tree: Annotated[bool, typer.Option("--show-tree", help="Print the tree too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the solution, tree included, as one JSON object.")
    ] = False,
) -> None:
    """Go on with a search that was interrupted or killed, or search longer.

    Without --search it is the file's only search, or else its only unfinished one.
    """
    err = _stderr()
    with _explained(err, show_tree, as_json, file), _notes(err):
        stored = _chosen(file, search)
        more = {"max_rollouts": rollouts} if rollouts is not None else {}
        context = MCTSrContext(**{**stored.settings, **more})
        name = model or stored.model or None
        _run(err, stored.problem, name, context, file, stored.thread_id, show_tree, as_json)


@app.command("list", epilog=EXIT_CODES)
def list_command(
    file: Annotated[Path, typer.Argument(help="The file that --checkpoint named.")],
) -> None:
    """List the searches in a file, the latest first."""
    err = _stderr()
    with _explained(err, False, False):
        table = Table("search", "problem", "rollouts", "best so far", "state")
        for stored in _stored_searches(file):
            table.add_row(
                stored.thread_id[:8],
                _safe(" ".join(stored.problem.split())[:60]),
                str(stored.rollouts),
                _safe(stored.final_answer or "-"),
                stored.stop_reason or "unfinished",
            )
        _stdout().print(table)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False, markup=False)


def _stdout() -> Console:
    return Console(highlight=False, markup=False, soft_wrap=True)


def _stored_searches(file: Path) -> list[StoredSearch]:
    need_sqlite()
    from .stored import stored_searches

    return stored_searches(file)


def _chosen(file: Path, search: str | None) -> StoredSearch:
    """The one search that is meant."""
    found = [s for s in _stored_searches(file) if s.thread_id.startswith(search or "")]
    unfinished = [stored for stored in found if stored.stop_reason is None]
    for choice in (found, unfinished):
        if len(choice) == 1:
            return choice[0]
    what = "no search" if not found else f"{len(found)} searches"
    raise ConfigError(f"{str(file)!r} holds {what} of that id; `mctsr list` shows what it holds")


def _run(
    err: Console,
    problem: str,
    model: str | None,
    context: MCTSrContext,
    checkpoint: Path | None,
    thread_id: str | None,
    show_tree: bool,
    as_json: bool,
) -> None:
    """Search, show what was found, and exit with a code that tells how it went."""
    control = SearchControl()
    with _polite(err, control) as received, _progress(err, context) as on_event:
        solution = solve(
            problem,
            model,
            context=context,
            checkpointer=checkpoint,
            thread_id=thread_id,
            on_event=on_event,
            control=control,
        )
    if solution.stop_reason == "interrupted":
        _show_interrupted(err, solution, checkpoint, show_tree, as_json)
        raise typer.Exit(128 + received[0])
    _show(solution, show_tree, as_json)
    if solution.answer is None:
        raise typer.Exit(1)


@contextmanager
def _polite(err: Console, control: SearchControl) -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM finish the step under way; the next one does not wait."""
    received: list[int] = []

    def handle(number: int, frame: Any) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        control.request_drain(signal.Signals(number).name)
        err.print("stopping after the step under way; once more to stop at once")

    usual = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def _problem(problem: str | None, file: Path | None) -> str:
    if problem not in (None, "-") and file is not None:
        raise ConfigError("both a problem and --file are given, allowed is one of them")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(f"--file is {str(file)!r}: {error.strerror}") from None
    if problem is None or problem == "-":
        if sys.stdin.isatty():
            raise ConfigError("no problem is given; allowed: an argument, --file, or stdin")
        return sys.stdin.read()
    return problem


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set is {text!r}, allowed NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value  # a word such as greedy needs no quotes


@contextmanager
def _notes(err: Console) -> Iterator[None]:
    """Show this package's warnings as notes, without file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if category is UserWarning:
                err.print(f"note: {message}")
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


@contextmanager
def _explained(
    err: Console, show_tree: bool, as_json: bool, checkpoint: Path | None = None
) -> Iterator[None]:
    """Turn every foreseen end of a search into a line for people and an exit code."""
    try:
        yield
    except SearchInterrupted as stop:
        _show_interrupted(err, stop.solution, checkpoint, show_tree, as_json)
        raise typer.Exit(130) from None
    except SearchFailedError as error:
        _show(error.solution, show_tree, as_json)
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


def _so_far(solution: Solution) -> str:
    if solution.best is None:
        return "interrupted before the first answer was evaluated."
    node = solution.tree[solution.best]
    answer = _safe(node["final_answer"] or "no final answer")
    return f"best so far: {answer} (q {node['q']:.1f}, {solution.rollouts} rollouts)."


def _show_interrupted(
    err: Console, solution: Solution, checkpoint: Path | None, show_tree: bool, as_json: bool
) -> None:
    _show(solution, show_tree, as_json)
    if checkpoint is None:
        go_on = "Nothing was kept: with --checkpoint FILE the search could go on."
    else:
        go_on = f"Go on with: mctsr resume {shlex.quote(str(checkpoint))}"
    err.print(f"\n{_so_far(solution)} {go_on}")


@contextmanager
def _progress(err: Console, context: MCTSrContext) -> Iterator[Callable[[Event], None]]:
    """A bar on a terminal, a line an event elsewhere."""
    if not err.is_terminal:
        yield lambda event: err.print(_line(event, context))
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("drafting an answer", total=context.max_rollouts)

        def advance(event: Event) -> None:
            done = event["index"] if event["type"] == "mctsr.rollout" else None
            progress.update(task, completed=done, description=_line(event, context))

        yield advance


def _line(event: Event, context: MCTSrContext) -> str:
    if event["type"] == "mctsr.start":
        return "drafting an answer"
    if event["type"] == "mctsr.stop":
        return f"stopped: {event['stop_reason']}, {_best(event['best'])}"
    if event["failure"] is not None:
        what = f"failed ({event['failure']['role']}: {event['failure']['code']})"
    else:
        what = f"q {event['q']:.1f}"
    return f"rollout {event['index']} of {context.max_rollouts}: {what}, {_best(event['best'])}"


def _best(best: Best | None) -> str:
    if best is None:
        return "no answer yet"
    return f"best {_safe(best['final_answer'] or 'no final answer')} (q {best['q']:.1f})"


def _show(solution: Solution, show_tree: bool, as_json: bool) -> None:
    if as_json:
        print(solution.to_json())
        return
    out = _stdout()
    if solution.answer is not None:
        out.print(_safe(solution.answer, keep="\n\t"))
        out.print(f"\nFinal answer: {_safe(solution.final_answer or 'none stated')}")
    if show_tree:
        out.print("\nTree (id, q, rewards, final answer)")
        out.print(render_text(solution.tree, solution.best))
    out.print()
    out.print(_cost(solution))
    out.print(f"Stopped by {solution.stop_reason} after {solution.rollouts} rollouts.")
    for failure in solution.failures:
        out.print(_safe(f"Failed in rollout {failure['rollout']}: {failure['message']}"))


def _cost(solution: Solution) -> Table:
    table = Table("cost", "calls", "input tokens", "output tokens")
    costs = [(role, solution.usage[role]) for role in ROLES]
    for name, cost in [*costs, ("total", total_cost(solution.usage))]:
        counts = (cost["calls"], cost["input_tokens"], cost["output_tokens"])
        table.add_row(name, *(str(count) for count in counts))
    return table


def _safe(text: str, keep: str = "") -> str:
    """Text of a model without what a terminal would obey."""
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)
