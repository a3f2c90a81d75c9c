"""The command `mctsr steer`, as a user types it."""

from __future__ import annotations

import getpass
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mctsr_graph import ScriptedChatModel
from mctsr_graph.cli.main import app
from mctsr_graph.run.lease import file_lease
from mctsr_graph.run.stored import stored_searches

from .conftest import keyed_reply

runner = CliRunner()


def mctsr(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    """Every name of a model means this one."""
    scripted = ScriptedChatModel(replies=keyed_reply)
    for module in ("mctsr_graph.run.session", "mctsr_graph.models.load"):
        monkeypatch.setattr(sys.modules[module], "load_model", lambda name: scripted)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("MCTSR_MODEL", "x")  # else a file's own model would have to be named
    return scripted


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A search of 6 rollouts that is over."""
    path = str(tmp_path / "search.db")
    assert (
        mctsr(
            "solve", "p", "-m", "x", "--profile", "paper", "--rollouts", "6", "--checkpoint", path
        ).exit_code
        == 0
    )
    return path


def test_a_branch_is_pruned_and_the_search_goes_on_without_it(file: str) -> None:
    result = mctsr("steer", file, "prune", "1")
    assert (result.exit_code, result.stderr) == (
        0,
        f"Go on with: mctsr resume {file}\n"
        f"Its limits are reached; to search further: mctsr resume {file} --rollouts 7\n",
    )
    assert "0  0  *best*  q -8.0  [-20, 28]\n└─ 1  1 (pruned)  q 25.5" in result.stdout
    assert "Final answer: 0" in mctsr("resume", file).stdout
    assert "1  1  *best*  q 25.5  [17, 65, 49, 33]" in mctsr("steer", file, "undo").stdout
    assert "Final answer: 1" in mctsr("resume", file).stdout


def test_a_wish_says_how_many_calls_it_needs(tmp_path: Path) -> None:
    file = str(tmp_path / "search.db")
    line = ("solve", "p", "-m", "x", "--effort", "low", "--checkpoint", file)
    assert mctsr(*line).exit_code == 0
    merged = mctsr("steer", file, "merge", "0", "2").stderr
    assert merged == f"Go on with: mctsr resume {file} --max-calls 15\n"  # 11 are spent, 4 at most
    found = json.loads(mctsr("resume", file, "--calls", "15", "--json").stdout)
    assert [n["parents"] for n in found["tree"].values() if "parents" in n] == [["0", "2"]]


def test_of_a_search_that_used_its_calls_up_steering_says_how_many_more_it_needs(
    tmp_path: Path,
) -> None:
    file = str(tmp_path / "search.db")
    mctsr("solve", "p", "-m", "x", "--effort", "low", "--checkpoint", file)
    assert "to search further: mctsr resume" in (told := mctsr("steer", file, "pin", "0").stderr)
    assert told.endswith(f"{file} --max-calls 15\n")


@pytest.mark.parametrize(
    ("option", "most", "made"), [("--max-calls", "1", 26), ("--rollouts", "5", 6)]
)
def test_less_than_was_made_is_refused(file: str, option: str, most: str, made: int) -> None:
    result = mctsr("resume", file, option, most)
    assert result.exit_code == 2
    assert f"error: {option} is {most}, allowed {made} or more" in " ".join(result.stderr.split())
    assert mctsr("resume", file, option, str(made)).exit_code == 0


def test_a_wish_says_how_many_rollouts_it_needs(file: str) -> None:
    result = mctsr("steer", file, "expand", "5", "--critique", "Multiply.")
    assert result.stderr == f"Go on with: mctsr resume {file} --rollouts 7\n"
    result = mctsr("steer", file, "critique", "2", "Divide.")
    assert result.stderr == f"Go on with: mctsr resume {file} --rollouts 8\n"
    result = mctsr("resume", file, "--rollouts", "8", "--show-tree")
    assert re.search(r"5  5 .*q .*\n.* └─ 7  7 .*q ", result.stdout)


def test_answers_are_merged_by_the_next_rollout(file: str) -> None:
    result = mctsr("steer", file, "merge", "5", "2", "0")
    assert result.stderr == f"Go on with: mctsr resume {file} --rollouts 7\n"
    result = mctsr("resume", file, "--rollouts", "7", "--show-tree")
    assert re.search(r"5  5 .*q .*\n.* └─ 7  7 \(merges 5, 2, 0\) .*q ", result.stdout)
    told = mctsr("steer", file, "merge", "5", "9").stderr
    assert "node is '9', allowed 0 to 7" in told


def test_the_judge_is_asked_or_the_person_says(file: str, model: ScriptedChatModel) -> None:
    model.calls.clear()
    result = mctsr("steer", file, "answer", "It is \\boxed{5}.", "--parent", "2")
    assert "7  5  *best*  q 59.0  [59]" in result.stdout
    assert [call.role for call in model.calls] == ["evaluate"] * 2
    result = mctsr("steer", file, "answer", "It is \\boxed{6}.", "--reward", "-50")
    assert "8  6  q -50.0  [-50]" in result.stdout
    result = mctsr("steer", file, "rewards", "8", "--model", "y")
    assert "8  6  q -29.5  [-50, 17, 6]" in result.stdout
    assert len(model.calls) == 4


def test_a_judge_that_fails_is_reported(file: str, model: ScriptedChatModel) -> None:
    model.replies = lambda call: "no number"
    result = mctsr("steer", file, "rewards", "2")
    assert "Failed in rollout 7: " in result.stdout


@pytest.mark.parametrize("name", ["prune", "pin"])
def test_marks_are_put_and_taken_away(name: str, file: str) -> None:
    mark = {"prune": "(pruned)", "pin": "(pinned)"}[name]
    assert mark in mctsr("steer", file, name, "3").stdout
    opposite = {"prune": "restore", "pin": "unpin"}[name]
    assert mark not in mctsr("steer", file, opposite, "3").stdout


@pytest.mark.parametrize("who", [None, "Ann"])
def test_who_did_it_is_kept(file: str, who: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> Any:
        raise OSError("no user")

    by = ["--by", who] if who else []
    if who is None:
        monkeypatch.setattr(getpass, "getuser", no_name)
    assert mctsr("steer", *by, file, "pin", "1").exit_code == 0
    result = mctsr("resume", file, "--json")
    assert f'"action": "pin", "by": "{who or ""}"' in result.stdout


def test_what_cannot_be_done_is_said(file: str, tmp_path: Path) -> None:
    result = mctsr("steer", file, "prune", "77")
    assert (result.exit_code, result.stderr) == (2, "error: node is '77', allowed 0 to 6\n")
    result = mctsr("steer", file, "undo")
    assert "nothing to undo" in result.stderr
    result = mctsr("steer", str(tmp_path / "none.db"), "undo")
    assert (result.exit_code, "there is no file" in result.stderr) == (2, True)
    result = mctsr("steer", "--search", "zzz", file, "prune", "1")
    assert "no search of that id" in result.stderr
    with file_lease(file, stored_searches(file)[0].thread_id):
        assert "another runner" in mctsr("steer", file, "prune", "1").stderr


def test_help_names_every_act() -> None:
    text = mctsr("steer", "--help").stdout
    acts = ["prune", "restore", "pin", "unpin", "expand", "critique", "answer", "rewards", "undo"]
    for act in acts:
        assert re.search(rf"^  {act} ", text, re.M), act
