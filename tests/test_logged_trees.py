"""What the logs tell about a judge, on a tree that a person can compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import logged_trees as logs


def node(parent: int | None, *rewards: float, dummy: bool = False) -> dict[str, Any]:
    return {"parent": parent, "dummy": dummy, "rewards": list(rewards), "logged_ucb": None}


#   0 [50, 20, 40]       1 dummy [-100]
#   ├─ 2 [30, 10]
#   │  └─ 4 [-10]
#   └─ 3 [40]
TREE = [
    node(None, 50, 20, 40),
    node(None, -100, dummy=True),
    node(0, 30, 10),
    node(0, 40),
    node(2, -10),
]


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        (logs.within_sd, 200**0.5),  # 20 and 40, one degree of freedom
        (logs.total_sd, (2075 / 3) ** 0.5),  # 50, 30, 40, -10 around 27.5
        (logs.between_sd, (2075 / 3 - 200) ** 0.5),
        (logs.reliability, 1 - 200 / (2075 / 3)),
        (logs.first_minus_later, 20.0),  # 50 - 30 and 30 - 10
        (logs.child_minus_parent, -10 / 3),  # 30 - 20, 40 - 40, -10 - 10
        (logs.child_higher, 0.5),
        (logs.above_dummy, 1.0),
    ],
)
def test_a_figure_of_a_judge(figure: Any, value: float) -> None:
    assert figure([TREE]) == pytest.approx(value)
    assert figure([TREE, TREE]) == pytest.approx(value)


def test_answers_that_a_judge_finds_alike_leave_it_no_auc() -> None:
    loud = [node(None, 0, -10, 10), node(None, 0, 10, -10)]
    assert logs.highest_auc([loud]) == 0.5


def test_the_logs_are_measured(
    test_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_DRAWS", 40)
    logs.main([str(test_data / "logged_trees.jsonl")])
    found = json.loads(capsys.readouterr().out)
    assert (found["trees"], found["answers"], found["rewards"]) == (74, 755, 1434)
    for name in (figure.__name__ for figure in logs.FIGURES):
        value, low, high = found[name]
        assert low <= value <= high
    assert 12 <= found["within_sd"][0] <= 45  # what simulated judges are given
    assert 0.5 <= found["highest_auc"][0] <= 1
