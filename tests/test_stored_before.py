"""A file of searches that an earlier version wrote still opens, and its searches go on."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mctsr_graph import FingerprintMismatchError, MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.run.stored import stored_searches
from mctsr_graph.settings.context import TEMPERATURES

from .conftest import PAPER
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


def test_a_search_of_the_former_default_goes_on_as_it_began(tmp_path: Path) -> None:
    """It was "paper" then, with the model's own temperature, and the profile was not kept."""
    file, model = tmp_path / "searches.db", ScriptedChatModel(replies=reply)
    solve(PROBLEM, model, context=MCTSrContext(**PAPER, max_rollouts=2), checkpointer=file)
    with sqlite3.connect(file) as connection:
        without = "json_remove(metadata, '$.mctsr_settings', '$.mctsr_checksum')"
        kept = json.dumps({**dict.fromkeys(TEMPERATURES), "max_rollouts": 2})
        connection.execute(
            f"UPDATE checkpoints SET metadata = json_set({without}, '$.mctsr_settings', ?)", (kept,)
        )
    connection.close()
    made = len(model.calls)
    found = solve(PROBLEM, model, context=MCTSrContext(max_rollouts=2), checkpointer=file)
    assert (found.rollouts, len(model.calls)) == (2, made)
    again = solve(PROBLEM, model, context=MCTSrContext(max_rollouts=4), checkpointer=file)
    whole = solve(PROBLEM, model, context=MCTSrContext(**PAPER, max_rollouts=4))
    assert again.tree == whole.tree
    assert len(stored_searches(file)) == 1


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


# Before 0.3 a search of no profile had the temperature of profile "paper" -------------------------
def without_profile(file: Path) -> None:
    """What a search of profile "paper" told of its settings, where none was asked for.

    It had no checksum then.
    """
    connection = sqlite3.connect(file)
    with connection:
        for key, text in connection.execute("SELECT rowid, metadata FROM checkpoints").fetchall():
            told = json.loads(text)
            settings = json.loads(told["mctsr_settings"])
            settings.pop("profile")
            told["mctsr_settings"] = json.dumps(settings)
            del told["mctsr_checksum"]
            connection.execute(
                "UPDATE checkpoints SET metadata = ? WHERE rowid = ?", (json.dumps(told), key)
            )
    connection.close()


def temperatures(model: ScriptedChatModel) -> set[Any]:
    return {call.settings.get("temperature") for call in model.calls}


@pytest.mark.parametrize("thread_id", [None, "mine"])
def test_a_search_of_no_profile_goes_on_at_the_temperature_that_it_had(
    tmp_path: Path, thread_id: str | None
) -> None:
    file, model = tmp_path / "searches.db", ScriptedChatModel(replies=reply)
    how: dict[str, Any] = {"checkpointer": file, "thread_id": thread_id}
    first = solve(PROBLEM, model, context=MCTSrContext(profile="paper", max_rollouts=2), **how)
    without_profile(file)
    for rollouts in (3, 4):  # taken up, and taken up again after that
        model = ScriptedChatModel(replies=reply)
        found = solve(PROBLEM, model, context=MCTSrContext(max_rollouts=rollouts), **how)
        assert list(found.tree)[: len(first.tree)] == list(first.tree)
        assert (found.rollouts, temperatures(model)) == (rollouts, {0.95})
        assert {call.role for call in model.calls} == {"critique", "refine", "evaluate"}


def test_a_search_of_no_profile_is_none_of_profile_paper(tmp_path: Path) -> None:
    file = tmp_path / "searches.db"
    for context, expected in (
        (MCTSrContext(max_rollouts=1), None),
        (MCTSrContext(profile="paper", max_rollouts=1), 0.95),
        (MCTSrContext(max_rollouts=2), None),
    ):
        model = ScriptedChatModel(replies=reply)
        solve(PROBLEM, model, context=context, checkpointer=file)
        assert temperatures(model) == {expected}


def test_the_command_line_resumes_it_at_that_temperature(tmp_path: Path) -> None:
    from mctsr_graph.cli.main import app
    from mctsr_graph.graph.identity_v1 import stored_context
    from mctsr_graph.run.stored import stored_searches

    file = tmp_path / "searches.db"
    solve(PROBLEM, "demo", context=MCTSrContext(profile="paper", max_rollouts=1), checkpointer=file)
    without_profile(file)
    done = CliRunner().invoke(app, ["resume", str(file), "--rollouts", "2"])
    assert done.exit_code == 0, done.output
    connection = sqlite3.connect(file)
    [(told,)] = connection.execute(
        "SELECT metadata FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1"
    )
    connection.close()
    settings = json.loads(json.loads(told)["mctsr_settings"])
    assert stored_context(settings).draft_temperature == 0.95
    [stored] = stored_searches(file)
    assert stored.rollouts == 2


def test_a_search_of_which_no_problem_is_left_is_not_shown_as_an_empty_one(tmp_path: Path) -> None:
    from mctsr_graph.cli.main import app

    file, model = tmp_path / "searches.db", ScriptedChatModel(replies=reply)
    solve(PROBLEM, model, context=MCTSrContext(**PAPER, max_rollouts=1), checkpointer=file)
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM writes")
        first = "(SELECT MIN(checkpoint_id) FROM checkpoints)"
        connection.execute(f"DELETE FROM checkpoints WHERE checkpoint_id > {first}")
    connection.close()
    shown = CliRunner().invoke(app, ["view", str(file)])
    assert shown.exit_code == 2
    assert "holds no problem" in " ".join(shown.output.split())
    assert [stored.damage != "" for stored in stored_searches(file)] == [True]
