"""The command `mctsr solve-many`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .test_cli import mctsr

PROBLEMS = """"2 + 2?"

{"id": 7, "problem": "3 + 3?\N{LINE SEPARATOR}"}
[{"type": "text", "text": "4 + 4?"}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "problems.jsonl"
    file.write_text(PROBLEMS, encoding="utf-8")
    return file


def test_each_solution_is_a_line_and_the_same_command_calls_nobody_again(file: Path) -> None:
    kept = str(file.with_name("searches.db"))
    command = ("solve-many", str(file), "-m", "demo", "--max-calls", "60", "--checkpoint", kept)
    result = mctsr(*command)
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["problem"].strip() for one in found] == ["2 + 2?", "3 + 3?", "4 + 4?"]
    calls = sum(role["calls"] for one in found for role in one["usage"].values())
    assert 33 <= calls <= 60
    assert "2 + 2?" in mctsr("list", kept).stdout


@pytest.mark.parametrize("line", ["5", "{}", "2 + 2?", '{"problem": null}'])
def test_a_line_that_holds_no_problem_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(f'"1 + 1?"\n{line}\n', encoding="utf-8")
    result = mctsr("solve-many", str(file), "-m", "demo")
    assert result.exit_code == 2
    assert f"line 2 of {str(file)!r} is {line!r}, allowed a JSON text, content" in result.stderr


def test_an_unknown_engine_and_a_missing_file_are_named(file: Path) -> None:
    result = mctsr("solve-many", str(file), "-m", "demo", "--engine", "rya")
    assert (result.exit_code, result.stderr) == (2, "error: engine is 'rya', allowed local, ray\n")
    file.write_text("\n \n")
    result = mctsr("solve-many", str(file), "-m", "demo")
    assert result.exit_code == 2
    assert "holds none, allowed one a line" in result.stderr
    result = mctsr("solve-many", "nowhere.jsonl", "-m", "demo")
    assert result.exit_code == 2
    assert "the file of problems is 'nowhere.jsonl'" in result.stderr
