"""Final answers in all the forms in which models state them. The values were written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.stated_answers import main, measure
from mctsr_graph.prompts import read_text
from mctsr_graph.text.answer_labels import ANSWER_NOUNS
from mctsr_graph.text.final_answer import LONGEST, extract_final_answer

from .growth import MOST, growth

# (reply, the final answer it states)
STATED: list[tuple[str, str]] = [
    ('I worked it out twice.\n\n{"steps": ["12*3", "36+1"], "final_answer": 37}', "37"),
    ('{"answer": "x = 5", "confidence": 0.8}', "x = 5"),
    ('{"answer": "\\\\frac{3}{4}"}', "\\frac{3}{4}"),
    ('```json\n{"reasoning": "count pairs", "final_answer": "\\\\sqrt{2}"}\n```', "\\sqrt{2}"),
    ("{'answer': 17}", "17"),
    ('{"result": -4.5}', "-4.5"),
    ('{"answer": [1, 2]}', "1, 2"),
    ("<answer>\n  12 cm\n</answer>", "12 cm"),
    ("Thinking done.\n<answer>The value is \\boxed{81}</answer>", "81"),
    ("<Answer>7</Answer>", "7"),
    ("<final_answer>$\\frac{2}{7}$</final_answer>", "\\frac{2}{7}"),
    ("<final-answer>19</final-answer>", "19"),
    ("<result>6</result>", "6"),
    ("| Step | Result |\n|---|---|\n| product | 24 |\n| **Final answer** | **$24$** |", "24"),
    ("| Item | Count |\n| --- | --- |\n| Apples | 5 |\n| Answer | 11 |\n", "11"),
    ("The answer comes out to 63.", "63"),
    ("So our answer should be 19.", "19"),
    ("The answer turns out to be 8.", "8"),
    ("Thus the answer must be $-\\frac12$.", "-\\frac12"),
    ("48 is the answer.", "48"),
    ("So $\\frac{5}{9}$ is the final answer.", "\\frac{5}{9}"),
    ("Hence 16 is our answer!", "16"),
    ("Answer – 27", "27"),
    ("Final Answer - 3/8", "3/8"),
    ("Result: 250", "250"),
    ("**Result:** $x = 9$", "x = 9"),
    ("Final result = 77", "77"),
    ("Solution: 31", "31"),
    ("### Final Answer:\n\n72", "72"),
    ("#### Answer:\n**5/6**", "5/6"),
    ("# Final Answer\n$$x=\\pm 3$$", "x=\\pm 3"),
    ("Therefore \\framebox{14}.", "14"),
    ("So we get $\\Boxed{22}$.", "22"),
    ("so boxed{15}", "15"),
    ("The final answer is $oxed{33}$.", "33"),
    ("The final answer is \x08oxed{34}.", "34"),
    ("La respuesta final es $\\frac{1}{3}$.", "\\frac{1}{3}"),
    ("**Respuesta:** 18 manzanas", "18 manzanas"),
    ("La r\xe9ponse est 25.", "25"),
    ("R\xe9ponse finale : $\\boxed{8}$", "8"),
    ("La bonne r\xe9ponse est donc 11.", "11"),
    ("Antwort: 64", "64"),
    ("Die endg\xfcltige Antwort ist 5,5.", "5,5"),
    ("Das Ergebnis ist 90.", "90"),
    ("A resposta final \xe9 12.", "12"),
    ("Resposta: 7", "7"),
    ("Risposta: 21", "21"),
    ("La risposta finale \xe8 $2\\pi$.", "2\\pi"),
    ("Ответ: 15", "15"),
    (
        "Итак, окончательный ответ: 28.",
        "28",
    ),
    ("答えは36です。", "36"),
    (
        "したがって、答えは $\\frac{1}{4}$ です。",
        "\\frac{1}{4}",
    ),
    ("정답은 45입니다.", "45"),
    ("정답: 3", "3"),
    ("最终答案：18", "18"),
    ("答案为 $x=4$。", "x=4"),
    ("综上，答案是：\\(7\\)", "7"),
    ("الإجابة: 9", "9"),
    (
        "الإجابة النهائية هي ١٢.",
        "١٢",
    ),
    ("अंतिम उत्तर: 81", "81"),
    ("उत्तर 14 है।", "14"),
    ("Antwoord: 55", "55"),
    ("Het antwoord is dus 6.", "6"),
    ("Doğru cevap 20'dir.", "20"),
    ("Yanıt: 24", "24"),
    ("Đ\xe1p \xe1n: 13", "13"),
    ("Vậy đ\xe1p số l\xe0 44.", "44"),
    ("Answer：31", "31"),
    ("The answer is 16, not 18.", "16"),
    ("The answer is 9 (since 3 squared is 9).", "9"),
    ("Answer: 120 (because we counted each pair once)", "120"),
    ("The answer is 64, in total.", "64"),
    ("The answer is 7/2, i.e. 3.5.", "7/2"),
    (
        "The answer is $\\frac{1}{8}$, or equivalently, 12.5%.",
        "\\frac{1}{8}, or equivalently, 12.5%",
    ),
    ("The answer is <b>52</b>.", "52"),
    ("Answer: <strong>5</strong><br>", "5"),
    ("The answer is 23!", "23"),
    ("The answer is 6, as required.", "6"),
    ("The answer is 40, which completes the proof.", "40"),
    ("So there are 5 dozens.\\n#### 60", "60"),
    ("It is 5*25 = 125.\\n\\nThe answer is 125.\\n", "125"),
    ("125 \\n#### 125", "125"),
    ("The roots are $x = \\boxed{2}$ or $x = \\boxed{3}$.", "2, 3"),
    ("$\\boxed{4}$ and $\\boxed{-4}$", "4, -4"),
    ("$\\boxed{1}$, $\\boxed{2}$, and $\\boxed{3}$", "1, 2, 3"),
    ("\\boxed{40}\n\nCorrection: the answer is 42.", "42"),
    ("The answer is \\boxed{12}.\n\nWait, I forgot the last case. The correct answer is 13.", "13"),
    ("\\boxed{7}\n\nLet me double-check: 3 + 5 = 8. So the answer should be 8.", "7"),
    ("Answer: 5\n\n**Correction**\n\nAnswer: 6", "6"),
    ("\\boxed{5}\nActually, that is wrong; the final answer is \\boxed{6}.", "6"),
    ("The final answer is \\boxed{21}. Note that the answer is an integer.", "21"),
    ("The answer is \\boxed{9}. The answer to part (a) was 3.", "9"),
    ("**Final Answer: $18$ apples**", "18 apples"),
    ("Final Answer: \n\\[\n\\boxed{\\frac{a+b}{2}}\n\\]", "\\frac{a+b}{2}"),
    ("The answer: $3\\sqrt{5}$", "3\\sqrt{5}"),
    ("Our final answer will be 101.", "101"),
    ("Answer is 9", "9"),
    ("ANSWER = 12", "12"),
    ("Ans: 30", "30"),
    ("Ans. 30", "30"),
    ("The correct option is (C).", "(C)"),
    ("The correct answer is option B.", "option B"),
    ("The correct choice is D", "D"),
    ("Answer: B) 42", "B) 42"),
    ("Answer: x = 3, y = 4", "x = 3, y = 4"),
    ("The answer is (3, 4).", "(3, 4)"),
    ("The answer is \\{1, 2\\}.", "\\{1, 2\\}"),
    ('{\n  "thoughts": "...",\n  "answer": "12"\n}', "12"),
    ('{"answer": "\\\\boxed{5}"}', "5"),
    ('```json\n{"answer": 3.5}\n```', "3.5"),
    ('{"answer": true}', "true"),
    ('{"final answer": "7 apples"}', "7 apples"),
    ("<answer>42</answer> Let me know.", "42"),
    ("<answer>\n$$\\frac{1}{2}$$\n</answer>", "\\frac{1}{2}"),
    ("<final_answer>\\boxed{8}</final_answer>", "8"),
    ("| **Answer** | $x=3$ |", "x=3"),
    ("|Answer|\n|---|\n|12|", "12"),
    ("The answer will be 5.", "5"),
    ("The answer should come out to 5.", "5"),
    ("So, our final answer becomes $2\\pi$.", "2\\pi"),
    ("**12** is the correct answer.", "12"),
    ("So the answer: 12", "12"),
    ("The answer — 12", "12"),
    ("Result: $\\frac{3}{2}$", "\\frac{3}{2}"),
    ("Final result: **8 cm**", "8 cm"),
    ("### Answer\n\n$$x = 4$$", "x = 4"),
    ("## Final Answer:\n**12**", "12"),
    ("**Final Answer:**\n\n12 apples", "12 apples"),
    ("\\framebox[2cm]{6}", "6"),
    ("$\\Boxed{x+1}$", "x+1"),
    ("The answer is boxed{6}.", "6"),
    ("$oxed{\\frac{1}{2}}$", "\\frac{1}{2}"),
    ("La respuesta correcta es 5.", "5"),
    ("Respuesta final: 5", "5"),
    ("Por tanto, la soluci\xf3n es $x = 5$.", "x = 5"),
    ("Donc la r\xe9ponse est $5$.", "5"),
    ("La r\xe9ponse finale est donc 12 cm.", "12 cm"),
    ("Die richtige Antwort ist 12.", "12"),
    ("Also lautet die Antwort 12.", "12"),
    ("Resposta final: $\\boxed{3}$", "3"),
    ("Portanto, a resposta \xe9 3.", "3"),
    ("Quindi la risposta corretta \xe8 9.", "9"),
    ("Risposta finale: 9", "9"),
    (
        "Таким образом, ответ: $\\frac{1}{2}$.",
        "\\frac{1}{2}",
    ),
    ("Ответ — 12.", "12"),
    ("答えは 12 になります。", "12"),
    ("答え：12", "12"),
    ("最終的な答えは 12 です。", "12"),
    ("따라서 답은 12이다.", "12"),
    ("최종 답: 12", "12"),
    ("因此，答案是 12。", "12"),
    ("答案：$\\boxed{12}$", "12"),
    ("故选：C．", "C"),
    ("إذن الجواب هو 12.", "12"),
    ("الجواب النهائي: 12", "12"),
    ("अतः उत्तर 12 है।", "12"),
    ("सही उत्तर: 12", "12"),
    ("Dus het antwoord is 12.", "12"),
    ("Eindantwoord: 12", "12"),
    ("Cevap 12'dir.", "12"),
    ("Sonu\xe7: 12", "12"),
    ("Vậy đ\xe1p \xe1n l\xe0 12.", "12"),
    ("Trả lời: 12", "12"),
    ("Kết quả: 12", "12"),
    ("The answer is 12, not 14.", "12"),
    ("The answer is 12 (because 3*4 = 12).", "12"),
    ("The answer is 12, in all.", "12"),
    ("The answer is 4.5, i.e., 9/2.", "4.5"),
    ("The answer is 12!", "12"),
    ("The answer is <i>12</i>.", "12"),
    ("Answer: 12 (see above)", "12"),
    ("The answer is 12 as computed above.", "12"),
    ("Total: 12\\n#### 12", "12"),
    ("So 5+7=12.\\n\\n**Answer:** 12", "12"),
    ("$x = \\boxed{-1}$ and $x = \\boxed{6}$", "-1, 6"),
    ("$\\boxed{3}$ or $\\boxed{7}$", "3, 7"),
    ("$\\boxed{a=1}$, $\\boxed{b=2}$", "a=1, b=2"),
    ("\\boxed{41}\n\nWait, that is wrong. The answer is 42.", "42"),
    ("Answer: 41\n\nCorrected answer: 42", "42"),
    ("The answer is \\boxed{41}.\n\nActually the answer should be \\boxed{42}.", "42"),
    ("#### 41\n\nSorry, I made a mistake: the correct answer is 42.", "42"),
    ("The final answer is $\\boxed{42}$. I hope the answer is correct.", "42"),
    ("\\boxed{42} (not \\boxed{41})", "42"),
    ("Final answer: 3 hours and 20 minutes.", "3 hours and 20 minutes"),
    ("The answer is \\(\\text{no solution}\\).", "no solution"),
    ("The answer is Tuesday.", "Tuesday"),
    ("Answer: none of the above", "none of the above"),
    ("**Answer:** $\\frac{2}{3}$ of the cake", "\\frac{2}{3} of the cake"),
    ("The answer is all real numbers.", "all real numbers"),
    ('{"solution": "3*4", "answer": "12"}', "12"),
    ('{"Final Answer": "12"}', "12"),
    ('```\n{"answer": "a+b"}\n```\nDone.', "a+b"),
    ("<ANSWER>\n12\n</ANSWER>", "12"),
    ("<solution>12</solution>", "12"),
    ("[ANSWER]\n12\n[/ANSWER]", "12"),
    ("| | |\n|---|---|\n| Final Answer: | 12 |", "12"),
    ("My answer: 12", "12"),
    ("Thus the answer works out to be $12$.", "12"),
    ("The required answer is 12.", "12"),
    ("12 is our final answer.", "12"),
    ("So $x = 4$ is the answer.", "x = 4"),
    ("Answer => 12", "12"),
    ("Answer = 12.", "12"),
    ("Final answer\n12", "12"),
    ("FINAL ANSWER\n\n12", "12"),
    ("**Final Answer: 12**\n\nNote: all cases were checked.", "12"),
    ("Final Answer: (A)", "(A)"),
    ("The answer is therefore (B) 12.", "(B) 12"),
    ("**Solution:** $12$", "12"),
    ("The final result is $\\pi$.", "\\pi"),
    ("\\fbox{$12$}", "12"),
    ("\\framebox{\\parbox{2cm}{12}}", "\\parbox{2cm}{12}"),
    ("\\boxed {12}", "12"),
    ("\\boxed{12}.", "12"),
    ("$\\boxed{12}$ cm", "12"),
    ("La solución es 12.", "12"),
    ("El resultado final es 12.", "12"),
    ("La respuesta sería 12.", "12"),
    ("La réponse correcte est : 12", "12"),
    ("Le résultat est 12.", "12"),
    ("Die Antwort: 12", "12"),
    ("Lösung: 12", "12"),
    ("Das Endergebnis beträgt 12.", "12"),
    ("O resultado é 12.", "12"),
    ("La soluzione è 12.", "12"),
    ("Il risultato finale è 12.", "12"),
    ("Окончательный ответ: 12", "12"),
    ("Ответ: $\\boxed{12}$.", "12"),
    ("Правильный ответ — 12.", "12"),
    ("正解は 12 です。", "12"),
    ("解答：12", "12"),
    ("答：12個", "12個"),
    ("정답은 12이다.", "12"),
    ("답은 $12$입니다.", "12"),
    ("正确答案是B。", "B"),
    ("故答案为：12", "12"),
    ("故答案为 $\\frac{1}{2}$．", "\\frac{1}{2}"),
    ("答案应为12。", "12"),
    ("最终答案为\\boxed{12}", "12"),
    ("所以，最后的结果是 12。", "12"),
    ("الجواب هو 12.", "12"),
    ("الإجابة الصحيحة هي 12", "12"),
    ("उत्तर है 12।", "12"),
    ("अंतिम उत्तर $12$ है।", "12"),
    ("Antwoord: $12$", "12"),
    ("Het juiste antwoord is 12.", "12"),
    ("Cevap: $12$", "12"),
    ("Sonuç olarak cevap 12'dir.", "12"),
    ("Đáp án: $12$", "12"),
    ("Câu trả lời là 12.", "12"),
    ("The answer is 12, since 3*4 = 12.", "12"),
    ("The answer is 12, which is even.", "12"),
    ("The answer is 12 units, not 14 units.", "12 units"),
    ("The answer is 12 (approximately).", "12"),
    ("The answer is 12 :)", "12 :)"),
    ("The answer is 12. ✅", "12"),
    ("The answer is **12** ✅", "12 ✅"),
    ("The answer is 12%!", "12%"),
    ("Answer: 12<br>", "12"),
    ('Answer: <span style="color:red">12</span>', "12"),
    ("The answer is $12$; this completes the solution.", "12"),
    ("The answer is 12 — as expected.", "12"),
    ("The answer is 12 and not 14.", "12 and not 14"),
    ("The answer is 12 apples in total.", "12 apples"),
    ("So, the total is 12.\\n\\n#### 12", "12"),
    ("Step 1.\\nStep 2.\\nAnswer: 12", "12"),
    ("x=3\\n\\boxed{12}\\n", "12"),
    ("$a = \\boxed{3}$, $b = \\boxed{4}$", "a = 3, b = 4"),
    ("$\\boxed{2}, \\boxed{3}$ and $\\boxed{5}$", "2, 3, 5"),
    ("$x=\\boxed{1}$ or $x=\\boxed{2}$", "1, 2"),
    ("The answer is beyond me.", "beyond me"),
    ("\\boxed{12}\n\nOn second thought, the answer is 13.", "12"),
    ("\\boxed{12}\n\nCorrection: \\boxed{13}", "13"),
    ("The answer is 12. Sorry, the answer is 13.", "13"),
    ("#### 12\n\nWait: the correct answer is 13.", "13"),
    ("The answer is \\boxed{12}, which corrects the earlier answer of 11.", "12"),
    ("\\boxed{12}. A common mistake is to answer 14.", "12"),
    ("\\boxed{12}. It would be wrong to say that the answer is 14.", "12"),
]
# Replies that state none
NONE = [
    '{"answer": null}',
    "Answer: <your answer>",
    "The answer is [insert answer here].",
    "Final answer: \\boxed{\\text{your answer}}",
    "\\boxed{\\text{answer}}",
    "\\boxed{?}",
    "\\boxed{}",
    "The final answer is \\boxed{...}.",
    "The answer is unknown.",
    "The answer cannot be determined from what is given.",
    "I don't have an answer: sorry.",
    "The answer isn't 12.",
    "What would the answer be? Perhaps more work is needed.",
    "The answer is between the two values.",
    "If the final answer is negative, we made a mistake.",
    "Suppose the answer is 10. Then 10 = 11, a contradiction.",
    "The question asks for the answer in meters.",
    "所以选 C。",
    "Answer: [answer]",
    "Final Answer: <final answer>",
    "\\boxed{\\text{final answer}}",
    "The answer is still unclear.",
    "The answer is not known to me.",
    "I am unsure about the answer.",
    '{"final": 12}',
    "<answer>12",
    "| x | Answer |\n|---|---|\n| 3 | 9 |",
    "The answer could only be 12.",
    "Answer -> 12",
    "Solution: We add 3 and 4.",
    "Result: we are done.",
    "Answer: (your answer)",
    "The answer is {answer}.",
    "Answer: ?",
    "Answer: ...",
    "\\boxed{\\text{your final answer here}}",
    "\\boxed{\\text{insert answer}}",
    "Final answer: TBD",
    "Answer: <number>",
    "I do not know the answer.",
    "The answer is not clear.",
    "Answer: unknown",
    "The answer is hard to find.",
]


@pytest.mark.parametrize(("reply", "answer"), STATED)
def test_an_answer_is_found_and_nothing_with_it(reply: str, answer: str) -> None:
    assert extract_final_answer(reply) == answer


@pytest.mark.parametrize("reply", NONE)
def test_a_placeholder_or_a_sentence_about_the_answer_is_none(reply: str) -> None:
    assert extract_final_answer(reply) is None


@pytest.mark.parametrize(
    "reply",
    [
        # What critics say of an answer
        "The final answer is correct, but the presentation could be clearer.",
        "The final answer should be clearly boxed and formatted.",
        "The answer could be verified by cross-checking with other methods.",
        "The final answer should be more rigorous in examining loopholes.",
        "The answer is provided without any units.",
    ],
)
def test_a_critique_states_no_answer(reply: str) -> None:
    assert extract_final_answer(reply) is None


@pytest.mark.parametrize(
    "noun", sorted({noun for nouns in ANSWER_NOUNS.values() for noun in nouns})
)
@pytest.mark.parametrize("colon", [":", "：", " : "])
def test_every_noun_is_a_label(noun: str, colon: str) -> None:
    assert extract_final_answer(f"6 * 7 = 42\n{noun.capitalize()}{colon}42") == "42"


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "answer",
            "answer: ",
            "The answer to ",
            "answer |",
            "|answer|\n",
            '{"answer":',
            "<answer>",
        ),
        *("is the answer ", "1 is the answer. ", "answer - ", "The answer is a, b (since "),
        *(
            "Answer:\n1. a\n2. b\n",
            "result: 5\n",
            "boxed{",
            "$oxed{",
            "\\fcolorbox{a}{",
            "\\boxed{1},",
        ),
        *(
            "\\n",
            "答案是",
            "答",
            "respuesta ",
            "answer (",
            "answer of a ",
            "answer*_",
        ),
    ],
)
def test_hostile_text_costs_as_much_as_it_is_long(piece: str) -> None:
    assert growth(extract_final_answer, piece * (200_000 // len(piece))) <= MOST


def test_a_reply_of_more_than_a_million_characters_is_cut_in_the_middle() -> None:
    reply = "a" * LONGEST + "b" * 500 + " The final answer is \\boxed{7}."
    kept = read_text(reply)
    assert "[531 characters left out]" in kept
    assert kept.startswith("aaa")
    assert kept.endswith("\\boxed{7}.")
    assert len(kept) < LONGEST + 100
    assert read_text("x" * LONGEST) == "x" * LONGEST


def test_the_data_are_read_as_a_person_reads_them(test_data: Path) -> None:
    if not (test_data / "stated_answers.jsonl").is_file():
        pytest.skip("MCTSR_TEST_DATA names a folder without stated_answers.jsonl")
    result = measure(test_data / "stated_answers.jsonl")
    assert result["accuracy"] >= 0.98, result["wrong"]


def test_the_benchmark_counts_right_and_wrong_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"reply": "Answer: 5", "final_answer": "5"},
        {"reply": "Answer: 5 cm", "final_answer": "5", "also_right": ["5 cm"]},
        {"reply": "No idea.", "final_answer": None},
        {"reply": "Answer: 5", "final_answer": "6"},
    ]
    file = tmp_path / "stated.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    main([str(file)])
    assert json.loads(capsys.readouterr().out) == {
        "accuracy": 0.75,
        "n": 4,
        "wrong": [{"row": 3, "expected": "6", "read": "5"}],
    }
