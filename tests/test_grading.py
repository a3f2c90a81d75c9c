r"""The grader: verdicts that a person gave, hostile texts, and what it starts and when."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.grading import main, measure, measure_peers
from mctsr_graph.benchmark import _worker_pool
from mctsr_graph.benchmark.grading import Grader, Verdict
from mctsr_graph.errors import MCTSrError, MissingExtraError
from mctsr_graph.text.equality import calculator
from mctsr_graph.text.equality.compare import compare
from mctsr_graph.text.equality.expressions import read_expression
from mctsr_graph.text.equality.reading import read_answer
from mctsr_graph.text.equality.units import read_unit

from .grading_pairs import DIFFERENT, EQUAL
from .grading_replies import NOT_RIGHT, RIGHT

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None,
    reason='math-verify is not installed: pip install "mctsr-graph[bench]"',
)
needs_mpmath = pytest.mark.skipif(
    importlib.util.find_spec("mpmath") is None,
    reason='mpmath is not installed: pip install "mctsr-graph[bench]"',
)
PAIRS = [
    *((gold, answer, True) for rows in EQUAL.values() for gold, answer in rows),
    *((gold, answer, False) for rows in DIFFERENT.values() for gold, answer in rows),
]
TEXTS = sorted({text for gold, answer, _ in PAIRS for text in (gold, answer)})
TOWER = "9^{9^{9^{9}}}"
DEADLINE = 10.0  # CPU seconds for what takes half of one at most, and else hours or all memory


def exactly(gold: str, answer: str) -> bool | None:
    return compare(read_answer(gold), read_answer(answer))


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader() as made:
        yield made


@needs_math_verify
@pytest.mark.parametrize("category", sorted(EQUAL))
def test_equal_answers_are_right(grader: Grader, category: str) -> None:
    others = [
        (gold, answer)
        for gold, answer in EQUAL[category]
        if grader.grade(rf"So it is $\boxed{{{answer}}}$.", gold) != Verdict.RIGHT
    ]
    assert others == []


@needs_math_verify
@pytest.mark.parametrize("category", sorted(set(EQUAL) - {"float", "equation", "multi-answer"}))
def test_equal_answers_are_equal_in_both_orders(grader: Grader, category: str) -> None:
    for gold, answer in EQUAL[category]:
        assert grader.equal(gold, answer) == Verdict.RIGHT, (gold, answer)
        assert grader.equal(answer, gold) == Verdict.RIGHT, (gold, answer)


@needs_math_verify
@pytest.mark.parametrize("category", sorted(DIFFERENT))
def test_different_answers_are_wrong_in_both_orders(grader: Grader, category: str) -> None:
    others = [
        (gold, answer)
        for gold, answer in DIFFERENT[category]
        if grader.grade(rf"So it is $\boxed{{{answer}}}$.", gold) != Verdict.WRONG
        or grader.equal(answer, gold) != Verdict.WRONG
    ]
    assert others == []


@needs_mpmath
def test_the_exact_forms_decide_nearly_all_and_never_falsely() -> None:
    results = [(exactly(gold, answer), equal) for gold, answer, equal in PAIRS]
    assert all(result in (None, equal) for result, equal in results)
    assert sum(result is None for result, _ in results) < 0.03 * len(PAIRS)


def test_without_mpmath_fewer_are_decided_and_none_falsely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculator, "_mpmath", lambda: None)
    results = [(exactly(gold, answer), equal) for gold, answer, equal in PAIRS]
    assert all(result in (None, equal) for result, equal in results)
    assert sum(result is None for result, _ in results) < 0.1 * len(PAIRS)


@needs_math_verify
def test_replies_that_state_the_reference_are_right(grader: Grader) -> None:
    verdicts = [(gold, reply, grader.grade(reply, gold)) for gold, reply in RIGHT]
    assert [row for row in verdicts if row[2] != Verdict.RIGHT] == []


@needs_math_verify
def test_replies_that_do_not_are_never_right(grader: Grader) -> None:
    verdicts = {reply: grader.grade(reply, gold) for gold, reply in NOT_RIGHT}
    assert Verdict.RIGHT not in verdicts.values()
    # What nobody reads may say anything
    undecided = [reply for reply in verdicts if verdicts[reply] == Verdict.UNDECIDED]
    assert undecided == [r"\boxed{__import__('os').system('x')}"]


@pytest.mark.parametrize("reply", [None, "", "  ", "I see 5 apples.", r"\boxed{5", r"\boxed{}"])
def test_a_reply_without_a_stated_answer_has_none(grader: Grader, reply: str | None) -> None:
    assert grader.grade(reply, "5") == Verdict.NO_ANSWER


@pytest.mark.parametrize("answer", [None, "", " \n"])
def test_no_final_answer_is_no_answer(grader: Grader, answer: str | None) -> None:
    assert grader.grade_answer(answer, "5") == Verdict.NO_ANSWER


@needs_math_verify
def test_the_shared_pairs_are_graded_as_a_person_does(test_data: Path) -> None:
    result = measure(test_data / "grading_pairs.jsonl")
    assert result["accuracy"] >= 0.97
    assert result["false_positives"] == 0


def test_every_reference_of_the_shared_problems_equals_itself(test_data: Path) -> None:
    golds = {
        json.loads(line)["answer"]
        for file in sorted((test_data / "problems").glob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
    }
    assert [gold for gold in golds if exactly(gold, f" {gold} ") is not True] == []


def test_the_benchmark_prints_one_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"gold": "5", "prediction_text": r"\boxed{5}", "equal": True, "category": "a"},
        {"gold": "5", "prediction_text": r"\boxed{6}", "equal": True, "category": "a"},
        {"gold": "5", "prediction_text": r"\boxed{5.0}", "equal": False, "category": "b"},
        {"gold": "5", "prediction_text": "5?", "equal": False, "category": "b"},
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    main([str(file)])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["accuracy"] == 0.5
    assert (result["false_positives"], result["false_negatives"], result["undecided"]) == (1, 1, 0)
    assert result["categories"] == {"a": [1, 2], "b": [1, 2]}


@needs_math_verify
def test_other_graders_are_measured_on_the_same_pairs(tmp_path: Path) -> None:
    rows = [
        {"gold": "5", "prediction_text": r"\boxed{5}", "equal": True},
        {"gold": "5", "prediction_text": r"\boxed{6}", "equal": False},
        {"gold": "5", "prediction_text": r"\boxed{7}", "equal": True},
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    found = measure_peers(file)
    assert set(found) == {"math-verify", "inspect_ai math()", "PRM800K (verl)"}
    ours = found["math-verify"]
    assert ours["accuracy"] == pytest.approx(2 / 3)
    assert (ours["false_positives"], ours["false_negatives"]) == (0, 1)
    for peer in found.values():
        assert "accuracy" in peer or "Error" in peer["missing"]


@needs_math_verify
@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("7", r"7 \circledast 2"),
        (r"a \bowtie b", r"b \bowtie a"),
        ("5", "5 @ home"),
        (r"\int f'", "3"),
    ],
)
def test_what_math_verify_does_not_read_is_undecided(
    grader: Grader, gold: str, answer: str
) -> None:
    assert grader.grade_answer(answer, gold) == Verdict.UNDECIDED


def test_simple_numbers_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker_pool.subprocess, "Popen", None)
    with Grader() as grader:
        verdicts = [grader.grade(rf"It is \boxed{{{n % 7}}}.", str(n % 5)) for n in range(1000)]
    assert verdicts.count(Verdict.RIGHT) == sum(n % 7 == n % 5 for n in range(1000))
    assert verdicts.count(Verdict.WRONG) == 1000 - verdicts.count(Verdict.RIGHT)


def test_the_extra_is_named_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text('print(\'{"missing": "No module named math_verify"}\')', "utf-8")
    monkeypatch.setattr(_worker_pool, "_PROGRAM", str(program))
    with Grader() as grader:
        assert grader.grade_answer("0.5", "1/2") == Verdict.RIGHT
        with pytest.raises(MissingExtraError, match=r'"math-verify>=.* .the extra "bench"'):
            grader.grade_answer(r"\int_0^1 x dx", "1/2")


def test_a_closed_grader_still_knows_the_exact_forms() -> None:
    grader = Grader()
    grader.close()
    assert grader.grade_answer("0.5", "1/2") == Verdict.RIGHT
    with pytest.raises(MCTSrError, match="closed"):
        grader.grade_answer(r"\int_0^1 x dx", "1/2")


@needs_math_verify
def test_several_threads_may_grade_at_once(grader: Grader) -> None:
    rows, before = PAIRS[::3], threading.active_count()
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda row: grader.grade_answer(row[1], row[0]), rows))
    assert [v == Verdict.RIGHT for v in verdicts] == [equal for _, _, equal in rows]
    assert threading.active_count() < before + 20


@needs_math_verify
def test_a_hostile_answer_is_not_right_and_ends_in_time() -> None:
    with Grader(seconds=1.0) as grader:
        grader.grade_answer(r"\int_0^1 x dx", "1/2")  # a first start takes longer
        for text in (r"\prod_{i=1}^{10^9} i", rf"\sin({TOWER})"):
            start = time.monotonic()
            assert grader.grade_answer(text, "5") in (Verdict.WRONG, Verdict.UNDECIDED)
            assert time.monotonic() - start < 20  # instead of for ever; 1 is usual


@pytest.mark.parametrize(
    "text",
    [
        TOWER,
        f"-{TOWER}",
        f"{TOWER} + 1",
        f"2 \\cdot {TOWER}",
        "10^{10^{10}}",
        "100000000!",
        "((9!)!)!",
        r"\binom{100000000}{50000000}",
        "9**9**9**9",
        "9" * 900,
        "(" * 300 + "6" + ")" * 300,
    ],
)
def test_what_is_too_large_to_write_is_wrong_at_once(grader: Grader, text: str) -> None:
    start = time.process_time()
    assert exactly("5", text) is False
    assert exactly(text, "5") is False
    assert time.process_time() - start < DEADLINE


LONG = {
    "brackets": "(" * 1999,
    "pairs of brackets": "[" * 1000 + "]" * 1000,
    "nested sets": "{{" * 500 + "1,2" + "}}" * 500,
    "fractions": r"\frac{" * 300 + "1" + "}{2}" * 300,
    "list": "1," * 999 + "1",
    "list of formulas": ",".join(f"x+{n}" for n in range(200)),
    "sum": "x^5 - x^4 + " * 160 + "1",
    "words": "a and " * 333,
    "relations": "x<" * 900,
    "signs": r"\pm" * 600,
    "numbers": "1,234 " * 300,
    "units": "5 km " * 400,
    "subscripts": "_{" * 900,
    "powers": "^{2" * 500 + "}" * 500,
    "dollars": "$" * 2000,
    "spaces": " " * 1999 + "x",
    "functions": r"\sin" * 400 + "x",
    "equations": "x=1;" * 400,
    "texts": r"\text{a} " * 200,
    "factorials": "100!" * 100,
    "digits": "9" * 1990,
    "minus signs": "-" * 1990 + "5",
    "a megabyte": "1" * 1_000_000,
}


@pytest.mark.parametrize("name", sorted(LONG))
def test_long_answers_are_compared_in_time(name: str) -> None:
    start = time.process_time()
    for gold in ("5", "x+1", r"\sqrt{2}", "1, 2", LONG[name]):
        exactly(gold, LONG[name])
        exactly(gold, LONG[name] + "x")
    assert time.process_time() - start < DEADLINE


@pytest.mark.parametrize("text", ["x+" * 140 + "x", "(" * 59 + "x" + ")" * 59, "2^" * 40 + "2"])
def test_deep_expressions_do_not_exhaust_the_stack(text: str) -> None:
    def deep(levels: int) -> bool | None:
        return deep(levels - 1) if levels else exactly(text, "y")

    room = sys.getrecursionlimit() - len(_frames())
    assert deep(max(0, min(300, room - 600))) in (None, False)


def _frames() -> list[str]:
    names = []
    frame = sys._getframe()
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return names


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_equals_itself_or_cannot_be_read(text: str) -> None:
    assert exactly(text, text) is True


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.integers(0, 30), st.integers(0, 30))
def test_pieces_of_answers_never_fail(a: str, b: str, i: int, j: int) -> None:
    first, second = a[:i] + b[j:], b[:j] + a[i:]
    forward, backward = exactly(first, second), exactly(second, first)
    assert forward in (True, False, None)
    assert {forward, backward} != {True, False} or "." in first + second or "," in first + second


@given(st.fractions(max_denominator=1000), st.fractions(max_denominator=1000))
def test_fractions_are_equal_exactly_if_they_are(a: object, b: object) -> None:
    assert exactly(str(a), str(b)) is (a == b)


@given(st.integers(-(10**30), 10**30))
def test_separators_do_not_change_a_number(number: int) -> None:
    assert exactly(str(number), f"{number:,}".replace(",", r"\,")) is True
    assert exactly(str(number + 1), f"{number}") is False


def test_an_expression_with_two_readings_has_none() -> None:
    for text in ("1/2x", "x2", "2 3", r"\sin(x)^2", "5'", r"2\frac{3}{2}", ""):
        assert read_expression(text) is None, text


def test_units_have_a_size_and_a_kind() -> None:
    km, m = read_unit("km"), read_unit("metres")
    assert km is not None
    assert m is not None
    assert km.measures == m.measures == (("length", 1),)
    assert km.factor == 1000 * m.factor
    speed = read_unit("miles per hour")
    assert speed is not None
    assert speed.measures == (("length", 1), ("time", -1))
    assert read_unit("times x") is None
