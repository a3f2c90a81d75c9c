"""The command `mctsr`: arguments in, text out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer
from rich.console import Console
from rich.table import Table

from mctsr_graph import __version__
from mctsr_graph.calls.usage import ROLES
from mctsr_graph.cli.arguments import parse_setting
from mctsr_graph.cli.bench import bench_app
from mctsr_graph.cli.bench_results import export_command
from mctsr_graph.cli.common import EXIT_CODES, chosen, explained, model_for, searches_in
from mctsr_graph.cli.many import many_command
from mctsr_graph.cli.steer import app as steer_app
from mctsr_graph.cli.streams import raw, stderr, stdout
from mctsr_graph.cli.terminal import (
    check_page,
    notes,
    polite,
    save_page,
    show,
    show_estimate,
    show_interrupted,
    watching,
)
from mctsr_graph.cli.view import view_command
from mctsr_graph.errors import (
    ConfigError,
    SearchFailedError,
    SearchInterrupted,
)
from mctsr_graph.graph.events import Event
from mctsr_graph.graph.identity_v1 import stored_context
from mctsr_graph.run.estimate import estimate
from mctsr_graph.run.learn_prior import learn_prior, refining_learnt
from mctsr_graph.run.solve import solve
from mctsr_graph.run.spec import Problem, SearchControl, SolveOptions, changed
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.prices import read_prices
from mctsr_graph.settings.prior import Prior
from mctsr_graph.settings.profiles import DEFAULT_PROFILE, PROFILES
from mctsr_graph.strategies.strategy import strategy_of
from mctsr_graph.strategies.tuned.refining import told

app = typer.Typer(
    help="Let a chat model search for an answer (MCTS Self-Refine).",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(steer_app, name="steer", epilog=EXIT_CODES)
app.add_typer(bench_app, name="bench")
app.command("export")(export_command)
app.command("solve-many", epilog=EXIT_CODES)(many_command)

LiveOption = Annotated[
    bool, typer.Option("--live", help="Redraw the tree as it grows, on a terminal.")
]
PageOption = Annotated[
    Path | None,
    typer.Option("--html", help="Write the search as one HTML page to this file, too."),
]


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
    profile: Annotated[
        str | None,
        typer.Option(
            help=f"The strategy, with its settings: {', '.join(PROFILES)}. "
            f"By default {DEFAULT_PROFILE}."
        ),
    ] = None,
    effort: Annotated[
        str | None, typer.Option(help="A budget of model calls: low, medium or high.")
    ] = None,
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts at most. By default the profile's.")
    ] = None,
    width: Annotated[int, typer.Option(help="Leaves expanded at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of selection and sampling.")] = 0,
    max_reply_tokens: Annotated[
        int | None, typer.Option(help="Tokens of each reply at most.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="What `mctsr learn` told of model and judge, for profile tuned."),
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
    live: LiveOption = False,
    page: PageOption = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="JSON or TOML file of prices by model, before those of this package."),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The model that the judge asks. By default --model.")
    ] = None,
    critic_model: Annotated[
        str | None, typer.Option(help="The model that writes critiques. By default --model.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only estimate calls, tokens and money. No call is made."),
    ] = False,
) -> None:
    """Search for the answer to a problem.

    The answer goes to stdout; progress and notes go to stderr.
    """
    err = stderr()
    named = {"model": model, "judge_model": judge_model, "critic_model": critic_model}
    with explained(err, show_tree, as_json, checkpoint, named), notes(err):
        limits = {f"{role}_max_tokens": max_reply_tokens for role in ROLES}
        context = MCTSrContext(
            **{
                **({"profile": profile} if profile is not None else {}),
                "effort": effort,
                "width": width,
                "seed": seed,
                **({"max_rollouts": rollouts} if rollouts is not None else {}),
                **(limits if max_reply_tokens is not None else {}),
                **({"prior": _read_prior(prior)} if prior is not None else {}),
                **({"prices": read_prices(prices)} if prices is not None else {}),
                **dict(parse_setting(text) for text in settings or []),
            }
        )
        if prior is not None and not _uses_prior(context):
            raise ConfigError(
                f"--prior is given, which profile {context.profile!r} makes no use of; allowed "
                "with profile tuned, or with --set choice=weighted"
            )
        text = _problem(problem, file)
        options: SolveOptions = {
            "context": context,
            "checkpointer": checkpoint,
            "judge_model": judge_model,
            "critic_model": critic_model,
        }
        if dry_run:
            show_estimate(estimate(text, model, **options), as_json)
            return
        _run(err, text, model, options, _Shown(show_tree, as_json, live, page))


@app.command("resume", epilog=EXIT_CODES)
def resume_command(
    file: Annotated[Path, typer.Argument(help="The file that --checkpoint named.")],
    search: Annotated[
        str | None,
        typer.Option(help="Which search, by the beginning of its id in `mctsr list`."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Needed where the one it began with is not $MCTSR_MODEL."
        ),
    ] = None,
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts at most, those made included.")
    ] = None,
    calls: Annotated[
        int | None, typer.Option(help="Model calls at most, those made included.")
    ] = None,
    show_tree: Annotated[bool, typer.Option("--show-tree", help="Print the tree too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the solution, tree included, as one JSON object.")
    ] = False,
    live: LiveOption = False,
    page: PageOption = None,
    judge_model: Annotated[str | None, typer.Option(help="As --model.")] = None,
    critic_model: Annotated[str | None, typer.Option(help="As --model.")] = None,
) -> None:
    """Go on with a search that was interrupted or killed, or search longer.

    Without --search it is the file's only search, or else its only unfinished one.
    """
    err = stderr()
    named = {"model": model, "judge_model": judge_model, "critic_model": critic_model}
    with explained(err, show_tree, as_json, file, named), notes(err):
        stored = chosen(file, search)
        known = {"model": stored.model, **stored.other_models}
        models = {role: model_for(known.get(role, ""), own, role) for role, own in named.items()}
        limits = {"max_rollouts": rollouts, "max_calls": calls}
        more = {name: limit for name, limit in limits.items() if limit is not None}
        context = changed(stored_context(stored.settings), **more)
        options: SolveOptions = {
            "context": context,
            "checkpointer": file,
            "thread_id": stored.thread_id,
            "judge_model": models["judge_model"],
            "critic_model": models["critic_model"],
        }
        _run(err, stored.question, models["model"], options, _Shown(show_tree, as_json, live, page))


@app.command("list", epilog=EXIT_CODES)
def list_command(
    file: Annotated[Path, typer.Argument(help="The file that --checkpoint named.")],
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
                " ".join(stored.problem.split())[:60],
                str(stored.rollouts),
                stored.final_answer or "-",
                stored.damage or stored.stop_reason or "unfinished",
            )
        stdout().print(table)
        if len(found) > most:
            err.print(f"note: {len(found) - most} earlier searches are left out; --most shows more")


@app.command("learn", epilog=EXIT_CODES)
def learn_command(
    files: Annotated[list[Path], typer.Argument(help="Files that --checkpoint named.")],
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
        from mctsr_graph.run.stored import stored_solution

        of_it = [one for one in found if model in (None, one[1].model)]
        solutions = [stored_solution(file, stored) for file, stored in of_it]
        prior = learn_prior(solutions)
        raw(json.dumps(asdict(prior)) + "\n")
        err.print(f"note: {told(refining_learnt(solutions, prior))}", markup=False)


app.command("view", epilog=EXIT_CODES)(view_command)


class _Shown(NamedTuple):
    """How a search is shown."""

    tree: bool
    as_json: bool
    live: bool
    page: Path | None


def _run(
    err: Console, problem: Problem, model: str | None, options: SolveOptions, shown: _Shown
) -> None:
    """Search, show what was found, and exit with a code that tells how it went."""
    check_page(shown.page)
    control, context = SearchControl(), options.get("context") or MCTSrContext()
    latest: list[Event] = []
    try:
        with (
            polite(err, control, lambda: _is_away(latest)) as received,
            watching(err, context, shown.live) as (event, change),
        ):

            def on_event(told: Event) -> None:
                latest[:] = [told]
                event(told)

            heard: SolveOptions = {
                **options,
                "on_event": on_event,
                "on_change": change,
                "control": control,
            }
            solution = solve(problem, model, **heard)
    except (SearchFailedError, SearchInterrupted) as stop:
        save_page(stop.solution, shown.page)
        raise
    if solution.stop_reason == "interrupted":
        save_page(solution, shown.page)
        file = cast(Path | None, options.get("checkpointer"))
        others = {role: options.get(role) for role in ("judge_model", "critic_model")}
        named = {"model": model, **others}
        show_interrupted(err, solution, file, shown.tree, shown.as_json, named)
        raise typer.Exit(128 + received[0])
    save_page(solution, shown.page)
    show(solution, shown.tree, shown.as_json)
    if solution.answer is None:
        raise typer.Exit(1)


def _is_away(latest: list[Event]) -> bool:
    return any(event["type"] == "mctsr.away" for event in latest)


def _read_prior(file: Path) -> Any:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--prior is {str(file)!r}: {error}") from None
    # null, {} or a part would mean the usual, as if none were given
    if not isinstance(found, dict) or {*found} != {field.name for field in fields(Prior)}:
        raise ConfigError(f"--prior is {str(file)!r}, allowed a file that `mctsr learn` wrote")
    return found


def _uses_prior(context: MCTSrContext) -> bool:
    """Whether a search goes by what is known before; to say how sure it is, is not enough."""
    strategy = strategy_of(context)
    weighs_nothing = set(strategy.kinds) in ({"refine"}, {"draft", "merge"})
    votes = strategy.rule(context) in ("max_q", "majority", strategy.name)
    return not (weighs_nothing and votes and context.confidence is None)


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
