"""Kill -9 at every durable boundary, and at random moments: nothing is lost or paid for twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def crash(*options: str) -> dict[str, Any]:
    # A process of its own, since it forks and this one may have threads
    command = [sys.executable, "-m", "benchmarks.crash", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    totals: dict[str, Any] = json.loads(done.stdout)
    return totals


@pytest.mark.parametrize("width", [1, 3])
def test_killed_at_any_boundary_a_search_ends_as_if_it_had_not_been(width: int) -> None:
    totals = crash("--points", "--rollouts", "3", "--width", str(width))
    assert totals["kills"] > 90
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)
    assert totals["in_flight"] <= 2 * width  # evaluate has two calls a leaf under way


def test_killed_at_any_boundary_of_a_pipelined_wave_likewise() -> None:
    totals = crash("--points", "--rollouts", "3", "--width", "3", "--pipelined")
    assert totals["kills"] > 50
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)
    assert totals["in_flight"] <= 2 * 3


@pytest.mark.parametrize("width", [1, 3])
def test_killed_at_random_moments_likewise(width: int) -> None:
    totals = crash("--kills", "30", "--rollouts", "8", "--width", str(width))
    assert totals["kills"] == 30
    assert (totals["lost"], totals["repeated"], totals["wrong"]) == (0, 0, 0)


@pytest.mark.parametrize("durability", ["async", "exit"])
def test_the_journal_protects_where_a_parent_chose_another_durability(durability: str) -> None:
    totals = crash("--points", "--rollouts", "1", "--durability", durability)
    assert totals["kills"] > 20
    assert (totals["repeated"], totals["wrong"]) == (0, 0)


def test_without_the_journal_at_most_one_superstep_is_repeated() -> None:
    totals = crash("--points", "--rollouts", "1", "--no-journal")
    assert (totals["lost"], totals["wrong"]) == (0, 0)
    assert totals["repeated"] <= 2 * totals["kills"]
