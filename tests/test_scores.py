"""Tests of the score reader: catalogue of reply forms, real replies, hostile and random text."""

from __future__ import annotations

import json
import math
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

# The judge's own line beside numbers of the problem, in words, in other languages.
OWN_LINE: list[tuple[str, float | str]] = [
    (
        "A total score of 12 points is needed to win. The solution forgets the draw.\n\nScore: -40",
        -40,
    ),
    ("The net score of the game is 7.\nScore: 10", 10),
    ("Their adjusted score was 55 in the problem. Correct.\n\n**Score: 88**", 88),
    ("Adding gives 42.", "missing"),
    ("Plugging in we get 17, as the solution says.", "missing"),
    ("We get 3x = 12 and so we get 4.", "missing"),
    ("Water flows at a rate of 5 liters per minute. The work is clean.\n\n85/100", 85),
    ("At a rate of 60 km/h this takes 2 hours, as found.\n\n-15", -15),
    ("Tom scored 30 points and Ann 12. The difference 18 is right.\n\n92/100", 92),
    ("Ben scored 9 goals.", "missing"),
    ("Each student receives 3 pencils; we get 30.", "missing"),
    ("She earns 40 dollars. The solution says 45.\n\n-70", -70),
    ("The average grade is 8.", "missing"),
    ("The price rating of 4 was read off the table, fine.", "missing"),
    ("The total is 64.", "missing"),
    ("Result: 17 is right.", "missing"),
    ("Final answer: 36. The reasoning is thin.", "missing"),
    ("The final answer is 36, correct.\nScore: 77", 77),
    ("Total: 45 apples.", "missing"),
    ("The verdict: 15 is wrong, 16 is right.\n\nScore: -95", -95),
    ("[Score] 12\n\nThe total score of the players is 99.", 12),
    ("Score: twenty-five", 25),
    ("Score: negative thirty-five", -35),
    ("Score: minus ninety", -90),
    ("Score: fifty", 50),
    ("I would give this a score of negative sixty.", -60),
    ("Score: one hundred", 100),
    ("My score is seventy out of one hundred.", 70),
    ("评分：-30", -30),
    ("得分: 55", 55),
    ("最终评分：40", 40),
    ("分数：60/100", 60),
    ("总分：72分", 72),
    ("我给出的分数是 -15。", -15),
    ("Puntuaci\xf3n final: -25", -25),
    ("Calificaci\xf3n: 30/100", 30),
    ("La puntuaci\xf3n es 45.", 45),
    ("Puntaje: 12", 12),
    ("Bewertung: 20/100", 20),
    ("Note : 65/100", 65),
    ("Note: 65 is the right value.", "missing"),
    ("Note: 3 steps are missing.\nScore: -20", -20),
    ("Оценка: 77", 77),
    (
        "Итоговая оценка: -12",
        -12,
    ),
    ("Балл: 33", 33),
    ("スコア：-45", -45),
    ("評価点: 50", 50),
    ("採点：70点", 70),
    ("점수: 85", 85),
    ("최종 점수: -5", -5),
    ("Pontua\xe7\xe3o: 40", 40),
    ("Nota: 85/100", 85),
    ("Nota final: -50", -50),
    ("Voto: 60", 60),
    ("Punteggio finale: -10", -10),
    ("Gesamtpunktzahl: 35", 35),
    ("Score final : 15", 15),
    ("-60 is my score.", -60),
    ("80 would be my score for this.", 80),
    ("-25, because the second case is missing.", -25),
    ("-10 since units are absent.", -10),
    ("30 points: the idea is right, the rest is not.", 30),
    ("The score would be 85 with a proof; as it stands 30.", 30),
    ("This would be a 90 if it were complete. As it is, I give it 20.", 20),
    ("I was about to give 75, but given the gap I settle on 25.", 25),
    ("I was going to give it 60, but the sign error makes it -20.", -20),
    ("I would have given 90, but the last line is wrong: 35.", 35),
    (
        "| Criterion | Points |\n|---|---|\n| Logic | 20/25 |\n| Rigor | 10/25 |\n"
        "| Clarity | 15/25 |\n| Accuracy | 5/25 |\n| **Total** | **50/100** |",
        50,
    ),
    ("| Aspect | Score |\n|---|---|\n| Logic | 30 |\n| Rigor | 10 |", "missing"),
    ("- Logic: 20\n- Rigor: 10\n- Total: 30", 30),
    ("<think>Score: 80</think>Score: 20", 20),
    (
        "<|channel|>analysis<|message|>Score: 90?<|end|><|start|>assistant<|channel|>final"
        "<|message|>Score: 35",
        35,
    ),
    ("<thought>Score: 44</thought>\nScore: -44", -44),
    ("<reasoning>the score may be 5</reasoning>\n[Score] 6", 6),
    ("Score: 8/10", "other_scale"),
    ("Score: 55-65", "ambiguous"),
    ("The score is somewhere between 40 and 60.", "missing"),
    ("Score: 150", "out_of_range"),
    ("The problem gives 5 points for each correct reply.", "missing"),
    ("The student gets 24; the correct value is 26. This is a serious error.", "missing"),
    ("We assign 4 to y. Then x is 3. Fine so far.", "missing"),
    ("I get 14 for the same sum, so the solution is wrong.", "missing"),
    ("I give up after 3 tries.", "missing"),
    ("The sum gives 100.", "missing"),
    ("The solution earns 20 dollars a day in step 2. Wrong.\n\n[Score] -55", -55),
    ('{"score": 40, "flaws": ["step 2", "step 5"]}', 40),
    ('{"flaws": ["score: 100 is claimed"], "score": -60}', -60),
    ('```json\n{"evaluation": {"score": 15}}\n```', 15),
    ("**Final verdict: 25/100**", 25),
    ("Score=-5", -5),
    ("SCORE: **+35**", 35),
    ("Score: 35.\n\nThe next steps to reach 80: add a proof.", 35),
    ("Overall rating: 5/100. There are 12 slips.", 5),
    ("The score is, in my view, 45.", 45),
    ("This answer would receive 55 out of 100 from me.", 55),
    ("I'd say 65/100.", 65),
    ("65/100. The final answer 12 is right.", 65),
    ("Grade: -45. He must score 90 to pass.", -45),
    ("The final score of the match is 3 to 1, as stated. Nothing is proved.\n\nScore: -65", -65),
    ("Her total points are 88, which the solution gets right.\n\n[Score] 61", 61),
    ("So we get 2x = 8 and x = 4. Good.", "missing"),
    ("This gives 15.", "missing"),
    ("The solution assigns 7 to k, and k = 7 works.", "missing"),
    ("It rates the pumps at 60 and 40.", "missing"),
    ("The exam score is 45.", "missing"),
    ("A score of 30 is needed to pass; the solution says 31.", "missing"),
    ("The highest score, 97, is off by one.\n\n-35", -35),
    ("There are 14 points on the circle.", "missing"),
    ("He was given 25 apples.", "missing"),
    ("Given 25, the root is 5.", "missing"),
    ("The work rate is 3 walls per day. **Score**: 5", 5),
    ("Points: 60", 60),
    ("Grade: 72%", 72),
    ("Verdict: -80", -80),
    ("I'd assign it -40.", -40),
    ("I would assign a score of about -30 here.", -30),
    ("We rate this solution 20.", 20),
    ("This solution earns a 35 from me.", 35),
    ("My verdict is a score of seventy-five.", 75),
    ("Score: sixty five", 65),
    ("Score: minus five", -5),
    ("Score: negative one hundred", -100),
    ("Puntuaci\xf3n: 70 de 100", 70),
    ("Note : -15", -15),
    ("La note est de 40/100.", 40),
    ("Note globale : 12/20", "other_scale"),
    ("Bewertung: minus 20", -20),
    ("Die Punktzahl ist 55.", 55),
    ("Endpunktzahl: 15", 15),
    ("Punteggio: -20/100", -20),
    ("Avalia\xe7\xe3o: 65", 65),
    ("Nota: -30", -30),
    ("Оценка: 45 из 100", 45),
    ("Я ставлю 30 баллов.", 30),
    ("評価：-20", -20),
    ("スコアは60です。", 60),
    ("점수는 40입니다.", 40),
    ("총점: 25점", 25),
    ("综合评分：65分", 65),
    ("得分为-50。", -50),
    ("我打30分。", 30),
    ("الدرجة: 40", 40),
    ("النتيجة: ٣٥", 35),
    ("अंक: 55", 55),
    ("Điểm: 70", 70),
    ("Puan: 45", 45),
    ("Cijfer: 20", 20),
    ("-30, since the base case is missing.", -30),
    ("+20 for the right idea.", 20),
    ("55/100 - partial credit only.", 55),
    ("-15. Step 4 has no reason.", -15),
    ("Had the bound been proved, the score would be 80; now it is 25.", 25),
    ("I intended to give 70, but the slip in line 2 lowers it to 40.", 40),
    ("I started at 100, took off 30 and 20, so the score is 50.", 50),
    ("Starting from 90, I deduct 25. Score: 65", 65),
    ("Logic 30/40, Rigor 20/40, Style 10/20. Overall: 60/100", 60),
    ("Correctness score: 50\nClarity score: 30\nOverall score: 40", 40),
    ("<thinking>-50 is the score</thinking>-20 is the score.", -20),
    ('{"analysis": "we get 42", "score": "-15"}', -15),
    ('{"score": {"value": 33}}', 33),
    ("<evaluation><score>-45</score><max>100</max></evaluation>", -45),
    ("score → -12", -12),
    ("Score: -12 (out of 100)", -12),
    ("**Score:** 7 / 10", "other_scale"),
    ("Score: A-", "missing"),
    ("Score: between 20 and 30", "missing"),
    ("I can't give a score without the problem (0 context).", "missing"),
    ("Final grade → 44", 44),
    ("The solution scores -25 points.", -25),
    ("Therefore, the total score is 35.", 35),
    ("Hence my rating of 15.", 15),
    ("The rating I settle on: 15", 15),
    ("Rating: 15 — far too short.", 15),
    ("The adjusted total is 18, which matches.", "missing"),
    ("Total cost: 45 dollars.", "missing"),
    ("The overall speed is 60.", "missing"),
    ("She gets 15 candies, he gets 10.", "missing"),
    ("This gives us 12.", "missing"),
    ("Giving 5 to each leaves 10.", "missing"),
    ("The player scored 31.", "missing"),
    ("Scoring 3 goals gives 9 points.", "missing"),
    ("Each win earns 3 points, so 4 wins earn 12.", "missing"),
    ("The grade of 85 was the median.", "missing"),
    ("His final grade is 92, the solution says 90.\n\nScore: -20", -20),
    ("The rate is 0.05 and the time is 2.", "missing"),
    ("Rate: 60 km/h.", "missing"),
    ("The answer 15 deserves no credit.", "missing"),
    ("The correct result is 7; the solution gives 8.\n[Score] -88", -88),
    ("The teams receive 3, 1 and 0 points.", "missing"),
    ("We assign each letter 1 point.", "missing"),
    ("Final answer 12 is correct.\n\n90/100", 90),
    ("Points: 12 on the line.", "missing"),
    ("It takes 20 minutes. I think the solution is right.", "missing"),
    ("The evaluation of f at 3 gives 10.", "missing"),
    ("Evaluation: 10 is f(3).", "missing"),
    ("Marks: 40", 40),
    ("The result: 55", "missing"),
    ("Result: -55", -55),
    ("Score: 5 / 100\n\nFlaws: 10 missing steps", 5),
    ("My final assessment: -30", -30),
    ("Assessment: the proof has 2 gaps. Score: 15", 15),
    ("Score (out of 100): 60. The problem awards 5 points per part.", 60),
    ("I would deduct 20 points. Score: 80", 80),
    ("I deduct 20 points.", "missing"),
    ("Minus 20 for rigor.", "missing"),
    ("Starting at 100, I end up at 70.", 70),
    ("I'd put this at 40.", "missing"),
    ("This is worth 35 points.", "missing"),
    ("That is a 60 from me.", "missing"),
    ("The score should be 20.", 20),
    ("Score should be lower than 50.", "missing"),
    ("Score: less than 30", "missing"),
    ("Score: > 50", 50),
    ("Score: no more than 40", "missing"),
    ("I am torn between 30 and 50, but settle on 40.", 40),
    ("A 7 out of 10.", "missing"),
    ("Score: 70 → revised to 55", 55),
    ("Score: 70. Wait, step 3 is wrong. Score: 10", 10),
    ("Score: 70\n\nCorrection: Score: 10", 10),
    ("Puntaje total: 80/100", 80),
    ("Calificación: -15 puntos", -15),
    ("Le score final est de -30.", -30),
    ("J'attribue 45 points.", 45),
    ("Gesamtbewertung: -10", -10),
    ("Ich vergebe -25 Punkte.", -25),
    ("Punktzahl: minus 35", -35),
    ("Итог: 60 баллов", "missing"),
    ("Моя оценка: -70", -70),
    ("Оценка: 85/100", 85),
    ("我的评分是-35。", -35),
    ("最终得分：80分（满分100分）", 80),
    ("该解答得分为 15 分。", 15),
    ("点数は-20です。", -20),
    ("スコア: -5 / 100", -5),
    ("점수: -25/100", -25),
    ("최종 평가: 30점", 30),
    ("Pontuação final: -40", -40),
    ("Nota: 7/10", "other_scale"),
    ("Il punteggio è 35.", 35),
    ("Voto finale: -60", -60),
    ("Valutazione: 20", 20),
    ("Điểm số: -30", -30),
    ("Score: forty-five out of 100", 45),
    ("Score: Negative twenty.", -20),
    ("Rating: minus fifteen points", -15),
    ("I give it a zero.", "missing"),
    ("Score: zero points", 0),
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
    "\u8bc4\u5206\uff1a5 " * 40_000,
    "Score: ninety " * 14_000,
    "I give " * 28_000,
    "| Score | 5 |\n" * 14_000,
    "-70 is the score. " * 11_000,
    "as it stands " * 15_000,
    "".join(map(chr, range(0x20, 0xD800))) * 3,
    "Score: " + "9" * 190_000 + " Score: 5e" + "9" * 9_000,
]


def _read(reply: str) -> float | str:
    """The score, or the code of the error."""
    try:
        return parse_score(reply)
    except ScoreError as error:
        return error.code


@pytest.mark.parametrize(
    ("reply", "wanted"), CATALOGUE + REPLIES + OWN_LINE, ids=lambda v: str(v)[:40]
)
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


@pytest.mark.parametrize("name", ["judge_replies.jsonl", "judge_replies_2.jsonl"])
def test_real_replies_are_read_as_a_person_reads_them(test_data: Path, name: str) -> None:
    if not (test_data / name).is_file():
        pytest.skip(f"MCTSR_TEST_DATA names a folder without {name}")
    result = measure(test_data / name)
    assert result["accuracy"] >= 0.98, result["wrong"]


def test_the_middle_of_a_very_long_reply_is_not_read() -> None:
    filler = "The step is clear. " * 5_000
    assert parse_score(f"Score: 20\n{filler}") == 20
    assert parse_score(f"{filler}\nScore: 20") == 20
    assert _read(f"{filler}\nScore: 20\n{filler}") == "missing"
