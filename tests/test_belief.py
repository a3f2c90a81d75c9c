"""What votes, refinements and rewards say of the right answer, with numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mctsr_graph import ConfigError, MCTSrContext, learn_prior, solve
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.settings.prior import (
    DISCRIMINATION,
    REFINING,
    SKILL,
    SPREAD,
    VARIETY,
    Prior,
    Refining,
    Spread,
)
from mctsr_graph.strategies.choose import weighted
from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import Evidence, evidence_of, polled
from mctsr_graph.strategies.tuned.learn import learn
from mctsr_graph.strategies.tuned.rewards import weight_of_rewards
from mctsr_graph.tree.tree import Tree, add_child, merge, new_node


def point(grid: Sequence[object], value: object) -> tuple[float, ...]:
    """All weight on one value of a grid."""
    return tuple(float(one == value) for one in grid)


USUAL_REFINING = Refining(mends=0.7, keeps=0.88, stays=0.7)
OWN_ERRORS = Spread(of_class=0.2, of_answer=0.3)


def sure(skill: float = 0.6, discrimination: float = 0.0) -> Prior:
    """A prior that knows everything: a wrong answer is a new one with 2 / (2 + wrong ones seen)."""
    return Prior(
        point(SKILL, skill),
        point(REFINING, USUAL_REFINING),
        point(VARIETY, 2.0),
        point(DISCRIMINATION, discrimination),
        point(SPREAD, OWN_ERRORS),
    )


def tree_of(*nodes: tuple[str | None, str | None, list[float]]) -> Tree:
    """A tree: each node's parent, final answer and rewards."""
    tree: Tree = {}
    for parent, final, rewards in nodes:
        answer = f"Text {len(tree)}"
        node = new_node(tree, parent=parent, answer=answer, final_answer=final, rewards=rewards)
        tree = merge(tree, [add_child(tree, node)])
    return tree


# Votes


def test_three_votes_against_one() -> None:
    # Right A: 0.6^3 * 0.4 = 0.0864, and the one wrong answer has nothing to agree with: 1.
    # Right B: 0.6 * 0.4^3 = 0.0384, and three wrong ones agree: 1 * 1/3 * 2/4 = 1/6.
    # Neither: 0.4^4 = 0.0256, and AAAB falls so with 1 * 1/3 * 2/4 * 2/5 = 1/15.
    # 0.0864 : 0.0064 : 0.0017067 = 405 : 30 : 8
    chances = believe(Evidence(votes={"A": 3, "B": 1}), sure()).chances
    assert chances == pytest.approx({"A": 405 / 443, "B": 30 / 443, None: 8 / 443})


def test_one_vote_says_what_the_skill_says() -> None:
    chances = believe(Evidence(votes={"A": 1}), sure(skill=0.2)).chances
    assert chances == pytest.approx({"A": 0.2, None: 0.8})


def test_with_nothing_seen_nothing_is_found() -> None:
    belief = believe(Evidence())
    assert belief.chances == {None: pytest.approx(1.0)}
    for name in ("skill", "refining", "variety", "discrimination"):
        assert getattr(belief.posterior, name) == pytest.approx(getattr(Prior(), name))


def test_agreement_raises_the_skill_that_is_believed() -> None:
    agree = believe(Evidence(votes={"A": 4})).posterior.skill
    differ = believe(Evidence(votes={"A": 1, "B": 1, "C": 1, "D": 1})).posterior.skill

    def mean(weights: Any) -> float:
        return sum(s * w for s, w in zip(SKILL, weights, strict=True))

    assert mean(differ) < mean(Prior().skill) < mean(agree)


# Rewards


def test_a_reward_for_each_of_two_answers() -> None:
    # 30 and -30 points are +1 and -1 standard deviations (30 before any is known to repeat).
    # One reward weighs w = 1 / (1 + 0.2^2) = 25/26; right A against right B: exp(2 * 1.9 * w)
    evidence = Evidence({"A": 1, "B": 1}, {}, {"A": [(30.0, 1)], "B": [(-30.0, 1)]})
    chances = believe(evidence, sure(discrimination=1.9)).chances
    weight = 25 / 26
    assert chances["A"] / chances["B"] == pytest.approx(math.exp(2 * 1.9 * weight))


