"""Messages to token ids, by a model's chat template, in which no text becomes a control token."""

from __future__ import annotations

import json
import re
import secrets
import threading
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from mctsr_graph.errors import ConfigError

TOKENIZER_LOCK = threading.Lock()
"""Held around every use of a tokenizer: "split special tokens" is state of the shared object."""

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}  # all others: as user text
_MARK = secrets.token_hex(16)  # a word that no text holds
_MARKS = re.compile(rf"({_MARK}\d+x)")
Chat = list[dict[str, Any]]
Tools = list[dict[str, Any]]


def to_chat(messages: list[BaseMessage], *, tools: bool = False) -> Chat:
    """Messages as role and text.

    Tool calls and results keep their form where the template knows `tools`; else calls are left
    out and results become user text.

    Raises:
        ConfigError: No message at all, or a content block (an image, ...) that is no text.
    """
    if not messages:
        raise ConfigError("a call needs at least one message")
    chat = []
    for message in messages:
        for block in message.content if isinstance(message.content, list) else ():
            kind = "text" if isinstance(block, str) else block.get("type")
            if kind != "text" and message.type != "ai":  # reasoning or calls of an answer go
                raise ConfigError(f"only text content is supported, got a {kind!r} block")
        role = getattr(message, "role", None) or _ROLES.get(message.type, "user")
        turn: dict[str, Any] = {"role": role, "content": str(message.text)}
        if tools and isinstance(message, ToolMessage):
            turn |= {"role": "tool", "tool_call_id": message.tool_call_id}
            turn |= {"name": message.name} if message.name else {}
        if tools and isinstance(message, AIMessage) and message.tool_calls:
            calls = [{"name": c["name"], "arguments": c["args"]} for c in message.tool_calls]
            turn["tool_calls"] = [{"type": "function", "function": call} for call in calls]
        chat.append(turn)
    return chat


def takes_tools(tokenizer: Any) -> bool:
    """Whether the chat template writes the tools of a call into the prompt."""
    mark = secrets.token_hex(8)
    tool = {"name": mark, "description": mark, "parameters": {"type": "object", "properties": {}}}
    chat = [{"role": "user", "content": "hi"}]
    try:
        return mark in _render(tokenizer, chat, [{"type": "function", "function": tool}])
    except Exception:  # a template may stumble over anything
        return False


def prompt_ids(tokenizer: Any, chat: Chat, tools: Tools | None = None) -> list[int]:
    """Token ids of a chat, in which text of messages is never a special token.

    The chat is tokenised twice: as `apply_chat_template` does, and segment by segment, the
    template's parts with special tokens and the messages' texts without. When both show the
    same special tokens the first is returned (so benign text has exactly the usual ids), else
    the second. The second keeps texts as they are, or stripped where the template strips;
    other edits of a template (dropping old reasoning, ...) are not repeated there. Added
    tokens that a tokenizer does not flag as special ("<think>") stay as the model has them.

    Needs `TOKENIZER_LOCK`.
    """
    chat, text = _accepted(tokenizer, chat, tools)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    segments = _segment_ids(tokenizer, chat, text, tools)
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}
    same = [i for i in whole if i in special] == [i for i in segments if i in special]
    return list(whole if same else segments)


def _segment_ids(tokenizer: Any, chat: Chat, text: str, tools: Tools | None) -> list[int]:
    turns, marks = _marked(chat)
    parts = _MARKS.split(_render(tokenizer, turns, tools))
    stripped = {mark: content.strip() for mark, content in marks.items()}
    if "".join(stripped.get(part, part) for part in parts) == text:
        marks = stripped
    ids: list[int] = []
    for part in parts:
        is_content, piece = part in marks, marks.get(part, part)
        options = {"add_special_tokens": False, "split_special_tokens": is_content}
        ids += tokenizer(piece, **options)["input_ids"] if piece else []
    return ids


def _marked(chat: Chat) -> tuple[Chat, dict[str, str]]:
    """The chat with a mark for each text, and the texts by mark as they are to be written."""
    marks: dict[str, str] = {}
    by_text: dict[tuple[str, bool], str] = {}

    def marked(value: Any, quoted: bool = True) -> Any:
        if isinstance(value, dict):
            return {key: marked(each) for key, each in value.items()}
        if isinstance(value, list):
            return [marked(each) for each in value]
        if not isinstance(value, str) or not value.strip():
            return value
        mark = by_text.setdefault((value, quoted), f"{_MARK}{len(by_text)}x")
        marks[mark] = json.dumps(value, ensure_ascii=False)[1:-1] if quoted else value
        return mark

    turns = [{**turn, "content": marked(turn["content"], quoted=False)} for turn in chat]
    for turn in turns:
        if "tool_calls" in turn:  # their texts are written as JSON
            calls = [marked(call["function"]) for call in turn["tool_calls"]]
            turn["tool_calls"] = [{"type": "function", "function": call} for call in calls]
    return turns, marks


def _render(tokenizer: Any, chat: Chat, tools: Tools | None) -> str:
    options = {"tools": tools} if tools else {}
    return str(
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **options)
    )


def _accepted(tokenizer: Any, chat: Chat, tools: Tools | None) -> tuple[Chat, str]:
    """The chat and its text; changed where the template refuses system or equal roles in a row."""
    from jinja2 import TemplateError

    try:
        return chat, _render(tokenizer, chat, tools)
    except TemplateError:
        merged: Chat = []
        for message in chat:
            role = "user" if message["role"] == "system" else message["role"]
            plain = not {*message} - {"role", "content"}
            if plain and merged and merged[-1]["role"] == role:
                merged[-1]["content"] += "\n\n" + message["content"]
            else:
                merged.append({**message, "role": role})
        return merged, _render(tokenizer, merged, tools)
