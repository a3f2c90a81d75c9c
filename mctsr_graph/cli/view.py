"""The command `mctsr view`: a search drawn, or two of one problem beside each other."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from mctsr_graph.cli.common import chosen, explained
from mctsr_graph.cli.kept import FileArgument
from mctsr_graph.cli.streams import raw_page, stderr, stdout
from mctsr_graph.cli.terminal import written
from mctsr_graph.errors import ConfigError
from mctsr_graph.viewers.html import render_html, render_pair
from mctsr_graph.viewers.mermaid import render_mermaid
from mctsr_graph.viewers.pair import differing, parting
from mctsr_graph.viewers.rich_tree import rich_tree
from mctsr_graph.viewers.text import one_line, render_text

if TYPE_CHECKING:
    from mctsr_graph.calls.journal import Told
    from mctsr_graph.run.solution import Solution

_BY_SUFFIX = {".html": "html", ".htm": "html", ".mmd": "mermaid"}
_TELLING = ("profile", "model", "judge_model", "seed")


def view_command(
    file: FileArgument,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER", help="A file with another search for the same problem, to compare."
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search", "--thread", help="Which search, by the beginning of its id in `mctsr list`."
        ),
    ] = None,
    other_search: Annotated[
        str | None, typer.Option(help="Which search of the second file; see --search.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="text, mermaid or html. By default as the file is named.",
            autocompletion=lambda: ["text", "mermaid", "html"],
        ),
    ] = None,
    opens: Annotated[
        bool,
        typer.Option(
            "--open",
            help="Open the page in your browser. Without --output it is a temporary file.",
        ),
    ] = False,
) -> None:
    """Draw a search: its tree as text or Mermaid, or all of it as one HTML page.

    Without --search it is the file's only search, or else its only unfinished one. With a second
    file, tell where two searches for one problem part, as text or as a page with both.
    """
    err = stderr()
    with explained(err, False, False):
        if opens and kind not in (None, "html"):
            raise ConfigError(f"--format is {kind!r}, allowed 'html' with --open")
        if other is None and other_search is not None:
            raise ConfigError(
                f"--other-search is {other_search!r}, allowed with a second file (the same, too)"
            )
        first, coloured = _opened(file, search), None
        if other is not None:
            drawings = _of_two(first, _opened(other, other_search))
        else:
            drawings = _of_one(first)
            tree = rich_tree(first.found.tree, first.found.best)
            coloured = Group(tree, Text(f"\n{first.found.summary()}"))
        if opens:
            _open_page(err, drawings["html"](), output)
        else:
            _draw(drawings, kind, output, coloured)


class _Opened(NamedTuple):
    """A search that a file holds."""

    found: Solution
    calls: Sequence[Told]


def _opened(file: Path, search: str | None) -> _Opened:
    from mctsr_graph.run.stored import stored_calls, stored_solution

    stored = chosen(file, search)
    return _Opened(stored_solution(file, stored), stored_calls(file, stored))


def _of_one(opened: _Opened) -> dict[str, Callable[[], str]]:
    found, calls = opened
    return {
        "text": lambda: render_text(found.tree, found.best) + "\n",
        "mermaid": lambda: render_mermaid(found.tree, found.best),
        "html": lambda: render_html(asdict(found), calls),
    }


def _of_two(first: _Opened, second: _Opened) -> dict[str, Callable[[], str]]:
    """Drawings of two searches.

    Raises:
        ConfigError: they are not for one problem.
    """
    both = (first, second)
    problems = [one_line(one.found.problem) for one in both]
    if first.found.problem != second.found.problem:
        raise ConfigError(
            f"the searches are for {problems[0]!r} and {problems[1]!r}, allowed two for one problem"
        )
    solutions = [asdict(one.found) for one in both]
    names = _names([one.found.made_with for one in both])
    calls = [one.calls for one in both]
    return {
        "text": lambda: _as_text(solutions[0], solutions[1], names),
        "html": lambda: render_pair(solutions, names, calls),
    }


def _as_text(first: Mapping[str, object], second: Mapping[str, object], names: list[str]) -> str:
    lines = [*parting(first, second, names), ""]
    lines += [f"{name}: {own} / {other}" for name, own, other in differing(first, second)]
    return "\n".join(lines).rstrip() + "\n"


def _names(made: Sequence[Mapping[str, object]]) -> list[str]:
    """What to call two searches: the first setting that tells them apart, or their numbers."""
    for name in _TELLING:
        own, other = (str(one.get(name, "")) for one in made)
        if own != other and own and other:
            return [one_line(own, 40), one_line(other, 40)]
    return ["the first", "the second"]


def _open_page(err: Console, page: str, file: Path | None) -> None:
    """Write a page, and show it in the user's browser.

    Raises:
        ConfigError: the file cannot be written.
    """
    if file is None:
        with written("the temporary folder", Path(tempfile.gettempdir())):
            file = Path(tempfile.mkdtemp(prefix="mctsr-")) / "search.html"
    with written("--output", file):
        file.write_text(page, encoding="utf-8")
    if webbrowser.open(file.resolve().as_uri()):
        err.print(f"opened {file}")
    else:
        err.print(f"note: there is no browser to open; the page is {file}")


def _draw(
    drawings: Mapping[str, Callable[[], str]],
    kind: str | None,
    file: Path | None,
    coloured: RenderableType | None,
) -> None:
    """Write a drawing to a file or to stdout, where a terminal gets the `coloured` one.

    Raises:
        ConfigError: the kind is unknown, or the file cannot be written.
    """
    kind = kind or _BY_SUFFIX.get(file.suffix if file is not None else "", "text")
    if kind not in drawings:
        allowed = ", ".join(repr(name) for name in drawings)
        raise ConfigError(f"--format is {kind!r}, allowed {allowed}")
    out = stdout()
    if file is not None:
        with written("--output", file):
            file.write_text(drawings[kind](), encoding="utf-8")
    elif kind == "html":
        raw_page(drawings[kind]())
    elif kind == "text" and out.is_terminal and coloured is not None:
        out.print(coloured, soft_wrap=False, width=out.room)
    else:
        out.out(drawings[kind](), highlight=False, end="")
