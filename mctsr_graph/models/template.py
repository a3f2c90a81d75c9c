"""Messages to token ids, by a model's chat template, in which no text becomes a control token."""

from __future__ import annotations

import secrets
import threading
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.chat import Chat, Tools, forms, to_chat
from mctsr_graph.models.control_tokens import ControlTokens, control_tokens
from mctsr_graph.models.marked import MARKS, Marked, alignment, marked, quoted
from mctsr_graph.models.pictures import Pictures

__all__ = [
    "TOKENIZER_LOCK",
    "Prompt",
    "prompt_ids",
    "prompt_of",
    "takes_tools",
    "template_source",
    "to_chat",
]

TOKENIZER_LOCK = threading.RLock()
"""Held around every use of a tokenizer: some calls change the shared object for a while."""

_OWN_NAMES = (
    *("tools", "tokenize", "add_generation_prompt", "continue_final_message", "conversation"),
    *("chat_template", "messages", "return_dict", "return_tensors", "return_assistant_tokens_mask"),
)
"""What a call decides, and no `chat_template_kwargs`."""
_TOLD: weakref.WeakSet[Any] = weakref.WeakSet()
_TAKES: weakref.WeakKeyDictionary[Any, dict[Any, bool]] = weakref.WeakKeyDictionary()
_FRAMES: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()
_FRAMES_KEPT = 64  # a search has about four: chats without their texts


@dataclass(frozen=True)
class Prompt:
    """What a model is given.

    Attributes:
        ids: Token ids.
        tail: What the template wrote behind the last text; a reply goes on from there.
    """

    ids: list[int]
    tail: str


@dataclass(frozen=True)
class _Rendered:
    """A chat in a form that the template takes: with its texts, and with marks for them."""

    text: str
    parts: list[str]
    marks: Marked


