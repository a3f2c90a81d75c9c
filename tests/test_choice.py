"""Which answer is returned, and the reasons that are given."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import MCTSrContext
from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.choose import CHOICES, classes_of, explain, representative
from mctsr_graph.tree.tree import Tree, merge

from .test_belief import tree_of

CONTEXT = MCTSrContext()


TRUSTING = MCTSrContext(prior=Prior(discrimination=(0, 0, 0, 0, 0, 0.5, 0.5), spread=(1, 0, 0)))
"""Of a judge that tells right from wrong."""


def chosen(tree: Tree, rule: str, context: MCTSrContext = CONTEXT) -> str | None:
    return CHOICES[rule](tree, context)


def judged(tree: Tree) -> Tree:
    """The tree with each node's q, as if it were a root."""
    return merge(tree, [{i: {"q": sum(n["rewards"]) / len(n["rewards"])} for i, n in tree.items()}])


def test_each_rule_chooses_by_something_else() -> None:
    # "7" is stated most; "8" has the one highest reward; "9" is two answers, both judged high
    tree = judged(
        tree_of(
            (None, "7", [-60.0] * 3),
            (None, "7", [-60.0] * 3),
            (None, "7", [-60.0] * 3),
            (None, "8", [95.0]),
            (None, "9", [60.0] * 8),
            (None, "9", [60.0] * 8),
        )
    )
    assert chosen(tree, "max_q") == "3"
    assert chosen(tree, "majority") == "0"
    # Of a judge that nothing is known of, the majority is not overruled
    assert chosen(tree, "weighted") == "0"
    assert chosen(tree, "weighted", TRUSTING) == "4"


def test_a_majority_that_is_less_likely_than_another_answer_is_not_chosen() -> None:
    # Two drafts of three state "7", but a refinement has left it for the third's "8"
    tree = tree_of((None, "7", []), (None, "7", []), (None, "8", []), ("0", "8", []))
    assert chosen(tree, "majority") == "2"  # two each; the likelier
    node = chosen(tree, "weighted")
    reasons = explain(tree, CONTEXT, "weighted", node)
    assert (reasons["final_answer"], reasons["classes"][0]["final_answer"]) == ("8", "8")
    assert reasons["margin"] == pytest.approx(0.228, abs=0.01)


def test_where_no_answer_is_likely_the_one_stated_most_is_returned() -> None:
    # The judge is against "56", and two refinements have left it: what it never saw is likelier now
    others = [(None, str(answer), []) for answer in range(100, 110)]
    tree = tree_of(
        *[(None, "56", [-75.0])] * 4, (None, "9", [0.0]), *others, ("0", "57", []), ("1", "58", [])
    )
    chances = {one["final_answer"]: one["chance"] for one in classes_of(tree, CONTEXT)}
    assert chances["56"] < chances["9"] < 0.1
    assert chosen(tree, "weighted") == "0"
    # A judge that is known to be good is believed: "56" is a thousandth as likely as "9"
    assert tree[chosen(tree, "weighted", TRUSTING) or ""]["final_answer"] == "9"


def test_equal_votes_are_decided_by_what_else_is_known() -> None:
    tree = judged(tree_of((None, "7", [-50.0] * 4), (None, "8", [50.0] * 4)))
    assert chosen(tree, "majority") == "1"


def test_the_reasons() -> None:
    tree = tree_of((None, "1/2", [10.0]), (None, "0.5", [30.0]), (None, "3", []))
    reasons = explain(tree, CONTEXT, "weighted", "1")
    half, three = reasons["classes"]
    assert (half["final_answer"], half["nodes"], half["votes"]) == ("1/2", ["0", "1"], 2)
    assert (half["reward"], three["reward"]) == (20.0, None)
    assert (reasons["rule"], reasons["node"], reasons["final_answer"]) == ("weighted", "1", "0.5")
    assert reasons["confidence"] == half["chance"]
    assert reasons["margin"] == pytest.approx(half["chance"] - three["chance"])
    assert half["chance"] + three["chance"] < 1  # the right answer may not be found yet


def test_the_reasons_for_an_unlikely_choice_have_a_negative_margin() -> None:
    tree = tree_of((None, "1", []), (None, "1", []), (None, "2", []))
    reasons = explain(tree, CONTEXT, "max_q", "2")
    assert reasons["margin"] is not None
    assert reasons["margin"] < 0


def test_a_choice_without_a_final_answer_has_no_confidence_while_others_state_one() -> None:
    tree = tree_of((None, None, [5.0]), (None, "9", [9.0]))
    reasons = explain(tree, CONTEXT, "max_q", "0")
    assert (reasons["confidence"], reasons["margin"]) == (None, None)
    assert ("means" in reasons, len(reasons["classes"])) == (False, 1)


@pytest.mark.parametrize("rule", list(CHOICES))
def test_without_final_answers_the_highest_q_is_chosen(rule: str) -> None:
    assert chosen(judged(tree_of((None, None, [5.0]), (None, None, [9.0]))), rule) == "1"
    assert chosen(tree_of((None, None, [])), rule) == "0"


@pytest.mark.parametrize("rule", list(CHOICES))
def test_dummies_and_pruned_answers_are_not_chosen(rule: str) -> None:
    tree = judged(tree_of((None, "1", [90.0]), (None, "2", [80.0]), (None, "3", [-80.0])))
    marked = merge(tree, [{"0": {"dummy": True}, "1": {"pruned": True}}])
    assert chosen(marked, rule) == "2"
    assert [one["nodes"] for one in classes_of(marked, CONTEXT)] == [["2"]]


@pytest.mark.parametrize(
    ("marks", "shown"),
    [
        ({}, "1"),
        ({"1": {"truncated": True}}, "2"),
        ({"1": {"suspicious": True}}, "2"),
        ({"1": {"truncated": True}, "2": {"suspicious": True}}, "0"),
        ({"0": {"rewards": [-90.0]}, "1": {"rewards": []}, "2": {"rewards": []}}, "0"),
    ],
)
def test_a_class_shows_its_best_whole_answer(marks: dict[str, Any], shown: str) -> None:
    tree = merge(tree_of((None, "7", []), (None, "7", [50.0]), (None, "7", [20.0])), [marks])
    [one] = classes_of(tree, CONTEXT)
    assert representative(tree, one["nodes"]) == shown


@pytest.mark.parametrize("answers", [["7", "8"], ["8", "7"], ["7", "8", "8", "7"], ["x", "7", "7"]])
def test_weighted_chooses_from_the_first_of_the_likeliest_classes(answers: list[str]) -> None:
    tree = tree_of(*((None, answer, [10.0]) for answer in answers))
    likeliest = classes_of(tree, CONTEXT)[0]
    assert CHOICES["weighted"](tree, CONTEXT) == representative(tree, likeliest["nodes"])