def test_a_judge_that_knows_nothing_changes_nothing() -> None:
    votes = {"A": 2, "B": 1}
    judged = Evidence(votes, {}, {"A": [(-90.0, 3)], "B": [(90.0, 3)]})
    expected = believe(Evidence(votes), sure()).chances
    assert believe(judged, sure()).chances == pytest.approx(expected)


def test_the_level_of_all_rewards_says_nothing() -> None:
    low = Evidence({"A": 1, "B": 1}, {}, {"A": [(-60.0, 1)], "B": [(-90.0, 1)]})
    high = Evidence({"A": 1, "B": 1}, {}, {"A": [(90.0, 1)], "B": [(60.0, 1)]})
    assert believe(low).chances == pytest.approx(believe(high).chances)


def test_where_the_level_is_known_the_only_answer_tells_by_its_reward() -> None:
    # Wrong answers get 0 on average and 30 more or less: 36 points are 1.2 standard deviations.
    # One reward weighs w = 25/26, against a level that is known exactly; d = 1.9:
    # right against not found: exp(1.9 * 1.2 * w - 1.9^2 * w / 2)
    prior = replace(sure(skill=0.6, discrimination=1.9), level=0.0, level_spread=1e-3)
    chances = believe(Evidence({"A": 1}, {}, {"A": [(36.0, 1)]}), prior).chances
    more = math.exp((1.9 * 1.2 - 1.9**2 / 2) * 25 / 26)
    assert chances["A"] / chances[None] == pytest.approx(0.6 / 0.4 * more)


def test_a_level_that_scatters_as_rewards_do_tells_half_of_it() -> None:
    # Its variance is as large as that of a class's mean reward, 30^2 * 26/25: half of the 36
    # points may be the problem's, and half of the precision is left
    prior = replace(
        sure(skill=0.6, discrimination=1.9), level=0.0, level_spread=30 * math.sqrt(26 / 25)
    )
    belief = believe(Evidence({"A": 1}, {}, {"A": [(36.0, 1)]}), prior)
    more = math.exp((1.9 * 1.2 - 1.9**2 / 2) * 25 / 26 / 2)
    assert belief.chances["A"] / belief.chances[None] == pytest.approx(0.6 / 0.4 * more)
    # What is believed of the level: half of 36 if it is not right, half of 36 - 57 if it is
    right = belief.chances["A"]
    assert belief.posterior.level == pytest.approx(right * -10.5 + (1 - right) * 18.0)


def test_the_only_class_judged_is_neither_better_nor_worse_for_it() -> None:
    judged = Evidence({"A": 2, "B": 1}, {}, {"B": [(90.0, 1)]})
    chances, plain = believe(judged).chances, believe(Evidence({"A": 2, "B": 1})).chances
    assert chances == pytest.approx(plain)


def test_repeating_a_reward_adds_ever_less() -> None:
    weights = [weight_of_rewards([(0.0, count)], OWN_ERRORS) for count in (1, 2, 4, 64)]
    steps = [b - a for a, b in itertools.pairwise(weights)]
    assert weight_of_rewards([], OWN_ERRORS) == 0.0
    assert weights == sorted(weights)
    assert steps[0] > steps[1] / 2  # two further rewards are less than twice one
    assert (
        weight_of_rewards([(0.0, 1)] * 2, OWN_ERRORS) > weights[1]
    )  # another answer of the class is more


# Refinements


def test_a_refinement_that_arrives() -> None:
    # B was drafted and refined into A; a wrong answer is mended with 0.7 * 0.6 = 0.42.
    # Right A: 0.4 * 0.42. Right B: 0.6, and it left a right answer: 0.12.
    # Neither: 0.4 * 0.58, it did not stay: 0.3, and A and B differ: 2/3.
    chances = believe(Evidence({"B": 1}, {("B", "A"): 1}), sure()).chances
    right_a, right_b, neither = 0.4 * 0.42, 0.6 * 0.12, 0.4 * 0.58 * 0.3 * 2 / 3
    total = right_a + right_b + neither
    assert chances == pytest.approx(
        {"A": right_a / total, "B": right_b / total, None: neither / total}
    )


