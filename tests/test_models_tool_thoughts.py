"""Marks of thinking in the arguments of a call are text; thinking beside a call is thought."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from mctsr_graph.models.tool_formats import FORMATS, ToolFormat
from tests.scripted_engine import scripted
from tests.test_models_reasoning import TAGS
from tests.test_models_tool_texts import EVERY, SCHEMAS, call_of, calls, said
from tests.test_models_tools import BOTH, DSML, LOOKED
from tests.test_models_tools import SCHEMAS as TOOLS

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

WRITE = {"type": "function", "function": {"name": "write", "parameters": SCHEMAS["write"]}}
# Families of tokenizers, and the sign of the format in which they write calls
FAMILIES = {
    **{"qwen3": "<tool_call>", "llama3": "", "mistral": "[TOOL_CALLS]", "phi4": "<|tool_call|>"},
    **{"deepseek_v3": "```json", "gpt_oss": "<|channel|>", "command": "<|START_ACTION|>"},
}
MARKS = ["<think>", "</think>", "[THINK]", "[/THINK]", "<think>a</think>", "<Thinking>", "<thi"]
MARKS += ["<|START_THINKING|>", "<|START_RESPONSE|>", "<|channel|>analysis<|message|>", "◁think▷"]
MARKS += ["<|channel>", "<|begin_of_solution|>", '"<think>', "\\<think>", "<|end_of_solution|>"]


def format_with(sign: str) -> ToolFormat:
    return next(one for one in FORMATS if (sign in one.signs if sign else not one.signs))


def whole(chat: Any) -> AIMessageChunk:
    chunks = list(chat.stream("Write."))
    return sum(chunks[1:], chunks[0])


def told(message: Any) -> tuple[str, str, list[Any], int]:
    thought = message.additional_kwargs.get("reasoning_content", "")
    return thought, message.content, calls(message), len(message.invalid_tool_calls)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_of_thinking_in_an_argument_is_text(name: str, mark: str) -> None:
    text = f"It says {mark} here."
    reply = call_of(format_with(FAMILIES[name]), "write", {"text": text, "days": 2})
    before = "" if name in ("llama3", "gpt_oss") else "<think>Hm.</think>\n\n"
    chat = scripted(name, before + reply).bind_tools([WRITE])
    wanted = ("Hm." if before else "", "", [("write", {"text": text, "days": 2})], 0)
    assert told(chat.invoke("Write.")) == wanted
    assert told(whole(chat)) == wanted


@pytest.mark.parametrize(
    "name", sorted({*FAMILIES} - {"gpt_oss"})
)  # whose end of a call ends the reply
def test_a_mark_of_calls_in_an_argument_is_text(name: str) -> None:
    written = format_with(FAMILIES[name])
    for mark in (written.close, written.before, "</tool_call>", call_of(written, "other", {})):
        args = {"text": f"It says {mark} here."}
        chat = scripted(name, call_of(written, "write", args)).bind_tools([WRITE])
        assert told(chat.invoke("Write.")) == ("", "", [("write", args)], 0)
        assert told(whole(chat)) == ("", "", [("write", args)], 0)


@pytest.mark.parametrize("name", ["qwen3", "llama3", "mistral", "deepseek_v3"])
def test_a_call_with_a_mark_is_read_the_same_wherever_it_is_cut_off(name: str) -> None:
    args = {"text": "a <think> b </think> c"}
    reply = "<think>So <it>.</think>\n" + call_of(format_with(FAMILIES[name]), "write", args)
    chat = scripted(name, reply)
    count = chat.bind_tools([WRITE]).invoke("Write.").usage_metadata["output_tokens"]
    for most in range(1, count + 1):
        bound = chat.bind_tools([WRITE], max_tokens=most)
        found = told(bound.invoke("Write."))
        assert "So <it>.".startswith(found[0])
        assert found[2] in ([], [("write", args)])
        assert not found[2] or found[0] == "So <it>."
        assert told(whole(bound))[:3] == found[:3]  # a stream leaves out what is no call


def test_a_demanded_call_may_hold_a_mark() -> None:
    chat = scripted("qwen3", '{"text": "a <think> b"}}\n</tool_call>')
    wanted = ("", "", [("write", {"text": "a <think> b"})], 0)
    bound = chat.bind_tools([WRITE], tool_choice="write")
    assert (told(bound.invoke("Write.")), told(whole(bound))) == (wanted, wanted)


def test_an_answer_in_json_may_hold_a_mark() -> None:
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    answer = '{"text": "a <think> b"}'
    chat = scripted("qwen3", f"<think>Hm.</think>{answer}", response_format={"type": "json_object"})
    assert told(chat.invoke("Write.")) == ("Hm.", answer, [], 0)
    assert told(whole(chat)) == ("Hm.", answer, [], 0)


@EVERY
@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_thinking_beside_a_call_is_thought(written: ToolFormat, begin: str, end: str) -> None:
    if "<|channel|>" in written.signs:
        pytest.skip("it thinks in channels")
    args = {"text": f"a {begin}b{end} c", "days": 2}
    reply = call_of(written, "write", args)
    for size in (1, 7, 10**6):
        found, thought = said(written, f"{begin}I see.{end}\n{reply}", size)
        assert (calls(found), thought) == ([("write", args)], "I see.")
        if written.signs:  # calls without marks have nothing beside them
            both = f"One.\n{reply}\n{begin}I see.{end}\n{reply}"
            found, thought = said(written, both, size)
            assert (found.content, thought) == ("One.", "I see.")
            assert calls(found) == [("write", args)] * 2


@EVERY
@pytest.mark.parametrize(("begin", "end"), TAGS)
def test_a_call_that_is_cut_off_is_no_thought(written: ToolFormat, begin: str, end: str) -> None:
    args = {"text": f"a {begin}b{end} c"}
    reply = call_of(written, "write", args)
    for at in range(len(reply)):
        found, thought = said(written, reply[:at], cut=True)
        assert (calls(found), thought) in (([], ""), ([("write", args)], ""))


@pytest.mark.parametrize("family", BOTH)
@pytest.mark.parametrize("mark", ["<think>", "[THINK]", "◁think▷"])
def test_both_calls_of_each_family_may_hold_a_mark(family: str, mark: str) -> None:
    reply = BOTH[family].replace("São", mark)
    for size in (1, 10**6):
        found, _ = said(format_with(""), reply, size, schemas=TOOLS)
        wanted = LOOKED[1] | {"city": LOOKED[1]["city"].replace("São", mark)}
        assert calls(found)[1:] == [("look", wanted)]


@pytest.mark.parametrize(
    "before",
    [
        *("", "Well, {12} is it.", "I call <tool_call> then.", "[1] add(", "It's (not"),
        *('```json\n{"a": 1}\n```', "<tool_call>{}</tool_call>", "```python\nf(\n```"),
        *("<tool_call>\n{no}\n</tool_call>", "<function=add>no</function>", DSML),
    ],
)
def test_thinking_behind_words_is_thought(before: str) -> None:
    reply = f"{before}\n<think>I see.</think>\nSo."
    for size in (1, 10**6):
        assert said(format_with(""), reply, size)[1] == "I see."
