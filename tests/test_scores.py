"""Tests of the score reader: catalogue of reply forms, real replies, hostile and random text."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.judge_replies import main, measure
from mctsr_graph.errors import ScoreError
from mctsr_graph.text.score import last_number_after_score, parse_score

from .growth import MOST, growth

# Bad and good outputs of judges: reply and score, or the code of the error.
CATALOGUE: list[tuple[str, float | str]] = [
    ("[Analyst] fine. [Score] 40", 40),
    ("[Score] -40", -40),
    ("[Score] \u221240", -40),
    ("Score: - 40", -40),
    ("Score: 37.5", 37.5),
    ("Score: 85/100", 85),
    ("Score: 85 out of 100", 85),
    ("Score: 85%", 85),
    ("Score (from -100 to +100): 20", 20),
    ("[Score] 20 on a scale of [-100, 100]", 20),
    ("**Score:** **20**", 20),
    ("Score: \\boxed{20}", 20),
    ('{"score": 20}', 20),
    ("```\nScore: 20\n```", 20),
    ("[Score]\n20", 20),
    ("Score: \uff18\uff10", 80),
    ("Score: \u0668\u0660", 80),
    ("Score: 1,000", "out_of_range"),
    ("Score: 1000", "out_of_range"),
    ("Score: -250", "out_of_range"),
    ("Score: 1e309", "not_finite"),
    ("Score: 1e2", 100),
    ("Score: NaN", "not_finite"),
    ("Score: inf", "not_finite"),
    ("Score: eighty", 80),
    ("Score: -1/2", "other_scale"),
    ("Score: 8/10", "other_scale"),
    ("Score: 40 ... So Score: 40", 40),
    ("Score: 40. Revised Score: 60", 60),  # a revised score overrides, as in the real replies
    ("The answer is correct.", "missing"),
    ("I deduct 30 points for the error.", "missing"),
    ("-35", -35),
    ("There are 3 errors and 12 steps.", "missing"),
    ("", "empty"),
    ("I'm sorry, I can't help with that.", "missing"),
    ("<think>Score: 100 maybe? no.</think>\n[Score] 10", 10),
    ("Score: 100? no.</think>\nScore: 10", 10),
    ("<think>Let me see Score: 90", "truncated_reasoning"),
    ("[Analyst] bad ... [Score]", "missing"),
    ("[Score] 20\nNote: problem from AIME 2024", 20),
    ("The answer claims 'Score: 100' but is wrong. [Score] -80", -80),
    ("\u5f97\u5206\uff1a80", 80),
    ("SCORE = 55", 55),
    ("I would give a score of 55", 55),
    ("Score: 50 " * 2000, 50),
    ("Score: " + "9" * 100000, "not_finite"),
    ("x" * 300000, "missing"),
]

# Replies as other judges write them, with the reading of a person.
REPLIES: list[tuple[str, float | str]] = [
    ("Score: -40", -40),
    ("**Score**: -40/100", -40),
    ("Final score: 35 points", 35),
    ("I'd rate this 40", 40),
    ("Grade: 70/100", 70),
    ("### Final Score: **-15**", -15),
    ("[Score] +75...\n\nThe proof is short but sound.", 75),
    ("[Score]: -20.\n", -20),
    ("**[Score]** -33", -33),
    ("[Score]...\u221272...", -72),
    ("[Score]\n\n**-60**\n\nReasons: 1. wrong sum, 2. no proof.", -60),
    ("[Score] 85 \u2014 only the formatting is weak.", 85),
    ("Score \u2014 40/100", 40),
    ("Overall, I would assign this answer a score of -55 because step 3 is false.", -55),
    ("This response deserves a -90.", -90),
    ("I'd give it 40 points out of 100.", 40),
    ("I'll give this solution a 15.", 15),
    ("The solution earns 65 points.", 65),
    ("This answer scores 30/100.", 30),
    ("I would rate the answer at -25 out of 100.", -25),
    ("a score of negative 20 is warranted", -20),
    ("Score: minus 45", -45),
    ("Score: approximately 30", 30),
    ("The score I give to this answer is:\n\n-65", -65),
    ("Therefore the score is **-10**.", -10),
    ("<score>-20</score>", -20),
    ("<final_score>12.5</final_score>", 12.5),
    ('```json\n{"analysis": "Step 2 of 5 is wrong", "score": -35}\n```', -35),
    ('{"final_score": "60", "errors": 3}', 60),
    ("{'score': 7}", 7),
    ("| Criterion | Points |\n|---|---|\n| Logic | 40 |\n| **Score** | **-20** |", -20),
    ("Score: $-20$", -20),
    ("The score is \\(\\boxed{-74}\\).", -74),
    ("\\text{Score} = 45", 45),
    ("**Final Score:** \\(\\frac{85}{100}\\)", 85),
    ("[Score] 100\n\nFinal answer: \\boxed{156}", 100),
    ("[Score] -20\n\nThe correct value is 57, found in 3 steps.", -20),
    ("[-85]", -85),
    ("A weak answer without any proof. [-85]", -85),
    ("Clearly wrong, as shown in [1].", "missing"),
    ("The score lies between -100 and +100. Mine: see above.", "missing"),
    ("I judge on a range of -100 to 100.\nScore: 5", 5),
    ("The score should be in the +60 to +74 range.", "missing"),
    ("Score: 60-74", "ambiguous"),
    ("Score: 40 to 50", "ambiguous"),
    ("[Score] +60 to +74\n\nSettling on one value: [Score] 66", 66),
    ("Initial score: 80\nDeductions: -30\nFinal score: 50", 50),
    ("Overall score: 85. To be harsh, revised score: 80.", 80),
    ("Score: 40\nOn reflection that is too kind.\nScore: 20", 20),
    ("Answer A\nScore: 40\nAnswer B\nScore: 20", "ambiguous"),
    ("Clarity: 60/100\nRigor: 20/100\nOverall: 35/100", 35),
    ("Clarity score: 60\nRigor score: 20\nFinal score: 35", 35),
    ("Clarity score: 60\nRigor score: 20", "ambiguous"),
    ("Correctness: 8/10\nStyle: 3/10\n[Score] -12", -12),
    ("Score: 100 - 20 - 10 - 5 = 65", 65),
    ("Score = -10 - 10 - 5 = -25", -25),
    ("Final score = 0.5 * 40 + 0.5 * 60 = 50", 50),
    ("Total score: Logic (20) + Style (15) + Proof (10) = 45", 45),
    ("Score: 100 - 20 (clarity) - 5 (format) = 75 points", 75),
    ("Score: 90 - 10", "ambiguous"),
    ("Score - 40", "ambiguous"),
    ("Score: -20 because the step x = 5 is wrong, so y = 7", -20),
    ("A perfect score would be 100. I give a score of 55.", 55),
    ("This does not deserve a score of 100.", "missing"),
    ("The maximum score is 100 and the minimum score is -100.", "missing"),
    ("Score: 7 on a scale of 1 to 10", "other_scale"),
    ("On a scale of 1-10, I'd rate this a 7.", "other_scale"),
    ("Score (out of 10): 8", "other_scale"),
    ("Score (out of 100): 85", 85),
    ("Rating: 4 stars", "other_scale"),
    ("Score: N/A", "missing"),
    ("The following lowers the score: 3 errors and 2 gaps.", "missing"),
    ("Points that lower the score:\n1. No proof.\n2. No units.", "missing"),
    ("Each of the 40 players receives 9 points.", "missing"),
    ("```python\nscore = 90\nprint(score)\n```\nThe code is wrong.\n[Score] -90", -90),
    ("```python\nscore = 90\n```", "empty"),
    ('It ends with "Final score: 100". I ignore that.\nScore: -70', -70),
    ("> Score: 100\n\nThe line above is the author's.\n\nScore: -70", -70),
    ("Score: -70\n\nI ignore the line 'Score: 100' in it.", -70),
    ("The student writes: Score: 100.", "missing"),
    ("Score: 100\n[Analyst] The line above is part of the answer.\n[Score] -95", -95),
    ("<thinking>a score of 90?</thinking>I would give a score of 5.", 5),
    ("<think>Nothing else</think>", "empty"),
    ("The proof fails at once.\n\n-80", -80),
    ("80/100", 80),
    ("Score:\u00a0\u200b40", 40),
    ("\uff33\uff43\uff4f\uff52\uff45\uff1a\uff0d\uff14\uff10", -40),
    ("Verdict: -5", -5),
    ("Total points: 35", 35),
    ("The final score, all gaps considered, is -35.", -35),
    ("[Score]\n- 40", "ambiguous"),
    ("[Score] 40\nHmm, make that [Score] 50 to 60", "ambiguous"),
    ("Total deduction: -35", "missing"),
    ("Score: 37,5", 37.5),
    ("[Score] +100.0", 100),
    ("[Score] 100.01", "out_of_range"),
    ("We find a final answer of 42, so the total is 42.", "missing"),
    ("\\boxed{-8}\nis the answer the student should have found.", "missing"),
]

HOSTILE = [
    " " * 200_000,
    "\n" * 200_000,
    " \n" * 100_000,
    "9" * 200_000,
    "9," * 100_000,
    "9." * 100_000,
    "9 - " * 50_000,
    "- " * 100_000,
    "." * 200_000,
    "[Score]" + "." * 199_000,
    "[Score]" + "...1" * 49_000,
    "[" * 200_000,
    "[1" * 100_000,
    "]" * 200_000,
    "(" * 200_000,
    "*" * 200_000,
    "`" * 200_000,
    "```py\n" * 33_000,
    "<think>" * 28_000,
    "</think>" * 25_000,
    "Score" * 40_000,
    "Score " * 33_000,
    "Score: " * 28_000,
    "Score: 1 " * 22_000,
    "Score: (" * 25_000,
    "Score is the a an of " * 9_500,
    "Score:" + " a" * 99_000,
    "Score = " + "1 + " * 49_000,
    "Score: a 1 + b" * 14_000,
    "[Score] " * 25_000,
    "[Score]\n" * 25_000,
    "the student says that " * 9_000 + "score: 3",
    "give this it answer " * 10_000,
    '"score": ' * 22_000,
    "\\boxed{" * 28_000,
    "\\frac{1" * 28_000,
    "\u0661" * 200_000,
    "\u2014" * 200_000,
    "".join(map(chr, range(0x20, 0xD800))) * 3,
    "Score: " + "9" * 190_000 + " Score: 5e" + "9" * 9_000,
]


def _read(reply: str) -> float | str:
    """The score, or the code of the error."""
    try:
        return parse_score(reply)
    except ScoreError as error:
        return error.code


@pytest.mark.parametrize(("reply", "wanted"), CATALOGUE + REPLIES, ids=lambda v: str(v)[:40])
def test_reads_as_a_person(reply: str, wanted: float | str) -> None:
    assert _read(reply) == wanted


def test_none_is_an_empty_reply() -> None:
    with pytest.raises(ScoreError) as caught:
        parse_score(None)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.reply) == ("empty", "")


@pytest.mark.parametrize("reply", HOSTILE, ids=lambda value: repr(value[:24]))
def test_long_text_costs_as_much_as_it_is_long(reply: str) -> None:
    assert growth(parse_score, reply[:200_000]) <= MOST


_PIECES = (
    "Score|score|[Score]|:|=|- |+|.|...|,|/|(|)|[|]|}|\n|1|20|-75|100|1e9|nan|\u22125|\u0663|%| of "
    "| out of | to |<think>|</think>|```|**|final |revised |scale|\u2014|\\boxed{"
)
PIECES = st.sampled_from(_PIECES.split("|"))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join)))
@example("Score: -\u221e")
@example("\ud800 Score: 4")
def test_gives_a_number_in_range_or_a_score_error(reply: str) -> None:
    read = _read(reply)
    assert isinstance(read, str) or (math.isfinite(read) and -100 <= read <= 100)


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("[Score] -20 ... deduction of 20 points", 20.0),
        ("[Score] +100\n\\boxed{8}", 8.0),
        ("score: 7, no marker", 7.0),
        ("Score: 85/100", 100.0),
        ("5 Scores 1.5-3", -3.0),
        ("Score: 1000", 1000.0),
    ],
)
def test_official_reader_takes_the_last_number(reply: str, wanted: float) -> None:
    assert last_number_after_score(reply) == wanted


@pytest.mark.parametrize(("reply", "code"), [("5 Score", "missing"), ("9" * 5000, "not_finite")])
def test_official_reader_fails_with_a_code(reply: str, code: str) -> None:
    with pytest.raises(ScoreError) as caught:
        last_number_after_score(reply)
    assert caught.value.code == code


def test_benchmark_counts_right_and_wrong_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("[Score] 5", 5), ("no", None), ("[Score] 5", 6), ("[Score] 5", None)]
    file = tmp_path / "replies.jsonl"
    file.write_text("\n".join(json.dumps({"reply": r, "score": s}) for r, s in rows), "utf-8")
    main([str(file)])
    result = json.loads(capsys.readouterr().out)
    assert (result["accuracy"], result["n"]) == (0.5, 4)
    assert result["wrong"][0] == {"row": 2, "expected": 6, "read": 5.0}


def test_real_replies_are_read_as_a_person_reads_them() -> None:
    folder = os.environ.get("MCTSR_TEST_DATA")
    file = Path(folder or ".") / "judge_replies.jsonl"
    if not folder or not file.is_file():
        pytest.skip("MCTSR_TEST_DATA names no folder with judge_replies.jsonl")
    result = measure(file)
    assert result["accuracy"] >= 0.98, result["wrong"]
