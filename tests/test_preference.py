"""How likely a judge is to prefer an answer where none states a final one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.tree.preference import preferred


def tree(*told: tuple[str, list[float]], **marks: Any) -> Any:
    return {
        str(i): {"id": str(i), "answer": text, "rewards": rewards, "dummy": False,
                 "parent": None, "children": [], **marks}
        for i, (text, rewards) in enumerate(told)
    }  # fmt: skip


def test_two_answers_fifty_points_apart() -> None:
    """Each errs by 25, so their difference by 25 √2: Φ(√2) is 0.921."""
    chances = preferred(tree(("a", [50.0]), ("b", [0.0])))
    assert chances["0"] == pytest.approx(0.9214, abs=1e-3)
    assert sum(chances.values()) == pytest.approx(1)


def test_equal_answers_share_the_chance_and_a_lone_one_has_all() -> None:
    thirds = preferred(tree(("a", [7.0]), ("b", [7.0]), ("c", [7.0])))
    assert list(thirds.values()) == pytest.approx([1 / 3] * 3)
    assert preferred(tree(("a", [7.0]))) == {"0": pytest.approx(1)}
    assert preferred({}) == {}


def test_more_rewards_of_one_text_tell_more() -> None:
    """[40, 60] and [0]: the error is √((4 * 625 + 200) / 5) = 23.24; 50 / (23.24 √1.5) = 1.757."""
    chances = preferred(tree(("a", [40.0, 60.0]), ("b", [0.0])))
    assert chances["0"] == pytest.approx(0.5 * math.erfc(-1.757 / math.sqrt(2)), abs=1e-3)
    split = preferred(tree(("a", [40.0]), ("a", [60.0]), ("b", [0.0])))
    assert split == {"0": pytest.approx(chances["0"]), "2": pytest.approx(chances["1"])}


def test_what_is_not_judged_or_not_in_play_has_no_chance() -> None:
    assert preferred(tree(("a", []))) == {}
    assert preferred(tree(("a", [1.0]), dummy=True)) == {}
    assert preferred(tree(("a", [1.0]), pruned=True)) == {}


def test_a_search_without_final_answers_says_whom_the_judge_prefers() -> None:
    scores = {"A tale of a cat.": 60, "A tale of a dog.": 10}

    def reply(call: Any) -> str:
        if call.role == "evaluate":
            text = next(one for one in scores if one in str(call.messages))
            return f"Score: {scores[text]}"
        return "Too short." if call.role == "critique" else list(scores)[call.rollout % 2]

    context = MCTSrContext(profile="paper", max_rollouts=1)
    found = solve("Write a tale.", ScriptedChatModel(replies=reply), context=context)
    assert (found.answer, found.confidence) == ("A tale of a cat.", None)
    assert found.preference is not None
    assert found.best is not None
    assert found.preference[found.best] == max(found.preference.values()) > 0.9
    line = found.summary().splitlines()[0]
    assert "; by the judge's rewards this is the best one, 9" in line


def test_of_answers_that_are_worth_the_same_none_is_called_the_best() -> None:
    replies = ["A tale of a cat.", "A tale of a dog."]
    model = ScriptedChatModel(
        replies=lambda call: (
            "Score: 40" if call.role == "evaluate" else replies[call.role == "refine"]
        )
    )
    found = solve("Write.", model, context=MCTSrContext(profile="paper", max_rollouts=1))
    assert "by the judge's rewards another is as good, 50 % likely." in found.summary()


def test_where_final_answers_are_stated_it_is_not_told(keyed: ScriptedChatModel) -> None:
    assert solve("How many?", keyed, context=MCTSrContext(max_calls=5)).preference is None
