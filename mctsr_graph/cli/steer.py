"""The command `mctsr steer`: a person steps into a search that a file holds."""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.cli.streams import stderr, stdout
from mctsr_graph.cli.terminal import notes
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.identity_v1 import stored_context
from mctsr_graph.models.scripted import ScriptedChatModel
from mctsr_graph.run.session import need_sqlite
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.text.reward_scale import RANGE
from mctsr_graph.tree.steered import pending
from mctsr_graph.viewers.text import render_text


class _FileFirst(TyperGroup):
    """Takes the options of the search behind FILE and behind the act, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring them in front of FILE; all other options behind the act are its own."""
        end = args.index("--") if "--" in args else len(args)
        options: list[str] = []
        others: list[str] = []
        file: list[str] = []
        rest = args[:end]
        while rest:
            name, equals, _ = rest[0].partition("=")
            is_search = name in ("--search", "--by")
            is_option = rest[0].startswith("-") and not others
            taken = 2 if is_search and not equals else 1
            own = options if is_search or is_option else others if file else file
            own.extend(rest[:taken])
            del rest[:taken]
        return super().parse_args(ctx, [*options, *file, *others, *args[end:]])


app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Node = Annotated[str, typer.Argument(metavar="NODE", help="Id of a node, as the tree shows it.")]
Judge = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="The judge. Needed where the model the search began with is not $MCTSR_MODEL.",
    ),
]


class _Where(NamedTuple):
    file: Path
    search: str | None
    by: str


@app.callback(cls=_FileFirst)
def _where(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that --checkpoint named.")],
    search: Annotated[
        str | None,
        typer.Option(help="Which search, by the beginning of its id in `mctsr list`."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who does it; kept with the node. By default the user.")
    ] = None,
) -> None:
    """Step into a search that is kept in FILE and not running.

    What is done is kept with who and when. `mctsr resume FILE` goes on from there.
    """
    ctx.obj = _Where(file, search, _user() if by is None else by)


@app.command()
def prune(ctx: typer.Context, node: Node) -> None:
    """Take a node and all below it out of play."""
    _do(ctx, "prune", node)


@app.command()
def restore(ctx: typer.Context, node: Node) -> None:
    """Bring a pruned node and all below it back into play."""
    _do(ctx, "restore", node)


@app.command()
def pin(ctx: typer.Context, node: Node) -> None:
    """Go on with this node's branch only, and return an answer of it."""
    _do(ctx, "pin", node)


@app.command()
def unpin(ctx: typer.Context, node: Node) -> None:
    """Take a pin away."""
    _do(ctx, "unpin", node)


@app.command()
def expand(
    ctx: typer.Context,
    node: Node,
    critique: Annotated[
        str | None, typer.Option(help="The critique to use. By default the model writes one.")
    ] = None,
) -> None:
    """Let the next rollout refine this node."""
    _do(ctx, "expand", node, critique)


@app.command()
def merge(
    ctx: typer.Context,
    node: Node,
    others: Annotated[
        list[str], typer.Argument(metavar="NODE...", help="The nodes to merge it with.")
    ],
) -> None:
    """Let the next rollout merge this node and others into a new answer."""
    _do(ctx, "merge_answers", node, *others)


@app.command()
def critique(
    ctx: typer.Context,
    node: Node,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The critique to use instead.")],
) -> None:
    """Let the next rollout write this node anew, in the light of another critique."""
    _do(ctx, "edit_critique", text, node)


@app.command()
def answer(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer, with its derivation.")],
    parent: Annotated[str, typer.Option(help="The node that it improves.")] = "0",
    reward: Annotated[
        float | None,
        typer.Option(help=f"Its reward, {RANGE}. By default the judge is asked, at once."),
    ] = None,
    model: Judge = None,
) -> None:
    """Add an answer of your own."""
    _do(ctx, "add_answer", text, parent, reward, model=model, judges=reward is None)


@app.command()
def rewards(ctx: typer.Context, node: Node, model: Judge = None) -> None:
    """Let the judge evaluate a node again, at once."""
    _do(ctx, "ask_rewards", node, model=model, judges=True)


@app.command()
def undo(ctx: typer.Context) -> None:
    """Go back to before the last of these commands."""
    with _opened(ctx.obj) as search:
        from mctsr_graph.run.steering import undo as undo_act

        _show(search, undo_act(search.graph, search.config).values)


_CALLS_OF_A_WISH = 4  # critique, refine and two rewards


class _Search(NamedTuple):
    """The search that is meant, with nobody else at work on it."""

    graph: Any
    config: Any
    context: MCTSrContext
    file: Path


def _do(
    ctx: typer.Context, act: str, *given: Any, model: str | None = None, judges: bool = False
) -> None:
    with _opened(ctx.obj, model, judges) as search:
        from mctsr_graph.run import steering

        wanted = getattr(steering, act)(*given)
        _show(search, steering.steer(search.graph, search.config, wanted, by=ctx.obj.by).values)


@contextmanager
def _opened(where: _Where, model: str | None = None, judges: bool = False) -> Iterator[_Search]:
    from mctsr_graph.cli.common import chosen, explained, model_for

    err = stderr()
    with explained(err, False, False, where.file), notes(err):
        need_sqlite()
        from mctsr_graph.run.lease import file_lease
        from mctsr_graph.run.sqlite_saver import open_file

        stored = chosen(where.file, where.search)
        judge = stored.other_models.get("judge_model") or stored.model
        asked: Any = model_for(judge, model) if judges else ScriptedChatModel(replies=[])
        with (
            file_lease(where.file, stored.thread_id),
            open_file(where.file) as saver,
            CallJournal(where.file) as journal,
        ):
            graph = create_mctsr(
                asked, journal=journal, final_answer=False if stored.is_text else None
            )
            yield _Search(
                graph.compile(checkpointer=saver, name="mctsr"),
                {"configurable": {"thread_id": stored.thread_id}},
                stored_context(stored.settings),
                where.file,
            )


def _show(search: _Search, values: dict[str, Any]) -> None:
    out, tree, done = stdout(), values["tree"], values["rollouts"]
    out.print(render_text(tree, values["best"]))
    for failure in values["failures"]:
        if failure["rollout"] == done:
            out.print(f"Failed in rollout {done}: {failure['message']}")
    wished = max([done, *(number for node in tree.values() for number in pending(node, done))])
    go_on = f"mctsr resume {shlex.quote(str(search.file))}"
    more = _more(search.context, done, total_cost(values["usage"])["calls"], wished)
    err = stderr()
    err.print(f"Go on with: {go_on}{more if wished > done else ''}", soft_wrap=True)
    if more and wished == done:  # else it would only choose an answer anew
        err.print(f"Its limits are reached; to search further: {go_on}{more}", soft_wrap=True)


def _more(context: MCTSrContext, done: int, used: int, wished: int) -> str:
    """The options with which a search makes all rollouts up to `wished`, at least one."""
    wished = max(wished, done + 1)
    more = f" --rollouts {wished}" if wished > context.max_rollouts else ""
    if context.max_calls is not None and used + _CALLS_OF_A_WISH > context.max_calls:
        more += f" --max-calls {used + _CALLS_OF_A_WISH * (wished - done)}"
    return more


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return ""
