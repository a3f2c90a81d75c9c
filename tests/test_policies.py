"""Ways to search, compared in simulated worlds, on problems that a person can follow."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import policies
from benchmarks.policy_ablations import ABLATIONS
from benchmarks.policy_baselines import BASELINES
from benchmarks.policy_worlds import WIDENED, fitted, grid, widened
from mctsr_graph.benchmark.simulation import World

SURE = World(skill=1.0, concentration=1000)
CLEAR = World(skill=0.3, concentration=1000, auc=0.9999, answer_spread=0.0, confidence_auc=0.9999)


def right(name: str, world: World, problems: int = 40) -> list[int]:
    """How many problems a policy gets right, at each budget."""
    outcomes = [BASELINES[name](world, number) for number in range(problems)]
    return [sum(budget.right for budget in column) for column in zip(*outcomes, strict=True)]


@pytest.mark.parametrize("name", BASELINES)
def test_a_model_that_is_always_right_needs_no_way_to_choose(name: str) -> None:
    assert right(name, SURE, 10) == [10] * 4


def test_adaptive_consistency_is_cheap_where_answers_agree() -> None:
    calls = [outcome.calls for outcome in BASELINES["adaptive-consistency"](SURE, 0)]
    assert calls == [4, 4, 4, 4]


@pytest.mark.parametrize("name", ["best-of-n", "cisc", "tournament", "self-certainty"])
def test_what_looks_at_a_perfect_judge_or_token_is_better_than_a_vote(name: str) -> None:
    votes, chosen = right("self-consistency", CLEAR), right(name, CLEAR)
    assert chosen[3] > votes[3]


@pytest.mark.parametrize("name", BASELINES)
def test_no_way_takes_more_calls_than_it_may(name: str) -> None:
    for number in range(5):
        calls = [outcome.calls for outcome in BASELINES[name](World(), number)]
        assert all(made <= budget for made, budget in zip(calls, policies.BUDGETS, strict=True))


def test_the_worlds_are_what_they_are_called() -> None:
    assert len(list(grid(list(policies.ERRORS), quick=False))) == 100
    assert len(list(grid(list(policies.ERRORS), quick=True))) == 36
    by_name = {cell.name: cell.world for cell in widened()}
    assert by_name.keys() == WIDENED.keys()
    assert by_name["worse than chance"].auc < 0.5
    assert by_name["hardly mends"].mends == 0.05
    assert by_name["mends well"].mends == 1.7
    # The wrong answers of a trap weigh more than the right one
    trap = by_name["shared trap"]
    assert (1 - trap.skill) * trap.trap_share > trap.skill * 0.9
    assert len(list(fitted())) == 3


def test_worlds_of_a_file_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "worlds.json"
    file.write_text(json.dumps({"mine": {"skill": 0.6, "scores": [0.1, 0.9]}}))
    names = "self-consistency,best-of-n,paper,tuned,cisc"
    policies.main(
        ["--worlds", str(file), "--problems", "3", "--alone", "--policies", names, "--workers", "1"]
    )
    cell, summary, calibration, mean, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (cell["family"], cell["world"], cell["problems"]) == ("fitted", "mine", 3)
    assert [row["budget"] for row in cell["rows"]] == [11, 19, 35, 67]
    assert {summary["family"], calibration["family"], mean["family"]} == {"fitted"}
    assert end["problems"] == 3
    kept = tmp_path / "cells.jsonl"
    kept.write_text("\n".join(json.dumps(one) for one in (cell, summary, mean)))
    policies.main(["--summary", str(kept)])
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == summary


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--families", "grid,mine"], "'mine'.*allows grid, widened, fitted"),
        (["--errors", "loud"], "'loud'"),
        (["--policies", "tuned"], "needs self-consistency, best-of-n, paper, tuned"),
    ],
)
def test_a_wrong_wish_is_explained(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        policies.main(arguments)
    assert re.search(told, capsys.readouterr().err)


def test_a_world_with_an_unknown_field_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "worlds.json"
    file.write_text(json.dumps({"mine": {"skil": 0.6}}))
    with pytest.raises(ValueError, match=r"world .mine.*skil"):
        list(fitted(file))


def test_each_part_is_left_out_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "worlds.json"
    file.write_text(json.dumps({"mine": {"skill": 0.6}}))
    names = "self-consistency,best-of-n,paper,tuned"
    policies.main(
        ["--worlds", str(file), "--problems", "2", "--alone", "--policies", names, "--ablate"]
    )
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    parts = {row["without"]: row for row in rows if "without" in row}
    assert parts.keys() == ABLATIONS.keys()
    assert all(parts[name]["lines"] > 0 for name in ("rewards", "early stops", "votes first"))
    for row in parts.values():
        assert [*row["points_at_calls"]] == ["11", "19", "35", "67"]
        assert all(low <= mean <= high for mean, low, high in row["points_at_calls"].values())