def test_a_refinement_that_stays() -> None:
    # A right one stays with 0.88; a wrong one is not mended: 0.58, and stays with 0.7, or strays to
    # a wrong answer as a fresh one would, 0.3, which is the only one seen with 1 / (2 + 1)
    chances = believe(Evidence({"A": 1}, {("A", "A"): 1}), sure()).chances
    right, wrong = 0.6 * 0.88, 0.4 * 0.58 * (0.7 + 0.3 / 3)
    assert chances == pytest.approx({"A": right / (right + wrong), None: wrong / (right + wrong)})


def test_refinements_that_stay_speak_for_an_answer() -> None:
    once = believe(Evidence({"A": 1, "B": 1})).chances["A"]
    assert believe(Evidence({"A": 1, "B": 1}, {("A", "A"): 3})).chances["A"] > once
    assert believe(Evidence({"A": 1, "B": 1}, {("A", "B"): 3})).chances["A"] < once


# Trees


def test_what_a_tree_says() -> None:
    tree = tree_of(
        (None, "1/2", [10.0, 20.0]),
        (None, "0.5", []),
        (None, None, [90.0]),
        ("2", "7", [5.0]),  # of an answer that states nothing: an independent one
        ("0", "7", []),
    )
    evidence = evidence_of(tree)
    half, seven = evidence.classes
    assert evidence.votes == {half: 2, seven: 1}
    assert evidence.moves == {(half, seven): 1}
    assert evidence.rewards == {half: [(15.0, 2)], seven: [(5.0, 1)]}


def test_a_repeated_text_says_nothing_more() -> None:
    # Eight times the same wrong text under a judge of -60: as much as once
    tree: Tree = {}
    for parent in (None, None, None, "0", "1", "3", "4", "5"):
        node = new_node(tree, parent=parent, answer="Same", final_answer="9", rewards=[-60.0])
        tree = merge(tree, [add_child(tree, node)])
    assert evidence_of(tree) == evidence_of({"0": tree["0"]})
    # Another draft that differs shows that the model samples: then the three drafts are votes
    other = new_node(tree, parent=None, answer="Other", final_answer="8", rewards=[])
    assert evidence_of(merge(tree, [add_child(tree, other)])).votes == {"9": 3, "8": 1}
    # Where the first of them is out of play, another one speaks for it
    assert evidence_of(merge(tree, [{"0": {"pruned": True}}])).votes == {"9": 1}


def refined(text: str, *texts: str) -> Tree:
    """A draft and refinements of it; a text states its first letter."""
    tree: Tree = {}
    for parent, one in [(None, text), *(("0", one) for one in texts)]:
        node = new_node(tree, parent=parent, answer=one, final_answer=one[0], rewards=[])
        tree = merge(tree, [add_child(tree, node)])
    return tree


def test_refinements_that_leave_a_text_tell_as_much_as_those_that_change_it() -> None:
    # 145 of 165 refinements of a text repeat it, and the others all differ
    tree = refined("1", *["1"] * 145, *(f"{digit} {k}" for digit in "2345" for k in range(5)))
    assert evidence_of(tree).moves["1", "1"] == 140
    assert believe(evidence_of(tree)).chances["1"] > 0.8
    # Where nothing differs, nothing shows that the model samples
    assert evidence_of(refined("1", *["1"] * 63)).moves == {}
    # Hundreds of copies beside a single other text do not make it sure
    assert evidence_of(refined("1", *["1"] * 63, "2")).moves == {("1", "1"): 7, ("1", "2"): 1}
    assert believe(evidence_of(refined("1", *["1"] * 63, "2"))).chances["1"] < 0.7
    # Nor does it matter what is repeated, nor where the text was first
    assert evidence_of(refined("2", "1", "1", "2")).moves == {("2", "1"): 2, ("2", "2"): 1}


def counted(work: Callable[[Tree], object], tree: Tree) -> int:
    """Functions of Python entered to count the answers of a tree."""
    names = ("choose.py", "evidence.py", "classes.py", "copies.py", "steered.py")
    entered = 0

    def note(frame: Any, event: str, _: Any) -> None:
        nonlocal entered
        entered += event == "call" and frame.f_code.co_filename.endswith(names)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work(tree)
    finally:
        sys.setprofile(before)
    return entered


