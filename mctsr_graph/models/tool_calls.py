"""Tool calls in the words of a model, as its chat template has them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

from mctsr_graph.errors import ConfigError

_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class ToolFormat:
    """How a family of models writes a call: `opening` and then JSON with name and arguments."""

    opening: str
    arguments: str = "arguments"
    listed: bool = False

    def lead(self, name: str | None) -> str:
        """The beginning of a call, of the tool with that name or of any."""
        start = f'{self.opening}{"[" if self.listed else ""}{{"name": "'
        return start if name is None else f'{start}{name}", "{self.arguments}": '


_HERMES = ToolFormat("<tool_call>\n")  # Qwen, Hermes, SmolLM, ...
_MISTRAL = ToolFormat("[TOOL_CALLS] ", listed=True)
_LLAMA = ToolFormat("", "parameters")  # bare JSON
_MARKS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>")


@dataclass(frozen=True)
class Parsed:
    """A reply taken apart."""

    content: str
    tool_calls: list[ToolCall]
    invalid_tool_calls: list[InvalidToolCall]


def format_of(template: str) -> ToolFormat:
    """The format that a chat template shows."""
    if "[TOOL_CALLS]" in template:
        return _MISTRAL
    return _HERMES if "<tool_call>" in template else _LLAMA


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


def parse(text: str, names: set[str]) -> Parsed:
    """Find the calls of tools called `names` in a reply, with or without their marks."""
    found = [at for mark in _MARKS if (at := text.find(mark)) >= 0]
    bare = text.lstrip().startswith(("{", "[{"))
    if not found and not bare:
        return Parsed(text, [], [])
    start = min(found) if found else 0
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    for payload in _payloads(text[start:]):
        call = _call(payload)
        if call is not None and (found or call["name"] in names):
            calls.append(call)
        elif found:
            identity, told = f"call_{uuid.uuid4().hex}", str(payload)
            broken.append(invalid_tool_call(name=None, args=told, id=identity, error="not a call"))
    if not calls and not broken:
        return Parsed(text, [], [])
    return Parsed(text[:start].strip(), calls, broken)


def _payloads(text: str) -> list[Any]:
    """JSON values after the marks; what is no JSON comes as text."""
    for mark in (*_MARKS, "</tool_call>"):
        text = text.replace(mark, "\0")
    payloads: list[Any] = []
    for part in filter(None, map(str.strip, text.split("\0"))):
        try:
            value = _DECODER.raw_decode(part)[0]
        except ValueError:
            value = part
        payloads += value if isinstance(value, list) else [value]
    return payloads


def _call(payload: Any) -> ToolCall | None:
    if not isinstance(payload, dict) or not isinstance(payload.get("name"), str):
        return None
    arguments = payload.get("arguments", payload.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if not isinstance(arguments, dict):
        return None
    return tool_call(name=payload["name"], args=arguments, id=f"call_{uuid.uuid4().hex}")
