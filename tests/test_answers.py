r"""Tests of `mctsr_graph.text.final_answer`. The values in the tables were written by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mctsr_graph.text.final_answer import (
    answer_key,
    clean_text,
    extract_final_answer,
)
from mctsr_graph.text.thinking import strip_reasoning

from .growth import MOST, growth

# (text, the final answer it states)
EXTRACTION: list[tuple[str, str | None]] = [
    # Boxes.
    (r"So the sum is \boxed{42}.", "42"),
    (r"$$\boxed{\frac{1}{2}}$$", r"\frac{1}{2}"),
    (r"First \boxed{1}, then \boxed{2}. Done.", "2"),
    (r"\boxed{x = \sqrt{\frac{a}{b}}} where a > 0", r"x = \sqrt{\frac{a}{b}}"),
    (r"\fbox{7}", "7"),
    (r"The value is $\boxed 5$.", "5"),
    (r"Hence $\boxed -3$, as claimed", "-3"),
    (r"$\boxed \frac{3}{4}$", r"\frac{3}{4}"),
    (r"\boxed {9}", "9"),
    (r"\\boxed{11}", "11"),
    (r"\boxed{$12$}", "12"),
    (r"\boxed{\(x+1\)}", "x+1"),
    (r"\boxed{\text{Yes}}", "Yes"),
    (r"\boxed{\textbf{(B)}}", "(B)"),
    (r"\boxed{5 \text{ cm}}", r"5 \text{ cm}"),
    (r"\boxed{\$18.90}", r"\$18.90"),
    (r"\boxed{50\%}", r"50\%"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed{\left\{1,\frac12\right\}}", r"\left\{1,\frac12\right\}"),
    (r"\boxed{\{\}}", r"\{\}"),
    (r"\boxed{5\,}", "5"),
    (r"\boxed{x^*}", "x^*"),
    ("\\boxed{\n  8\n}", "8"),
    (r"\boxed{3} but then \boxed{}", "3"),
    (r"\boxed{3} and so \boxed{ $ $ }", "3"),
    (r"\boxed{\boxed{6}}", "6"),
    (r"\boxed{x = \boxed{6}}", "6"),
    (r"\boxed{3} and a box that was cut off: \boxed{4", "3"),
    (r"\boxed{1} The answer is 2.", "1"),
    (r"#### 1" + "\n" + r"\boxed{2}" + "\n#### 3", "2"),
    (r"\boxed{___}", None),
    (r"\boxed{...}", None),
    (r"Use the \boxed environment.", None),
    (r"\boxed{4", None),
    (r"\boxedfoo{4}", None),
    (r"\boxed{" + "x" * 5000 + "}", None),
    # GSM8K lines.
    ("She has 3 + 4 = 7 eggs.\n#### 7", "7"),
    ("#### 1,234", "1,234"),
    ("#### $18", "18"),
    ("####-5\n", "-5"),
    ("#### 5\n#### \n", "5"),
    ("#### 5 apples", "5 apples"),
    ("#### 12\r\nThat is all.", "12"),
    ("The answer is 4.\n#### 5", "5"),
    ("#### Step 1: set up\nThe answer is 42.", "42"),
    ("#### 1.\nSet up.\n\n#### 2.\nSolve. The answer is 42.", "42"),
    ("#### Final Answer: 42", "42"),
    ("##### 5", None),
    ("So 3 #### 5 is not a line of its own", None),
    ("#### Step 3: solve", None),
    # Sentences.
    ("The answer is **42**.", "42"),
    (r"The answer is $\frac{1}{2}$.", r"\frac{1}{2}"),
    (r"The final answer is: \(x=3\)", "x=3"),
    ("Final Answer: The final answer is $24$. I hope it is correct.", "24"),
    ("the ANSWER IS 3.14. Good.", "3.14"),
    ("So the answer is .5", ".5"),
    ("Answer: 7", "7"),
    ("**Answer:** 7", "7"),
    ("**Answer**: `7`", "7"),
    ("**Final answer (in dollars):** $18.50", "18.50"),
    ("The **answer** is __7__", "7"),
    ("The answer is $1,234.", "1,234"),
    ("The answer is $5$ apples.", "5 apples"),
    ("The answers are 1 and 2.", "1 and 2"),
    ("The answer is 5! = 120.", "5! = 120"),
    ("The answer is Yes! Well done.", "Yes"),
    ("Is it 4? The answer is 5? I think so.", "5"),
    ("The answer is $24$, which is even.", "24"),
    ("The answer is 24 because 4! = 24.", "24"),
    ("The answer is therefore 42.", "42"),
    ("The answer is (B).", "(B)"),
    (r"The answer is \text{(B)}.", "(B)"),
    ("The answer is 1.\nThe answer is 2.", "2"),
    ("The answer is 1.\nThe answer is ", "1"),
    ("The answer is 5, so the answer is", "5"),
    ("The final answer is 3. The answer is " + "very long " * 40, "3"),
    ("The answer is:\n\\[\n  x = 3\n\\]\nDone.", "x = 3"),
    ("The answer is\n$$\n7\n$$", "7"),
    ("**Final Answer**\n\n$42$", "42"),
    ("## Answer\n\n42", "42"),
    ("Answer:\nYes", "Yes"),
    ("Answer:\nFirst, we compute the sum.", None),
    ("Answer:\n1. Compute the sum.", None),
    ("Answer:\nSolution:\nwe compute", None),
    ("The answer is 3.\nBut the answer is not 3.", "3"),
    ("I checked that the answer is correct.", None),
    (r"The answer is \boxed{}", None),
    ("The answer is ...", None),
    ("The previous answer is 5.", None),
    # No statement: numbers alone are not answers.
    ("", None),
    ("We get 3 + 4 = 7.", None),
    ("7", None),
    # Thinking.
    (r"<think>\boxed{1}</think>\boxed{2}", "2"),
    (r"<think>\boxed{1}</think>I do not know.", None),
    (r"\boxed{1}</think>The answer is 3.", "3"),
    (r"\boxed{2}<think>or rather \boxed{1}", "2"),
    (r"<think>\boxed{1}", None),
]

# Pairs whose keys are equal.
EQUAL: list[tuple[str, str]] = [
    ("42", " 42\n"),
    ("42", "$42$"),
    ("42", "$$42$$"),
    ("42", r"\(42\)"),
    ("42", "42."),
    ("42", "42.0"),
    ("42", "42.00"),
    ("42", "+42"),
    ("42", "042"),
    ("42", "(42)"),
    ("42", "[42]"),
    ("42", "{42}"),
    ("42", "x = 42"),
    ("42", r"x_{1} = 42"),
    ("42", r"\theta=42"),
    ("42", r"\text{42}"),
    ("0", "-0"),
    ("0", "-0.00"),
    ("-5", "\u22125"),
    ("-5", "- 5"),
    ("1234", "1,234"),
    ("1234", "1{,}234"),
    ("1234", r"1\,234"),
    ("1234", r"1,\!234"),
    ("1234", "1 234"),
    ("1234", "1,234.00"),
    ("1234567", "1,234,567"),
    ("-1234", "-1,234"),
    ("1234", "x = 1,234"),
    (r"1234 \text{ cm}", r"1,234\text{cm}"),
    ("5", "$5"),
    ("5", r"\$5"),
    ("32348", r"\$32,\!348"),
    ("50%", r"50\%"),
    ("50%", r"50.0 \%"),
    ("30", r"30^\circ"),
    ("30", r"30^{\circ}"),
    ("30", "30\u00b0"),
    ("30", "30 degrees"),
    (".5", "0.5"),
    ("0.5", "1/2"),
    ("0.5", r"\frac{1}{2}"),
    ("0.5", r"\frac12"),
    ("0.5", r"\dfrac{1}{2}"),
    ("0.5", r"\tfrac 1 2"),
    ("0.5", r"\frac{2}{4}"),
    ("-0.5", r"-\frac{1}{2}"),
    ("-0.5", r"\frac{-1}{2}"),
    ("-0.5", r"\frac{1}{-2}"),
    (r"\frac{9}{19}", r"\frac9{19}"),
    ("137.5", r"137 \frac{1}{2}"),
    ("1.5", "1 1/2"),
    ("(0.5, 1)", r"\left( \frac{1}{2}, 1.0 \right)"),
    (r"\{1, 0.5\}", r"\left\{1,\frac12\right\}"),
    ("[-2, 7]", r"x \in [-2,7]"),
    (r"(2, \infty)", r"(2,+\infty)"),
    ("1, 2", "1,2"),
    ("1,234, 5", "1, 234, 5"),
    (r"6\sqrt{2}", r"6 \sqrt2"),
    ("n^{2}+1", "n^2 + 1"),
    ("4343_{6}", "4343_6"),
    (r"\frac{\pi}{4}", r"\pi / 4"),
    (r"-\frac{\pi}{4}", "-\u03c0/4"),
    (r"\frac{n}{2}", "n/2"),
    (r"k \geqslant 2", r"k \ge 2"),
    ("Yes", "yes"),
    ("Yes", r"\text{YES.}"),
    ("A", "(A)"),
    ("A", r"\text{(a)}"),
    ("no solution", r"\text{No solution}"),
    (r"\mathrm{e}", "e"),
    (r"x\!+\;y~+\quad z", "x+y+z"),
    ("x=1, x=2", "x = 1,x = 2"),
]

# Pairs whose keys differ.
UNEQUAL: list[tuple[str, str]] = [
    ("1", "2"),
    ("5", "-5"),
    ("1234", "(1,234)"),
    ("1234", "1, 234"),
    ("1234", "$1$,$234$"),
    ("1234", "1,2,3,4"),
    ("12", "1, 2"),
    ("12", "1 2"),
    ("12", "1,2"),
    ("123", "0,123"),
    ("1.2", "1,2"),
    ("314", "3{,}14"),
    ("352146362145", "352146,362145"),
    ("11/2", "1 1/2"),
    ("0.33", "1/3"),
    ("0.3333333333", r"\frac13"),
    ("50", "50%"),
    ("5 cm", "5 m"),
    ("1/0", "0"),
    ("1/0", "2/0"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    (r"2\frac{3}{2}", r"3\frac{1}{2}"),
    ("[1, 2]", "(1, 2)"),
    ("(1, 2)", "(2, 1)"),
    ("(1, 2)", "1, 2"),
    (r"\sqrt{2}", "2"),
    (r"\sqrt{12}", r"\sqrt{1}2"),
    ("x^2", "x^3"),
    ("x^{12}", "x^12y"),
    ("x+1", "x-1"),
    ("x=1, x=2", "1, 2"),
    ("f(x)=2", "2"),
    ("n", "n+1"),
    ("A", "B"),
    ("yes", "no"),
    ("2n", "2N"),
    (r"\pi", "3.14"),
    (r"\pi/4", r"\pi/2"),
    ("5!", "5"),
    ("4343_6", "4343_7"),
    (r"\leftarrow", "arrow"),
    (r"\{1\}", "2"),
    ("", "0"),
    ("9" * 100, "9" * 99 + "8"),
    ("9" * 150, "9" * 149 + "8"),
    ("9" * 500, "9" * 499 + "8"),
    ("0." + "0" * 50 + "1", "0"),
    ("10^{10}", "10^{100}"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \end{pmatrix}"),
    ("2e", "2"),
]

HOSTILE: list[str] = [
    "\\boxed{" * 30000,
    "\\boxed{}" * 25000,
    "\\boxed{.}" * 22000,
    "\\boxed " * 28000,
    "\\boxed 5 " * 22000,
    "\\\\boxed" * 28000,
    "\\boxed{" + "{" * 100000 + "}" * 100000,
    "\\boxed{" + " .,\\" * 40000 + "}",
    "{" * 200000,
    "}" * 200000,
    "(" * 100000 + ")" * 100000,
    "(" * 190 + "5" + ")" * 190,
    "$" * 200000,
    "\\" * 200000,
    "*" * 200000,
    " " * 200000,
    "x" + " " * 199998 + "x",
    "\n" * 200000,
    "\r\n" * 100000,
    "\0" * 200000,
    "\ud800" * 200000,
    "1" * 200000,
    "1," * 100000,
    "#" * 200000,
    "####" + " " * 199990,
    "#### \n" * 33000,
    "#### 1.\n" * 25000,
    "the answer is " * 15000,
    "the answer is .\n" * 12000,
    "The answer is " + " which" * 33000,
    "the " * 50000,
    "final " * 33000,
    "answer " * 28000,
    "answer:\n$ " * 20000,
    "Answer: " + "*" * 199990,
    ("Answer: " + "a." * 190 + "\n") * 500,
    ("Answer: " + " " * 390 + "\n") * 500,
    ("Answer: " + "${" * 190 + "\n") * 500,
    "<think>" * 28000,
    "</think>" * 25000,
    "<think></think>" * 13000,
    "\\frac" * 40000,
    "\\text{" * 33000,
    "1/" * 100000,
]

FUNCTIONS: list[Callable[[str], str | None]] = [
    strip_reasoning,
    clean_text,
    extract_final_answer,
    answer_key,
]

# Text made of the pieces that the functions look for reaches far more of them than plain text.
PIECES = [
    *("\\boxed{", "\\boxed ", "\\fbox{", "{", "}", "(", ")", "[", "]", "\\(", "\\)", "\\[", "\\]"),
    *("$", "\\$", "\\", "\\\\", "\\,", "\\!", "\\;", "~", "\\quad", " ", "\n", "\r\n", "\t"),
    *("\\frac", "\\dfrac", "\\sqrt", "\\text{", "\\mathrm{", "\\left", "\\right", "\\{", "\\}"),
    *("1", "2", "12", "234", "0", "3.0", ".5", "1,234", ",", ".", ";", "/", "-", "+", "=", "%"),
    *("\\%", "^", "^\\circ", "^{\\circ}", "_", "x", "A", "Yes", "x = ", "\\in", "\\pi", "{,}"),
    *("\u2212", "\u00b0", "\u03c0", "\u00a0", "\u0130", "\ufb01", "**", "`", "!", ":", "#### "),
    *("The answer is ", "Answer:", "Final answer: ", "not ", "<think>", "</think>"),
]
ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=60),  # st.characters() includes lone surrogates
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
)
MARGIN = st.text(alphabet=" \t\n$", max_size=5)


@pytest.mark.parametrize(("text", "expected"), EXTRACTION)
def test_extract_final_answer(text: str, expected: str | None) -> None:
    assert extract_final_answer(text) == expected


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_answers_have_equal_keys(left: str, right: str) -> None:
    assert answer_key(left) == answer_key(right)


@pytest.mark.parametrize(("left", "right"), UNEQUAL)
def test_different_answers_have_different_keys(left: str, right: str) -> None:
    assert answer_key(left) != answer_key(right)


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("1,234", "1234"),
        ("(1,234)", "(1, 234)"),
        ("0.50", "1/2"),
        (r"50\%", "50%"),
        ("-0", "0"),
        ("(A)", "a"),
        ("  ", ""),
    ],
)
def test_the_key_itself(answer: str, key: str) -> None:
    assert answer_key(answer) == key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("  <think>a</think> b ", "b"),
        ("a</THINK>b", "b"),
        ("<think>a</think>b</think>c", "c"),
        ("<think>a</think>b<Think>c", "b"),
        ("<think>a", ""),
        ("a<think>b<think>c", "a"),
        ("<think>a</think>", ""),
        ("</thin\u212a>b", "</thin\u212a>b"),
    ],
)
def test_strip_reasoning(text: str, expected: str) -> None:
    assert strip_reasoning(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain \u00e9 \U0001f600 \ufeff", "plain \u00e9 \U0001f600 \ufeff"),
        ("a\0b\0", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("a\ud83d", "a\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ud83d\0\ude00", "\U0001f600"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_clean_text(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@given(ANY_TEXT)
@settings(deadline=None)
def test_clean_text_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert "\0" not in cleaned
    assert clean_text(cleaned) == cleaned


@given(ANY_TEXT)
@settings(deadline=None, max_examples=300)
def test_an_extracted_answer_is_taken_from_the_text(text: str) -> None:
    answer = extract_final_answer(text)
    if answer is not None:
        assert answer
        assert answer == answer.strip()
        left, said = iter(text), answer.replace(", ", "")  # which stands between boxes of a list
        assert all(c in left for c in said)  # its characters occur in the text, in this order


@given(ANY_TEXT)
@settings(deadline=None, max_examples=300)
def test_the_key_of_a_key_is_that_key(text: str) -> None:
    key = answer_key(text)
    assert answer_key(key) == key


@given(MARGIN, ANY_TEXT, MARGIN)
@settings(deadline=None, max_examples=300)
def test_margins_do_not_change_a_key(before: str, text: str, after: str) -> None:
    assert answer_key(before + text + after) == answer_key(text)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
@settings(deadline=None)
def test_ways_to_write_a_number_share_a_key(number: int, divisor: int) -> None:
    assert answer_key(f"{number:,}") == answer_key(f"x = {number}.0") == str(number)
    assert answer_key(f"{number}/{divisor}") == answer_key(rf"\dfrac{{{number}}}{{{divisor}}}")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:14]!a}-{len(text)}")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_hostile_text_costs_as_much_as_it_is_long(
    function: Callable[[str], str | None], text: str
) -> None:
    assert growth(function, text) <= MOST


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:14]!a}-{len(text)}")
def test_so_does_one_that_is_short_enough_to_be_rewritten(text: str) -> None:
    def many_keys(short: str) -> None:
        for _ in range(100):  # one alone is too short for the clock
            answer_key(short)

    assert growth(many_keys, text[:400]) <= MOST


def _gold_answers() -> list[str]:
    folder = os.environ.get("MCTSR_TEST_DATA")
    if not folder:
        pytest.skip("MCTSR_TEST_DATA names no folder with problems/*.jsonl")
    files = sorted(Path(folder, "problems").glob("*.jsonl"))
    if not files:
        pytest.skip(f"MCTSR_TEST_DATA: no problems/*.jsonl in {folder}")
    lines = (line for file in files for line in file.read_text("utf-8").splitlines() if line)
    return [str(json.loads(line).get("answer") or "") for line in lines]


def _braces_balance(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        if character in "{}" and text[position - 1 : position] != "\\":
            depth += 1 if character == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def test_gold_answers_can_be_boxed_and_read_back() -> None:
    golds = [gold for gold in _gold_answers() if gold.strip() and _braces_balance(gold)]
    assert golds
    for gold in golds:
        answer = extract_final_answer("Work... \\boxed{" + gold + "}")
        assert answer is not None, gold
        assert answer_key(answer) == answer_key(gold), gold
