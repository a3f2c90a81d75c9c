"""Metrics of four problems, each number computed by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")

from mctsr_graph.benchmark.across import compare_runs
from mctsr_graph.benchmark.metrics import Metrics, RunMetrics, measure
from mctsr_graph.benchmark.records import Line, MethodRecord
from mctsr_graph.benchmark.statistics import wilson
from mctsr_graph.errors import ConfigError

from .benchmark_lines import (
    COT,
    PAPER,
    VOTE,
    attempt,
    cost,
    cot,
    golden,
    line,
    method,
    point,
    settings,
    vote,
)


@pytest.fixture(scope="module")
def run() -> RunMetrics:
    return measure(settings("cot", "self-consistency", "paper", rollouts=[2]), golden())


@pytest.fixture(scope="module")
def paper(run: RunMetrics) -> Metrics:
    return run.methods[PAPER]


def test_every_problem_is_in_every_denominator(run: RunMetrics, paper: Metrics) -> None:
    assert list(run.methods) == [COT, VOTE, PAPER]
    assert (run.problems, run.seeds) == (4, 1)
    assert [metrics.problems for metrics in run.methods.values()] == [4, 4, 4]
    assert paper.verdicts == {
        "right": 1,
        "wrong": 1,
        "no_answer": 0,
        "undecided": 1,
        "failed": 1,
    }


def test_accuracies_by_hand(run: RunMetrics, paper: Metrics) -> None:
    assert paper.selected == wilson(1, 4)  # sum-0
    assert paper.majority == wilson(2, 4)  # sum-0 and sum-1
    assert paper.weighted == wilson(1, 4)  # sum-0
    assert paper.oracle == wilson(2, 4)  # sum-0 and sum-1
    assert paper.first == wilson(1, 4)  # sum-1
    assert paper.selection_loss == wilson(1, 4)  # sum-1
    assert run.methods[COT].selected == wilson(2, 4)
    assert run.methods[COT].majority is None
    assert run.methods[VOTE].selected == wilson(3, 4)


def test_fix_and_break_count_refinements_not_problems(run: RunMetrics, paper: Metrics) -> None:
    # Of wrong answers: 0->1 right (sum-0), 1->2 undecided (sum-2). Of right ones: 1->2 right
    # (sum-0), 0->1 wrong and 0->2 without an answer (sum-1). The dummy was never refined.
    assert paper.refined == (2, 3)
    assert paper.fix is not None
    assert paper.breakage is not None
    assert paper.fix.value == 1 / 2
    assert paper.breakage.value == 2 / 3
    # No narrower than if all refinements were independent of each other
    assert paper.breakage.low <= wilson(2, 3).low
    assert paper.breakage.high >= wilson(2, 3).high
    assert run.methods[COT].fix is None


def test_cost_by_hand(paper: Metrics) -> None:
    # sum-3 failed before it had an attempt: no calls, no tokens
    assert paper.calls.mean == (11 + 11 + 9 + 0) / 4
    assert paper.calls.median == 10  # of 0, 9, 11, 11
    assert paper.tokens.mean == (1100 + 2200 + 550 + 0) / 4
    assert paper.tokens.p95 == pytest.approx(1100 + 0.85 * 1100)  # 2.85 steps from the lowest
    assert paper.tokens_per_solved == 3850
    assert paper.cost == cost(31, 3500, 350)
    assert paper.seconds is not None
    assert paper.seconds.mean == 3  # of the two that are known


def test_what_went_wrong_is_counted(run: RunMetrics, paper: Metrics) -> None:
    assert paper.truncated == 1  # sum-1 selected an answer that was cut off
    assert run.methods[COT].truncated == 1  # sum-3, which is right all the same
    assert (paper.failures, paper.stopped_early, paper.capped) == (1, 1, 0)


def test_the_judge_is_measured_against_the_truth(run: RunMetrics) -> None:
    # Mean rewards: sum-0 wrong 15, right 60, 80; sum-1 right 40, wrong 70, -20; sum-2 wrong 5, 5
    assert list(run.judges) == [PAPER]
    judge = run.judges[PAPER]
    assert sorted(judge.right) == [40, 60, 80]
    assert sorted(judge.wrong) == [-20, 5, 5, 15, 70]
    assert judge.answers == 8
    # Pooled: 40 beats four of five, 60 four, 80 five: 13 of 15
    assert judge.auc is not None
    assert judge.auc.value == pytest.approx(13 / 15)
    # Within: sum-0 wins 2 of 2, sum-1 1 of 2: 3 of 4
    assert judge.pairs == 4
    assert judge.pairwise is not None
    assert judge.pairwise.value == 0.75


def test_pass_at_k_of_the_samples(run: RunMetrics) -> None:
    found = run.pass_at_k["self-consistency"]
    assert sorted(found) == [1, 2]
    # Right of three: 2, 2, 0, 3
    assert found[1].chance.value == pytest.approx((2 / 3 + 2 / 3 + 0 + 1) / 4)
    assert found[2].chance.value == pytest.approx((1 + 1 + 0 + 1) / 4)
    # Chances vary less than coins do, so Wilson's interval for as many coins is wide enough
    assert found[2].chance == wilson(3, 4)


def test_methods_are_compared_in_pairs(run: RunMetrics) -> None:
    by_pair = {(c.first, c.second): c for c in run.comparisons}
    assert list(by_pair) == [(PAPER, VOTE), (PAPER, COT)]  # baselines not with each other
    against_cot = by_pair[PAPER, COT]
    assert (against_cot.only_first, against_cot.only_second) == (1, 2)
    assert against_cot.difference.value == -0.25
    assert against_cot.p == 1.0
    assert against_cot.finding == "exploratory"
    against_vote = by_pair[PAPER, VOTE]
    assert (against_vote.only_first, against_vote.only_second) == (0, 2)
    assert against_vote.p == 2 / 4
    assert (against_vote.finding, against_vote.corrected) == ("not shown", 2 / 4)


def test_levels_have_figures_of_their_own(run: RunMetrics) -> None:
    assert [(group.kind, group.name, group.problems) for group in run.groups] == [
        ("level", "1", 2),
        ("level", "2", 2),
    ]
    assert run.groups[0].selected[PAPER] == wilson(1, 2)
    assert run.groups[0].oracle[PAPER] == wilson(2, 2)
    assert run.groups[1].selected[PAPER] == wilson(0, 2)


def many(ours: str, theirs: str, count: int) -> list[Line]:
    return [
        line(
            number,
            {"cot": cot(theirs), "paper": method([attempt(ours)], [point("rollouts", 2, 1, 0)])},
        )
        for number in range(count)
    ]


def test_nothing_is_better_before_the_figures_show_it() -> None:
    # Five coins fall alike by luck, and the interval says so
    few = measure(settings("cot", "paper"), many("right", "wrong", 5)).comparisons[0]
    assert few.difference.holds(0)
    assert few.p == 2 / 32
    assert few.finding == "not shown"
    enough = measure(settings("cot", "paper"), many("right", "wrong", 6)).comparisons[0]
    assert enough.p == 2 / 64
    assert enough.finding == "better"
    worse = measure(settings("cot", "paper"), many("wrong", "right", 6)).comparisons[0]
    assert worse.finding == "worse"
    same = measure(settings("cot", "paper"), many("right", "right", 50)).comparisons[0]
    assert same.difference.holds(0)
    assert same.finding == "not shown"


def test_several_seeds_of_a_problem_are_one_cluster() -> None:
    lines = [
        line(number, {"cot": cot("right" if number < 5 else "wrong")}, seed=seed)
        for number in range(10)
        for seed in range(4)
    ]
    metrics = measure(settings("cot"), lines).methods[COT]
    assert metrics.problems == 40
    assert metrics.selected.value == 0.5
    # As wide as ten problems tell, not forty: the bootstrap's 0.2 to 0.8
    assert (metrics.selected.low, metrics.selected.high) == (
        pytest.approx(0.2),
        pytest.approx(0.8),
    )


def test_a_line_that_is_there_twice_counts_once() -> None:
    lines = golden()
    run = measure(settings("cot", "self-consistency", "paper"), [*lines, *lines])
    assert run.methods[PAPER].problems == 4


def test_a_baseline_at_the_tokens_of_a_search_is_compared_with_that_one() -> None:
    def at_tokens(verdict: str) -> MethodRecord:
        points = [point("tokens", 2, 1, 0, against=name) for name in ("paper", "tuned")]
        return method([attempt(verdict)], points)

    searched = method([attempt("right")], [point("rollouts", 2, 1, 0)])
    lines = [
        line(n, {"best-of-n": at_tokens("right"), "paper": searched, "tuned": searched})
        for n in range(3)
    ]
    run = measure(settings("best-of-n", "paper", "tuned"), lines)
    pairs = [(c.first.method, c.second.method, c.second.against) for c in run.comparisons]
    assert pairs == [
        ("paper", "best-of-n", "paper"),
        ("tuned", "best-of-n", "tuned"),
        ("paper", "tuned", None),
    ]
    assert [c.primary for c in run.comparisons] == [True, True, False]


def test_each_search_has_one_primary_comparison_and_all_of_them_hold_together() -> None:
    # "paper" is right on all ten problems, "tuned" on none; the vote on the last three
    def voted(number: int) -> MethodRecord:
        points = [
            point(budget, 2, 1, 0, against=name)
            for name in ("paper", "tuned")
            for budget in ("calls", "tokens")
        ]
        return method([attempt("wrong" if number < 7 else "right")], points)

    searched = {
        name: method([attempt(verdict)], [point("rollouts", 2, 1, 0)])
        for name, verdict in (("paper", "right"), ("tuned", "wrong"))
    }
    lines = [
        line(n, {"cot": cot("wrong"), "self-consistency": voted(n), **searched}) for n in range(10)
    ]
    run = measure(settings("cot", "self-consistency", "paper", "tuned"), lines)
    first, second, *others = run.comparisons
    assert (first.first.method, first.second.budget, first.second.against) == (
        *("paper", "tokens", "paper"),
    )
    assert (second.first.method, second.second.budget) == ("tuned", "tokens")
    assert not any(one.primary for one in others)
    # Seven gains of ten: exact p 2 / 128, twice for two questions; three losses: 2 / 8, twice
    assert (first.p, first.corrected, first.finding) == (2 / 128, 4 / 128, "better")
    assert (second.p, second.corrected, second.finding) == (2 / 8, 4 / 8, "not shown")
    assert second.difference.low < -0.3 < 0 < second.difference.high
    alone = measure(settings("cot"), lines, baseline="self-consistency").comparisons
    assert {one.first.method for one in alone if one.primary} == {"cot", "paper", "tuned"}


def test_without_a_search_nothing_is_asked_first() -> None:
    lines = [line(n, {"cot": cot("right"), "self-consistency": vote("wrong")}) for n in range(9)]
    [found] = measure(settings("cot", "self-consistency"), lines).comparisons
    assert (found.finding, found.corrected) == ("exploratory", found.p)


def test_a_method_that_always_failed_does_not_go_missing() -> None:
    failed = method([], [], error="draft: no connection")
    lines = [line(number, {"cot": cot("right"), "paper": failed}) for number in range(3)]
    run = measure(settings("cot", "paper", rollouts=[0, 2]), lines)
    assert run.methods[PAPER].verdicts["failed"] == 3
    assert run.methods[PAPER].selected == wilson(0, 3)
    assert run.comparisons[0].only_second == 3


def test_a_run_without_lines_has_no_figures() -> None:
    with pytest.raises(ConfigError, match="no finished problem"):
        measure(settings("cot"), [])


def test_a_problem_with_few_samples_does_not_count_as_not_right() -> None:
    # Right of drawn: 2 of 4, 4 of 4, and 1 of 1, which cannot tell pass@2
    drawn = [("right", "wrong", "right", "wrong"), ("right",) * 4, ("right",)]
    lines = [line(n, {"self-consistency": vote(*verdicts)}) for n, verdicts in enumerate(drawn)]
    found = measure(settings("self-consistency"), lines).pass_at_k["self-consistency"]
    assert {k: one.problems for k, one in found.items()} == {1: 3, 2: 2, 4: 2}
    assert found[1].chance.value == pytest.approx((2 / 4 + 1 + 1) / 3)
    assert found[2].chance.value == pytest.approx((5 / 6 + 1) / 2)
    # One on which the method returned nothing is not right
    lines.append(line(9, {"self-consistency": method([], [], error="refused")}))
    found = measure(settings("self-consistency"), lines).pass_at_k["self-consistency"]
    assert found[1].chance.value == pytest.approx((2 / 4 + 1 + 1 + 0) / 4)
    # One that the server refuses keeps the draft that could not be had
    refused = method([attempt("no_answer", text="", final_answer=None)], [], error="refused")
    lines[-1] = line(9, {"self-consistency": refused})
    found = measure(settings("self-consistency"), lines).pass_at_k["self-consistency"]
    assert {k: one.problems for k, one in found.items()} == {1: 4, 2: 3}
    assert found[2].chance.value == pytest.approx((5 / 6 + 1 + 0) / 3)


def test_all_are_compared_with_a_named_baseline(run: RunMetrics) -> None:
    found = measure(
        settings("cot", "self-consistency", "paper", rollouts=[2]), golden(), baseline="cot"
    )
    assert [(c.first, c.second) for c in found.comparisons] == [(VOTE, COT), (PAPER, COT)]
    assert found.comparisons[0].difference.value == 0.25
    with pytest.raises(ConfigError, match="baseline is 'best', allowed cot, self-consistency"):
        measure(settings("cot", "self-consistency"), golden(), baseline="best")


def test_confidence_is_measured_against_the_truth() -> None:
    searched = [
        method([attempt(verdict)], [point("rollouts", 2, 1, 0, confidence=sure)])
        for verdict, sure in (("right", 0.9), ("wrong", 0.9), ("right", 0.5), ("wrong", None))
    ]
    lines = [line(n, {"paper": one}) for n, one in enumerate(searched)]
    [found] = measure(settings("paper"), lines).calibrations.values()
    assert found.problems == 3
    assert found.confidence == pytest.approx(2.3 / 3)
    assert found.right == wilson(2, 3)
    assert found.error == pytest.approx((2 * 0.4 + 1 * 0.5) / 3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.25) / 3)


# --- Runs against each other ---


def answered(*verdicts: str, seed: int = 0) -> list[Line]:
    return [line(n, {"cot": cot(verdict)}, seed=seed) for n, verdict in enumerate(verdicts)]


def test_runs_are_compared_on_the_problems_that_they_share() -> None:
    first = answered("wrong", "wrong", "right", "wrong")
    second = answered("right", "right", "right")  # the fourth was not done
    [found] = compare_runs([("a", settings("cot"), first), ("b", settings("cot"), second)])
    assert (found.this, found.that) == ("b", "a")
    one = found.comparison
    assert (one.problems, one.left_out) == (3, ("sum-3",))
    assert one.difference.value == pytest.approx(2 / 3)
    assert (one.only_first, one.only_second, one.p) == (2, 0, 2 / 4)


def test_seeds_of_a_problem_are_taken_together_and_runs_corrected_as_one_family() -> None:
    first = answered(*["wrong"] * 8)
    second = answered(*["right"] * 8) + answered(*["wrong"] * 8, seed=1)
    third = answered(*["right"] * 8)
    runs = [("a", settings("cot"), first), ("b", settings("cot"), second)]
    runs.append(("c", settings("cot"), third))
    found = {one.this: one.comparison for one in compare_runs(runs)}
    assert found["b"].difference.value == 0.5  # the mean of its two seeds
    assert found["c"].difference.value == 1
    assert [one.p for one in found.values()] == [2 / 256] * 2
    assert found["c"].corrected == 4 / 256
    assert found["b"].corrected > 4 / 256  # half gains are less sure than whole ones
    assert {one.finding for one in found.values()} == {"better"}


def test_runs_with_nothing_in_common_are_not_compared() -> None:
    other = [line(1, {"cot": cot("right")}, gold="5")]
    runs = [("a", settings("cot"), answered("right")), ("b", settings("cot"), other)]
    with pytest.raises(ConfigError, match="'b' and 'a' have no method, budget and problem"):
        compare_runs(runs)
    with pytest.raises(ConfigError, match="1 run is given"):
        compare_runs(runs[:1])


def test_the_order_of_the_lines_changes_no_digit() -> None:
    verdicts = ["right"] * 3 + ["wrong"] * 4
    lines = [
        line(n, {"self-consistency": vote(*verdicts[n % 4 : n % 4 + 3]), "paper": searched})
        for n in range(40)
        for searched in [golden()[n % 3]["methods"]["paper"]]
    ]
    about = settings("self-consistency", "paper")
    assert repr(measure(about, lines)) == repr(measure(about, lines[::-1]))
