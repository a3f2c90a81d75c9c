"""Thinking stays out of answers and scores, whatever it is wrapped in."""

from __future__ import annotations

import pytest

from mctsr_graph.errors import ScoreError
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.score import parse_score
from mctsr_graph.text.thinking import said, strip_reasoning

from .growth import MOST, growth

# How a thought begins and ends, as models write it
TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>\n", "\n</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<THINK>", "</THINK>"),
    ("<think >", "</think >"),
    ("<antThinking>", "</antThinking>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|think:start|>", "<|think:end|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    ("analysis", "assistantfinal"),
]
THOUGHT = "We try \\boxed{1}. The answer is 2. Score: 90"
ANSWER = "So it is \\boxed{7}. Score: 40"


@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_a_thought_is_no_part_of_a_reply(begin: str, end: str) -> None:
    reply = f"{begin}{THOUGHT}{end}{ANSWER}"
    assert said(reply) == (ANSWER, False)
    assert extract_final_answer(reply) == "7"
    assert parse_score(reply) == 40


@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_a_template_may_have_opened_the_tag(begin: str, end: str) -> None:
    assert strip_reasoning(f"{THOUGHT}{end}{ANSWER}") == ANSWER


@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_a_thought_that_is_cut_off_is_no_answer_and_no_score(begin: str, end: str) -> None:
    reply = f"{begin}{THOUGHT}"
    assert said(reply) == ("", True)
    assert extract_final_answer(reply) is None
    with pytest.raises(ScoreError) as caught:
        parse_score(reply)
    assert caught.value.code == "truncated_reasoning"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("<|channel|>final<|message|>It is 7.<|return|>", "It is 7."),
        ("<|channel|>commentary<|message|>Let me see.<|end|>", ""),
        ("analysisWe add.assistantcommentaryA note.assistantfinalIt is 7.", "It is 7."),
        ("<think>a</think>It is 7.<|END_RESPONSE|>", "It is 7."),
        ("<think>one</think>draft<reasoning>two</reasoning>It is 7.", "It is 7."),
        # Words of an answer
        ("analysis of cases: x = 7", "analysis of cases: x = 7"),
        (
            "I think [thinking aloud] that a < think > b",
            "I think [thinking aloud] that a < think > b",
        ),
        ("My reasoning: 3 + 4 = 7", "My reasoning: 3 + 4 = 7"),
    ],
)
def test_what_is_said(reply: str, text: str) -> None:
    assert said(reply).text == text


@pytest.mark.parametrize(
    "piece",
    [
        "<thought>",
        "</reasoning>",
        "[THINK]",
        "◁think▷",
        "<|channel|>",
        "<|channel|>final",
        "analysisA",
    ],
)
def test_the_time_grows_with_the_length_only(piece: str) -> None:
    assert growth(said, piece * (300_000 // len(piece))) <= MOST
