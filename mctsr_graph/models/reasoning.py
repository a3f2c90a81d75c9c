"""A reply taken apart while it grows: what the model thinks, what it says, which tools it calls.

Thinking stands in tags, as `mctsr_graph.text.thinking` lists them, or in the channels of gpt-oss.
Whatever way a reply is cut into pieces, the readers make the same of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Literal, Protocol

from mctsr_graph.text.thinking import BEGIN_TAG, END_TAG

Kind = Literal["thought", "said"]
Piece = tuple[Kind, str]
Within = Callable[[str], re.Pattern[str] | None]
"""Told what is said so far: marks of thinking are text, as in a call, until this comes."""

_MARK = re.compile(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_TEXTS = re.compile(r'(?s)"(?>(?:[^"\\]|\\.)*)"')  # of JSON
_HARMONY = {"<|channel|>", "<|message|>", "<|start|>"}
# The beginning of an answer, and its end: neither belongs to it
_FRAME = re.compile(r"<\|(?:START_RESPONSE|begin_of_solution|END_RESPONSE|end_of_solution)\|>")
_EITHER = re.compile(rf"{BEGIN_TAG.pattern}|{_FRAME.pattern}")
_ANY = re.compile(rf"{BEGIN_TAG.pattern}|{END_TAG.pattern.removeprefix('(?ai)')}")
# The end of a text that may become a mark with the next piece
_RISKY = re.compile(r"(?a)(?:<[|/]?[\w:]{0,24}\s?\|?|\[/?[A-Za-z]{0,8}|◁/?\w{0,8})\Z")
_OPENINGS = (
    *("<think>", "<thinking>", "<thought>", "<thoughts>", "<reasoning>", "<seed:think>"),
    *("<antthinking>", "<scratchpad>", "<inner_monologue>", "[think]", "◁think▷", "<unused94>"),
    *("<|start_thinking|>", "<|inner_prefix|>", "<|think:start|>", "<|begin_of_thought|>"),
    *("<|channel>", "<|start_response|>", "<|begin_of_solution|>"),
)
_HEADED = re.compile(r"<\|channel>|<unused94>")  # the name of the channel follows, on a line
_CLOSING = {
    "<|channel>": "<channel|>",
    "<unused94>": "<unused95>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|think:start|>": "<|think:end|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
}


class ReplyReader(Protocol):
    """Reads a reply piece by piece."""

    calls: list[tuple[str, str]]
    """Calls of tools that stand in channels of their own: name and arguments."""

    @property
    def thinking(self) -> bool:
        """Whether what comes next is thought."""

    def push(self, text: str) -> list[Piece]:
        """What is certain with this piece of the reply."""

    def end(self, *, cut: bool) -> list[Piece]:
        """What was held back. A mark that is cut off at the end of a cut reply is left out."""


def reader_of(tail: str, vocabulary: Collection[str], within: Within | None = None) -> ReplyReader:
    """A reader for a reply that goes on from `tail`.

    Args:
        tail: What the template writes last: it may open the thinking, or close it.
        vocabulary: The added tokens of the tokenizer.
        within: Says where marks are text.
    """
    if set(vocabulary) >= _HARMONY:
        return ChannelReader(tail.rpartition("<|start|>")[2] if "<|start|>" in tail else "")
    primed = TagReader()
    primed.push(tail)
    return TagReader(thinking=primed.thinking, within=within)


def is_mark(content: str, vocabulary: Collection[str]) -> bool:
    """Whether a token tells thinking from answer, and so has to be seen by a reader.

    Args:
        content: The token.
        vocabulary: The added tokens of the tokenizer: "<|end|>" and its kin tell it where there
            are channels, and elsewhere only end a turn.
    """
    marks = [BEGIN_TAG, END_TAG, _FRAME, *([_MARK] if set(vocabulary) >= _HARMONY else [])]
    return any(mark.fullmatch(content) for mark in marks)


def answer_lead(tail: str, vocabulary: Collection[str]) -> str:
    """What has to be written after `tail` so that the answer begins, and no thought."""
    if set(vocabulary) >= _HARMONY:
        return "" if tail.endswith("<|message|>") else "<|channel|>final<|message|>"
    if not reader_of(tail, vocabulary).thinking:
        return ""
    opened = BEGIN_TAG.findall(tail)[-1]
    plain = opened[0] + "/" + opened[1:]
    return f"\n{_CLOSING.get(opened, plain)}\n\n"


class TagReader:
    """Reads thinking in tags.

    Spaces around a thought are left out; a reply without any thought is as it was.
    """

    def __init__(self, *, thinking: bool = False, within: Within | None = None) -> None:
        self.thinking, self._within = thinking, within
        self._until: re.Pattern[str] | None = None
        self._looked = 0  # how far what is said has been searched for it
        self.calls: list[tuple[str, str]] = []
        self._held = self._space = ""
        self._fresh = True  # nothing but spaces since the last mark
        self._marked = thinking  # whether there was a mark
        self._headed = False
        self._said: list[str] = []

    def push(self, text: str) -> list[Piece]:
        """What is certain with this piece of the reply."""
        self._held += text
        pieces: list[Piece] = []
        while found := self._next_mark():
            pieces += self._out(self._held[: found.start()])
            self._held = self._held[found.end() :]
            self._turn(found[0])
        risky = _RISKY.search(self._held)
        sure = risky.start() if risky else len(self._held)
        pieces += self._out(self._held[:sure])
        self._held = self._held[sure:]
        return pieces

    def end(self, *, cut: bool) -> list[Piece]:
        """What was held back."""
        held, self._held = self._held, ""
        if cut and not self.thinking and not self._said:
            begun = held.lower()
            if begun and any(opening.startswith(begun) for opening in _OPENINGS):
                self.thinking, held = True, ""
        if cut and self.thinking and held.startswith(("<", "[", "◁")):
            held = ""
        pieces = self._out(held)
        if not self.thinking and not self._marked and self._space:
            pieces.append(("said", self._space))
        return pieces

    def _next_mark(self) -> re.Match[str] | None:
        """The next mark in what is held that is no text."""
        if self.thinking:
            return _ANY.search(self._held)
        found = _EITHER.search(self._held)
        while found and self._is_text(found.start()):
            found = _EITHER.search(self._held, found.end())
        return found

    def _is_text(self, at: int) -> bool:
        if self._within is None:
            return False
        said = "".join(self._said) + self._held[:at]
        if self._until is None or self._until.search(said, self._looked):
            self._until = self._within(said)
        self._looked = len(said)
        return self._until is not None

    def _turn(self, mark: str) -> None:
        begins = BEGIN_TAG.fullmatch(mark) is not None
        if not begins and not self.thinking:
            return  # a frame of the answer
        if begins and not self.thinking:
            self._space = ""
        if begins != self.thinking:
            self._fresh, self._space = True, ""
        self._marked = self._marked or begins or self.thinking
        self.thinking, self._headed = begins, bool(_HEADED.fullmatch(mark))

    def _out(self, text: str) -> list[Piece]:
        if self.thinking:
            return self._thought(text)
        if self._fresh:
            text = self._space + text
            if not text.strip():
                self._space = "" if self._marked else text
                return []
            text = text.lstrip() if self._marked else text
            self._fresh, self._space = False, ""
        self._said.append(text)
        return [("said", text)] if text else []

    def _thought(self, text: str) -> list[Piece]:
        text = self._space + text
        if self._headed:
            line, newline, rest = text.lstrip().partition("\n")
            if not newline:
                self._space = text
                return []
            self._headed = False
            text = rest if line.strip() == "thought" else text
        text = text.lstrip() if self._fresh else text
        kept = text.rstrip()
        self._space = text[len(kept) :]  # left out where the thought ends with it
        self._fresh = self._fresh and not kept
        return [("thought", kept)] if kept else []


class ChannelReader:
    """Reads gpt-oss's channels: "analysis" is thought, "final" is said, the rest calls tools.

    Args:
        begun: The header of the first message, as far as the prompt holds it.
    """

    def __init__(self, begun: str = "") -> None:
        self.calls: list[tuple[str, str]] = []
        self._header, self._named = "", False  # whether a role may stand here
        self._body: Kind | Literal["call"] | None = None
        self._held = ""
        self._thoughts = 0
        if begun:
            self._named = True
            self.push(begun)
            self._header, self._held = self._header + self._held, ""
            self._named = False

    @property
    def thinking(self) -> bool:
        """Whether what comes next is no answer."""
        return self._body != "said"

    def push(self, text: str) -> list[Piece]:
        """What is certain with this piece of the reply."""
        self._held += text
        pieces: list[Piece] = []
        while found := self._next_mark():
            before, self._held = self._held[: found.start()], self._held[found.end() :]
            if self._body is None and not self._named and self._is_plain(before):
                self._open("final")
            pieces += self._out(before)
            self._mark(found[1])
        if self._body is None:
            if self._named or not self._is_plain(self._held):
                return pieces
            self._open("final")
        risky = _RISKY.search(self._held)
        sure = risky.start() if risky else len(self._held)
        pieces += self._out(self._held[:sure])
        self._held = self._held[sure:]
        return pieces

    def end(self, *, cut: bool) -> list[Piece]:
        """What was held back."""
        held, self._held = self._held, ""
        if cut and self._body == "call":
            name, arguments = self.calls[-1]
            self.calls[-1] = (name, arguments or "{")  # not begun is not empty
        is_mark = held.startswith("<|") or (held == "<" and self._body == "thought")
        if self._body is None or (cut and is_mark):
            return []
        return self._out(held)

    def _next_mark(self) -> re.Match[str] | None:
        """The next mark in what is held that stands in no text of a call's arguments."""
        found = _MARK.search(self._held)
        if self._body == "call":
            told = self.calls[-1][1]
            while found and _TEXTS.sub("", told + self._held[: found.start()]).count('"'):
                found = _MARK.search(self._held, found.end())
        return found

    def _is_plain(self, text: str) -> bool:
        """Whether a text in place of a header is none: a reply without channels."""
        begun = text.lstrip()
        if not begun or "<|channel|>" in self._header:
            return False
        return not begun.startswith(("<", "to=")) and not "to=".startswith(begun)

    def _mark(self, mark: str) -> None:
        if self._body is not None and mark in ("message", "constrain"):
            return  # out of place
        if mark == "message":
            self._open(self._header)
            return
        ends = mark in ("end", "return", "call", "start") or self._body is not None
        self._header = "" if ends else self._header
        self._header += f"<|{mark}|>" if mark in ("channel", "constrain") else ""
        self._body, self._named = None, mark == "start"

    def _open(self, header: str) -> None:
        recipient = re.search(r"to=([^\s<]+)", header)
        channel = re.search(r"<\|channel\|>\s*(\w*)", header)
        self._header, self._named = "", False
        if recipient and recipient[1].startswith("functions."):
            self._body = "call"
            self.calls.append((recipient[1].removeprefix("functions."), ""))
        elif recipient or (channel and channel[1] != "final"):
            self._body = "thought"
            self._thoughts += 1
        else:
            self._body = "said"

    def _out(self, text: str) -> list[Piece]:
        if self._body is None:
            self._header += text
            return []
        if self._body == "call":
            name, arguments = self.calls[-1]
            self.calls[-1] = (name, arguments + text)
            return []
        if text and self._body == "thought" and self._thoughts > 1:
            text, self._thoughts = "\n\n" + text, 1
        return [(self._body, text)] if text else []
