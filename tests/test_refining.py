"""Does refining pay? Counted where answers are known, believed where they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, Prior, ScriptedChatModel, solve
from mctsr_graph.benchmark.metrics import RunMetrics, measure
from mctsr_graph.benchmark.records import Line
from mctsr_graph.benchmark.refining import told
from mctsr_graph.benchmark.report.conclusions import conclusions
from mctsr_graph.benchmark.report.tables import facts
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies.tuned import refining as believed

from .benchmark_lines import PAPER, attempt, line, method, point, settings


def solved(number: int, refinements: list[str], drafts: list[str]) -> Line:
    """A problem whose first answer is wrong, is refined so often, and was drafted anew."""
    tree = [attempt("wrong"), *(attempt(verdict, parent=0) for verdict in refinements)]
    votes = [attempt(verdict) for verdict in drafts]
    methods = {"paper": method(tree, [point("rollouts", 2, len(tree), 0)])}
    if drafts:
        methods["self-consistency"] = method(votes, [point("calls", 2, len(votes), 0)])
    return line(number, methods)


def measured(*lines: Line) -> RunMetrics:
    methods = ["paper", "self-consistency"]
    return measure(settings(methods=methods, rollouts=[2]), list(lines))


def test_refinements_are_counted_beside_fresh_drafts_of_the_same_problems() -> None:
    run = measured(
        solved(1, ["wrong", "right", "wrong", "wrong"], ["wrong", "right", "right", "wrong"]),
        solved(2, ["wrong"], ["wrong", "wrong", "wrong"]),
        solved(3, [], ["right", "right", "right"]),  # nothing was refined: it does not count
    )
    one = run.refining[PAPER]
    assert (one.refinements, one.mended.value) == (5, 0.2)
    # Without each first draft: 2 of 3 right where four refinements are, 0 of 2 where one is
    assert one.fresh is not None
    assert (one.drafts, one.fresh.value) == (5, pytest.approx(4 * (2 / 3) / 5))
    [sentence] = told(run.refining)
    assert sentence.startswith("paper: of 5 refinements of wrong answers 20.0 % (")
    assert "of 5 fresh drafts of the same problems 53.3 % (" in sentence
    assert sentence.endswith(
        "no difference is shown (5 refinements seen; at least 30 needed to tell)"
    )


@pytest.mark.parametrize(
    ("refined", "drafts", "finding"),
    [
        (["wrong"], ["wrong", "right", "right", "right"], "a fresh draft is better"),
        (["right"], ["wrong", "wrong", "wrong", "wrong"], "refining pays"),
    ],
)
def test_enough_refinements_tell(refined: list[str], drafts: list[str], finding: str) -> None:
    run = measured(*(solved(number, refined, drafts) for number in range(40)))
    [sentence] = told(run.refining)
    assert sentence.endswith(f": {finding}")


def test_without_fresh_drafts_there_is_nothing_to_compare_with() -> None:
    [sentence] = told(measured(solved(1, ["right"], [])).refining)
    assert "100.0 % (" in sentence
    assert "no method drew fresh drafts" in sentence


def test_the_report_says_so() -> None:
    run = measured(solved(1, ["wrong"], ["wrong", "right"]))
    [said] = [one.text for one in conclusions(run) if one.about == "refining"]
    assert said.startswith("paper: of 1 refinements of wrong answers")


def test_the_report_says_how_a_method_was_run() -> None:
    votes = method([attempt("right")], [point("calls", 2, 1, 0)], note="confidence: in words")
    run = measure(settings(methods=["cisc"], rollouts=[2]), [line(1, {"cisc": votes})])
    assert ("Method cisc", "confidence: in words") in facts(run)


def prior(**weights: tuple[float, ...]) -> Prior:
    return replace(Prior(), **weights)


def test_what_is_believed_of_refining_is_mends_against_skill() -> None:
    # Half of it mends 0.3 of the skill, half 1.0; the skill is 0.2 or 0.6
    halves = prior(refining=(0, 0.5, 0, 0, 0.5, 0), skill=(0, 0, 0.5, 0, 0.5, 0, 0))
    belief = believed.refining_of(halves, 12)
    assert belief == {
        "mended": pytest.approx(0.65 * 0.4),
        "fresh": pytest.approx(0.4),
        "share": pytest.approx(0.65),
        "low": 0.3,
        "high": 1.0,
        "seen": 12,
    }
    assert believed.told(belief) == (
        "believed, without the truth: a refinement of a wrong answer is right 0.65 (0.3 to 1) "
        "times as often as a fresh draft (12 refinements seen; at least 30 needed to tell)"
    )
    assert believed.told({**belief, "seen": 30}).endswith("as a fresh draft")


def always(final: int, refined: int) -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> Any:
        if call.role == "evaluate":
            return "Score: 0"
        return f"Try {call.rollout}. \\boxed{{{refined if call.role == 'refine' else final}}}"

    return ScriptedChatModel(replies=reply)


def test_a_choice_says_what_is_believed_of_refining() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=6)
    found = solve("What is 2 + 3?", always(5, 5), context=context)
    assert found.choice is not None
    assert found.choice["refining"]["seen"] == 6
    unrefined = solve(
        "What is 2 + 3?", always(5, 5), context=MCTSrContext(profile="paper", max_calls=2)
    )
    assert unrefined.choice is not None
    assert unrefined.choice["refining"]["seen"] == 0
    usual = believed.refining_of(Prior(), 0)
    assert unrefined.choice["refining"]["share"] == pytest.approx(usual["share"], abs=1e-6)
