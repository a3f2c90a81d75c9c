"""A chat with a mark in place of each text: what a template wrote between two marks is its own."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mctsr_graph.models.chat import Chat, Tools

_MARK = secrets.token_hex(16)  # a word that no text holds
MARKS = re.compile(rf"({_MARK}\d+x)")
_THOUGHT_ENDS = ("</think>", "[/THINK]")  # what stands before goes, in the templates of the models


@dataclass
class Marked:
    """A chat and its tools with marks, and the texts by mark.

    Attributes:
        chat: The chat, with marks.
        tools: The tools, with marks.
        texts: The text of each mark.
        required: The marks of whole messages, and the place of each in the chat.
        quoted: Marks that stand in JSON.
    """

    chat: Chat = field(default_factory=list)
    tools: Tools | None = None
    texts: dict[str, str] = field(default_factory=dict)
    required: dict[str, int] = field(default_factory=dict)
    quoted: set[str] = field(default_factory=set)

    def mark(self, text: str, *, quoted: bool) -> str:
        """A new mark for a text."""
        mark = f"{_MARK}{len(self.texts)}x"
        self.texts[mark] = text
        if quoted:
            self.quoted.add(mark)
        return mark

    def content(self, content: Any, place: int) -> Any:
        """What a message holds, a text or blocks, with a mark for each text that is not empty."""
        if isinstance(content, list):
            return [
                {**block, "text": self.content(block["text"], place)} if "text" in block else block
                for block in content
            ]
        if not content.strip():
            return content
        mark = self.mark(content, quoted=False)
        self.required[mark] = place
        return mark


def marked(chat: Chat, tools: Tools | None, may_hold: Callable[[str], bool]) -> Marked:
    """Put marks in place of texts.

    A message is marked whole, whatever it holds. Of names, arguments, descriptions and roles
    those are marked that may hold a part of a control token: templates compare the others.

    Args:
        chat: Turns of role, content and more.
        tools: OpenAI-style tools.
        may_hold: Whether a text may hold a part of a control token.
    """
    found = Marked()
    shared: dict[str, str] = {}

    def inside(value: Any) -> Any:
        if isinstance(value, dict):
            return {inside(key): inside(each) for key, each in value.items()}
        if isinstance(value, list):
            return [inside(each) for each in value]
        if not isinstance(value, str) or not value.strip() or not may_hold(value):
            return value
        if value not in shared:  # equal texts stay equal
            shared[value] = found.mark(value, quoted=True)
        return shared[value]

    for place, turn in enumerate(chat):
        others = {name: inside(value) for name, value in turn.items() if name != "content"}
        found.chat.append({**others, "content": found.content(turn["content"], place)})
    found.tools = inside(tools) if tools else None
    return found


def alignment(parts: list[str], texts: dict[str, str], whole: str) -> list[str] | None:
    """What a template has made of the text of each mark, where that can be told.

    Args:
        parts: The rendered chat with marks, split by `MARKS`: every second is a mark.
        texts: The text of each mark.
        whole: The rendered chat with its texts.

    Returns:
        The text behind each mark in order, or None where the two do not agree otherwise.
    """
    found, at = [], len(parts[0])
    if not whole.startswith(parts[0]):
        return None
    for mark, literal in zip(parts[1::2], parts[2::2], strict=True):
        for form in _forms(texts[mark]):
            behind = at + len(form)
            if whole.startswith(form, at) and whole.startswith(literal, behind):
                found.append(form)
                at = behind + len(literal)
                break
        else:
            return None
    return found if at == len(whole) else None


def _forms(text: str) -> Iterator[str]:
    """A text as templates write it."""
    yield text
    yield text.strip()
    yield text.lstrip()
    yield text.rstrip()
    yield quoted(text)
    yield json.dumps(text)[1:-1]
    for end in _THOUGHT_ENDS:
        if end in text:
            rest = text.split(end)[-1]
            yield from (rest, rest.lstrip("\n"), rest.strip())


def quoted(text: str) -> str:
    """As text stands in JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
