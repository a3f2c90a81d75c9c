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
from mctsr_graph.models.tool_formats import OPENINGS
from mctsr_graph.models.tool_readers import read_fence, read_json, read_python
from mctsr_graph.models.tool_scan import Broken, Call, is_json, json_at
from mctsr_graph.models.tool_values import Schemas

_FENCE = re.compile(r"(?:Action:\s*)?```(?:json|tool_code|tool_call|python)?\n")

ANY = ("any", "required", True)
"""What `tool_choice` may be to demand a call, or several."""


@dataclass(frozen=True)
class Parsed:
    """A reply taken apart."""

    content: str
    tool_calls: list[ToolCall]
    invalid_tool_calls: list[InvalidToolCall]


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
    if choice in ANY:
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
    at, mark = _mark(text)
    begin, found = _bare(text, schemas)
    bare = _offered(found, schemas)
    if bare and (not mark or len(bare) > len(_offered(_bare(text[:at], schemas)[1], schemas))):
        # The mark, if any, stands in a text of a call
        return _parsed(text[:begin].strip(), bare)
    if mark:
        return _parsed(text[:at].strip(), list(OPENINGS[mark](text[at:], schemas)))
    return Parsed(text, [], [])


def open_call(text: str, schemas: Schemas) -> re.Pattern[str] | None:
    """What has to come before a call that is begun can be over; None where none is open.

    Args:
        text: What the model says so far, without its thinking.
        schemas: As `parse` takes them.
    """
    at, mark = _mark(text)
    begin, bare = _bare(text, schemas)
    found = OPENINGS[mark](text[at:], schemas) if mark else ()
    every = [*(bare if begin < at else ()), *found]
    return next((each.until for each in every if isinstance(each, Broken) and each.open), None)


def _mark(text: str) -> tuple[int, str]:
    """The first mark of a call outside of JSON that a reply begins with; "" where none is."""
    begin = json_at(text, 0)[1] if is_json(text) else 0
    marks = [(at, mark) for mark in OPENINGS if (at := text.find(mark, begin)) >= 0]
    return min(marks, default=(len(text), ""))


def _bare(text: str, schemas: Schemas) -> tuple[int, list[Call | Broken]]:
    """Where calls without marks may begin, and those found there."""
    begun, at = text.lstrip(), 0
    names = "|".join(map(re.escape, sorted(schemas, key=len, reverse=True)))
    found: Iterable[Call | Broken] = ()
    if is_json(begun):
        found = read_json(begun, schemas)
    elif names and re.match(rf"\[?\s*(?:{names})\(", begun):
        found = read_python(begun, schemas)
    elif fence := _FENCE.search(text):
        at = fence.start()
        found = read_fence(text[at:], schemas)
    return at, list(found)


def _offered(found: Sequence[Call | Broken], schemas: Schemas) -> list[Call]:
    return [each for each in found if isinstance(each, Call) and each.name in schemas]


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
