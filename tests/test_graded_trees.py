"""What graded logs tell of model and judge, on trees that a person can compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import graded_trees as graded
from mctsr_graph.benchmark.simulation import World


def node(parent: int | None, cls: int | None, right: bool, *rewards: float) -> dict[str, Any]:
    return {"parent": parent, "cls": cls, "right": right, "rewards": list(rewards), "dummy": False}


#   0 class 0, wrong [-20, -20, 60]      1 dummy
#   ├─ 2 class 0, wrong [60]
#   │  └─ 4 class 2, right [60]
#   └─ 3 class 1, wrong [-20]
TREE = {
    "set": "sums-strict",
    "log": "a",
    "nodes": [
        node(None, 0, False, -20, -20, 60),
        {**node(None, None, False, -100), "dummy": True},
        node(0, 0, False, 60),
        node(0, 1, False, -20),
        node(2, 2, True, 60),
    ],
}
RIGHT = {"set": "sums-strict", "log": "b", "nodes": [node(None, 0, True, 60)]}
AGAIN = {"set": "sums-mild", "log": "a", "nodes": [node(None, 0, True, 60)]}


def test_refinements_and_rewards_are_counted() -> None:
    told = graded.figures(graded.problems([TREE, RIGHT], "sums-strict"))
    assert told["first_right"] == 0.5  # of two problems
    assert told["fixed"] == pytest.approx(1 / 3)  # one of three refinements of a wrong answer
    assert told["stays"] == 0.5  # of the two that mended nothing
    assert told["keeps"] is None  # no right answer was refined
    assert told["unstated"] == 0.0
    # 60 against -20, 60 and -20: won, a tie, won
    assert told["auc"] == pytest.approx(2.5 / 3)
    assert told["above_middle"] == pytest.approx(4 / 7)
    assert (told["mean_below"], told["mean_above"]) == (-20, 60)


def test_spreads_are_those_of_normal_scores() -> None:
    told = graded.figures(graded.problems([TREE, RIGHT], "sums-strict"))
    # Three of the seven rewards are -20: their ranks are around 3/14, those of 60 around 10/14
    low, high = -0.7916, 0.5659
    assert told["noise"] == pytest.approx((high - low) / 2**0.5, abs=1e-3)  # two looks at node 0
    # Within class 0: -20 and 60. With class 1: a tie and a difference
    assert told["answer_spread"] == 0.0
    assert told["class_spread"] == 0.0


def test_first_answers_of_a_model_to_a_problem_are_pooled_over_sets() -> None:
    alone = graded.problems([TREE, RIGHT], "sums-strict")
    pooled = graded.problems([TREE, RIGHT, AGAIN], "sums-strict")
    assert [one.drafts for one in alone] == [(0, 1), (1, 1)]
    assert [one.drafts for one in pooled] == [(1, 2), (1, 1)]
    assert graded.figures(alone)["concentration"] is None  # one answer a problem tells none
    other = {**AGAIN, "model": "another"}
    assert graded.problems([TREE, RIGHT, other], "sums-strict")[0].drafts == (0, 1)


@pytest.mark.parametrize(
    ("drafts", "low", "high"),
    [
        ({(0, 2): 50, (2, 2): 50}, 0.0, 0.5),  # they always agree: easy or hard
        ({(0, 2): 25, (1, 2): 50, (2, 2): 25}, 10.0, 99.0),  # they agree by chance
    ],
)
def test_agreeing_first_answers_tell_how_far_problems_differ(
    drafts: dict[tuple[int, int], int], low: float, high: float
) -> None:
    assert low < graded._concentration(drafts, 0.5) < high


def logs_of(world: World, trees: int) -> list[dict[str, Any]]:
    """Logs as they come of a world: two first answers, and eight refinements in a row."""
    logs = []
    for number in range(trees):
        truth = world.problem(number).gold
        for name in ("w-one", "w-two"):
            answers = [world.draft(number, 100 + len(name) + (name == "w-two"))]
            while name == "w-one" and len(answers) < 9 and f"{{{truth}}}" not in answers[-1]:
                answers.append(world.refine(number, answers[-1], len(answers)))
            logs.append({"set": name, "log": str(number), "nodes": _nodes(world, number, answers)})
    return logs


def _nodes(world: World, number: int, answers: list[str]) -> list[dict[str, Any]]:
    kinds = [int(answer.split("{")[1].split("}")[0]) - 1000 * (number + 1) for answer in answers]
    return [
        node(
            place - 1 if place else None,
            kind,
            kind == 0,
            *(world.reward(number, answer, seed) for seed in range(3)),
        )
        for place, (kind, answer) in enumerate(zip(kinds, answers, strict=True))
    ]


def test_the_fit_finds_the_world_that_the_logs_are_of() -> None:
    world = World(0.5, 0.8, mends=0.4, sticks=0.6, concentration=1.0, class_spread=0.1)
    fitted = graded.world_of(logs_of(world, 300), "w-one")
    assert fitted["skill"] == pytest.approx(0.5, abs=0.08)
    assert fitted["concentration"] == pytest.approx(1.0, abs=0.5)
    assert fitted["mends"] * fitted["mends_again"] == pytest.approx(0.4, abs=0.2)
    assert fitted["sticks"] == pytest.approx(0.6, abs=0.15)  # some stray to where they were
    assert fitted["auc"] == pytest.approx(0.8, abs=0.1)
    ratio = fitted["class_spread"] / fitted["noise"]
    assert ratio == pytest.approx(0.1 / 0.15, abs=0.3)
    assert "keeps" not in fitted
    World(**fitted)


def test_the_logs_are_measured(
    test_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graded, "_DRAWS", 40)
    file = tmp_path / "worlds.json"
    graded.main([str(test_data / "graded_trees.jsonl"), "--worlds", str(file)])
    sets = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(one["trees"] for one in sets) == 362
    for one in sets:
        for name in ("first_right", "fixed", "stays"):
            value, low, high = one[name]
            assert 0 <= low <= value <= high <= 1
    worlds = json.loads(file.read_text())
    assert len(worlds) == 3
    assert worlds["AIME-mcts-qwen-32b-base"]["mends"] < 0.3  # a refinement is no fresh draft
    assert worlds["AIME-mcts-qwen-32b-base"]["auc"] < 0.5  # the official wording misleads
