"""The command `mctsr`, as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import mctsr_graph.cli.main
from mctsr_graph import MCTSrContext, Prior, ScriptedChatModel, learn_prior, solve
from mctsr_graph.cli.main import app

from .conftest import HANGS, keyed_reply, of_processes

ROOT = Path(__file__).parent.parent
runner = CliRunner()


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    """Every name of a model means this one, but for those that begin with "un"."""
    scripted = ScriptedChatModel(replies=keyed_reply)
    module = sys.modules["mctsr_graph.run.session"]
    load = module.load_model
    monkeypatch.setattr(
        module, "load_model", lambda name: load(name) if str(name)[:2] == "un" else scripted
    )
    monkeypatch.setenv("COLUMNS", "80")
    return scripted


def mctsr(*arguments: str, stdin: str | None = None) -> Result:
    return runner.invoke(app, list(arguments), input=stdin)


def test_solve_prints_answer_tree_and_cost() -> None:
    result = mctsr(
        "solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "2", "--show-tree"
    )
    assert result.exit_code == 0
    assert "Answer of rollout 2: \\boxed{2}\n\nFinal answer: 2\n" in result.stdout
    assert "\n0  0  q " in result.stdout
    assert "*best*" in result.stdout
    assert " in 2 rollouts, " in result.stdout
    assert "\nStopped (max_rollouts): all rollouts that" in result.stdout
    assert re.search(r"evaluate +│ 5 ", result.stdout)
    assert re.search(r"rollout 2 of 2: q 54\.0, best 2, \d+ % likely", result.stderr)


def test_json_is_all_there_is_on_stdout() -> None:
    result = mctsr(
        "solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "1", "--json"
    )
    solution = json.loads(result.stdout)
    assert (solution["final_answer"], list(solution["tree"])) == ("1", ["0", "1"])


@pytest.mark.parametrize("way", ["argument", "file", "stdin", "dash"])
def test_a_problem_comes_from_an_argument_a_file_or_stdin(
    model: ScriptedChatModel, way: str, tmp_path: Path
) -> None:
    file = tmp_path / "problem.txt"
    file.write_text("How many?", encoding="utf-8")
    result = {
        "argument": lambda: mctsr("solve", "How many?", "-m", "x"),
        "file": lambda: mctsr("solve", "--file", str(file), "-m", "x"),
        "stdin": lambda: mctsr("solve", "-m", "x", stdin="How many?"),
        "dash": lambda: mctsr("solve", "-", "-m", "x", stdin="How many?"),
    }[way]()
    assert result.exit_code == 0
    assert "How many?" in str(model.calls[0].messages[1].content)


def test_settings_reach_the_search(model: ScriptedChatModel) -> None:
    result = mctsr(
        "solve", "x", "-m", "x", "--profile", "official", "--seed", "5", "--width", "2",
        "--rollouts", "3", "--max-reply-tokens", "9", "--set", "init=dummy", "--set",
        "critique_temperature=null", "--json",
    )  # fmt: skip
    solution = json.loads(result.stdout)
    assert solution["tree"]["0"]["dummy"]
    assert solution["rollouts"] == 3
    settings = {str(call.role): call.settings for call in model.calls}
    assert settings["critique"]["max_tokens"] == 9
    assert "temperature" not in settings["critique"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rollouts", "0"], 2, "error: max_rollouts is 0, allowed 1 to 4096"),
        (["--profile", "best"], 2, "error: profile is 'best', allowed 'paper', 'official'"),
        (["--set", "widht=2"], 2, "did you mean 'width'?"),
        (["--set", "width"], 2, "error: --set is 'width', allowed NAME=VALUE"),
        (["--file", "nowhere.txt"], 2, "both a problem and --file are given"),
        (["-m", "unheard:of"], 2, "error: 'unheard:of' has no known provider"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], code: int, message: str) -> None:
    result = mctsr("solve", "How many?", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_what_searches_told_is_learnt_and_given_to_others(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("one.db", "two.db")]
    for file, problem in zip(files, ("How many?", "How few?"), strict=True):
        mctsr("solve", problem, "-m", "x", "--effort", "low", "--checkpoint", file)
    result = mctsr("learn", *files)
    assert result.exit_code == 0
    assert "note: believed, without the truth: a refinement of a wrong answer" in result.stderr
    model, context = ScriptedChatModel(replies=keyed_reply), MCTSrContext(effort="low")
    learnt = learn_prior([solve(p, model, context=context) for p in ("How many?", "How few?")])
    assert json.loads(result.stdout) == json.loads(json.dumps(asdict(learnt)))
    assert mctsr("learn", *files, *files).stdout == result.stdout
    (tmp_path / "prior.json").write_text(result.stdout)
    arguments = ["solve", "p", "-m", "x", "--profile", "tuned", "--json"]
    given = json.loads(mctsr(*arguments, "--prior", str(tmp_path / "prior.json")).stdout)
    knowing = MCTSrContext(profile="tuned", prior=learnt)
    assert given["choice"] == json.loads(solve("p", model, context=knowing).to_json())["choice"]
    assert given["choice"] != json.loads(mctsr(*arguments).stdout)["choice"]


def test_what_cannot_be_learnt_from_is_said(tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    for name in ("x", "y"):
        mctsr(
            "solve",
            "How many?" + name,
            "-m",
            name,
            "--profile",
            "paper",
            "--rollouts",
            "1",
            "--checkpoint",
            file,
        )
    (tmp_path / "prior.json").write_text("{")
    (tmp_path / "null.json").write_text("null")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "usual.json").write_text(json.dumps(asdict(Prior())))
    for arguments, message in [
        (["learn", file], "the searches are of several models, allowed --model with ['x', 'y']"),
        (["learn", file, "-m", "z"], "--model is 'z', allowed of these searches: ['x', 'y']"),
        (["learn", str(tmp_path / "none.db")], "there is no file"),
        (["solve", "p", "-m", "x", "--prior", str(tmp_path / "prior.json")], "--prior is"),
        (["solve", "p", "-m", "x", "--prior", "nowhere.json"], "--prior is 'nowhere.json'"),
        (
            ["solve", "p", "-m", "x", "--prior", str(tmp_path / "null.json")],
            "allowed a file that `mctsr learn` wrote",
        ),
        (
            ["solve", "p", "-m", "x", "--prior", str(tmp_path / "empty.json")],
            "allowed a file that `mctsr learn` wrote",
        ),
        (
            [
                "solve",
                "p",
                "-m",
                "x",
                "--prior",
                str(tmp_path / "usual.json"),
                "--profile",
                "paper",
            ],
            "--prior is given, which profile 'paper' makes no use of; allowed with profile tuned",
        ),
        (
            ["solve", "p", "--profile", "rsa", "--prior", str(tmp_path / "usual.json")],
            "--prior is given, which profile 'rsa' makes no use of; allowed with profile tuned",
        ),
    ]:
        result = mctsr(*arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
    assert mctsr("learn", file, "-m", "y").exit_code == 0
    usual = ["solve", "p", "-m", "x", "--prior", str(tmp_path / "usual.json")]
    for more in ([], ["--profile", "paper", "--set", "choice=weighted"]):
        assert mctsr(*usual, *more).exit_code == 0


def test_a_file_that_is_not_there_is_named() -> None:
    result = mctsr("solve", "--file", "nowhere.txt", "-m", "x")
    assert (result.exit_code, "nowhere.txt" in result.stderr) == (2, True)


@pytest.mark.parametrize("error", [ValueError("odd"), PermissionError("wrong key")])
def test_a_model_that_cannot_be_reached_is_no_traceback(
    model: ScriptedChatModel, error: Exception
) -> None:
    model.replies = lambda call: error
    result = mctsr("solve", "How many?", "-m", "x")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"error: the model failed: {type(error).__name__}: {error}\n")


def test_a_search_that_gave_up_shows_what_it_has(model: ScriptedChatModel) -> None:
    model.replies = lambda call: "no score" if call.role == "evaluate" else keyed_reply(call)
    result = mctsr("solve", "How many?", "-m", "x", "--profile", "paper")
    assert result.exit_code == 1
    assert "Final answer: 0" in result.stdout
    assert "error: the search gave up: no first draft could be judged" in result.stderr


def test_without_a_model_a_note_says_which_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    def load(name: Any) -> ScriptedChatModel:
        warnings.warn("no model was named", UserWarning, stacklevel=2)
        return ScriptedChatModel(replies=keyed_reply)

    monkeypatch.setattr(sys.modules["mctsr_graph.run.session"], "load_model", load)
    result = mctsr("solve", "How many?", "--profile", "paper", "--rollouts", "1")
    assert result.exit_code == 0
    assert "note: no model was named\n" in result.stderr


def test_hostile_text_does_not_reach_the_terminal(model: ScriptedChatModel) -> None:
    model.replies = lambda call: (
        "Score: 5" if call.role == "evaluate" else "\x1b[31m[bold]red[/bold] \\boxed{\x07 7}"
    )
    result = mctsr(
        "solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "1", "--show-tree"
    )
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert "[bold]red[/bold]" in result.stdout


def test_the_default_profile_counts_calls(model: ScriptedChatModel) -> None:
    told = mctsr("solve", "How many?", "-m", "x", "--effort", "low").stderr.splitlines()
    assert told[0] == "drafting an answer"
    assert re.fullmatch(r"call 3 of 11: draft: 1, best 0, \d+ % likely", told[1])
    assert told[-1].startswith("stopped: max_calls, best ")


def test_the_same_command_goes_on_with_a_checkpoint(
    model: ScriptedChatModel, tmp_path: Path
) -> None:
    file = str(tmp_path / "search.db")
    mctsr(
        "solve",
        "How many?",
        "-m",
        "x",
        "--profile",
        "paper",
        "--rollouts",
        "2",
        "--checkpoint",
        file,
    )
    made = len(model.calls)
    again = ("solve", "How many?", "-m", "x", "--profile", "paper", "--checkpoint", file, "--json")
    again += ("--rollouts",)
    assert json.loads(mctsr(*again, "2").stdout)["rollouts"] == 2
    assert len(model.calls) == made
    assert json.loads(mctsr(*again, "3").stdout)["rollouts"] == 3
    assert len(model.calls) == made + 4


CHILD = """
import sys
from mctsr_graph import ScriptedChatModel
from mctsr_graph.cli.main import app
from tests.conftest import keyed_reply