@pytest.mark.parametrize("texts", [1000, 30])
def test_a_large_tree_is_counted_in_as_few_functions_as_a_small_one(texts: int) -> None:
    def tree(size: int) -> Tree:
        classes = {str(k): {"answer_class": "1"} for k in range(size)}
        return merge(refined("1", *(f"1 {k % texts}" for k in range(size - 1))), [classes])

    small, large, context = tree(40), tree(320), MCTSrContext(profile="tuned")
    for work in (evidence_of, polled, lambda one: weighted(one, context)):
        assert 0 < counted(work, large) == counted(work, small)


def test_a_judge_worse_than_chance_can_be_learnt() -> None:
    contrary = learn(batch(-60.0) * 10)
    assert contrary.discrimination[0] > Prior().discrimination[0]


def test_dummies_and_pruned_nodes_say_nothing() -> None:
    tree = tree_of((None, "1", [1.0]), (None, "2", [2.0]), (None, "3", [3.0]))
    marked = merge(tree, [{"1": {"pruned": True}, "2": {"dummy": True}}])
    assert evidence_of(marked) == evidence_of({"0": tree["0"]})


# Learning


def batch(gap: float) -> list[Evidence]:
    """Problems whose frequent answer has rewards that are higher by `gap` points."""
    return [
        Evidence(
            {"A": 3, "B": 1},
            {},
            {"A": [(gap / 2 + shift, 2)], "B": [(-gap / 2 + shift, 2)]},
        )
        for shift in (-20.0, 0.0, 20.0, 5.0, -5.0, 11.0)
    ]


def test_a_batch_teaches_what_the_judge_is_worth() -> None:
    blind, seeing = learn(batch(0.0)), learn(batch(60.0))

    def mean(prior: Prior) -> float:
        return sum(d * w for d, w in zip(DISCRIMINATION, prior.discrimination, strict=True))

    assert mean(blind) < mean(Prior()) < mean(seeing)
    for prior in (blind, seeing):
        assert sum(prior.discrimination) == pytest.approx(1.0)


def test_a_batch_teaches_what_refinements_do() -> None:
    strays = [Evidence({"A": 1}, {("A", key): 1 for key in "BCDE"})] * 12
    stays = [Evidence({"A": 2, "B": 2}, {("A", "A"): 3, ("B", "B"): 3})] * 12
    weak, strong = REFINING.index(min(REFINING)), REFINING.index(max(REFINING))
    assert learn(stays).refining[weak] > learn(strays).refining[weak]
    assert learn(stays).refining[strong] < learn(strays).refining[strong]


def test_a_batch_teaches_how_noisy_the_judge_is() -> None:
    # Within a class 50 and -50: 5000 squared points each for 1 degree of freedom; 30 counts as 4
    judged = [Evidence({"A": 2}, {}, {"A": [(50.0, 1), (-50.0, 1)]})] * 6
    assert learn(judged).noise == pytest.approx(math.sqrt((4 * 30**2 + 6 * 5000) / (4 + 6)))


def test_a_batch_teaches_how_high_rewards_are() -> None:
    judged = [Evidence({"A": 1, "B": 1}, {}, {"A": [(50.0, 1)], "B": [(50.0, 1)]})] * 40
    fitted = learn(judged)
    assert 30 < fitted.level < 50  # some of them are right, perhaps
    assert fitted.level_spread < 30 < Prior().level_spread


def test_little_is_believed_of_the_judge_after_few_problems() -> None:
    few, many = learn(batch(60.0)), learn(batch(60.0) * 10)
    # 6 problems against 32: (32 / 38) ** 2 of the weight that was there is left at least
    for before, after in zip(Prior().discrimination, few.discrimination, strict=True):
        assert after >= before * (32 / 38) ** 2
    assert many.discrimination[0] < few.discrimination[0]


def test_what_was_not_tried_is_not_judged() -> None:
    fitted = learn([Evidence({"A": 3})] * 20)
    assert fitted.refining == pytest.approx(Prior().refining)
    assert fitted.discrimination == pytest.approx(Prior().discrimination)
    assert fitted.level == Prior().level
    assert fitted.level_spread == pytest.approx(Prior().level_spread)


