"""A file of searches that an earlier version wrote still opens, and its searches go on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mctsr_graph import FingerprintMismatchError, MCTSrContext, ScriptedChatModel, solve

from .test_golden import PROBLEM, reply

GOLDEN = Path(__file__).parent / "golden"
WRITTEN: dict[str, dict[str, Any]] = json.loads(
    (GOLDEN / "searches-738253b.json").read_text("utf-8")
)
"""What the searches of the file had found, by name."""


KNOWN_BETTER = ("settings", "calls", "confidence")
"""What is not compared: how sure the answer is depends on the version that is asked."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file, which commit 738253b wrote, unpacked."""
    unpacked = tmp_path / "searches.db"
    unpacked.write_bytes(gzip.decompress((GOLDEN / "searches-738253b.sqlite.gz").read_bytes()))
    return unpacked


def again(file: Path, name: str, **changes: Any) -> tuple[Any, int]:
    """Call `solve` as it was called then; what it returns, and the calls it makes now."""
    model = ScriptedChatModel(replies=reply)
    context = MCTSrContext(**{**WRITTEN[name]["settings"], **changes})
    thread_id = "my search" if name == "named" else None
    found = solve(PROBLEM, model, context=context, checkpointer=file, thread_id=thread_id)
    return found, len(model.calls)


@pytest.mark.parametrize("name", ["finished", "tuned", "named"])
def test_a_finished_search_is_returned_without_a_call(file: Path, name: str) -> None:
    found, calls = again(file, name)
    assert calls == 0
    assert found.choice is not None
    assert found.choice["confidence"] is not None
    assert {
        "rollouts": found.rollouts,
        "stop_reason": found.stop_reason,
        "final_answer": found.final_answer,
        "best": found.best,
        "nodes": len(found.tree),
    } == {key: WRITTEN[name][key] for key in WRITTEN[name] if key not in KNOWN_BETTER}


def test_an_interrupted_search_goes_on(file: Path) -> None:
    found, calls = again(file, "interrupted")
    assert (found.rollouts, found.stop_reason) == (6, "max_rollouts")
    assert calls > 0
    whole = solve(
        PROBLEM,
        ScriptedChatModel(replies=reply),
        context=MCTSrContext(**WRITTEN["interrupted"]["settings"]),
    )
    assert found.tree == whole.tree


def test_a_finished_search_goes_on_under_higher_limits(file: Path) -> None:
    found, calls = again(file, "finished", max_rollouts=6)
    assert (found.rollouts, calls > 0) == (6, True)


def test_another_search_is_not_taken_up(file: Path) -> None:
    with pytest.raises(FingerprintMismatchError):
        again(file, "named", draft_temperature=0.6)


def test_the_command_line_lists_and_draws_them(file: Path) -> None:
    from mctsr_graph.cli.main import app

    run = CliRunner()
    told = run.invoke(app, ["list", str(file)], terminal_width=200)
    assert told.exit_code == 0
    assert told.output.count("A baker makes") == len(WRITTEN)
    drawn = run.invoke(app, ["view", str(file), "--search", "my", "--format", "text"])
    assert drawn.exit_code == 0
    assert "26" in drawn.output
