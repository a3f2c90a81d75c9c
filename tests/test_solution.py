"""What a search found, as a person and as a program take it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mctsr_graph import ConfigError, MCTSrContext, ScriptedChatModel, Solution, solve
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.tree.stop_reasons import STOP_REASONS, stopped_in_words

PAPER = MCTSrContext(profile="paper", max_rollouts=3)


@pytest.fixture
def found(keyed: ScriptedChatModel) -> Solution:
    """Three rollouts by a model that tells no tokens: 14 calls."""
    return solve("How many?", keyed, context=PAPER)


def test_five_lines_tell_what_a_reader_asks_first(found: Solution) -> None:
    cost = {**no_cost(), "calls": 14, "input_tokens": 12_000, "output_tokens": 345}
    told = replace(found, usage={"draft": cost}, cost=0.0125)
    told = replace(told, seconds=2.5)
    says, lines = told.verdict["says"], str(told).splitlines()
    assert lines == [
        says["likely"],
        f"{says['close']} {says['why']}",
        f"{says['draft']} {says['settled']}",
        "Cost: 14 calls in 3 rollouts, 12,345 tokens, 2.5 s, price 0.0125.",
        "Stopped (max_rollouts): all rollouts that `max_rollouts` allows were made.",
    ]
    assert lines[0].startswith(f"{found.final_answer}, ")
    assert told.summary() == str(told)
    assert len(repr(told)) < 200


def test_what_is_not_known_is_said(found: Solution) -> None:
    cost = {**no_cost(), "calls": 1, "unmetered_calls": 1, "unpriced_calls": 1}
    node: Any = {**found.tree["0"], "final_answer": None, "answer_class": None}
    told = replace(
        found, answer="Hard\nto \x1b[31msay", final_answer=None, choice=None, cost=None,
        usage={"draft": cost}, stop_reason=None, rollouts=1, record=[], seconds=None,
        tree={"0": node}, best="0",
    )  # fmt: skip
    assert told.summary().splitlines() == [
        "No final answer is stated, so how likely it is to be right is not known.",
        "It is the first draft. When it was settled is not known.",
        "Cost: 1 call in 1 rollout, tokens not known, price not known.",
        "Not over yet.",
    ]
    assert told.confidence is None
    nothing = replace(told, answer=None, best=None, tree={})
    assert nothing.summary().startswith("No answer was found.\nCost: 1 call")


def test_confidence_is_that_of_the_choice(found: Solution) -> None:
    assert found.choice is not None
    assert found.confidence == found.choice["confidence"]
    assert found.confidence is not None


def test_a_dict_or_json_makes_the_same_solution_again(found: Solution) -> None:
    assert Solution.from_dict(found.to_dict()) == found
    assert Solution.from_dict(json.loads(found.to_json())) == found
    older = {name: value for name, value in found.to_dict().items() if name != "cost"}
    assert Solution.from_dict(older) == replace(found, cost=None)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"colour": "red"}, "a solution has the field 'colour', allowed ['problem', "),
        ({"tree": None}, "a solution has no field 'tree', which it needs"),
    ],
)
def test_a_dict_of_something_else_is_refused(
    found: Solution, change: dict[str, Any], wrong: str
) -> None:
    data = {**found.to_dict(), **change}
    data = {name: value for name, value in data.items() if value is not None or name == "cost"}
    with pytest.raises(ConfigError) as told:
        Solution.from_dict(data)
    assert wrong in str(told.value)


@pytest.mark.parametrize("data", [None, 5, "solution", []])
def test_what_is_no_object_is_no_solution(data: Any) -> None:
    with pytest.raises(ConfigError, match="allowed an object of its fields"):
        Solution.from_dict(data)


def test_reasons_to_stop_are_told_in_words() -> None:
    assert stopped_in_words({"stop_reason": "agreed"}) == (
        "Stopped (agreed): the first independent answers all say the same."
    )
    mine = {"stop_reason": "mine"}  # by a strategy of somebody's own
    assert stopped_in_words(mine) == "Stopped (mine)."
    assert all(one.advice for one in STOP_REASONS.values())


def test_a_notebook_shows_the_tree_without_a_script(found: Solution) -> None:
    node: Any = {**found.tree["0"], "final_answer": "</pre><script>alert(1)</script>"}
    hostile = replace(found, tree={**found.tree, "0": node})
    static, _, page = hostile._repr_html_().partition("<details>")
    assert found.summary().splitlines()[-1] in static
    assert static.count("<") == 2  # the opening and the closing pre
    assert "0  &lt;/pre&gt;&lt;script&gt;" in static
    assert "*best*" in static
    assert page.startswith("<summary>The search as a page</summary><iframe ")
    assert 'sandbox="allow-scripts"' in page


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"tree": 3}, "tree is 3"),
        ({"best": "77"}, "best is '77', allowed the id of a node"),
        ({"final_answer": 5}, "final_answer is 5"),
        ({"choice": {}}, r"choice is \{\}, allowed None or an object with classes, confidence"),
        ({"choice": "best"}, "choice is 'best'"),
    ],
)
def test_a_damaged_dict_is_refused(found: Solution, damage: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Solution.from_dict({**found.to_dict(), **damage})


def test_an_answer_that_states_no_final_one_is_printed() -> None:
    model = ScriptedChatModel(replies=lambda call: "Rain on\nthe \x1b[1mpond, again.")
    told = str(solve("Write a haiku.", model, context=MCTSrContext(max_calls=3)))
    assert told.startswith("Rain on\nthe ?[1mpond, again.\n\nNo final answer is stated")


def test_it_says_who_judged_where_that_was_no_name(keyed: ScriptedChatModel) -> None:
    teacher = ScriptedChatModel(replies=lambda call: "Score: 5")
    made = solve("How many?", keyed, judge_model=teacher, context=PAPER).made_with
    assert (made["model"], made["judge_model"]) == ("ScriptedChatModel:", "ScriptedChatModel:")
    made = solve("How many?", keyed, judge=len_of, context=PAPER).made_with
    assert made["judge"] == "tests.test_solution.len_of"
    assert "judge_model" not in made


def len_of(problem: str, answer: str) -> float:
    return len(answer)
