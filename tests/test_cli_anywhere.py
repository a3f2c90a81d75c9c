"""The command `mctsr` on any terminal, pipe and encoding, with texts and files of strangers."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mctsr_graph import Prior, ScriptedChatModel
from mctsr_graph.cli.main import app

from .conftest import keyed_reply

ROOT = Path(__file__).parent.parent
runner = CliRunner()
# Clear screen, clipboard (OSC 52), link (OSC 8), C1, bidirectional override and isolate
HOSTILE = "\x1b[2J\x1b]52;c;cm0=\x07\x1b]8;;http://a\x1b\\b\x9b31m\u202egood\u2066"
FORBIDDEN = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    """Every name of a model means this one."""
    scripted = ScriptedChatModel(replies=keyed_reply)
    for module in ("mctsr_graph.run.session", "mctsr_graph.models.load"):
        monkeypatch.setattr(sys.modules[module], "load_model", lambda name: scripted)
    return scripted


def mctsr(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


CHILD = """
import sys
from mctsr_graph import Prior, ScriptedChatModel
from mctsr_graph.cli.main import app

def reply(call):
    if call.role == "evaluate":
        return "Score: 50"
    return "\\u221a2 \\u2248 1,41 \\u0434\\u0430 \\\\boxed{\\u221a2}"

