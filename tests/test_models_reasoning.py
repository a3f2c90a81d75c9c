"""Replies taken apart: thinking in tags and channels, cut anywhere, in pieces of any size."""

from __future__ import annotations

import re

import pytest

from mctsr_graph.models.reasoning import ReplyReader, answer_lead, is_mark, reader_of

CHATML = "<|im_end|>\n<|im_start|>assistant\n"
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
START = "<|end|><|start|>assistant"


def read(reader: ReplyReader, reply: str, size: int, *, cut: bool = False) -> tuple[str, str]:
    """Thought and answer of a reply that comes in pieces of `size` characters."""
    pieces = []
    for at in range(0, len(reply), size):
        pieces += reader.push(reply[at : at + size])
    pieces += reader.end(cut=cut)
    thought, said = ("".join(t for k, t in pieces if k == kind) for kind in ("thought", "said"))
    return thought, said


TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|><|begin_of_solution|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_thinking_in_tags(begin: str, end: str, size: int) -> None:
    reply = f"{begin}\n2 < 3 and [x] so\n\n4.\n{end}\n\nIt is 4 < 5.\n"
    assert read(reader_of(CHATML, ()), reply, size) == (
        "2 < 3 and [x] so\n\n4.",
        "It is 4 < 5.\n",
    )


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_thinking_that_the_template_opens(begin: str, end: str, size: int) -> None:
    tail = f"{CHATML}{begin}\n"
    assert read(reader_of(tail, ()), f"Is it 4?\n{end}4", size) == ("Is it 4?", "4")
    assert read(reader_of(tail, ()), f"{begin}Is it 4?{end}4", size) == ("Is it 4?", "4")


@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_a_thought_that_is_cut_off_is_no_answer(begin: str, end: str) -> None:
    reply = f"{begin}It is 13, or not.{end}The answer is 7."
    upto = len(begin) + len("It is 13, or not.") + len(end)
    for at in range(1, len(reply) + 1):
        thought, said = read(reader_of(CHATML, ()), reply[:at], 4, cut=True)
        assert "It is 13, or not.".startswith(thought)
        assert said == reply[upto:at]
        opened = read(reader_of(CHATML + begin, ()), reply[len(begin) : at], 4, cut=True)
        assert opened == (thought, said)


def test_a_thought_in_a_channel_that_is_cut_off_is_no_answer() -> None:
    begin, thought, end = "<|channel|>analysis<|message|>", "It is 13 < 14.", "<|end|>"
    reply = f"{begin}{thought}{end}<|start|>assistant<|channel|>final<|message|>7"
    for at in range(len(reply)):
        found = read(reader_of("<|start|>assistant", HARMONY), reply[:at], 4, cut=True)
        assert (thought.startswith(found[0]), found[1]) == (True, "")


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize("reply", ["", " ", "\n a < b, [1], <b>x</b> ◁ <", "x</think>y", "if a<|b"])
def test_a_reply_without_thinking_is_as_it_was(reply: str, size: int) -> None:
    closed = f"{CHATML}<think>\n\n</think>\n\n"
    for tail in ("", CHATML, closed):
        assert read(reader_of(tail, ()), reply, size) == ("", reply)


@pytest.mark.parametrize("reply", ["<b", "<tho>", "[TH] x", "a <think"])
def test_what_is_no_opening_is_said_though_the_reply_is_cut(reply: str) -> None:
    assert read(reader_of("", ()), reply, 3, cut=True) == ("", reply)


def test_thinking_between_parts_of_an_answer() -> None:
    reply = "\n<think>a</think>\nOne. <think>b</think> Two."
    assert read(reader_of("", ()), reply, 5) == ("ab", "One. Two.")


HARMONY_REPLY = (
    "<|channel|>analysis<|message|>User asks 2+2.<|end|><|start|>assistant<|channel|>analysis"
    "<|message|>It is 4.<|end|><|start|>assistant<|channel|>final<|message|>4 < 5<|return|>"
)


@pytest.mark.parametrize("size", [1, 2, 9, 1000])
def test_channels(size: int) -> None:
    thought, said = read(reader_of(START, HARMONY), HARMONY_REPLY, size)
    assert (thought, said) == ("User asks 2+2.\n\nIt is 4.", "4 < 5")


def test_channels_that_are_cut_off() -> None:
    tokens = re.findall(r"(?s)<\|\w+\|>|.", HARMONY_REPLY)  # marks are tokens: whole or not there
    for count in range(1, len(tokens) + 1):
        reply = "".join(tokens[:count])
        thought, said = read(reader_of(START, HARMONY), reply, 5, cut=True)
        assert said == reply.partition("final<|message|>")[2].removesuffix("<|return|>")
        assert "User asks 2+2.\n\nIt is 4.".startswith(thought)


@pytest.mark.parametrize("size", [1, 6, 1000])
@pytest.mark.parametrize(
    "call",
    [
        "<|channel|>commentary to=functions.add <|constrain|>json<|message|>",
        " to=functions.add<|channel|>commentary json<|message|>",
    ],
)
def test_calls_in_channels(call: str, size: int) -> None:
    reply = f'{call}{{"a": 1}}<|call|>'
    reader = reader_of(START, HARMONY)
    assert read(reader, reply, size) == ("", "")
    assert reader.calls == [("add", '{"a": 1}')]
    both = f"<|channel|>analysis<|message|>Two.<|end|><|start|>assistant{call}1<|call|>"
    both += f"<|start|>assistant{call}2<|call|>"
    reader = reader_of(START, HARMONY)
    assert read(reader, both, size) == ("Two.", "")
    assert reader.calls == [("add", "1"), ("add", "2")]


@pytest.mark.parametrize("size", [1, 1000])
def test_channels_that_the_template_opens_or_the_model_leaves_out(size: int) -> None:
    opened = reader_of("<|start|>assistant<|channel|>final<|message|>", HARMONY)
    assert read(opened, "4<|return|>", size) == ("", "4")
    assert read(reader_of(START, HARMONY), "It is 4.<|return|>", size) == ("", "It is 4.")
    assert read(reader_of("", HARMONY), "It is 4.", size) == ("", "It is 4.")


def test_what_leads_to_an_answer() -> None:
    assert answer_lead(CHATML, ()) == ""
    assert answer_lead(CHATML + "<think>\n", ()) == "\n</think>\n\n"
    assert answer_lead("[THINK]", ()) == "\n[/THINK]\n\n"
    assert answer_lead("<|START_THINKING|>", ()) == "\n<|END_THINKING|>\n\n"
    assert answer_lead("<|start|>assistant", HARMONY) == "<|channel|>final<|message|>"
    assert answer_lead("<|channel|>final<|message|>", HARMONY) == ""


def test_marks() -> None:
    tags = ("<think>", "</think>", "[THINK]", "<|END_RESPONSE|>")
    assert all(is_mark(mark, HARMONY) for mark in (*HARMONY, *tags))
    assert all(is_mark(mark, ()) for mark in tags)
    assert not any(
        is_mark(mark, HARMONY) for mark in ("<|im_end|>", "<s>", "[INST]", "<tool_call>")
    )


def test_what_ends_a_turn_is_no_mark_where_there_are_no_channels() -> None:
    # Phi 3, Phi 4 mini
    assert not is_mark("<|end|>", {"<|user|>", "<|assistant|>", "<|end|>"})
