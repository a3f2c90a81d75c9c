"""The reward scale has one home: everything that states or checks it follows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mctsr_graph.text import reward_scale

HOME = Path(reward_scale.__file__)

# Prints what depends on the scale, after its two ends were changed in their one line
OTHER = """
import sys, types
source = open(sys.argv[1], encoding="utf-8").read()
changed = source.replace("LOWEST, HIGHEST = -100, 100", "LOWEST, HIGHEST = 0, 10")
assert changed != source
module = types.ModuleType("mctsr_graph.text.reward_scale")
exec(compile(changed, sys.argv[1], "exec"), module.__dict__)
sys.modules["mctsr_graph.text.reward_scale"] = module

import json
from mctsr_graph import MCTSrContext, Prompts, ScoreError, ScriptedChatModel, solve
from mctsr_graph.judges.pairwise import Pairwise
from mctsr_graph.text.score import parse_score

def wrong(reply):
    try:
        return parse_score(reply)
    except ScoreError as error:
        return error.code

model = ScriptedChatModel(
    replies=lambda call: "Score: 9.9" if call.role == "evaluate" else "It is \\\\boxed{4}."
)
found = solve("2 + 2?", model, context=MCTSrContext(profile="paper", max_rollouts=1))
context = MCTSrContext(profile="paper", max_rollouts=1)
checked = solve("2 + 2?", model, judge=lambda p, a: True, context=context)
print(json.dumps({
    "asked": Prompts().evaluate.splitlines()[-1],
    "read": [wrong("Score: 7"), wrong("Score: 75"), wrong("Score: 7/10")],
    "threshold": context.full_score_threshold,
    "rewards": found.tree["0"]["rewards"],
    "demo": solve("2 + 2?", "demo", context=context).stop_reason,
    "true": checked.tree["0"]["rewards"],
    "page": '"scale":[0,10]' in found.to_html(),
}))
"""


# The same for a scale that is shorter than a whole number
SHARES = (
    OTHER.partition("import json")[0].replace('= 0, 10"', '= 0, 1"')
    + """
import json
from mctsr_graph import Prompts, ScoreError
from mctsr_graph.text import reward_scale
from mctsr_graph.text.hostile import hide_scores
from mctsr_graph.text.score import parse_score

def read(reply):
    try:
        return parse_score(reply)
    except ScoreError as error:
        return error.code

labels = reward_scale.labels()
print(json.dumps({
    "asked": Prompts().evaluate.splitlines()[-1],
    "read": [read("Score: 0.7"), read("Score: 7"), read("Score: 0.7/1"), read("Score: 85/100")],
    "labels": [len(labels), *labels[:3], *labels[-2:]],
    "hidden": [hide_scores(text).hidden for text in (
        "Score: 0.955", "The final score is 0.97.", "Reward = 1.0", "Points: 0.98",
        "The final score is 0.5.", "So the probability is 0.97.", "Points: 0.5",
    )],
}))
"""
)


def test_a_scale_of_shares_is_one_line() -> None:
    told = json.loads(
        subprocess.run(
            [sys.executable, "-c", SHARES, str(HOME)],
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        ).stdout
    )
    assert told["asked"] == "Score: <a number from 0 to 1>"
    assert told["read"] == [0.7, "out_of_range", 0.7, "other_scale"]
    assert told["labels"] == [101, 0, 0.01, 0.02, 0.99, 1]
    assert told["hidden"] == [1, 1, 1, 1, 0, 0, 0]


def test_the_labels_of_the_usual_scale_are_its_whole_numbers() -> None:
    assert reward_scale.labels() == tuple(range(-100, 101))


def test_another_scale_is_one_line() -> None:
    told = json.loads(
        subprocess.run(
            [sys.executable, "-c", OTHER, str(HOME)],
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        ).stdout
    )
    assert told["asked"] == "Score: <a number from 0 to 10>"
    assert told["read"] == [7.0, "out_of_range", 7.0]
    assert told["threshold"] == 9.75  # 97.5 % of the way from 0 to 10, as 95 is from -100 to 100
    assert told["rewards"] == [9.65, 9.65]  # 9.9 is above it and loses 2.5 % of the scale
    assert told["true"] == [10.0, 10.0]
    assert told["demo"] == "max_rollouts"  # the demo model keeps to the scale, too
    assert told["page"]


@pytest.mark.parametrize(
    ("share", "points"),
    [(0.0, -100), (0.5, 0), (0.245, -51), (0.975, 95), (1.0, 100), (1 / 3, -33.333333)],
)
def test_a_share_of_the_scale_in_points(share: float, points: float) -> None:
    assert reward_scale.at(share) == points


def test_not_a_number_is_off_the_scale() -> None:
    assert [reward_scale.is_on_scale(x) for x in (-100, 100, 100.5, float("nan"))] == [
        *(True, True, False, False)
    ]
