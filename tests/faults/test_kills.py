"""Kill -9 at every durable boundary, and at random moments: nothing is lost or paid for twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, Prior, ScriptedChatModel, solve, solve_many
from mctsr_graph.run.sqlite_saver import SqliteFileSaver
from mctsr_graph.run.stored import stored_searches
from tests.conftest import keyed_reply

pytestmark = pytest.mark.timeout(600)  # some hundred processes
ROOT = Path(__file__).parent.parent.parent
ONE_SEARCH = ("--points", "--way", "solve", "--profile", "paper", "--rollouts", "2")


def kills(*options: str) -> dict[str, Any]:
    # A process of its own, since it forks and this one may have threads
    command = [sys.executable, "-m", "benchmarks.kills", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    totals: dict[str, Any] = json.loads(done.stdout)
    assert (totals["failed"], totals["stuck"]) == (0, 0), done.stderr
    sys.stderr.write(done.stderr)  # says which run, where one is not as it is to be
    return totals


@pytest.mark.parametrize("width", [1, 3])
def test_killed_at_any_boundary_a_search_ends_as_if_it_had_not_been(width: int) -> None:
    totals = kills(*ONE_SEARCH, "--width", str(width))
    assert totals["kills"] > 60
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)
    assert totals["in_flight"] <= 2 * width  # evaluate has two calls a leaf under way


def test_killed_at_any_boundary_of_a_pipelined_wave_likewise() -> None:
    totals = kills(*ONE_SEARCH, "--width", "3", "--pipelined")
    assert totals["kills"] > 50
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)
    assert totals["in_flight"] <= 2 * 3


def test_killed_at_any_boundary_and_once_more_a_batch_likewise() -> None:
    batch = ("--problems", "1", "--concurrency", "1", "--max-calls", "7", "--then", "1")
    totals = kills("--points", "--way", "solve_many", "--width", "1", "--profile", "paper", *batch)
    assert totals["kills"] > 100
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)


@pytest.mark.parametrize("way", ["solve", "asolve", "solve_many", "tool"])
def test_killed_at_random_moments_likewise(way: str) -> None:
    totals = kills("--kills", "12", "--way", way)
    assert totals["kills"] == 12
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)


@pytest.mark.parametrize("durability", ["async", "exit"])
def test_the_journal_protects_where_a_parent_chose_another_durability(durability: str) -> None:
    totals = kills("--points", "--way", durability, "--profile", "paper", "--rollouts", "1")
    assert totals["kills"] > 20
    assert (totals["repeated"], totals["wrong"]) == (0, 0)


def test_without_the_journal_at_most_one_superstep_is_repeated() -> None:
    totals = kills(*ONE_SEARCH[:-1], "1", "--no-journal")
    assert (totals["lost"], totals["wrong"]) == (0, 0)
    assert 0 < totals["repeated"] <= 2 * totals["kills"]


def test_killed_before_its_reason_to_stop_is_in_a_checkpoint_a_search_is_over_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    usual = SqliteFileSaver.put_writes

    def put_writes(saver: Any, config: Any, writes: Any, *place: Any) -> None:
        usual(saver, config, writes, *place)
        if dict(writes).get("stop_reason"):
            monkeypatch.setattr(SqliteFileSaver, "put", killed)

    def killed(*given: Any) -> None:
        raise KilledError

    model = ScriptedChatModel(replies=keyed_reply)
    context, file = MCTSrContext(profile="paper", max_rollouts=2), tmp_path / "search.db"
    with monkeypatch.context() as patch:
        monkeypatch = patch
        patch.setattr(SqliteFileSaver, "put_writes", put_writes)
        with pytest.raises(KilledError):
            solve("How many?", model, context=context, checkpointer=file)
    solution = solve("How many?", model, context=context, checkpointer=file)
    assert solution.stop_reason == "max_rollouts"
    assert [stored.stop_reason for stored in stored_searches(file)] == ["max_rollouts"]


def as_killed_before_its_last(steps: int, file: Path) -> None:
    """Leave of a search what a kill leaves that comes before the last of these steps is put.

    That step has written what it has found, but there is no checkpoint of it.
    """
    with closing(sqlite3.connect(file)) as connection, connection:
        newest = "SELECT checkpoint_id FROM checkpoints ORDER BY checkpoint_id DESC LIMIT ?"
        gone = [row[0] for row in connection.execute(newest, (steps,))]
        connection.executemany("DELETE FROM checkpoints WHERE checkpoint_id = ?", zip(gone))
        connection.executemany("DELETE FROM writes WHERE checkpoint_id = ?", zip(gone))


@pytest.mark.parametrize("calls", [11, 19])
def test_where_a_share_ended_is_known_ever_after_though_its_end_was_in_no_checkpoint(
    calls: int, tmp_path: Path
) -> None:
    def batch(file: Path, calls: int) -> list[Any]:
        told = list[Any]()
        solve_many(
            ["How many?"],
            model,
            context=MCTSrContext(profile="paper"),
            max_calls=calls,
            learn=False,
            checkpointer=file,
            on_solution=lambda number, solution: told.append(solution),
        )
        return told

    model = ScriptedChatModel(replies=keyed_reply)
    whole = batch(tmp_path / "whole.db", 22)  # the last share is one that is cut short
    file = tmp_path / "killed.db"
    batch(file, calls)
    as_killed_before_its_last(3, file)  # two are of the call that was left, which was of no use
    batch(file, 22)
    made = len(model.calls)
    assert [found.rollouts for found in batch(file, 22)] == [found.rollouts for found in whole]
    assert len(model.calls) == made


@pytest.mark.parametrize(
    ("steps", "prior"), [(1, Prior(noise=9.0)), (2, None)], ids=["prior", "stop"]
)
def test_killed_at_its_end_a_search_keeps_what_a_free_judge_says_of_the_rest(
    steps: int, prior: Prior | None, tmp_path: Path
) -> None:
    def found(file: Path, prior: Prior | None = None) -> Any:
        context = MCTSrContext(max_calls=4, prior=prior)
        return solve("How many?", model, context=context, judge=judge, checkpointer=file)

    def judge(problem: str, answer: str) -> float:
        return 10.0

    model = ScriptedChatModel(replies=keyed_reply)
    file = tmp_path / "search.db"
    whole = found(file)
    as_killed_before_its_last(steps, file)
    again = found(file, prior)
    assert [node["rewards"] for node in again.tree.values()] == [[10.0]] * len(again.tree)
    assert again.tree == whole.tree
    assert found(file, prior).tree == whole.tree
