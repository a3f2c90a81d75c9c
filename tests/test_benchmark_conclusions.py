"""What a report says was found: sentences whose figures were computed by hand."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("numpy")
pytest.importorskip("rich")

from rich.console import Console

from mctsr_graph.benchmark.metrics import RunMetrics, measure
from mctsr_graph.benchmark.records import Line, MethodRecord
from mctsr_graph.benchmark.report.conclusions import conclusions, how_sure
from mctsr_graph.benchmark.report.terminal import terminal
from mctsr_graph.cli.streams import fitting

from .benchmark_lines import attempt, cost, cot, line, method, point, settings


def voted(verdict: str, *searches: str) -> MethodRecord:
    points = [
        point(budget, 8, 1, 0, against=name, cost=cost(12, 900, 100))
        for name in searches
        for budget in ("calls", "tokens")
    ]
    return method([attempt(verdict)], points)


def searched(verdict: str, **more: float) -> MethodRecord:
    return method([attempt(verdict)], [point("calls", 8, 1, 0, cost=cost(35, 900, 110), **more)])


def measured(ours: str, theirs: str, *searches: str) -> RunMetrics:
    """A run of problems that the search and the vote got right (1) or wrong (0)."""
    names = searches or ("tuned",)
    verdicts = {"1": "right", "0": "wrong"}
    lines = [
        line(
            number,
            {
                "cot": cot("wrong"),
                "self-consistency": voted(verdicts[b], *names),
                **{name: searched(verdicts[a]) for name in names},
            },
        )
        for number, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]
    return measure(settings("cot", "self-consistency", *names, rollouts=[8]), lines)


def said(run: RunMetrics, about: str) -> list[str]:
    return [f"{one.sign} {one.text}" for one in conclusions(run) if one.about == about]


def test_the_first_sentence_is_the_comparison_at_equal_tokens() -> None:
    # 21 of 24 right on both sides, three times each the other was not. Each of the bootstrap's
    # draws has a spread of sqrt(6) / 24 = 0.102, the widest of them 5 / 24 = 0.208. A difference
    # d is d of the problems at least: (1.96 sqrt d + .8416 sqrt(d - d d))^2 = 24 d d has d = 0.295
    run = measured("1" * 18 + "111000", "1" * 18 + "000111")
    assert said(run, "finding") == [
        "○ At equal tokens tuned is not shown to beat self-consistency: "
        "0.0 points (−20.8 to +20.8); with 24 problems a difference of 30 points would show."
    ]
    assert conclusions(run)[0].about == "finding"
    right = "87.5 % (69.0 to 95.7) for 1\u202f0"
    assert said(run, "cost") == [
        f"· tuned was right on {right}10 tokens and 35.0 calls a problem, "
        f"self-consistency on {right}00 tokens and 12.0 calls a problem."
    ]
    assert how_sure(run) == (
        "One comparison is primary; its interval holds with 95 %. The other 2 are exploratory."
    )


def test_accuracies_of_unequal_numbers_of_problems_say_so() -> None:
    # The second search has a call that told no tokens, so that its vote knows no equal tokens
    vote, search = voted("right", "tuned"), searched("right")
    untold = {**cost(35, 900, 110), "unmetered_calls": 1}
    silent = method([attempt("wrong")], [point("calls", 8, 1, 0, cost=untold)])
    lines = [
        line(n, {"self-consistency": vote, "tuned": one}) for n, one in [(1, search), (2, silent)]
    ]
    ours, warning = said(
        measure(settings("self-consistency", "tuned", rollouts=[8]), lines), "cost"
    )
    assert "tuned was right on 50.0 % (9.5 to 90.5) of 2 problems for" in ours
    assert "self-consistency on 100.0 % (20.7 to 100.0) of 1 problem for" in ours
    assert warning == "! 1 problem tells no tokens, and is left out of that comparison."


def test_what_is_shown_is_said_with_its_sign() -> None:
    better, worse = measured("1" * 12, "0" * 12), measured("0" * 12, "1" * 12)
    [one], [other] = said(better, "finding"), said(worse, "finding")
    assert one.startswith("▲ At equal tokens tuned beats self-consistency: +100.0 points (+")
    assert one.endswith(" on 12 problems.")
    assert other.startswith("▼ At equal tokens tuned loses to self-consistency: −100.0 points (−")


def test_a_sentence_never_contradicts_its_interval() -> None:
    for gains in range(13):
        run = measured("1" * gains + "0" * (12 - gains), "0" * 12, "paper", "tuned")
        for one in run.comparisons:
            if one.primary:
                assert (one.finding == "not shown") == one.difference.holds(0)
                assert (one.finding == "not shown") == (one.corrected >= 0.05)


def test_a_run_without_a_search_says_that_nothing_was_asked_first() -> None:
    alone = measure(settings("cot"), [line(0, {"cot": cot("right")})])
    assert said(alone, "finding") == ["· Nothing was compared: the run has one method only."]
    lines = [line(n, {"cot": cot("right"), "self-refine": cot("wrong")}) for n in range(3)]
    run = measure(settings("cot", "self-refine"), lines)
    [text] = said(run, "finding")
    assert text.endswith("no baseline is named, so that its 1 comparison is exploratory.")
    named = measure(settings("cot", "self-refine"), lines, baseline="cot")
    [text] = said(named, "finding")
    assert text.startswith("○ At unequal cost one-turn self-refine is not shown to beat")
    assert text.endswith("; with 3 problems no difference would show.")


def test_confidence_and_lost_answers_are_told() -> None:
    lines: list[Line] = []
    for number in range(20):
        right = number < 8
        tree = [attempt("right" if right else "wrong"), attempt("right")]
        lines.append(
            line(number, {"tuned": method(tree, [point("calls", 8, 2, 0, confidence=0.9)])})
        )
    run = measure(settings("tuned", rollouts=[8]), lines)
    assert said(run, "confidence") == [
        "· tuned was 90 % sure on average, and right on 40.0 % (21.9 to 61.3): it was too sure."
    ]
    assert said(run, "choice") == [
        "· tuned had a right answer in its tree and returned another in 12 of 20 searches."
    ]


# ----------------------------------------------------------------------------------- terminal


def shown(run: RunMetrics, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    for part in terminal(run, width):
        console.print(part)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_terminal_of_80_columns_shows_the_conclusion_first_and_whole_names() -> None:
    run = measured("1" * 18 + "111000", "1" * 18 + "000111", "tuned", "official")
    lines = shown(run, 80)
    assert lines[1].startswith("○ At equal tokens tuned is not shown to beat self-consistency")
    assert max(len(one.rstrip()) for one in lines) <= 80
    rows = [one for one in lines if one.lstrip().startswith("self-consistency, equal tokens")]
    assert len(rows) == 6  # right answers, differences and verdicts, of two searches
    assert "87.5 (69.0 to 95.7)" in rows[0]


def test_signs_are_told_apart_in_every_encoding() -> None:
    for encoding in ("ascii", "cp1252", "latin-1"):
        signs = [fitting(sign, encoding) for sign in "✓✗–?!▲▼○·"]
        assert len(set(signs)) == len(signs)
    assert fitting("−18.5", "cp1252") == "-18.5"
