"""Profile "official" against logged searches: the same selections and the same numbers."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replay import main, replay

# Two roots and two rollouts; N is the count of rewards, c = 1.4, eps = 1e-5.
#
#                 rewards         raw q   children     value    UCB at the end
# 0               10, then 30     15      2 (40)       27.5     27.5 (a root has no bonus)
# ├── 2           40, then 20     25      3 (70)       47.5     47.5 + 1.037610 (N 2 below N 2)
# │   └── 3       70              70                   70       70 + 1.467399 (N 1 below N 2)
# 1 (dummy)       -100            -100                 -100     -100
#
# Rollout 1 selects 0, as 10 > -100. Then 0 is worth (15 + 40) / 2 = 27.5 and 2 has
# 40 + 1.4 sqrt(ln(2 + 1) / (1 + 1e-5)) = 41.467399, so that rollout 2 selects 2.
# From then on all children of 0 have children, and 0 keeps its 27.5 although 2 is now worth
# less than 40 by its own rewards: (15 + 25) / 2 would be 20.
LOGGED: list[dict[str, Any]] = [
    {"parent": None, "dummy": False, "rewards": [10.0, 30.0], "logged_ucb": 27.5},
    {"parent": None, "dummy": True, "rewards": [-100.0], "logged_ucb": -100.0},
    {"parent": 0, "dummy": False, "rewards": [40.0, 20.0], "logged_ucb": 48.5376100711},
    {"parent": 2, "dummy": False, "rewards": [70.0], "logged_ucb": 71.4673985666},
]


def changed(index: int, **fields: Any) -> list[dict[str, Any]]:
    """The logged tree with one node changed."""
    logged = copy.deepcopy(LOGGED)
    logged[index].update(fields)
    return logged


def test_a_logged_tree_is_replayed() -> None:
    right, total, error = replay(LOGGED)
    assert (right, total) == (2, 2)
    assert error <= 1e-9


def test_an_unlogged_last_node_is_joined_but_not_updated() -> None:
    # The search ended before its second update: 2 has the UCB of the first
    logged = changed(3, logged_ucb=None)
    logged[2]["logged_ucb"] = 41.4673985666
    right, total, error = replay(logged)
    assert (right, total) == (2, 2)
    assert error <= 1e-9


def test_a_selection_that_differs_is_counted() -> None:
    logged = changed(3, parent=1)
    logged[1]["rewards"] = [-100.0, -90.0]
    assert replay(logged)[:2] == (1, 2)


def test_a_ucb_that_differs_is_measured() -> None:
    assert replay(changed(2, logged_ucb=48.0376100711))[2] == pytest.approx(0.5, abs=1e-9)


def test_replaying_changes_no_log() -> None:
    before = copy.deepcopy(LOGGED)
    replay(LOGGED)
    assert before == LOGGED


def test_an_empty_log_has_nothing_to_select() -> None:
    assert replay([]) == (0, 0, 0.0)


def test_the_command_sums_up_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logged_trees.jsonl"
    trees = [LOGGED, changed(2, logged_ucb=48.0376100711)]
    lines = [json.dumps({"nodes": nodes}) for nodes in trees]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["replay", str(file)])
    main()
    found = json.loads(capsys.readouterr().out)
    assert found["selections"] == "4/4"
    assert found["ucb_max_error"] == pytest.approx(0.5, abs=1e-9)


def test_the_command_without_a_file_says_how_to_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["replay"])
    with pytest.raises(SystemExit, match=r"python -m benchmarks\.replay FILE"):
        main()


def test_all_logged_trees_are_replayed() -> None:
    folder = os.environ.get("MCTSR_TEST_DATA")
    if folder is None:
        pytest.skip("MCTSR_TEST_DATA names no folder")
    file = Path(folder) / "logged_trees.jsonl"
    if not file.is_file():
        pytest.skip("the folder that MCTSR_TEST_DATA names holds no logged_trees.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    results = [replay(json.loads(line)["nodes"]) for line in lines if line.strip()]
    assert results
    assert sum(right for right, _, _ in results) == sum(total for _, total, _ in results) > 0
    assert max(error for _, _, error in results) <= 1e-6
