"""The simulated model, through the graph and without it."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import MCTSrContext, solve
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.text.final_answer import extract_final_answer

WORLD = World(skill=0.4, auc=0.7, class_spread=0.05, seed=3)
WIDE = World(
    skill=0.4,
    concentration=1.0,
    class_spread=0.1,
    mends_again=0.5,
    traps=0.5,
    trap_liked=0.05,
    unstated=0.2,
    scores=(0.1, 0.4, 0.9),
    seed=3,
)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "settings",
    [
        {"profile": "paper", "max_rollouts": 6, "seed": 5},
        {"profile": "paper", "max_rollouts": 6, "width": 3, "reward_samples": 2},
        {"profile": "official", "max_rollouts": 6},
        {"profile": "official", "max_rollouts": 6, "seed": 2, "width": 2},
        {"profile": "paper", "choice": "majority", "max_rollouts": 6, "drafts": 2},
        {
            "profile": "tuned",
            "max_rollouts": 12,
            "agree": None,
            "confidence": None,
            "settle": False,
        },
        {"profile": "rsa", "drafts": 4, "max_rollouts": 8, "width": 3},
        {"profile": "tuned", "max_rollouts": 12, "width": 4, "agree": None, "confidence": None},
    ],
)
@pytest.mark.parametrize("world", [WORLD, WIDE])
def test_the_same_tree_with_and_without_the_graph(
    world: World, settings: dict[str, Any], number: int
) -> None:
    context = MCTSrContext(**settings)
    found = solve(world.problem(number).text, world.model(), context=context)
    for moment in simulated_search(world, number, context):
        if moment.rollouts >= found.rollouts:
            break
    assert moment.tree == found.tree
    assert moment.calls == total_cost(found.usage)["calls"]


@pytest.mark.parametrize(
    ("picks", "keeps", "expected"),
    [
        (1.0, 1.0, "1000"),  # the right answer that was shown is recognised, and kept
        (0.0, 1.0, "1001"),  # else what most state, which a model without skill cannot mend
    ],
)
def test_a_simulated_merge_picks_the_right_answer_or_goes_with_most(
    picks: float, keeps: float, expected: str
) -> None:
    world = World(skill=0.0, picks=picks, keeps_merging=keeps, mends=0.0, sticks=1.0)
    shown = [f"Attempt {n}. The final answer is \\boxed{{{n}}}" for n in (1001, 1000, 1001)]
    assert {extract_final_answer(world.merge(0, shown, seed)) for seed in range(20)} == {expected}
    alone = [world.merge(0, shown[1:2], seed) for seed in range(20)]
    assert {extract_final_answer(answer) for answer in alone} == {"1000"}


def shares(values: list[bool]) -> float:
    return sum(values) / len(values)


def stated_by(answers: list[str]) -> list[str]:
    """Final answers; "" where there is none."""
    return [extract_final_answer(answer) or "" for answer in answers]


def test_problems_are_easy_or_hard_where_the_concentration_is_low() -> None:
    u, hump = World(skill=0.5, concentration=0.5), World(skill=0.5, concentration=10)
    between = [
        shares([0.2 < world.chance(number) < 0.8 for number in range(400)]) for world in (u, hump)
    ]
    # Beta(1/4, 1/4) has 0.22 of its mass there, Beta(5, 5) has 0.96
    assert between == [pytest.approx(0.22, abs=0.06), pytest.approx(0.96, abs=0.03)]


def test_a_judge_may_be_worse_than_chance() -> None:
    world = World(auc=0.3, answer_spread=0.0, level_spread=0.0)
    right, wrong = (f"Attempt {k}. The final answer is \\boxed{{{1000 + k}}}." for k in (0, 1))
    preferred = [world.prefers(0, right, wrong, seed) for seed in range(400)]
    rewarded = [world.reward(0, right, s) > world.reward(0, wrong, s + 400) for s in range(400)]
    assert shares(preferred) == pytest.approx(0.3, abs=0.07)
    assert shares(rewarded) == pytest.approx(0.3, abs=0.07)


def test_a_judge_gives_the_scores_it_has() -> None:
    world = World(scores=[0.1, 0.1, 0.4, 0.9], seed=1)  # a list, as from a file
    given = [world.reward(n, world.draft(n, s), s) for n in range(100) for s in range(4)]
    assert set(given) == {-80, -20, 80}
    assert shares([score == -80 for score in given]) == pytest.approx(0.5, abs=0.1)


def test_a_trap_is_more_popular_than_the_truth() -> None:
    world = World(skill=0.3, concentration=1000, traps=1.0, trap_share=0.9)
    stated = stated_by([world.draft(0, seed) for seed in range(300)])
    # The chance is near 0.3; of the other 0.7 nine tenths are 1001
    assert shares([one == "1000" for one in stated]) == pytest.approx(0.3, abs=0.08)
    assert shares([one == "1001" for one in stated]) == pytest.approx(0.65, abs=0.08)


def test_a_judge_may_like_the_trap() -> None:
    liked = World(traps=1.0, trap_liked=0.5, auc=0.5, answer_spread=0.0, noise=0.1)
    right, trap = (f"Attempt {k}. The final answer is \\boxed{{{1000 + k}}}." for k in (0, 1))
    assert shares([liked.prefers(0, trap, right, seed) for seed in range(100)]) > 0.95


def test_mending_wears_off_with_each_revision() -> None:
    world = World(skill=0.9, concentration=1000, mends=1.0, mends_again=0.1)
    wrong = "Attempt 1. The final answer is \\boxed{1003}."
    again = "Attempt 1, revision 1. The final answer is \\boxed{1003}."
    mended = [
        shares([world.refine(0, answer, seed).endswith("{1000}.") for seed in range(400)])
        for answer in (wrong, again)
    ]
    assert mended == [pytest.approx(0.9, abs=0.05), pytest.approx(0.09, abs=0.05)]
    assert "revision 2" in world.refine(0, again, 0)


def test_some_answers_state_nothing() -> None:
    world = World(unstated=0.5)
    answers = [world.draft(0, seed) for seed in range(300)]
    assert shares([one == "" for one in stated_by(answers)]) == pytest.approx(0.5, abs=0.1)
    silent = next(answer for answer in answers if not extract_final_answer(answer))
    assert world.refine(0, silent, 7) == world.draft(0, 7)


def test_tokens_tell_right_from_wrong_as_often_as_they_should() -> None:
    world = World(confidence_auc=0.8)
    right, wrong = (
        [
            world.confidence(0, f"Attempt {n}. The final answer is \\boxed{{{1000 + kind}}}.")
            for n in range(kind * 300, kind * 300 + 300)
        ]
        for kind in (0, 1)
    )
    assert shares([a > b for a, b in zip(right, wrong, strict=True)]) == pytest.approx(
        0.8, abs=0.07
    )
