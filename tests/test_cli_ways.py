"""What a user of the command line finds: options, settings explained, a page opened, a check-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

import mctsr_graph
import mctsr_graph.cli.main
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.cli import doctor
from mctsr_graph.cli.main import app
from mctsr_graph.settings.context import allowed_values

from .conftest import keyed_reply

runner = CliRunner()


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    """Every name of a model means this one."""
    scripted = ScriptedChatModel(replies=keyed_reply)
    monkeypatch.setattr(sys.modules["mctsr_graph.run.session"], "load_model", lambda name: scripted)
    monkeypatch.setenv("COLUMNS", "200")
    return scripted


def mctsr(*arguments: object) -> Result:
    return runner.invoke(app, [str(one) for one in arguments])


SOLVE = ("solve", "How many?", "-m", "x")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of one search."""
    kept = tmp_path / "a.db"
    done = mctsr(*SOLVE, "--profile", "paper", "--rollouts", 1, "--checkpoint", kept)
    assert done.exit_code == 0
    return kept


# --------------------------------------------------------------------------- options
def test_a_text_is_searched_for_taken_up_again_and_added_to(
    tmp_path: Path, model: ScriptedChatModel
) -> None:
    kept = tmp_path / "a.db"
    begun = ("solve", "A letter.", "-m", "x", "--free-text", "--checkpoint", kept, "--json")
    told = json.loads(mctsr(*begun, "--max-calls", 6).stdout)
    assert (told["final_answer"], told["choice"]["means"]) == (None, "preferred")
    added = mctsr("steer", kept, "answer", "It is \\boxed{4}, dear.", "--reward", 90)
    assert added.exit_code == 0, added.stderr
    more = json.loads(mctsr("resume", kept, "-m", "x", "--max-calls", 9, "--json").stdout)
    assert {node["final_answer"] for node in more["tree"].values()} == {None}
    assert more["answer"] == "It is \\boxed{4}, dear."
    assert not any("boxed" in str(call.messages[0].content) for call in model.calls)


def test_calls_are_limited_by_an_option_and_more_are_added_later(tmp_path: Path) -> None:
    kept = tmp_path / "a.db"
    done = mctsr(*SOLVE, "--max-calls", 5, "--json", "--checkpoint", kept)
    told = json.loads(done.stdout)
    assert told["stop_reason"] == "max_calls"
    assert sum(role["calls"] for role in told["usage"].values()) == 5
    more = mctsr("resume", kept, "--model", "x", "--max-calls", 8, "--json")
    assert sum(role["calls"] for role in json.loads(more.stdout)["usage"].values()) == 8


@pytest.mark.parametrize("command", ["solve", "solve-many"])
def test_money_effort_and_the_judge_have_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    asked: list[MCTSrContext] = []
    problems = tmp_path / "problems.jsonl"
    problems.write_text('"How many?"\n')
    one = solve("How many?", ScriptedChatModel(replies=keyed_reply))

    def hears(*given: Any, **options: Any) -> Any:
        asked.append(options["context"])
        return one if command == "solve" else [one]

    monkeypatch.setattr(mctsr_graph.cli.main, "solve", hears)
    monkeypatch.setattr(mctsr_graph.cli.many, "solve_many", hears)
    options = ("--max-cost", "0.5", "--judge", "rubric", "--effort", "low", "--profile", "rsa")
    assert mctsr(command, problems, *options, "-m", "x").exit_code == 0
    told = MCTSrContext(max_cost=0.5, judge="rubric", effort="low", profile="rsa", seed=0)
    assert asked == [told]
    assert told.max_calls == 11


def test_a_wrong_value_is_refused_with_the_allowed_ones() -> None:
    refused = mctsr(*SOLVE, "--max-cost", 0)
    assert (refused.exit_code, "max_cost is 0.0, allowed above 0" in refused.stderr) == (2, True)
    refused = mctsr(*SOLVE, "--judge", "mine")
    assert "judge is 'mine', allowed 'self', 'rubric', 'logits', 'pairwise'" in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("resume", "FILE", "-m", "x"),
        ("list", "FILE", "--most", "3"),
        ("view", "FILE", "--format", "mermaid"),
        ("learn", "FILE", "-m", "x"),
    ],
)
def test_options_stand_before_and_behind_the_file(file: Path, words: tuple[str, ...]) -> None:
    command, _, *options = words
    behind, before = mctsr(command, file, *options), mctsr(command, *options, file)
    assert (behind.exit_code, behind.stdout) == (before.exit_code, before.stdout)
    assert behind.exit_code == 0