sys.modules["mctsr_graph.run.session"].load_model = lambda name: ScriptedChatModel(
    replies=keyed_reply, latency=0.02
)
app()
"""


@of_processes
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_the_best_so_far_and_how_to_go_on(
    tmp_path: Path, kept: bool, number: signal.Signals
) -> None:
    file = tmp_path / "search.db"
    arguments = ["solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "200"]
    arguments += ["--checkpoint", str(file)] if kept else []
    command = [sys.executable, "-c", CHILD, *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
    ) as child:
        assert child.stderr is not None
        assert any(line.startswith("rollout 3 ") for line in child.stderr)
        child.send_signal(number)
        out, err = child.communicate(timeout=HANGS)
    assert child.returncode == 128 + number
    assert "Final answer: " in out
    assert "best so far: " in err
    assert "Traceback" not in err
    if kept:
        assert f"Go on with: mctsr resume {file} --model x\n" in err
    else:
        assert "Nothing was kept: with --checkpoint FILE the search could go on." in err


def test_help_names_every_option_and_the_exit_codes() -> None:
    top, solve = mctsr("--help").stdout, mctsr("solve", "--help").stdout
    for line in ("solve Search for", "solve-many Search for", "resume Go on with", "list List the"):
        assert line in " ".join(top.split())
    for option in ("--model", "--profile", "--effort", "--rollouts", "--seed", "--json",
                   "--checkpoint", "--show-tree", "--file", "--width", "--set",
                   "--max-reply-tokens"):  # fmt: skip
        assert option in solve
    for line in ("0    an answer was found", "130  interrupted by Ctrl-C"):
        assert line in top
        assert line in solve


def test_the_version_can_be_asked() -> None:
    assert mctsr("--version").stdout.strip() == mctsr_graph.__version__


def test_python_dash_m_is_the_command() -> None:
    command = [sys.executable, "-m", "mctsr_graph", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == mctsr_graph.__version__


def test_without_typer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from mctsr_graph import __main__

    monkeypatch.setattr(__main__, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r'pip install .*"typer>=.* .the extra "cli"'):
        __main__.main()


def test_resume_goes_on_with_the_settings_that_the_search_had(
    model: ScriptedChatModel, tmp_path: Path
) -> None:
    file = str(tmp_path / "search.db")
    mctsr(
        "solve",
        "How many?",
        "-m",
        "x",
        "--profile",
        "paper",
        "--rollouts",
        "2",
        "--seed",
        "4",
        "--checkpoint",
        file,
    )
    result = mctsr("resume", file, "-m", "x", "--rollouts", "5", "--json")
    solution = json.loads(result.stdout)
    assert (solution["problem"], solution["rollouts"]) == ("How many?", 5)
    assert len(model.calls) == 2 + 4 * 5
    assert {call.settings["seed"] for call in model.calls[:2]}.isdisjoint({0})


def test_list_shows_what_a_file_holds_and_resume_asks_which(tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    long = f"How many? {'It is not said. ' * 5}"
    for problem in (long, "How few?"):
        mctsr(
            "solve",
            problem,
            "-m",
            "x",
            "--profile",
            "paper",
            "--rollouts",
            "1",
            "--checkpoint",
            file,
        )
    listed = mctsr("list", file).stdout
    assert "How many?" in listed
    assert "..." in listed
    assert listed.count("max_rollouts") == 2
    result = mctsr("resume", file)
    assert result.exit_code == 2
    assert "holds 2 searches of that id" in " ".join(result.stderr.split())
    row = next(line for line in listed.splitlines() if "How few?" in line)
    chosen = mctsr("resume", file, "-m", "x", "--search", row.split()[1], "--json")
    assert json.loads(chosen.stdout)["problem"] == "How few?"


def test_solve_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = mctsr(
        "solve",
        "How many?",
        "-m",
        "x",
        "--profile",
        "paper",
        "--rollouts",
        "1",
        "--html",
        str(page),
    )
    assert result.exit_code == 0
    assert "How many?" in page.read_text("utf-8")


def test_a_page_that_cannot_be_written_costs_nothing(
    model: ScriptedChatModel, tmp_path: Path
) -> None:
    result = mctsr("solve", "How many?", "-m", "x", "--html", str(tmp_path / "no" / "page.html"))
    assert (result.exit_code, "--html is" in result.stderr) == (2, True)
    assert model.calls == []


def test_a_search_that_gave_up_writes_its_page_too(
    model: ScriptedChatModel, tmp_path: Path
) -> None:
    model.replies = lambda call: "no score" if call.role == "evaluate" else keyed_reply(call)
    page = tmp_path / "page.html"
    assert mctsr("solve", "How many?", "-m", "x", "--html", str(page)).exit_code == 1
    assert "no score" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ([], "0  0  q 16.8  [-20, 28]\n└─ 1  1  q 41.5"),
        (["--format", "mermaid"], "flowchart LR\n"),
        (["--format", "html"], "<!doctype html>\n"),
        (["-o", "tree.txt"], "0  0  q "),
        (["-o", "tree.mmd"], "flowchart LR\n"),
        (["-o", "tree.html"], "<!doctype html>\n"),
        (["-o", "tree.txt", "--format", "html"], "<!doctype html>\n"),
    ],
)
def test_view_draws_a_kept_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], begins: str
) -> None:
    monkeypatch.chdir(tmp_path)
    mctsr(
        "solve",
        "How many?",
        "-m",
        "x",
        "--profile",
        "paper",
        "--rollouts",
        "2",
        "--checkpoint",
        "search.db",
    )
    result = mctsr("view", "search.db", *arguments)
    assert result.exit_code == 0, result.stderr
    drawn = Path(arguments[1]).read_text("utf-8") if "-o" in arguments else result.stdout
    assert drawn.startswith(begins)


def test_view_finds_the_search_that_is_meant(tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    for problem in ("How many?", "How few?"):
        mctsr(
            "solve",
            problem,
            "-m",
            "x",
            "--profile",
            "paper",
            "--rollouts",
            "1",
            "--checkpoint",
            file,
        )
    row = next(line for line in mctsr("list", file).stdout.splitlines() if "How few?" in line)
    for option in ("--search", "--thread"):
        assert "How few?" in mctsr("view", file, option, row.split()[1], "--format", "html").stdout
    assert mctsr("view", file).exit_code == 2
    result = mctsr("view", file, "--search", row.split()[1], "--format", "pdf")
    assert "--format is 'pdf', allowed 'text', 'mermaid', 'html'" in result.stderr


def test_live_draws_the_tree_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("solve", "How many?", "-m", "x", "--profile", "paper", "--rollouts", "3", "--live")
    assert "rollout 3 of 3: q " in mctsr(*command).stderr
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = mctsr(*command)
    assert result.exit_code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stderr)
    assert plain.count("*best*") >= 3  # drawn again and again
    assert "└── " in plain
    assert "Final answer: " in result.stdout


@pytest.mark.parametrize("command", ["list", "resume", "view"])
def test_a_file_without_searches_is_named(tmp_path: Path, command: str) -> None:
    result = mctsr(command, str(tmp_path / "none.db"))
    assert (result.exit_code, "there is no file" in " ".join(result.stderr.split())) == (2, True)
    other = tmp_path / "notes.txt"
    other.write_text("not a database " * 100)
    result = mctsr(command, str(other))
    assert (result.exit_code, "holds no searches" in " ".join(result.stderr.split())) == (2, True)
