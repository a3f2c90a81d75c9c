"""Where slots are: how many are allocated, who owns them, and how they move."""

from __future__ import annotations

import contextlib
from typing import Any

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.slot_layer import Stacks, States, Window

_BLOCK = 64  # columns are allocated by so many
_AMPLE = (2048, 512)  # or by so many, where moving would lose graphs and there is room
_NOMINAL = 64  # tokens that a model which keeps states only is said to keep with each


class SlotRoom:
    """Slots by number; those in use are the first."""

    def __init__(
        self, window: Window, stacks: Stacks, states: States, graphs: Graphs, store: PrefixStore
    ) -> None:
        self._window, self._stacks, self._states = window, stacks, states
        self.graphs, self.store = graphs, store
        self.used: list[int] = []
        """Columns in use of each slot."""
        self._sides: list[int] = []  # of the position codes that each was computed with
        self._whole: list[bool] = []  # whether its states are those after its columns
        self._told: list[list[Any]] = [self.used, self._sides, self._whole]

    def token_bytes(self) -> int:
        """Bytes of one column of one slot in all layers; 0 before the first forward."""
        one = (stack[:, :1, :, :1] for stack in self._stacks)
        found = sum(len(s) * s.shape[2] * s.shape[4] * s.element_size() for s in one)
        return found or -(-self.state_bytes() // _NOMINAL)

    def state_bytes(self) -> int:
        """Bytes that each slot takes however many columns are in use."""
        return self._states.bytes()

    def keep_into(self, store: PrefixStore) -> None:
        """Use another store."""
        store.state_cost = -(-self.state_bytes() // max(1, self.token_bytes()))
        self.store = store

    def expect(self, slots: int, columns: int, room: int) -> None:
        """Make room for so many rows of so many columns, where moving would lose graphs.

        It is more than that, and shrinks nothing, as long as it is at most `room` columns.
        """
        if not self.graphs.enabled:
            return
        window = self._window
        for unit in _AMPLE:
            ample = max(up(slots, 16), window.slots), max(up(columns, unit), window.columns)
            if ample[0] * ample[1] <= room:
                slots, columns = ample
                break
        if slots > window.slots or columns > window.columns:
            with contextlib.suppress(RuntimeError):  # no memory: rows come one by one then
                self._resize(*self._held(slots, columns))

    def fork(self, slot: int, copies: int) -> None:
        """Give copies of a slot the next ones."""
        new, used = len(self.used), self.used[slot]
        self.reserve(new + copies, used + 1)
        self.copy(slot, new, copies, used)
        for each in self._told:
            each += [each[slot]] * copies

    def forget(self) -> bool:
        """Empty the store and give up slots that wait for owners. False where that frees none."""
        had, spare = self.store.tokens > 0, self._spare()
        if not self.used:
            self.release()
        elif spare:
            with contextlib.suppress(RuntimeError, MemoryError):
                self._resize(len(self.used) + 1, self._window.columns)
        self._empty_store()
        return had or self._spare() < spare

    def release(self) -> None:
        """Give back the memory of the slots, if none is in use."""
        if not self.used:
            self._window.slots = self._window.columns = 0
            self.graphs.clear()
            self._stacks.resize(0, 0)  # what is left remembers the shapes
            self._states.resize(0)

    def _spare(self) -> int:
        """Slots beyond those in use and one; where moving failed midway, stacks differ."""
        sizes = [stack.shape[1] for stack in self._stacks] + [len(held) for held in self._states]
        return sum(max(0, size - len(self.used) - 1) for size in sizes)

    def _empty_store(self) -> None:
        import torch

        self.store.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _wipe(self, slot: int) -> None:
        for stack in self._stacks:
            stack[:, slot].zero_()
        for held in self._states:
            held[slot].zero_()

    def _move_last(self, slot: int) -> None:
        """Free a slot: the last row moves there."""
        last = len(self.used) - 1
        if slot != last:
            self.copy(last, slot, 1, self.used[last])
        for each in self._told:
            each[slot] = each[last]
            each.pop()

    def copy(self, source: int, to: int, copies: int, columns: int) -> None:
        """Copy a slot with so many columns to the slots from `to` on."""
        for stack in self._stacks:
            stack[:, to : to + copies, :, :columns] = stack[:, source, None, :, :columns]
        for held in self._states:
            held[to : to + copies] = held[source]

    def reserve(self, slots: int, columns: int) -> None:
        """Allocate so many slots and columns, if they are not there."""
        window = self._window
        if slots <= window.slots and columns <= window.columns:
            return
        if slots > window.slots:
            slots = max(slots, min(2 * window.slots, window.slots + 16))
        # What does not grow shrinks to what is used: many rows and long ones were not together
        self._resize(*self._held(slots, columns))

    def _held(self, slots: int, columns: int) -> tuple[int, int]:
        """At least so many slots and columns, and what is in use."""
        columns = max([columns, *(used + 2 for used in self.used)])
        return max(slots, len(self.used)), up(columns, _BLOCK)

    def _resize(self, slots: int, columns: int) -> None:
        window = self._window
        self.graphs.clear()
        # Where a layer has no memory left, all have at least the smaller of both sizes
        window.slots, window.columns = min(slots, window.slots), min(columns, window.columns)
        self._stacks.resize(slots, columns)
        self._states.resize(slots)
        window.slots, window.columns = slots, columns


def up(number: int, unit: int) -> int:
    """The next multiple of `unit`."""
    return -(-number // unit) * unit
