"""Tool calls in the words of a model, as its chat template has them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.tool_formats import (
    OPENINGS,
    Broken,
    Call,
    Schemas,
    is_json,
    read_fence,
    read_json,
    read_python,
)

_FENCE = re.compile(r"(?:Action:\s*)?```(?:json|tool_code|tool_call|python)?\n")


@dataclass(frozen=True)
class ToolFormat:
    """How a family of models begins a call, and goes on behind its name.

    Attributes:
        sign: What a chat template of the family holds.
        before: What stands before the name.
        after: What stands between the name and the arguments.
        close: What ends a call behind its arguments, where these are JSON; else None.
    """

    sign: str
    before: str
    after: str
    close: str | None = None

    def lead(self, name: str | None) -> str:
        """The beginning of a call, of the tool with that name or of any."""
        return self.before if name is None else f"{self.before}{name}{self.after}"


_LISTED = '[{"name": "', '", "arguments": ', "}]"
_FORMATS = (  # the first whose sign is found
    ToolFormat("｜DSML｜", '<｜DSML｜function_calls>\n<｜DSML｜invoke name="', '">\n'),
    ToolFormat(
        "<｜tool▁sep｜>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    ToolFormat(
        "<|tool_call_argument_begin|>",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.",
        ":0<|tool_call_argument_begin|>",
        "<|tool_call_end|><|tool_calls_section_end|>",
    ),
    ToolFormat(
        "<|channel|>",
        "<|channel|>commentary to=functions.",
        " <|constrain|>json<|message|>",
        "<|call|>",
    ),
    ToolFormat(
        "<|START_ACTION|>",
        '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "',
        '", "parameters": ',
        "}\n]<|END_ACTION|>",
    ),
    ToolFormat("[ARGS]", "[TOOL_CALLS]", "[ARGS]", ""),
    ToolFormat("[TOOL_CALLS]", f"[TOOL_CALLS] {_LISTED[0]}", *_LISTED[1:]),
    ToolFormat("<|tool_call>", "<|tool_call>call:", "{"),
    ToolFormat("<start_function_call>", "<start_function_call>call:", "{"),
    ToolFormat("<minimax:tool_call>", '<minimax:tool_call>\n<invoke name="', '">\n'),
    ToolFormat("<seed:tool_call>", "<seed:tool_call>\n<function=", ">\n"),
    ToolFormat("<arg_key>", "<tool_call>", "\n"),
    ToolFormat("<function=", "<tool_call>\n<function=", ">\n"),
    ToolFormat("<|tool_call_start|>", "<|tool_call_start|>[", "("),
    ToolFormat("<|tool_call|>", f"<|tool_call|>{_LISTED[0]}", *_LISTED[1:]),
    ToolFormat("<TOOLCALL>", f"<TOOLCALL>{_LISTED[0]}", *_LISTED[1:]),
    ToolFormat("<tool_calls>", f"<tool_calls>{_LISTED[0]}", *_LISTED[1:]),
    ToolFormat("<tool_call>", '<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>"),
    ToolFormat("", '{"name": "', '", "parameters": ', "}"),  # bare JSON, as Llama's
)
_DEEPSEEK_V3 = ToolFormat(
    "```json",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    "\n```json\n",
    "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
)


@dataclass(frozen=True)
class Parsed:
    """A reply taken apart."""

    content: str
    tool_calls: list[ToolCall]
    invalid_tool_calls: list[InvalidToolCall]


def format_of(template: str) -> ToolFormat:
    """The format that a chat template shows."""
    found = next(each for each in _FORMATS if each.sign in template)
    if found.sign == "<｜tool▁sep｜>" and _DEEPSEEK_V3.sign in template:
        return _DEEPSEEK_V3
    return found


def is_tool_mark(content: str) -> bool:
    """Whether a token belongs to a call, and so has to be seen where calls are read."""
    words = ("tool", "TOOL", "ACTION", "ARGS", "CALL_ID", "function", "python_", "action", "plugin")
    others = ("escape", '<|"|>', "｜DSML｜")
    return any(word in content for word in (*words, *others))


def schemas_of(tools: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schema of each tool's arguments, by its name."""
    return {t["function"]["name"]: t["function"].get("parameters") or {} for t in tools}


def forced_name(choice: Any, tools: list[dict[str, Any]]) -> tuple[bool, str | None]:
    """Whether a call is demanded, and of which tool (None: of any of several).

    Args:
        choice: As `bind_tools` takes it: None, "auto", "none", "any", "required", True, a
            tool's name, or OpenAI's `{"type": "function", "function": {"name": ...}}`.
        tools: OpenAI-style tools.

    Raises:
        ConfigError: No tool has that name.
    """
    names = [tool["function"]["name"] for tool in tools]
    if isinstance(choice, dict):
        choice = choice.get("function", {}).get("name")
    if choice in (None, False, "auto", "none"):
        return False, None
    if choice in ("any", "required", True):
        return True, names[0] if len(names) == 1 else None
    if choice not in names:
        raise ConfigError(f"tool_choice is {choice!r}; the tools are {names}")
    return True, choice


def parse(text: str, schemas: Schemas, channels: Sequence[tuple[str, str]] = ()) -> Parsed:
    """Find the calls in a reply, in the words of whatever family, with or without their marks.

    Args:
        text: What the model says, without its thinking.
        schemas: The schema of each tool's arguments, by its name. A call without marks counts
            only if it is of one of them.
        channels: Calls that stood in channels of their own: name and arguments.
    """
    if channels:
        every = [
            each
            for name, told in channels
            for each in read_json(json.dumps({"name": name, "arguments": told or "{}"}), schemas)
        ]
        return _parsed(text.strip(), every)
    marks = [(at, mark) for mark in OPENINGS if (at := text.find(mark)) >= 0]
    if marks:
        at, mark = min(marks)
        return _parsed(text[:at].strip(), list(OPENINGS[mark](text[at:], schemas)))
    at, every = _bare(text, schemas)
    known = [each for each in every if isinstance(each, Call) and each.name in schemas]
    return _parsed(text[:at].strip(), known) if known else Parsed(text, [], [])


def _bare(text: str, schemas: Schemas) -> tuple[int, list[Call | Broken]]:
    """Where calls without marks may begin, and what is found there."""
    begun = text.lstrip()
    if is_json(begun):
        return 0, list(read_json(begun, schemas))
    names = "|".join(map(re.escape, sorted(schemas, key=len, reverse=True)))
    if names and re.match(rf"\[?\s*(?:{names})\(", begun):
        return 0, list(read_python(begun, schemas))
    fence = _FENCE.search(text)
    return (fence.start(), list(read_fence(text[fence.start() :], schemas))) if fence else (0, [])


def _parsed(content: str, found: Sequence[Call | Broken]) -> Parsed:
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    seen: set[str] = set()
    for each in found:
        if isinstance(each, Broken):
            told, identity = each.text, _new_id()
            broken.append(invalid_tool_call(name=None, args=told, id=identity, error="not a call"))
            continue
        name, arguments, own = each
        identity = own if own and own not in seen else _new_id()
        seen.add(identity)
        calls.append(tool_call(name=name, args=arguments, id=identity))
    return Parsed(content, calls, broken)


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex}"
