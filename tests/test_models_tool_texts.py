"""Arguments of tools that hold the marks of their own format: read in all of them, cut anywhere."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from mctsr_graph.models.reasoning import reader_of
from mctsr_graph.models.tool_calls import Parsed, open_call, parse
from mctsr_graph.models.tool_formats import FORMATS, ToolFormat
from tests.test_models_reasoning import CHATML, HARMONY

SCHEMAS: dict[str, Any] = {
    "write": {"properties": {"text": {"type": "string"}, "days": {"type": "integer"}}},
    "look": {"properties": {"city": {"type": "string"}}},
}
EVERY = pytest.mark.parametrize("written", FORMATS, ids=lambda one: " ".join(one.signs) or "bare")


def call_of(written: ToolFormat, name: str, arguments: dict[str, Any]) -> str:
    """A call as a model of the family writes it."""
    return f"{written.lead(name)}{body_of(written, arguments)}{written.close}"


def body_of(written: ToolFormat, arguments: dict[str, Any]) -> str:
    """The arguments of a call."""
    pairs = written.pairs
    if pairs is None:
        return json.dumps(arguments, ensure_ascii=False)
    told = []
    for key, value in arguments.items():
        middle = pairs.middle.replace("{text}", str(isinstance(value, str)).lower())
        text = value if isinstance(value, str) else json.dumps(value)
        if isinstance(value, str) and pairs.quote == '"':
            text = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, str):
            text = f"{pairs.quote}{value}{pairs.quote}"
        told.append(f"{pairs.begin}{key}{middle}{text}{pairs.end}")
    return pairs.joint.join(told)


def hostile(written: ToolFormat) -> list[str]:
    """Texts with the marks of a format, alone and in words."""
    pairs = written.pairs
    marks = [written.before, written.after, written.close, "```", "'", '"', "\\", "\n", '"}\n']
    marks += ["\\n", '\\"', "<|call|>", "</tool_call>", "<tool_call>", "<think>", "[THINK]"]
    if pairs:
        middle = pairs.middle.replace("{text}", "true")
        marks += [pairs.begin, f"{pairs.begin}x{middle}", f"{pairs.begin}text{middle}", middle]
        marks += [pairs.end, pairs.quote, pairs.quote + pairs.end, pairs.end.strip()]
    every = [*filter(str.strip, marks), written.lead("write")]
    texts = [text for mark in every for text in (f"a{mark}b", f"{mark} a", mark * 2)]
    return [*texts, f"x{''.join(marks)}y", call_of(written, "other", {"city": "a"}) + "z"]


def said(
    written: ToolFormat,
    reply: str,
    size: int = 10**6,
    *,
    cut: bool = False,
    schemas: Any = SCHEMAS,
) -> tuple[Parsed, str]:
    """What is read of a reply that comes in pieces, and what is thought."""
    marks = HARMONY if "<|channel|>" in written.signs else ()
    within = partial(open_call, schemas=schemas)
    reader = reader_of("<|start|>assistant" if marks else CHATML, marks, within)
    pieces = [
        piece for i in range(0, len(reply), size) for piece in reader.push(reply[i : i + size])
    ]
    pieces += reader.end(cut=cut)
    thought, text = ("".join(t for k, t in pieces if k == kind) for kind in ("thought", "said"))
    return parse(text, schemas, reader.calls), thought


def calls(parsed: Parsed) -> list[tuple[str, dict[str, Any]]]:
    return [(call["name"], call["args"]) for call in parsed.tool_calls]


@EVERY
@pytest.mark.parametrize("order", [("text", "days"), ("days", "text")])
def test_a_text_may_hold_the_marks_of_its_format(written: ToolFormat, order: Any) -> None:
    wrong = []
    for text in hostile(written):
        wanted = {key: {"text": text, "days": 2}[key] for key in order}
        for reply in (call_of(written, "write", wanted), call_of(written, "write", {"text": text})):
            for size in (1, 7, 10**6):
                found, _ = said(written, reply, size)
                args = [args for _, args in calls(found)]
                if args not in ([wanted], [{"text": text}]) or found.invalid_tool_calls:
                    wrong.append((text, args))
    assert wrong == []


def mild(written: ToolFormat) -> str:
    """A text with marks, which do not end a call together."""
    pairs = written.pairs
    end = [pairs.end, pairs.quote, pairs.begin] if pairs else [written.close]
    return "\n".join(["a", *end, written.before, '"', "\\", "'", "```", "b"])


@EVERY
def test_two_calls_and_words(written: ToolFormat) -> None:
    wanted = [("write", {"text": mild(written), "days": 1}), ("look", {"city": mild(written)})]
    one, other = (call_of(written, *each) for each in wanted)
    lines = {"\n", ""} if written.signs else {"\n", "; "}
    for joint in lines:
        found, _ = said(written, f"{one}{joint}{other}")
        assert calls(found) == wanted
    if written.signs and "<|channel|>" not in written.signs:
        found, _ = said(written, f"I see.\n{one}\nThen\n{other}\nThat is all.", 1)
        assert (found.content, calls(found)[:1]) == ("I see.", wanted[:1])
        assert [name for name, _ in calls(found)] in (["write", "look"], ["write"])


@pytest.mark.parametrize(
    "reply",
    [
        '{"name": "write", "parameters": {"text": "<function=look></function> and',
        '{"note": "<function=look></function>"}',
        '{"note": "<tool_call>{\\"name\\": \\"look\\"}</tool_call>", "days": [1',
    ],
)
def test_no_call_is_read_out_of_a_text_of_json(reply: str) -> None:
    assert parse(reply, SCHEMAS) == Parsed(reply, [], [])


@EVERY
def test_a_call_with_marks_that_is_cut_off_is_none(written: ToolFormat) -> None:
    wanted = ("write", {"text": mild(written), "days": 1})
    for first in (wanted, ("look", {"city": mild(written)})):
        reply = call_of(written, *first) + "\n" + call_of(written, *wanted)
        for at in range(len(reply)):
            assert calls(said(written, reply[:at], cut=True)[0]) in ([], [first], [first, wanted])
