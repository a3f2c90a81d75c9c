"""Kill -9 at every durable boundary, and at random moments: nothing is lost or paid for twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
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
