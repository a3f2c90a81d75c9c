"""How the pages read: short sentences, links that lead somewhere, messages and files that exist."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import ConfigError, MCTSrContext, __version__

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
MOST_WORDS = 30
_LINK = re.compile(r"!?\[((?:[^\]`]|`[^`]*`)*)\]\(([^)\s]*)\)")


# --------------------------------------------------------------------------- sentences
def blocks(page: str) -> Iterator[str]:
    """The paragraphs and list items of a page, without code, tables, headings and pictures."""
    page = re.sub(r"^ *(`{3,}).*?^ *\1", "\n\n", page, flags=re.S | re.M)
    page = re.sub(r"<!--.*?-->", "\n\n", page, flags=re.S)
    page = re.sub(r"^ *(?:\||#|!\[).*$", "\n", page, flags=re.M)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", page)
    yield from (" ".join(part.split()) for part in parts if part.strip())


def sentences(block: str) -> list[str]:
    """The sentences of a paragraph. A link counts as its words, code as one word."""
    plain = re.sub(r"`[^`]*`", "code", _LINK.sub(r"\1", block))
    return re.split(r"(?<=[.!?])[)\"*_]*\s+", plain)


def words(sentence: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def test_a_long_sentence_is_found_and_a_short_one_is_not() -> None:
    page = "# H\n\n" + "a " * 31 + "end.\n\nShort one. Another `a b c`.\n\n| a table " + "a " * 40
    found = [words(one) for block in blocks(page) for one in sentences(block)]
    assert found == [32, 2, 2]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_no_sentence_is_long(path: Path) -> None:
    said = [one for block in blocks(path.read_text("utf-8")) for one in sentences(block)]
    assert [one for one in said if words(one) > MOST_WORDS] == []


# --------------------------------------------------------------------------- links
def anchors(page: str) -> set[str]:
    """What a link into a page may name: its headings, as GitHub and MyST write them."""
    page = re.sub(r"^ *(`{3,}).*?^ *\1", "", page, flags=re.S | re.M)
    found: Counter[str] = Counter()
    named = set()
    for heading in re.findall(r"^#+ (.*)$", page, re.M):
        text = unicodedata.normalize("NFKC", _LINK.sub(r"\1", heading)).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        named.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return named


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_to_a_heading_in_it(path: Path) -> None:
    page = re.sub(r"^ *(`{3,}).*?^ *\1", "", path.read_text("utf-8"), flags=re.S | re.M)
    for _, link in _LINK.findall(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_each_page_is_in_the_navigation_once() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    trees = re.findall(r"```\{toctree\}\n(.*?)```", index, re.S)
    listed = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    assert all(":caption:" in tree for tree in trees)
    pages = {path.stem for path in PAGES} - {"README", "index"}
    assert Counter(listed) == Counter(pages)


# --------------------------------------------------------------------------- what they quote
def test_each_message_that_troubleshooting_quotes_is_one() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    texts = "".join(path.read_text("utf-8") for path in (ROOT / "mctsr_graph").rglob("*.py"))
    texts += "".join(path.read_text("utf-8") for path in (ROOT / "graphs").glob("*.py"))
    # A message may be broken into lines, and have values in it
    known = re.sub(r'"\s+f?"', "", texts)
    with pytest.raises(ConfigError) as raised:
        MCTSrContext(max_rollouts=0)
    known += str(raised.value)
    of_others = {
        "I can only solve short problems about counting things",  # the embedded model says so
        "the embedded model lacks torch, transformers",  # whichever of the two is missing
        "mctsr resume",
        "--model",
        "command not found: mctsr",
        "No matching distribution found for mctsr-graph",
        "Missing credentials",
        "429",
        "rate limit",
        "BlockingError: Blocking call to ...",
        '{"ok":true}',
    }
    cells = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    quoted = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 25
    for text in {*quoted} - of_others:
        parts = [part for part in re.split(r"'[^']*'", text) if part.strip(" ,;?:.")]
        missing = [part for part in parts if part.strip(" ,;?:.") not in known]
        assert not missing, text


def test_the_citation_is_of_this_version() -> None:
    cited = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.*)$", cited, re.M) == [__version__]
    page = (ROOT / "docs" / "citation.md").read_text("utf-8")
    assert f"version = {{{__version__}}}" in page
    title = re.findall(r"^    title: (.*)$", cited, re.M)[0]
    assert title in page


# --------------------------------------------------------------------------- the image
def test_the_image_serves_the_graphs_of_langgraph_json() -> None:
    pytest.importorskip("langgraph_cli", reason="langgraph-cli is not installed")
    from langgraph_cli.config import config_to_docker, validate_config_file

    config = ROOT / "langgraph.json"
    made, _ = config_to_docker(config, validate_config_file(config))
    made = made.replace(f"/deps/{ROOT.name}/", "/deps/mctsr_graph/")
    own = (ROOT / "Dockerfile").read_text("utf-8")

    def lines(text: str, *starts: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(starts)]

    same = ("FROM ", "ENV LANGSERVE_GRAPHS", "RUN mkdir")
    assert lines(own, *same) == lines(made, *same)
    assert len(lines(own, *same)) == 3


def test_the_image_of_langgraph_build_has_what_the_graphs_import() -> None:
    named = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["dependencies"]
    package = (ROOT / "pyproject.toml").read_text("utf-8")
    assert named[0] == "."
    for requirement in named[1:]:
        assert f'"{requirement}"' in package


# --------------------------------------------------------------------------- commands
def commands() -> dict[str, list[str]]:
    """The commands that the pages show, by page and line, as words; comments are left out."""
    found = {}
    for path in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        shown = re.findall(r"```console\n(.*?)```", path.read_text("utf-8"), re.S)
        joined = "\n".join(shown).replace("\\\n", " ")
        for line in re.findall(r"^\$ (.*)$", joined, re.M):
            for part in re.split(r" && | \| | > ", line):
                told = shlex.split(part, comments=True)
                while told and re.fullmatch(r"[A-Z_]+=.*", told[0]):
                    told = told[1:]
                if told:
                    found[f"{path.name}: {part}"] = told
    return found


COMMANDS = commands()


@pytest.mark.parametrize("place", [p for p, words in COMMANDS.items() if words[0] == "mctsr"])
def test_a_command_of_a_page_has_these_options(place: str) -> None:
    pytest.importorskip("typer", reason="typer is not installed")
    import typer.main

    from mctsr_graph.cli.main import app

    command: Any = typer.main.get_command(app)
    words = COMMANDS[place][1:]
    while named := [word for word in words if word in getattr(command, "commands", {})]:
        command, words = command.commands[named[0]], words[words.index(named[0]) + 1 :]
    assert not hasattr(command, "commands"), f"{place}: no such command"
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known | {"--help"}


@pytest.mark.parametrize(
    "place", [p for p, words in COMMANDS.items() if words[0] in ("pip", "make", "python")]
)
def test_what_a_page_installs_makes_or_runs_is_there(place: str) -> None:
    words = COMMANDS[place]
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", makefile, re.M)
    for extras in re.findall(r"(?:\.|mctsr-graph)\[([\w,-]+)\]", " ".join(words)):
        assert {*extras.split(",")} <= {*package["optional-dependencies"]}
    if words[:2] == ["python", "-m"]:
        assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").exists() or find_spec(
            words[2]
        )