def commands(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command below a group, by the words that call it."""
    found = {path: group}
    for name, command in getattr(group, "commands", {}).items():
        found |= commands(command, (*path, name))
    return found


def test_every_help_tells_the_exit_codes() -> None:
    told = {path: mctsr(*path, "--help").stdout for path in commands(get_command(app))}
    assert len(told) > 25
    assert [path for path, text in told.items() if "Exit codes:" not in text] == []


_EVERY_HELP = """
import sys
from typer.testing import CliRunner
from mctsr_graph.cli.main import app
for path in sys.argv[1:]:
    told = CliRunner().invoke(app, [*path.split(), "--help"], prog_name="mctsr")
    print(*(f"{path}: {line}" for line in told.stdout.splitlines() if len(line) > 40), sep="\\n")
    assert told.exit_code == 0 and "Exit codes:" in told.stdout
"""


def test_every_help_fits_a_narrow_terminal() -> None:
    paths = [" ".join(path) for path in commands(get_command(app))]
    script = [sys.executable, "-c", _EVERY_HELP, *paths]
    done = subprocess.run(
        script, env={**os.environ, "COLUMNS": "40"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_completion_is_offered_and_knows_the_words() -> None:
    assert "--install-completion" in mctsr("--help").stdout
    words = {"COMP_WORDS": "mctsr solve --judge ", "COMP_CWORD": "3"}
    told = runner.invoke(
        app, [], env={**words, "_MCTSR_COMPLETE": "complete_bash"}, prog_name="mctsr"
    )
    assert told.stdout.split() == ["self", "rubric", "logits", "pairwise"]


# --------------------------------------------------------------------------- settings
def test_every_setting_is_explained_with_its_default() -> None:
    told = json.loads(mctsr("settings", "--profile", "paper", "--json").stdout)
    assert list(told["settings"]) == list(MCTSrContext.model_fields)
    paper = MCTSrContext(profile="paper")
    for name, setting in told["settings"].items():
        assert setting["default"] == paper.model_dump(mode="json")[name]
        assert setting["allowed"] == allowed_values(name)
        assert setting["what"]


def test_a_part_of_a_name_is_enough() -> None:
    lines = mctsr("settings", "max-c").stdout.splitlines()
    names = {line.partition(":")[0] for line in lines if line[:1].strip()}
    assert names == {"max_calls", "max_cost", "max_children"}
    wrong = mctsr("settings", "patiense")
    assert (wrong.exit_code, "did you mean 'patience'?" in wrong.stderr) == (2, True)


# --------------------------------------------------------------------------- a page
@pytest.mark.parametrize("named", [True, False])
def test_view_opens_the_page(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    page = tmp_path / "a page.html"
    done = mctsr("view", file, "--open", *(["-o", page] if named else []))
    assert (done.exit_code, done.stdout) == (0, "")
    [url] = opened
    shown = Path(unquote(urlsplit(url).path))
    assert (shown == page) == named
    assert shown.read_text("utf-8").startswith("<!doctype html>")


def test_without_a_browser_the_page_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    done = mctsr("view", file, "--open")
    assert (done.exit_code, "there is no browser to open; the page is " in done.stderr) == (0, True)
    refused = mctsr("view", file, "--open", "--format", "text")
    assert "--format is 'text', allowed 'html' with --open" in refused.stderr


# --------------------------------------------------------------------------- a check-up
def test_the_doctor_names_versions_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = {"cli": ["typer>=0.26"], "fast": ["no-such-package>=1"]}
    monkeypatch.setattr(doctor, "extras", lambda: lacks)
    monkeypatch.setattr(doctor, "install_line", lambda extra: f"pip install what {extra} needs")
    done = mctsr("doctor", "-m", "demo")
    assert done.exit_code == 0
    assert f"mctsr-graph {mctsr_graph.__version__}, Python 3" in done.stdout
    assert "Model: demo can be used (" in done.stdout
    assert "Extra cli: installed\n" in done.stdout
    missing = (
        "Extra fast: not installed, no-such-package>=1 missing\n  pip install what fast needs\n"
    )
    assert missing in done.stdout


def test_the_doctor_shows_which_keys_are_set_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-of-mine")
    told = mctsr("doctor", "-m", "demo").stdout
    assert "google_genai (GEMINI_API_KEY)" in told
    assert "secret" not in told
    assert "secret" not in mctsr("doctor", "-m", "demo", "--json").stdout


@pytest.mark.parametrize(("name", "code"), [("nobody:x", 2), ("openai:gpt-5-mini", 1)])
def test_the_doctor_ends_as_a_search_would(
    monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(variable, raising=False)
    done = mctsr("doctor", "-m", name)
    assert (done.exit_code, f"Model: {name} cannot be used: " in done.stdout) == (code, True)
