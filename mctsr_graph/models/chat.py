"""LangChain's messages as the role and text that a chat template reads, and other forms of them.

Templates differ in what they take: a system message, equal roles in a row, content in blocks,
arguments as text, several calls in a turn. Each form here is tried where a template refuses
the usual one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.pictures import blocks_of

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}  # all others: as user text
_MOST_AT_ONCE = 3  # forms of a chat that are changed together
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
Chat = list[dict[str, Any]]
Tools = list[dict[str, Any]]


def to_chat(messages: list[BaseMessage], *, tools: bool = False, pictures: bool = False) -> Chat:
    """Messages as role and text; where there are pictures, those with one as role and blocks.

    Tool calls and results keep their form where the template knows `tools`; else calls are left
    out and results become user text. What an answer with calls was thought of before stays with
    it, as some templates write it.

    Args:
        messages: Of LangChain, at least one.
        tools: Whether the template takes tools.
        pictures: Whether the model takes pictures.

    Raises:
        ConfigError: No message at all, or a content block that is neither text nor such a picture.
    """
    if not messages:
        raise ConfigError("a call needs at least one message")
    chat = []
    for message in messages:
        role = getattr(message, "role", None) or _ROLES.get(message.type, "user")
        turn: dict[str, Any] = {"role": role, "content": _content(message, pictures)}
        if tools and isinstance(message, ToolMessage):
            turn |= {"role": "tool", "tool_call_id": message.tool_call_id}
            turn |= {"name": message.name} if message.name else {}
        if tools and isinstance(message, AIMessage) and message.tool_calls:
            turn["tool_calls"] = [
                {
                    "type": "function",
                    "id": call["id"] or "",
                    "function": {"name": call["name"], "arguments": call["args"]},
                }
                for call in message.tool_calls
            ]
            thought = message.additional_kwargs.get("reasoning_content")
            turn |= {"reasoning_content": thought, "thinking": thought} if thought else {}
        chat.append(turn)
    return chat


def _content(message: BaseMessage, pictures: bool) -> str | list[dict[str, str]]:
    if message.type == "ai" or isinstance(message.content, str):
        return str(message.text)  # reasoning or calls of an answer go
    allowed = ("text", "image") if pictures else ("text",)
    blocks: list[Any] = blocks_of(message) if pictures else list(message.content)
    blocks = [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]
    for block in blocks:
        if block.get("type") not in allowed:
            kind = block.get("value", block).get("type")
            raise ConfigError(f"only {' and '.join(allowed)} is supported, got a {kind!r} block")
    if all(block["type"] == "text" for block in blocks):
        return str(message.text)
    return [{k: v for k, v in b.items() if k in ("type", "text")} for b in blocks]


def forms(chat: Chat) -> Iterator[Chat]:
    """The chat as it is, then changed in one way after another, then in several at once."""
    yield chat
    tried = [chat]
    for count in range(1, _MOST_AT_ONCE + 1):
        for changes in combinations(_CHANGES, count):
            changed = chat
            for change in changes:
                changed = change(changed)
            if changed not in tried:
                tried.append(changed)
                yield changed


def _in_blocks(chat: Chat) -> Chat:
    """Content as a list of blocks, as templates of models that see pictures read it."""
    return [
        {**turn, "content": [{"type": "text", "text": turn["content"]}]}
        if isinstance(turn["content"], str)
        else turn
        for turn in chat
    ]


def _without_thoughts(chat: Chat) -> Chat:
    gone = ("reasoning_content", "thinking")
    return [{k: v for k, v in turn.items() if k not in gone} for turn in chat]


def _with_arguments_as_text(chat: Chat) -> Chat:
    def written(arguments: Any) -> Any:
        is_text = isinstance(arguments, str)
        return arguments if is_text else json.dumps(arguments, ensure_ascii=False)

    return _with_calls(
        chat, lambda call: {"function": _with(call["function"], "arguments", written)}
    )


def _with_short_ids(chat: Chat) -> Chat:
    """Ids of nine letters and digits, which templates of Mistral insist on."""

    def short(told: str) -> str:
        is_short = _SHORT_ID.fullmatch(told)
        return told if is_short else hashlib.sha256(told.encode()).hexdigest()[:9]

    changed = _with_calls(chat, lambda call: {"id": short(call["id"])})
    return [_with(t, "tool_call_id", short) if "tool_call_id" in t else t for t in changed]


def _with_one_call_a_turn(chat: Chat) -> Chat:
    """Each call in a turn of its own, its result behind it."""
    results = {turn["tool_call_id"]: turn for turn in chat if "tool_call_id" in turn}
    changed: Chat = []
    placed: list[Any] = []
    for turn in chat:
        calls = turn.get("tool_calls") or ()
        if len(calls) < 2:
            changed += [turn] if turn not in placed else []
            continue
        for i, call in enumerate(calls):
            alone = {**turn, "content": "" if i else turn["content"], "tool_calls": [call]}
            result = results.get(call["id"])
            changed += [alone, result] if result else [alone]
            placed += [result] if result else []
    return changed


def _merged(chat: Chat) -> Chat:
    """System text as the user's, and equal roles in a row as one turn."""
    merged: Chat = []
    for turn in chat:
        role = "user" if turn["role"] == "system" else turn["role"]
        is_plain = not {*turn} - {"role", "content"} and isinstance(turn["content"], str)
        before = merged[-1] if merged else {}
        if is_plain and before.get("role") == role and isinstance(before["content"], str):
            before["content"] += "\n\n" + turn["content"]
        else:
            merged.append({**turn, "role": role})
    return merged


# In the order in which they are made; blocks come last, as the others join texts
_CHANGES: tuple[Callable[[Chat], Chat], ...] = (
    *(_merged, _with_arguments_as_text, _with_short_ids, _without_thoughts),
    *(_with_one_call_a_turn, _in_blocks),
)


def _with_calls(chat: Chat, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Chat:
    return [
        {**turn, "tool_calls": [{**call, **change(call)} for call in turn["tool_calls"]]}
        if turn.get("tool_calls")
        else turn
        for turn in chat
    ]


def _with(thing: dict[str, Any], name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    return {**thing, name: change(thing[name])}