def template_options(template: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a template is given beside the messages and tools.

    Raises:
        ConfigError: A name is not free.
    """
    taken = sorted(set(given) & set(_OWN_NAMES))
    if taken:
        raise ConfigError(
            f"chat_template_kwargs holds {', '.join(taken)}, which a call decides itself"
        )
    return {**given, **({"chat_template": template} if template else {})}


def takes_tools(tokenizer: Any, options: Mapping[str, Any] | None = None) -> bool:
    """Whether the chat template writes the tools of a call into the prompt."""
    key = str(getattr(tokenizer, "chat_template", None)), repr(options)
    known = _TAKES.setdefault(tokenizer, {})
    if key not in known:
        known[key] = _writes_tools(tokenizer, options or {})
    return known[key]


def _writes_tools(tokenizer: Any, options: Mapping[str, Any]) -> bool:
    mark = secrets.token_hex(8)
    tool = {"name": mark, "description": mark, "parameters": {"type": "object", "properties": {}}}
    turn = {"role": "user", "content": "hi"}
    tools: Tools = [{"type": "function", "function": tool}]
    for chat in forms([turn]):
        try:
            return mark in _render(tokenizer, chat, tools, options)
        except Exception:  # a template may stumble over anything
            continue
    return False


def prompt_ids(
    tokenizer: Any,
    chat: Chat,
    tools: Tools | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[int]:
    """As `prompt_of`, the ids alone."""
    return prompt_of(tokenizer, chat, tools, options).ids


def prompt_of(
    tokenizer: Any,
    chat: Chat,
    tools: Tools | None = None,
    options: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
) -> Prompt:
    """A chat in the words of a chat template, in which no text is ever a control token.

    A control token is one that the template writes, or that a tokenizer flags as special, or
    that looks like one (`<|...|>`, `[...]`), whatever its flag. Where no text holds the spelling
    of one, the ids are exactly those of `apply_chat_template`. Else the prompt is cut at the
    control tokens that the template itself has written, and what lies between is encoded by a
    copy of the tokenizer that has none. There, a text is written as the template writes it, or,
    where that cannot be told, as it is.

    Args:
        tokenizer: Of transformers.
        chat: What `to_chat` gives.
        tools: OpenAI-style tools.
        options: More for the template: `chat_template`, `enable_thinking`, ...
        pictures: Those of the chat.

    Raises:
        ConfigError: The template refuses the chat, or drops the text of a message or a picture.

    Needs `TOKENIZER_LOCK`.
    """
    options = options or {}
    source = template_source(tokenizer, tools, options)
    rendered = _accepted(tokenizer, chat, tools, options, source, pictures)
    whole = _encoded(tokenizer, rendered.text)["input_ids"]
    frame = _frame(tokenizer, "".join(rendered.parts))
    known = control_tokens(tokenizer, source, frame["input_ids"])
    texts = "\n".join(rendered.marks.texts.values())
    held = known.of(_encoded(tokenizer, texts)["input_ids"]) if known.may_hold(texts) else []
    if held or known.of(whole) != known.of(frame["input_ids"]):
        whole = _separately(tokenizer, rendered, frame, known)
    return Prompt(list(whole), rendered.parts[-1])


def _separately(tokenizer: Any, rendered: _Rendered, frame: Any, known: ControlTokens) -> list[int]:
    """Ids of the template's control tokens and, between them, of text that holds none."""
    left = iter(_written(rendered))
    ids: list[int] = []
    for piece, at, token in _pieces(tokenizer, rendered.parts, frame, known):
        text = MARKS.sub(lambda _: next(left), piece)
        ids += known.text_ids(text, first=at == 0) if text else []
        ids += [] if token is None else [token]
    return ids


def _written(rendered: _Rendered) -> list[str]:
    """The text behind each mark, as the template wrote it or, where that is not told, as it is."""
    texts, parts = rendered.marks.texts, rendered.parts
    return alignment(parts, texts, rendered.text) or [
        quoted(texts[mark]) if mark in rendered.marks.quoted else texts[mark]
        for mark in parts[1::2]
    ]


def _with_pictures(rendered: _Rendered, pictures: Pictures) -> _Rendered:
    """With the places for pictures as long as these. What a text spells is no such place."""
    parts = MARKS.split(pictures.put_into("".join(rendered.parts)))
    text = list(parts)
    text[1::2] = _written(rendered)
    return _Rendered("".join(text), parts, rendered.marks)


def _pieces(tokenizer: Any, parts: list[str], frame: Any, known: ControlTokens) -> Any:
    """The marked prompt as pieces, where each begins, and the control token behind each."""
    text, at = "".join(parts), 0
    if "offset_mapping" in frame:
        for token, (start, end) in zip(frame["input_ids"], frame["offset_mapping"], strict=True):
            if token in known.contents:
                yield text[at:start], at, token
                at = end
    else:  # no Rust tokenizer: it tells no places, so each spelling is looked for
        contents = sorted(known.contents.items(), key=lambda item: -len(item[1]))
        while at < len(text):
            found = [(text.find(c, at), -len(c), i, c) for i, c in contents if c in text[at:]]
            if not found:
                break
            start, _, token, content = min(found)
            yield text[at:start], at, token
            at = start + len(content)
    yield text[at:], at, None


def _accepted(
    tokenizer: Any,
    chat: Chat,
    tools: Tools | None,
    options: Mapping[str, Any],
    source: str,
    pictures: Pictures | None,
) -> _Rendered:
    """The first form of the chat that the template neither refuses nor drops a message of."""
    may_hold = control_tokens(tokenizer, source).may_hold
    refused: Exception | None = None
    dropped: list[int] = []
    for form in forms(chat):
        marks = marked(form, tools, may_hold)
        try:
            framed = _render(tokenizer, marks.chat, marks.tools, options)
            made = _Rendered(_render(tokenizer, form, tools, options), MARKS.split(framed), marks)
            made = made if pictures is None else _with_pictures(made, pictures)
        except Exception as error:  # whatever a template stumbles over, another form may be taken
            refused = refused or error
            continue
        lost = [place for mark, place in marks.required.items() if mark not in framed]
        if not [place for place in lost if not form[place].get("tool_calls")]:
            if lost:
                _tell_lost(tokenizer)
            return made
        dropped = dropped or lost
    if dropped:
        role = chat[min(dropped[0], len(chat) - 1)]["role"]
        raise ConfigError(
            f"the chat template drops the text of message {dropped[0]}, of role {role!r}; "
            "give another by chat_template"
        )
    raise ConfigError(f"the chat template refuses the messages: {refused}") from refused


def _tell_lost(tokenizer: Any) -> None:
    if tokenizer not in _TOLD:
        _TOLD.add(tokenizer)
        warnings.warn("the chat template leaves out text that comes with tool calls", stacklevel=2)


def template_source(tokenizer: Any, tools: Tools | None, options: Mapping[str, Any]) -> str:
    """The text of the chat template that a call uses.

    Raises:
        ConfigError: There is none.
    """
    try:
        return str(tokenizer.get_chat_template(options.get("chat_template"), tools=tools))
    except ValueError as error:
        raise ConfigError(
            "the tokenizer has no chat template; give one by chat_template"
        ) from error


def _render(tokenizer: Any, chat: Chat, tools: Tools | None, options: Mapping[str, Any]) -> str:
    told = {**options, **({"tools": tools} if tools else {})}
    return str(
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **told)
    )


def _frame(tokenizer: Any, text: str) -> Any:
    """What a template writes around texts, encoded; remembered."""
    known = _FRAMES.setdefault(tokenizer, {})
    key = text, len(tokenizer)
    if key not in known:
        if len(known) >= _FRAMES_KEPT:
            known.clear()
        known[key] = _encoded(tokenizer, text, offsets=True)
    return known[key]


def _encoded(tokenizer: Any, text: str, *, offsets: bool = False) -> Any:
    offsets = offsets and getattr(tokenizer, "is_fast", False)
    more = {"return_offsets_mapping": True} if offsets else {}
    return tokenizer(text, add_special_tokens=False, **more)
