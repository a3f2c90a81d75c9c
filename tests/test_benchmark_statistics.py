"""Every number here was computed by hand, or is in a published table."""

from __future__ import annotations

import math
import random

import pytest

pytest.importorskip("numpy")

from mctsr_graph.benchmark.calibration import binned, brier, calibration_error
from mctsr_graph.benchmark.paired import Paired
from mctsr_graph.benchmark.ranking import auc, jackknifed, pairs_won, student
from mctsr_graph.benchmark.statistics import (
    cluster_bootstrap,
    clustered_share,
    detectable,
    mcnemar,
    pass_at_k,
    percentile,
    wilson,
)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),  # the mirror image of 0 of 20
    ],
)
def test_wilson_agrees_with_the_published_table(
    right: int, count: int, low: float, high: float
) -> None:
    interval = wilson(right, count)
    assert interval.value == right / count
    assert round(interval.low, 4) == low
    assert round(interval.high, 4) == high


@pytest.mark.parametrize(("right", "count"), [(-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses_what_is_no_share(right: int, count: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson(right, count)


def test_pass_at_k_by_counting() -> None:
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(4, 2, 2) == pytest.approx(5 / 6)  # of six pairs one has no right sample
    assert pass_at_k(5, 4, 2) == 1  # any two of five hold one of four
    assert pass_at_k(5, 0, 5) == 0
    for wrong in ((3, 1, 0), (3, 1, 4), (3, 4, 1)):
        with pytest.raises(ValueError, match="cannot be told"):
            pass_at_k(*wrong)


def test_mcnemar_is_a_coin_toss_by_the_problems_that_differ() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(0, 5) == 2 / 32  # both tails of five heads in five
    assert mcnemar(7, 1) == 2 * (1 + 8) / 256
    assert mcnemar(3, 3) == 1
    assert 0 <= mcnemar(900, 1100) < 1e-4  # large counts do not overflow


def test_a_bootstrap_of_two_values_has_the_binomial_distribution() -> None:
    # Of two clusters, 0 and 1, the mean of a resample is 0, 0.5 or 1 with 1/4, 1/2, 1/4
    inside = cluster_bootstrap([0, 1], ["a", "b"], level=0.4)
    assert (inside.value, inside.low, inside.high) == (0.5, 0.5, 0.5)
    wide = cluster_bootstrap([0, 1], ["a", "b"], level=0.95)
    assert (wide.low, wide.high) == (0, 1)


def test_a_bootstrap_of_many_values_is_the_normal_interval() -> None:
    values = [1.0] * 300 + [0.0] * 700
    interval = cluster_bootstrap(values, range(1000))
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)  # 0.0284
    assert interval.low == pytest.approx(0.3 - half, abs=0.002)
    assert interval.high == pytest.approx(0.3 + half, abs=0.002)


def test_another_seed_is_another_resampling() -> None:
    values = [math.sqrt(number) for number in range(50)]
    interval = cluster_bootstrap(values, range(50))
    assert interval == cluster_bootstrap(values, range(50))
    assert interval != cluster_bootstrap(values, range(50), seed=1)


def test_problems_that_rise_and_fall_together_widen_the_interval() -> None:
    values = ([1.0] * 4 + [0.0] * 4) * 25
    alone = cluster_bootstrap(values, range(200))
    together = cluster_bootstrap(values, [index // 4 for index in range(200)])
    assert alone.value == together.value == 0.5
    # Four alike count as one: the half width doubles, 1.96 * sqrt(0.25 / 50) = 0.139
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low), rel=0.1)
    assert together.high == pytest.approx(0.5 + 0.139, abs=0.015)


def test_a_ratio_of_sums_weighs_by_size() -> None:
    # 1 pair of 1 won, 2 of 9: 3 of 10. The resamples are 2/2, 3/10 and 4/18.
    interval = cluster_bootstrap([1, 2], ["a", "b"], [1, 9])
    assert interval.value == 0.3
    assert (interval.low, interval.high) == (pytest.approx(4 / 18), 1)


def test_a_bootstrap_needs_values_that_belong_together() -> None:
    for values, clusters in (([], []), ([1.0], []), ([1.0], ["a", "b"])):
        with pytest.raises(ValueError, match="clusters"):
            cluster_bootstrap(values, clusters)


def test_a_share_is_no_surer_than_its_few_problems() -> None:
    assert clustered_share([1, 0, 1], "abc") == wilson(2, 3)
    # All nine refinements of one problem went well: the bootstrap alone would be certain
    one = clustered_share([9], "a", [9])
    assert (one.low, one.high) == (wilson(9, 9).low, 1)
    # Ten problems of four seeds each: as wide as ten problems tell, 0.2 to 0.8
    many = clustered_share(([1] * 4 + [0] * 4) * 5, [index // 4 for index in range(40)])
    assert (many.low, many.high) == (pytest.approx(0.2), pytest.approx(0.8))
    assert clustered_share([0.5], "a", [1]).value == 0.5  # a draw


def test_few_equal_pairs_do_not_prove_that_methods_are_equal() -> None:
    # Six problems, no difference seen: Wilson's upper end of 0 of 6 is 0.3903, both ways
    none = Paired([0] * 6).interval(0.95)
    assert none.value == 0
    assert (round(none.low, 4), round(none.high, 4)) == (-0.3903, 0.3903)
    # Six gains of six: a share of gains p with p^6 = 0.025 is 0.5407, that is 0.0815 more gains
    # than losses. The score interval alone would begin at 1 - sqrt(2) * 0.3903 = 0.4480
    all_better = Paired([1] * 6).interval(0.95)
    assert (round(all_better.low, 4), all_better.high) == (0.0815, 1)


def test_many_pairs_have_the_normal_interval() -> None:
    # 150 gains and 50 losses of 1000: 0.1, with variance 0.2 - 0.1^2
    many = Paired([1] * 150 + [-1] * 50 + [0] * 800).interval(0.95)
    half = 1.96 * math.sqrt((0.2 - 0.01) / 1000)
    assert many.low == pytest.approx(0.1 - half, abs=0.003)
    assert many.high == pytest.approx(0.1 + half, abs=0.003)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.975, 0.996])
def test_an_interval_and_its_p_never_contradict_each_other(level: float) -> None:
    for gains in range(0, 25, 2):
        for losses in range(0, 13, 3):
            same = 30 - gains if gains + losses < 30 else 0
            found = Paired([1] * gains + [-1] * losses + [0] * same)
            assert found.interval(level).holds(0) == (found.p >= 1 - level)
            assert found.p >= found.exact
            assert found.interval(level).holds(found.value)


def test_five_equal_gains_are_a_coin_that_fell_alike() -> None:
    five, six = Paired([1] * 5), Paired([1] * 6)
    assert (five.p, six.p) == (2 / 32, 2 / 64)
    assert five.interval(0.95).holds(0)
    assert not six.interval(0.95).holds(0)


def test_auc_counts_the_pairs_of_right_and_wrong() -> None:
    # Right 80 and 40, wrong 40, 10, -20: of six pairs five are won and one is a tie
    rewards = [80, 40, 40, 10, -20]
    rights = [True, True, False, False, False]
    area = auc(rewards, rights, range(5))
    assert area is not None
    assert area.value == pytest.approx(5.5 / 6)
    assert 0 <= area.low <= area.value <= area.high <= 1
    assert pairs_won(rewards, rights, [0] * 5, 1).tolist() == [5.5]
    # Only pairs within a group: 80 against 40 and -20, 40 against 10
    assert pairs_won(rewards, rights, [0, 2, 0, 2, 0], 3).tolist() == [2, 0, 1]
    assert auc([1, 2], [True, True], range(2)) is None
    assert auc([5, 5], [True, False], range(2)).value == 0.5  # type: ignore[union-attr]


def test_auc_by_sorting_equals_auc_by_counting_pairs() -> None:
    dice = random.Random(5)
    rewards = [float(dice.randint(-5, 5)) for _ in range(300)]
    rights = [dice.random() < 0.4 for _ in rewards]
    right = [reward for reward, is_right in zip(rewards, rights, strict=True) if is_right]
    wrong = [reward for reward, is_right in zip(rewards, rights, strict=True) if not is_right]
    area = auc(rewards, rights, range(300))
    assert area is not None
    won = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    assert area.value == pytest.approx(won / (len(right) * len(wrong)))
    # Hanley and McNeil 1982: the standard error of an AUC near 0.5 is about
    # sqrt((m + n + 1) / (12 m n))
    error = math.sqrt(301 / (12 * len(right) * len(wrong)))
    assert area.high - area.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_percentile_lies_between_its_neighbours() -> None:
    assert percentile([1, 2, 3, 4, 5], 0.5) == 3
    assert percentile([10, 20], 0.95) == pytest.approx(19.5)


# --------------------------------------------------------------------------- few problems


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042)]
)
def test_students_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student(0.975, freedom) == pytest.approx(quantile, abs=0.005)


