"""The command `mctsr`: arguments in, text out."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer
from rich.console import Console

from mctsr_graph import __version__
from mctsr_graph.cli.bench import bench_app
from mctsr_graph.cli.bench_results import export_command
from mctsr_graph.cli.common import (
    EXIT_CODES,
    HELP_WIDTH,
    WORK_EXIT_CODES,
    chosen,
    explained,
    model_for,
    told_below,
)
from mctsr_graph.cli.doctor import doctor_command
from mctsr_graph.cli.explain import settings_command
from mctsr_graph.cli.kept import FileArgument, learn_command, list_command
from mctsr_graph.cli.many import many_command
from mctsr_graph.cli.options import (
    EffortOption,
    FreeTextOption,
    JudgeOption,
    MaxCallsOption,
    MaxCostOption,
    ModelOption,
    ProfileOption,
    SettingsOption,
    given,
    own_settings,
)
from mctsr_graph.cli.steer import app as steer_app
from mctsr_graph.cli.streams import stderr
from mctsr_graph.cli.terminal import (
    check_page,
    notes,
    polite,
    save_page,
    show,
    show_estimate,
    show_interrupted,
)
from mctsr_graph.cli.view import view_command
from mctsr_graph.cli.watch import watching
from mctsr_graph.errors import (
    ConfigError,
    SearchFailedError,
    SearchInterrupted,
)
from mctsr_graph.graph.events import Event
from mctsr_graph.graph.identity_v1 import stored_context
from mctsr_graph.run.estimate import estimate
from mctsr_graph.run.solve import solve
from mctsr_graph.run.spec import Problem, SearchControl, SolveOptions, changed
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.prices import read_prices
from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.strategy import strategy_of

app = typer.Typer(
    help="Let a chat model search for an answer (MCTS Self-Refine).",
    epilog=told_below(EXIT_CODES),
    context_settings={"terminal_width": HELP_WIDTH},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ShowTreeOption = Annotated[bool, typer.Option("--show-tree", help="Print the tree too.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the solution, tree included, as one JSON object.")
]
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


def solve_command(
    problem: Annotated[
        str | None,
        typer.Argument(help="The problem in words. Without it, or with -, it is read from stdin."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the problem from this file.")
    ] = None,
    model: ModelOption = None,
    profile: ProfileOption = None,
    effort: EffortOption = None,
    max_calls: MaxCallsOption = None,
    max_cost: MaxCostOption = None,
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts at most, from 1. By default the profile's.")
    ] = None,
    width: Annotated[int, typer.Option(help="Leaves expanded at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of selection and sampling.")] = 0,
    max_reply_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens of each reply at most.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="What `mctsr learn` told of model and judge, for profile tuned."),
    ] = None,
    settings: SettingsOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="SQLite file to keep the search in; the same command goes on with it."),
    ] = None,
    show_tree: ShowTreeOption = False,
    as_json: JsonOption = False,
    live: LiveOption = False,
    page: PageOption = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="JSON or TOML file of prices by model, before those of this package."),
    ] = None,
    judge: JudgeOption = None,
    free_text: FreeTextOption = False,
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
        context = MCTSrContext(
            **{
                **given(profile=profile, max_rollouts=rollouts, judge=judge),
                **given(max_calls=max_calls, max_cost=max_cost),
                "effort": effort,
                "width": width,
                "seed": seed,
                **({"prior": _read_prior(prior)} if prior is not None else {}),
                **({"prices": read_prices(prices)} if prices is not None else {}),
                **own_settings(max_reply_tokens, settings),
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
            "final_answer": False if free_text else None,
        }
        if dry_run:
            show_estimate(estimate(text, model, **options), as_json)
            return
        _run(err, text, model, options, _Shown(show_tree, as_json, live, page))


def resume_command(
    file: FileArgument,
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
        int | None,
        typer.Option("--max-calls", "--calls", help="Model calls at most, those made included."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Money at most, what was spent included.")
    ] = None,
    show_tree: ShowTreeOption = False,
    as_json: JsonOption = False,
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
        for option, most, made in (
            ("--rollouts", rollouts, stored.rollouts),
            ("--max-calls", calls, stored.calls),
        ):
            if most is not None and most < made:
                raise ConfigError(
                    f"{option} is {most}, allowed {made} or more, as so many were made already"
                )
        more = given(max_rollouts=rollouts, max_calls=calls, max_cost=max_cost)
        context = changed(stored_context(stored.settings), **more)
        options: SolveOptions = {
            "context": context,
            "checkpointer": file,
            "thread_id": stored.thread_id,
            "judge_model": models["judge_model"],
            "critic_model": models["critic_model"],
            "final_answer": False if stored.is_text else None,
        }
        _run(err, stored.question, models["model"], options, _Shown(show_tree, as_json, live, page))


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
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
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
            return file.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise ConfigError(f"--file is {str(file)!r}: {error.strerror}") from None
    if problem is None or problem == "-":
        if sys.stdin.isatty():
            raise ConfigError("no problem is given; allowed: an argument, --file, or stdin")
        return sys.stdin.read()
    return problem


def _first_line(command: Any) -> str:
    """What a list of commands says of one. Typer would cut its docstring at a width."""
    return str(command.__doc__).partition("\n")[0].rstrip(".")


for _name, _command in (
    ("solve", solve_command),
    ("solve-many", many_command),
    ("resume", resume_command),
    ("list", list_command),
    ("view", view_command),
    ("learn", learn_command),
    ("settings", settings_command),
    ("doctor", doctor_command),
    ("export", export_command),
):
    _codes = EXIT_CODES if _name in ("solve", "solve-many", "resume") else WORK_EXIT_CODES
    app.command(_name, epilog=told_below(_codes), short_help=_first_line(_command))(_command)
for _group, _name, _does in (
    (steer_app, "steer", "Step into a search that is kept and not running"),
    (bench_app, "bench", "Measure methods against problems whose answers are known"),
):
    app.add_typer(_group, name=_name, epilog=told_below(WORK_EXIT_CODES), short_help=_does)
    for _info in _group.registered_commands:
        _info.epilog = told_below(WORK_EXIT_CODES)
        _info.short_help = _first_line(_info.callback)
