"""The text of a reply's tokens: without special tokens, but for the marks that tell its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from mctsr_graph.models.control_tokens import added_tokens
from mctsr_graph.models.reasoning import ReplyReader, Within, answer_lead, is_mark, reader_of
from mctsr_graph.models.template import TOKENIZER_LOCK
from mctsr_graph.models.text_stream import TextStream
from mctsr_graph.models.tool_formats import is_tool_mark


class Parts(NamedTuple):
    """A reply taken apart."""

    thought: str
    said: str
    calls: list[tuple[str, str]]
    """Calls of tools that stand in channels of their own: name and arguments."""
    over: bool
    """Whether its thinking is over."""


class ReplyText:
    """Reads replies to one prompt.

    Attributes:
        lead: What is written for the model already, behind the prompt.

    Args:
        tokenizer: The model's.
        tail: What the template writes last.
        within: As `reader_of` takes it.
    """

    def __init__(self, tokenizer: Any, tail: str, within: Within | None = None) -> None:
        self._tokenizer, self._tail, self._within = tokenizer, tail, within
        self.lead = ""

    def answer_lead(self) -> str:
        """What has to be written so that the answer begins, and no thought."""
        return answer_lead(self._tail, self._added.values())

    def reader(self) -> ReplyReader:
        """A reader that goes on behind the lead."""
        reader = reader_of(self._tail, self._added.values(), self._within)
        reader.push(self.lead)
        return reader

    def decode(self, ids: Sequence[int], *, calls: bool = False, special: bool = False) -> str:
        """The text of ids, with the marks of thinking.

        Args:
            ids: Tokens.
            calls: Whether the marks of tool calls are shown, too.
            special: Whether everything is.
        """
        hidden = {} if special else self._hidden
        shown = [i for i in ids if i not in hidden or (calls and is_tool_mark(hidden[i]))]
        with TOKENIZER_LOCK:
            return str(self._tokenizer.decode(shown, skip_special_tokens=False))

    def parts(self, text: str, *, cut: bool, lead: bool = False) -> Parts:
        """Take a reply apart.

        Args:
            text: Its text.
            cut: Whether it was cut off.
            lead: Whether what stands in the lead is part of it.
        """
        reader = reader_of(self._tail, self._added.values(), self._within)
        before = reader.push(self.lead)
        pieces = [*(before if lead else ()), *reader.push(text), *reader.end(cut=cut)]
        thought, said = (
            "".join(text for kind, text in pieces if kind == wanted)
            for wanted in ("thought", "said")
        )
        over = bool(said or reader.calls or (thought and not reader.thinking))
        return Parts(thought, said, reader.calls, over)

    def thought_tokens(self, ids: Sequence[int]) -> int:
        """How many tokens of a reply that thinks come before its answer."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            if self.parts(self.decode(ids[:middle], calls=True), cut=True).over:
                high = middle
            else:
                low = middle + 1
        return low

    def waits(self) -> Callable[[Sequence[int]], bool] | None:
        """Says, told each new token, whether one reply still thinks; None: it never does."""
        reader, stream = self.reader(), TextStream(self.decode)
        if not reader.thinking:
            return None

        def told(new: Sequence[int]) -> bool:
            for token in new:
                reader.push(stream.push(token))
            return reader.thinking

        return told

    @cached_property
    def _added(self) -> dict[int, str]:
        every = added_tokens(self._tokenizer).items()
        return {i: str(token.content) for i, token in every}

    @cached_property
    def _hidden(self) -> dict[int, str]:
        """The special tokens that are no part of any text, nor tell thinking from answer."""
        every = added_tokens(self._tokenizer).items()
        special = {i: self._added[i] for i, token in every if token.special}
        others = set(self._tokenizer.all_special_ids) - special.keys()
        special |= {i: str(self._tokenizer.convert_ids_to_tokens(i)) for i in others}
        names = self._added.values()
        return {i: content for i, content in special.items() if not is_mark(content, names)}
