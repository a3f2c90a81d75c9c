"""This package's engine over the memory of another one that takes tokens by sequence and position.

A backend gives `Sequences`: what computes tokens of some sequences, and lets one begin as another
does. Rows, sampling, grammars, stop texts, streams and what is kept for later prompts are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from mctsr_graph.models.engine.batch import Batch
from mctsr_graph.models.engine.inflight import InflightEngine
from mctsr_graph.models.engine.limits import Limits
from mctsr_graph.models.engine.prefix import common
from mctsr_graph.models.engine.protocol import TokenTree
from mctsr_graph.models.engine.slot_scores import read

PATHS = 16
"""Sequences that scoring takes at once, beside those of rows."""


class Fed(NamedTuple):
    """A token to compute."""

    sequence: int
    place: int
    token: int
    asked: bool
    """Whether the logits after it are wanted."""


class Sequences(Protocol):
    """What a backend makes of its package. All methods run in the engine's thread."""

    count: int
    """How many there can be; they have numbers from 0."""
    room: int
    """Tokens that all of them together hold; shared ones count once."""
    most_fed: int
    """Tokens of one call of `compute`."""
    shares: bool
    """Whether one can begin as another does."""

    def compute(self, fed: Sequence[Fed]) -> list[Any]:
        """Logits [vocabulary], float32, after each token that is asked for.

        Raises:
            MemoryError: There is no room. Nothing has been computed.
        """

    def begin(self, sequence: int, source: int, count: int) -> None:
        """Let an empty sequence begin with the first tokens of another."""

    def cut(self, sequence: int, count: int) -> None:
        """Drop all but the first tokens of a sequence."""


class SequenceEngine(InflightEngine):
    """An engine over sequences, which it makes in its thread."""

    def __init__(self, limits: Limits, make: Callable[[], Sequences]) -> None:
        super().__init__(None, replace(limits, packed_bytes=0))
        self._make = make

    def _made(self) -> Batch:
        limits, sequences = self._limits, self._make()
        rows, room = min(limits.rows, sequences.count - PATHS), limits.row_tokens or sequences.room
        memory: Any = SequenceMemory(sequences)
        return Batch(memory, rows, min(room, sequences.room), limits.prefill_tokens, 16, 0)


class SequenceMemory:
    """As `slots.SlotMemory`: each slot has a sequence."""

    def __init__(self, sequences: Sequences) -> None:
        self._all, self.shares = sequences, sequences.shares
        self._free = list(range(sequences.count))
        self._held: dict[int, list[int]] = {}  # the tokens of each that is in use
        self._rows: list[int] = []  # the sequence of each slot
        self._kept: list[int] = []  # those of no slot, the one that left first first

    def known(self, ids: Sequence[int]) -> int:
        """Tokens of a prompt that need not be computed; the last one always is."""
        return self._nearest(ids)[0]

    def expect(self, slots: int, columns: int, room: int) -> None:
        """All room is there."""

    def release(self) -> None:
        """What is kept stays."""

    def join(self, prompts: Sequence[list[int]], most: int) -> Any:
        """Give each prompt the next slot and return the logits after it, [m, vocabulary]."""
        taken, found = self._after(prompts)
        self._rows += taken
        return found

    def fork(self, slot: int, copies: int) -> None:
        """Give copies of a slot the next ones."""
        ids = [*self._held[self._rows[slot]], -1]
        self._rows += [self._begun(ids) for _ in range(copies)]

    def step(self, lo: int, hi: int, rows: Sequence[list[int]]) -> Any:
        """Feed the last token of rows lo..hi and return the logits after it."""
        return self._fed(self._rows[lo:hi], rows)

    def leave(self, slot: int, ids: Sequence[int], *, spoilt: bool = False) -> None:
        """Free a slot; the last row moves there."""
        sequence, self._rows[slot] = self._rows[slot], self._rows[-1]
        self._rows.pop()
        self._kept.append(sequence)
        if spoilt or not ids or not self.shares:
            self._drop(sequence)

    def forget(self) -> bool:
        """Drop what no row needs. False where there is none."""
        return any([self._drop(sequence) for sequence in list(self._kept)])

    def score(self, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
        """Log-probability of each node of `tree` after its parent, for each prompt."""
        return [self._scored(ids, tree) for ids in prompts]

    def _scored(self, ids: list[int], tree: TokenTree) -> list[float]:
        inner, paths, after = tree.inner(), {-1: ids}, dict[int, Any]()
        for node in inner:
            paths[node] = [*paths[tree.parents[node]], tree.tokens[node]]
        for group in [[-1], *(inner[i : i + PATHS] for i in range(0, len(inner), PATHS))]:
            taken, found = self._after([paths[node] for node in group])
            after.update(zip(group, found, strict=True))
            self._kept += taken
            for sequence in taken if group != [-1] or not self.shares else ():
                self._drop(sequence)
        return read(after, tree)

    def _after(self, prompts: Sequence[list[int]]) -> tuple[list[int], Any]:
        """New sequences, and the logits after each."""
        taken = [self._begun(ids) for ids in prompts]
        try:
            return taken, self._fed(taken, prompts)
        except BaseException:
            for sequence in taken:
                self._drop(sequence)
            raise

    def _nearest(self, ids: Sequence[int]) -> tuple[int, int]:
        """The longest beginning that is held, without the last token, and where."""
        held = self._held.items() if self.shares else ()
        return max(((common(has, ids[:-1]), i) for i, has in held), default=(0, 0))

    def _begun(self, ids: Sequence[int]) -> int:
        """A new sequence, with what is known of `ids`."""
        if not self._free and self._kept:
            self._drop(self._kept[0])
        count, source = self._nearest(ids)
        new = self._free.pop()
        if count:
            self._all.begin(new, source, count)
        self._held[new] = list(ids[:count])
        return new

    def _drop(self, sequence: int) -> bool:
        self._all.cut(sequence, 0)
        self._kept = [one for one in self._kept if one != sequence]
        self._held.pop(sequence)
        self._free.append(sequence)
        return True

    def _fed(self, taken: Sequence[int], rows: Sequence[list[int]]) -> Any:
        """Feed what each row has more than its sequence; the logits after its last token."""
        import torch

        fed = [
            Fed(i, at, ids[at], at == len(ids) - 1)
            for i, ids in zip(taken, rows, strict=True)
            for at in range(len(self._held[i]), len(ids))
        ]
        found: list[Any] = []
        try:
            for at in range(0, len(fed), self._all.most_fed):
                found += self._computed(fed[at : at + self._all.most_fed])
        except Exception:
            for i in taken:
                self._all.cut(i, len(self._held[i]))
            raise
        self._held.update((i, list(ids)) for i, ids in zip(taken, rows, strict=True))
        return torch.stack(found)

    def _computed(self, fed: Sequence[Fed]) -> list[Any]:
        while True:
            try:
                return self._all.compute(fed)
            except MemoryError:
                if not self._kept:
                    raise
                self._drop(self._kept[0])