def test_an_interval_by_leaving_out_by_hand() -> None:
    # Without one of three: 0.5, 0.6, 0.7; the spread is sqrt(0.02 * 2 / 3) = 0.1155 on the share,
    # 0.4811 on the log odds of 0.6, and Student's 4.303 makes it 2.070 around 0.405
    found = jackknifed(0.6, [0.5, 0.6, 0.7])
    assert found.low == pytest.approx(1 / (1 + math.exp(2.070 - 0.405)), abs=1e-3)
    assert found.high == pytest.approx(1 / (1 + math.exp(-2.070 - 0.405)), abs=1e-3)
    assert jackknifed(1.0, [1.0] * 4) == wilson(4, 4)
    assert jackknifed(0.7, [0.7]).low == 0


def test_an_interval_of_an_auc_holds_the_truth_for_few_problems() -> None:
    # Six problems of five answers; right ones score 1 more, with noise 1 and a level of 0.7 that
    # the answers of a problem share, so that the AUC of many is 1 / sqrt(2 + 0.98) -> 0.719
    random_ = random.Random(7)
    truth, inside = 0.719, 0
    for _ in range(200):
        rewards, rights, problems = [], [], []
        for problem in range(6):
            level = random_.gauss(0, 0.7)
            for _ in range(5):
                rights.append(random_.random() < 0.5)
                rewards.append(level + rights[-1] + random_.gauss(0, 1))
                problems.append(problem)
        found = auc(rewards, rights, problems)
        inside += found is None or found.holds(truth)
    assert inside >= 185  # 95 % of 200, less two standard errors


def test_what_would_show_by_hand() -> None:
    # Sixty problems of which 26 % differ: (1.96 sqrt .26 + .8416 sqrt(.26 - d d))^2 = 60 d d
    difference = detectable(60, 0.26)
    left = (1.95996 * math.sqrt(0.26) + 0.84162 * math.sqrt(0.26 - difference**2)) ** 2
    assert left == pytest.approx(60 * difference**2, rel=1e-3)
    assert difference == pytest.approx(0.181, abs=0.001)
    assert detectable(2, 0.5) == 1


def test_calibration_by_hand() -> None:
    # Bin 0.6 to 0.7: 0.6, 0.64 of which one is right, bin 0.9 to 1: 1.0 and 0.9, both right
    chances, rights = [0.6, 0.64, 1.0, 0.9], [True, False, True, True]
    assert [(one.count, one.chance, one.right) for one in binned(chances, rights)] == [
        (2, pytest.approx(0.62), 0.5),
        (2, pytest.approx(0.95), 1.0),
    ]
    assert calibration_error(chances, rights) == pytest.approx((2 * 0.12 + 2 * 0.05) / 4)
    assert brier(chances, rights) == pytest.approx((0.16 + 0.4096 + 0 + 0.01) / 4)
