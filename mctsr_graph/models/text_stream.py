"""Text of a growing list of tokens, piece by piece, never showing part of a stop text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BROKEN = "\ufffd"  # what a decoder makes of the first bytes of a longer character


class TextStream:
    """Give it tokens, it gives back the text that is certain.

    Args:
        decode: Token ids to text.
        stop: Texts that end the answer; a text that may become one is held back.
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode, self._stop = decode, stop
        self._ids: list[int] = []
        self._start = self._read = 0  # ids[start:read] are decoded before; context for the next
        self._held = ""
        self._shown = ""

    def push(self, token: int) -> str:
        """The text that is new with this token; often empty."""
        self._ids.append(token)
        before = self._decode(self._ids[self._start : self._read])
        now = self._decode(self._ids[self._start :])
        if now.endswith(_BROKEN) or len(now) <= len(before):
            return ""
        self._start, self._read = self._read, len(self._ids)
        self._held += now[len(before) :]
        if any(text in self._held for text in self._stop):
            return ""
        return self._show(len(self._held) - self._risky())

    def rest(self, text: str) -> str:
        """What is left to show of the whole text, once that is known."""
        return text[len(self._shown) :] if text.startswith(self._shown) else ""

    def _risky(self) -> int:
        """Length of the longest end of the held text that begins a stop text."""
        longest = min(len(self._held), max((len(s) - 1 for s in self._stop), default=0))
        ends = (self._held[-size:] for size in range(longest, 0, -1))
        return next((len(end) for end in ends if any(s.startswith(end) for s in self._stop)), 0)

    def _show(self, size: int) -> str:
        new, self._held = self._held[:size], self._held[size:]
        self._shown += new
        return new