def test_a_prior_is_learnt_from_solutions_alone() -> None:
    with pytest.raises(ConfigError, match="solutions holds 'p', allowed"):
        learn_prior("postgresql://host/searches")  # type: ignore[arg-type]


def test_a_solution_that_is_there_twice_counts_once() -> None:
    world = World(skill=0.5, auc=0.7, seed=9)
    context = MCTSrContext(profile="tuned", max_calls=11)
    one, other = (solve(world.problem(n).text, world.model(), context=context) for n in (1, 2))
    assert learn_prior([one, other, one]) == learn_prior([one, other]) != learn_prior([one])


def test_nothing_is_learnt_from_nothing() -> None:
    assert learn([]) == Prior()


@pytest.mark.parametrize("name", ["noise", "level_spread"])
def test_a_spread_is_above_zero(name: str) -> None:
    with pytest.raises(ConfigError, match=f"prior.{name} is 0.0, allowed 1e-09 to 1e\\+09"):
        Prior(**{name: 0.0})


def test_what_was_ruled_out_can_be_learnt() -> None:
    fitted = learn(batch(60.0), sure())
    assert fitted.discrimination[0] < 1


@pytest.mark.parametrize("wrong", [(0.5, 0.5), (0.5, 0.5, 0.1), (1.2, -0.2, 0.0)])
def test_weights_that_are_none_are_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="allowed 3 weights that sum to 1"):
        Prior(spread=wrong)


# For all evidence

CLASSES = st.sampled_from("ABCDE")
NODES = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.one_of(st.none(), CLASSES),
        st.lists(st.floats(-100, 100), max_size=4),
    ),
    min_size=1,
    max_size=30,
)


def grown(drawn: list[tuple[int, str | None, list[float]]]) -> Tree:
    """A tree of drawn nodes; every third is a root."""
    return tree_of(
        *(
            (None if i == 0 or place % 3 == 0 else str(place % i), final, rewards)
            for i, (place, final, rewards) in enumerate(drawn)
        )
    )


@settings(max_examples=60, deadline=None)
@given(NODES, st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(drawn: Any, rng: Any) -> None:
    tree = grown(drawn)
    ids = list(tree)
    rng.shuffle(ids)
    chances = believe(evidence_of(tree)).chances
    assert believe(evidence_of({i: tree[i] for i in ids})).chances == pytest.approx(chances)
    assert sum(chances.values()) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(CLASSES, st.integers(1, 40), min_size=1))
def test_another_vote_for_a_majority_hardly_lowers_its_chance(votes: dict[str, int]) -> None:
    own = max(votes, key=lambda key: votes[key])
    votes[own] = max(votes[own], sum(votes.values()) - votes[own])  # at least half of all
    before = believe(Evidence(votes)).chances[own]
    after = believe(Evidence({**votes, own: votes[own] + 1})).chances[own]
    # By a little it may: the skill that explains both is between two values of the grid
    assert after >= before - 0.03


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(CLASSES, st.integers(0, 900), min_size=2),
    st.dictionaries(st.tuples(CLASSES, CLASSES), st.integers(0, 300)),
    st.dictionaries(
        CLASSES,
        st.lists(st.tuples(st.floats(-100, 100), st.integers(1, 500)), min_size=1, max_size=50),
    ),
)
def test_much_evidence_overflows_nothing(votes: Any, moves: Any, rewards: Any) -> None:
    votes = {key: count for key, count in votes.items() if count} or {"A": 1}
    moves = {move: count for move, count in moves.items() if count}
    known = {*votes, *(key for move in moves for key in move)}
    judged = {key: own for key, own in rewards.items() if key in known}
    belief = believe(Evidence(votes, moves, judged))
    known_of = belief.posterior
    for chances in (
        belief.chances.values(),
        known_of.skill,
        known_of.refining,
        known_of.variety,
        known_of.discrimination,
        known_of.spread,
    ):
        assert all(0 <= chance <= 1 for chance in chances)
        assert sum(chances) == pytest.approx(1.0)
