"""What a search does next, and why, with numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.tuned.belief import Belief, believe
from mctsr_graph.strategies.tuned.evidence import Evidence
from mctsr_graph.strategies.tuned.next_task import (
    Outcome,
    _expected,
    _gains,
    _moves,
    choose_tasks,
)
from mctsr_graph.tree.task import Kind
from tests.test_belief import sure, tree_of

CLASSES = st.sampled_from("ABCD")


def costs(reward: int) -> dict[Kind, int]:
    return {"draft": 1, "refine": 2, "evaluate": reward}


def gains(
    evidence: Evidence, prior: Prior, reward_calls: int = 1, samples: int = 1
) -> dict[Any, float]:
    calls = costs(samples * reward_calls)
    return dict(_gains(evidence, believe(evidence, prior), calls, samples))


def test_the_gain_of_a_second_draft() -> None:
    # A was drafted once and is right with 0.6: the square is 0.36. The next one is
    # A again: right with 0.6 * 0.6, else 0.4 * 0.4 * 1/3; the square becomes 0.36^2 / 0.41333
    # another: A right with 0.6 * 0.4, the new one with 0.4 * 0.6, neither with 0.4 * 0.4 * 2/3;
    # the squares become (0.24^2 + 0.24^2) / 0.58667
    evidence = Evidence({"A": 1})
    again, other = 0.36 + 0.16 / 3, 0.48 + 0.32 / 3
    assert again + other == pytest.approx(1.0)
    expected = 0.36**2 / again + 2 * 0.24**2 / other - 0.36
    assert gains(evidence, sure())["draft", None] == pytest.approx(expected)


def test_the_gain_of_a_refinement() -> None:
    # Of A, right with 0.6: stays with 0.88; if wrong: mended 0.42, else stays 0.7, or strays 0.3,
    # to the same with 1/3, to a new one with 2/3
    evidence = Evidence({"A": 1})
    stays_right, stays_wrong = 0.6 * 0.88, 0.4 * 0.58 * (0.7 + 0.3 / 3)
    spoiled, mended, strayed = 0.6 * 0.12, 0.4 * 0.42, 0.4 * 0.58 * 0.3 * 2 / 3
    new = spoiled + mended + strayed
    assert stays_right + stays_wrong + new == pytest.approx(1.0)
    squares = stays_right**2 / (stays_right + stays_wrong) + (spoiled**2 + mended**2) / new
    assert gains(evidence, sure())["refine", "A"] == pytest.approx((squares - 0.36) / 2)


def test_a_judge_that_knows_nothing_is_not_asked() -> None:
    found = gains(Evidence({"A": 1, "B": 1}), sure())
    assert found["evaluate", "A"] == pytest.approx(0.0)
    tree = tree_of((None, "1", []), (None, "2", []))
    assert all(task.kind != "evaluate" for task in choose_tasks(tree, sure(), 4))


def test_a_judge_that_knows_is_asked_about_answers_that_differ() -> None:
    tree = tree_of((None, "1", []), (None, "2", []))
    tasks = choose_tasks(tree, sure(skill=0.4, discrimination=1.9), 2)
    assert [task.kind for task in tasks] == ["evaluate", "evaluate"]
    assert {task.node for task in tasks} == {"0", "1"}


def test_a_judge_is_worth_more_the_more_it_knows() -> None:
    evidence = Evidence({"A": 1, "B": 1})
    found = [
        gains(evidence, sure(discrimination=by))["evaluate", "A"] for by in (0.0, 0.4, 1.3, 1.9)
    ]
    assert found == sorted(found)
    assert found[-1] > found[0]


def test_a_reward_is_worth_less_the_more_calls_it_takes() -> None:
    evidence, prior = Evidence({"A": 1, "B": 1}), sure(skill=0.4, discrimination=1.3)
    one, ten, free = (gains(evidence, prior, calls) for calls in (1, 10, 0))
    assert ten["evaluate", "A"] == pytest.approx(one["evaluate", "A"] / 10)
    assert free["evaluate", "A"] == pytest.approx(one["evaluate", "A"] / 0.1)
    assert {key: ten[key] for key in ten if key[0] != "evaluate"} == {
        key: one[key] for key in one if key[0] != "evaluate"
    }


def test_an_answer_that_gets_several_rewards_is_worth_more_than_one_and_costs_them_all() -> None:
    evidence, prior = Evidence({"A": 1, "B": 1}), sure(skill=0.4, discrimination=1.3)
    one, four = gains(evidence, prior), gains(evidence, prior, samples=4)
    assert one["evaluate", "A"] < 4 * four["evaluate", "A"] < 4 * one["evaluate", "A"]
    tree = tree_of((None, "1", []), (None, "2", []))
    assert [
        [task.kind for task in choose_tasks(tree, prior, 1, calls=costs(n), samples=n)]
        for n in (1, 64)
    ] == [["evaluate"], ["draft"]]


def test_a_dear_judge_gives_way_to_drafts_and_a_free_one_goes_first() -> None:
    tree, prior = tree_of((None, "1", []), (None, "2", [])), sure(skill=0.4, discrimination=1.3)
    kinds = {
        calls: [task.kind for task in choose_tasks(tree, prior, 2, calls=costs(calls))]
        for calls in (0, 1, 20)
    }
    assert kinds[0] == kinds[1] == ["evaluate", "evaluate"]
    assert "evaluate" not in kinds[20]


def test_where_nearly_all_answers_are_wrong_the_search_refines_no_more_than_it_drafts() -> None:
    tree = tree_of((None, "1", []))
    assert {task.kind for task in choose_tasks(tree, sure(skill=0.06), 3)} <= {"draft", "refine"}


NEW = "a class that was not seen"


def voted(belief: Belief) -> dict[str | None, Outcome]:
    """Chances of a fresh answer, by the class that is right."""
    return {key: Outcome(view.right, 1 - view.right, 0.0) for key, view in belief.views.items()}


def joint(
    belief: Belief, told: Mapping[str | None, Outcome], before: str | None = None
) -> dict[str, dict[str | None, float]]:
    """The chance that the next answer is of a class and another is right, for each two."""
    found: dict[str, dict[str | None, float]] = {}
    for after in [*belief.counts, NEW]:
        found[after] = {}
        for right, view in belief.views.items():
            share = view.new if after == NEW else belief.counts[after] * view.known
            chance = told[right].strays * share + (told[right].stays if after == before else 0.0)
            if after == right:
                chance = told[right].right
            found[after][right] = view.weight * chance
    found[NEW][NEW] = belief.views[None].weight * told[None].right  # it is new, and the right one
    return found


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(CLASSES, st.integers(1, 9), min_size=1), CLASSES)
def test_what_is_expected_of_a_vote_is_what_is_believed_after_it(
    votes: dict[str, int], after: str
) -> None:
    belief = believe(Evidence(votes))
    if after not in votes:
        return
    parts = joint(belief, voted(belief))[after]
    total = sum(parts.values())
    then = believe(Evidence({**votes, after: votes[after] + 1})).chances
    assert then == pytest.approx({right: part / total for right, part in parts.items()})


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(CLASSES, st.integers(1, 9), min_size=1),
    st.dictionaries(st.tuples(CLASSES, CLASSES), st.integers(1, 9)),
)
def test_what_can_come_next_is_summed_up_by_its_chances(votes: Any, moves: Any) -> None:
    moves = {(before, after): n for (before, after), n in moves.items() if before in votes}
    belief = believe(Evidence(votes, moves))
    refined = [(_moves(belief, key), key) for key in belief.counts]
    for told, before in [(voted(belief), None), *refined]:
        each = joint(belief, told, before)
        assert sum(sum(parts.values()) for parts in each.values()) == pytest.approx(1.0)
        # The squares of the chances that are believed then; "none that was seen" is no answer
        squares = 0.0
        for parts in each.values():
            known = sum(part * part for right, part in parts.items() if right is not None)
            squares += known / total if (total := sum(parts.values())) else 0.0
        assert _expected(belief, told, before) == pytest.approx(squares)
