"""A run on a Ray cluster that loses a node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MissingExtraError
from mctsr_graph.benchmark import ray_engine
from mctsr_graph.cluster import connect
from tests.conftest import HANGS, of_processes

ROOT = Path(__file__).parent.parent


def printed_by(program: str, folder: Path) -> Any:
    pytest.importorskip("ray", reason="Ray is not installed")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", program, str(folder)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@of_processes
def test_a_lost_node_costs_no_problem_and_grades_none_twice(tmp_path: Path) -> None:
    found = printed_by("tests.ray_cluster", tmp_path / "ray")
    assert found["unfinished"] == []
    assert len(found["killed_after"]) == 1
    assert sorted(found["ids"]) == [f"p{i}" for i in range(8)]
    # A model that lives in an actor gives the same lines
    by_id = {line["id"]: line for line in found["made_here"]}
    assert {line["id"]: line for line in found["hosted"]} == by_id
    assert found["calls_elsewhere"] > 0  # the lost node had worked
    # Ten calls a problem; of those that had not returned, at most two tasks' two are made again
    assert 80 <= found["calls_made"] <= 84


@of_processes
def test_an_actor_that_dies_at_each_start_and_a_dead_journal_end_the_run(tmp_path: Path) -> None:
    found = printed_by("tests.ray_deaths", tmp_path / "ray")
    assert "Unfinished: ActorDiedError" in found["dies"]
    assert found["starts"] == 2
    assert "Unfinished: ActorDiedError" in found["refuses"]
    assert "OSError: no such weights" in found["refuses"]
    assert "CheckpointError: what the run is kept in is gone (ActorDiedError" in found["keeper"]


def test_ray_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match='pip install "ray>='):
        ray_engine.on_ray("embedded")