sys.modules["mctsr_graph.run.session"].load_model = lambda name: ScriptedChatModel(replies=reply)
app()
"""


def child(
    *arguments: str, stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", CHILD, *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, env=env)


SOLVE = ("solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "1")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_a_stream_that_knows_few_characters_loses_no_search(tmp_path: Path, encoding: str) -> None:
    page = str(tmp_path / "page.html")
    done = child(*SOLVE, "--show-tree", "--html", page, PYTHONIOENCODING=encoding)
    out = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr.decode(encoding).count("error")) == (0, 0)
    assert "Final answer: ?2" in out
    assert re.search(r"`- 1  .*  q 50\.0", out)  # of the tree's lines
    assert "\u221a2" in Path(page).read_text("utf-8")
    told = child(*SOLVE, "--json", PYTHONIOENCODING=encoding)
    assert json.loads(told.stdout.decode(encoding))["final_answer"] == "\u221a2"


def test_in_the_c_locale_it_prints_and_helps() -> None:
    done = child(*SOLVE, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, b"Final answer: " in done.stdout) == (0, True)
    assert child("--help", PYTHONIOENCODING="ascii").returncode == 0
    assert child("solve", "--help", PYTHONIOENCODING="ascii").returncode == 0


def test_who_reads_no_further_changes_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = child(*SOLVE, "--json", "--html", str(page), stdout=writing)
        drawn = child(*SOLVE, "--show-tree", stdout=writing)
    finally:
        os.close(writing)
    for one in (done, drawn):
        assert (one.returncode, b"rror" in one.stderr) == (0, False)
    assert "How many?" in page.read_text("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_below_stdout_is_said_after_the_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with open("/dev/full", "wb") as full:
        done = child(*SOLVE, "--html", str(page), stdout=full.fileno())
    assert done.returncode == 2
    assert b"error: stdout cannot be written to: No space left on device\n" in done.stderr
    assert "How many?" in page.read_text("utf-8")


@pytest.mark.parametrize("columns", ["0", "1", "20"])
def test_a_narrow_terminal_cuts_no_answer_off(
    model: ScriptedChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    file = str(tmp_path / "search.db")
    result = mctsr(*SOLVE, "--checkpoint", file)
    assert "Final answer: 1" in result.stdout
    assert "evaluate" in result.stdout
    listed = mctsr("list", file).stdout
    assert "How many?" in listed
    assert "max_rollouts" in listed


def test_a_server_cannot_steer_the_terminal(model: ScriptedChatModel, tmp_path: Path) -> None:
    model.replies = lambda call: RuntimeError(f"502 {HOSTILE}")
    result = mctsr(*SOLVE)
    assert (result.exit_code, "502 ?[2J?]52;c;cm0=?" in result.stderr) == (1, True)
    model.replies = lambda call: (
        "Score: 5" if call.role == "evaluate" else f"{HOSTILE} \\boxed{{{HOSTILE}}}"
    )
    file = str(tmp_path / "search.db")
    for arguments in (
        (*SOLVE, "--show-tree", "--checkpoint", file),
        (*SOLVE, "--json"),
        ("list", file),
        ("view", file),
        ("view", file, "--format", "mermaid"),
        ("resume", file, "-m", "x", "--rollouts", "2"),
    ):
        result = mctsr(*arguments)
        assert result.exit_code == 0
        assert not [mark for mark in FORBIDDEN if mark in result.output], arguments
    told = json.loads(mctsr(*SOLVE, "--json").stdout)
    assert told["final_answer"] == HOSTILE  # read back, it is as it was


def test_a_file_does_not_choose_the_model(model: ScriptedChatModel, tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    mctsr(
        "solve",
        "How many?",
        "-m",
        "openai:gpt-4o",
        "--profile",
        "paper",
        "--rollouts",
        "1",
        "--checkpoint",
        file,
    )
    made = len(model.calls)
    for command in (["resume", file, "--rollouts", "2"], ["steer", file, "rewards", "1"]):
        result = mctsr(*command)
        assert result.exit_code == 2
        assert "if you trust it, add: --model openai:gpt-4o" in result.stderr
    assert len(model.calls) == made
    assert mctsr("steer", file, "pin", "1").exit_code == 0  # asks no model
    assert mctsr("resume", file, "--rollouts", "2", "--model", "openai:gpt-4o").exit_code == 0
    assert len(model.calls) == made + 4


def test_nor_does_it_choose_a_judge_or_a_critic(model: ScriptedChatModel, tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    others = ("--judge-model", "openai:o3", "--critic-model", "openai:gpt-5")
    first = (
        "solve",
        "How many?",
        "-m",
        "demo",
        "--profile",
        "paper",
        "--rollouts",
        "1",
        "--checkpoint",
        file,
    )
    mctsr(*first, *others)
    made, more = len(model.calls), ("resume", file, "--rollouts", "2")
    for given, wanted in [((), others[:2]), (others[:2], others[2:])]:
        result = mctsr(*more, *given)
        assert result.exit_code == 2
        assert f"if you trust it, add: {' '.join(wanted)}" in result.stderr
    result = mctsr("steer", file, "rewards", "1")
    assert "if you trust it, add: --model openai:o3" in result.stderr
    assert len(model.calls) == made
    assert mctsr(*more, *others).exit_code == 0
    assert len(model.calls) == made + 4


def test_the_model_of_the_environment_and_those_of_the_package_need_no_word(
    model: ScriptedChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCTSR_MODEL", "mine")
    for name in ("mine", "demo", "embedded"):
        file = str(tmp_path / f"{name}.db")
        mctsr(
            "solve",
            "How many?",
            "-m",
            name,
            "--profile",
            "paper",
            "--rollouts",
            "1",
            "--checkpoint",
            file,
        )
        assert mctsr("resume", file, "--rollouts", "2").exit_code == 0


def test_a_missing_package_a_file_and_a_fault_are_not_put_down_to_the_model(
    model: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for error, code, message in [
        (ModuleNotFoundError("No module named 'numpy'", name="numpy"), 3, "package numpy is mis"),
        (PermissionError(13, "Permission denied", "a.txt"), 2, "a file cannot be used: [Errno 13]"),
        (KeyError("q"), 1, "this is a fault of mctsr, not of the model: KeyError: 'q' ("),
    ]:

        def failing(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(sys.modules["mctsr_graph.cli.main"], "solve", failing)
        result = mctsr(*SOLVE)
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
        assert "the model failed" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["FILE", "--search", "ID", "pin", "1"],
        ["--search", "ID", "FILE", "pin", "1"],
        ["FILE", "--search=ID", "--by", "Ann", "pin", "1"],
        ["FILE", "--by", "Ann", "pin", "--", "1"],
        ["FILE", "pin", "--search=ID", "1", "--by", "Ann"],
        ["FILE", "pin", "1", "--search", "ID"],
    ],
)
def test_steer_takes_its_options_wherever_they_stand(
    model: ScriptedChatModel, tmp_path: Path, arguments: list[str]
) -> None:
    file = str(tmp_path / "search.db")
    mctsr(*SOLVE, "--checkpoint", file)
    with sqlite3.connect(file) as connection:
        [thread] = connection.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchone()
    connection.close()
    words = [one.replace("FILE", file).replace("ID", thread[:8]) for one in arguments]
    result = mctsr("steer", *words)
    assert (result.exit_code, "1 (pinned)" in result.stdout) == (0, True), result.output


def test_json_that_is_nested_too_deeply_is_no_fault_of_mctsr(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    deep = tmp_path / "deep.jsonl"
    for file in (deep, run / "run.json"):
        file.write_text("[" * 100_000)
    for command in (
        ["bench", "run", str(deep)],
        ["bench", "run", "--config", str(deep)],
        ["bench", "report", str(run)],
        ["solve-many", str(deep)],
        ["solve", "p", "--prior", str(deep)],
        ["solve", "p", "--prices", str(deep)],
        ["solve", "p", "--set", "width=" + "[" * 100_000],
    ):
        done = mctsr(*command)
        assert done.exit_code == 2, (command, done.exception)
        assert done.stderr


def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    texts = {
        "many": '"How many?"\n',
        "file": "How many?",
        "prior": json.dumps(asdict(Prior())),
        "prices": '{"models": {"x": {"input": 1, "output": 1}}}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    demo = ("-m", "demo", "--max-calls", "3")
    of_many = mctsr("solve-many", str(tmp_path / "many"), *demo)
    assert (of_many.exit_code, json.loads(of_many.stdout)["problem"]) == (0, "How many?")
    more = [
        part for name in ("file", "prior", "prices") for part in (f"--{name}", str(tmp_path / name))
    ]
    of_one = mctsr("solve", *more, *demo, "--json")
    assert (of_one.exit_code, json.loads(of_one.stdout)["problem"]) == (0, "How many?"), (
        of_one.stderr
    )
