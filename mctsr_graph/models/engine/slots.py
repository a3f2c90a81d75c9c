"""What a model keeps of many running sequences side by side, one slot each.

Each slot holds one sequence from column 0 on, so rows of different length run in one forward
without padding columns, a row joins by taking the next slot, and leaves by handing its slot to
the last. Nothing is concatenated: a step writes one column per row in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.rope import LengthRope
from mctsr_graph.models.engine.slot_forward import SlotForward
from mctsr_graph.models.engine.slot_layer import Stacks, States, Window
from mctsr_graph.models.engine.slot_room import SlotRoom
from mctsr_graph.models.engine.slot_scores import by_paths, each_alone, planted

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree

_WORTH = 16  # tokens of a beginning that is met twice for which its states are kept


@dataclass(frozen=True)
class Way:
    """How to run a model.

    Attributes:
        slots: In slots; else row by row.
        own_masks: The model makes its masks itself; else it is given one, of all before.
        plants: A tree of tokens can follow a prompt, each seeing its ancestors only.
        goes_on: Several tokens can follow what is in a slot.
        renews: A row is computed again when it grows beyond a length at which position codes
            change.
    """

    slots: bool = True
    own_masks: bool = True
    plants: bool = True
    goes_on: bool = True
    renews: bool = False


class SlotMemory(SlotRoom):
    """The running rows of a model.

    `join`, `step` and `score` leave everything as it was when they raise, and `step` may be
    repeated for any part of the rows: it writes the same columns again.

    Args:
        model: What computes.
        layers: What holds keys, values and states, one for each of the model's, of `window`.
        window: What a forward covers.
        store: What is kept for later prompts.
        way: How the model wants it.
    """

    def __init__(
        self,
        model: Any,
        layers: list[Any],
        window: Window,
        store: PrefixStore,
        way: Way,
    ) -> None:
        self.rope, self._way = LengthRope(model), way
        super().__init__(window, Stacks(layers), States(layers), Graphs.of(model), store)
        if self.rope or self._states:
            self.graphs.enabled = False
        self._forward = SlotForward(model, layers, window, self.rope, own_masks=way.own_masks)

    @property
    def shares(self) -> bool:
        """Whether anything computed is kept for later prompts."""
        return self.store.budget > 0 and self._way.goes_on

    def known(self, ids: Sequence[int]) -> int:
        """Tokens of a prompt that need not be computed; the last one always is."""
        if not self._way.goes_on or not self.rope.shares(len(ids)):
            return 0
        return self.store.match(ids[:-1], self.rope.side(len(ids)), states=bool(self._states))

    def join(self, prompts: Sequence[list[int]], most: int) -> torch.Tensor:
        """Give each prompt the next slot and return the logits after it, [m, vocabulary].

        A single prompt is computed at most `most` tokens at a time.
        """
        import torch

        lo = len(self.used)
        starts = self.begin(lo, prompts, 0)
        if len(prompts) == 1 and self._way.goes_on:
            starts = [self._fed_before(lo, prompts[0], starts[0], most)]
        every = []
        for group in self._groups(prompts, starts):
            fed = [prompts[i][starts[i] :] for i in group]
            lengths = [len(prompts[i]) for i in group]
            begin = [starts[i] for i in group]
            every.append(self.feed(lo + group[0], fed, begin, 1, lengths)[:, -1])
        for slot, ids in enumerate(prompts, lo):
            self.keep_prompt(slot, ids)
        self._sides += [self.rope.side(len(ids)) for ids in prompts]
        self.used += [len(ids) for ids in prompts]
        self._whole += [True] * len(prompts)
        return torch.cat(every)

    def step(self, lo: int, hi: int, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Feed the last token of rows lo..hi and return the logits after it."""
        starts = [len(row) - 1 for row in rows]
        self.reserve(hi, max(starts) + 2)
        for slot, row in zip(range(lo, hi), rows, strict=True):
            if self._outdated(slot, row):
                self._renew(slot, row)
        self._whole[lo:hi] = [False] * (hi - lo)
        logits = self.feed(lo, [[row[-1]] for row in rows], starts, 1, [len(r) for r in rows])
        self.used[lo:hi] = [start + 1 for start in starts]
        self._whole[lo:hi] = [True] * (hi - lo)
        return logits[:, -1]

    def leave(self, slot: int, ids: Sequence[int], *, spoilt: bool = False) -> None:
        """Free a slot; the last row moves there. Its keys and values, of `ids`, are kept.

        A `spoilt` row may hold NaN: it is wiped instead, as NaN times weight 0 is NaN again.
        """
        if spoilt:
            self._wipe(slot)
        elif self._whole[slot] or not self._states:
            self._keep_row(slot, ids[: self.used[slot]])
        self._move_last(slot)

    def score(self, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
        """Log-probability of each node of `tree` after its parent, for each prompt.

        One forward where the model only attends: the tree's inner nodes follow the prompt, and
        each sees the prompt and its own ancestors only. Else a step for each level of the tree.
        """
        inner = len(tree.inner())
        far = [ids for ids in prompts if self._changes(len(ids), inner)]
        if far:
            return [each_alone(self, ids, tree) for ids in prompts]
        if self._states or not self._way.plants:
            return [by_paths(self, ids, tree) for ids in prompts]
        return planted(self, prompts, tree)

    def _changes(self, length: int, more: int) -> bool:
        """Whether position codes change within the next tokens."""
        if not self.rope or not more:
            return False
        return not self.rope.shares(length + more) or (
            self.rope.side(length) != self.rope.side(length + more)
        )

    def _groups(self, prompts: Sequence[list[int]], starts: Sequence[int]) -> list[list[int]]:
        """Neighbours that are fed together: where there are states, without any padding."""
        if not self._states:
            return [list(range(len(prompts)))]
        rest = [(len(ids) - at, at > 0) for ids, at in zip(prompts, starts, strict=True)]
        return [list(group) for _, group in groupby(range(len(rest)), key=rest.__getitem__)]

    def _fed_before(self, slot: int, ids: list[int], start: int, most: int) -> int:
        """Compute a long prompt until at most `most` tokens are left; the end of what is."""
        while len(ids) - start > most:
            self.feed(slot, [ids[start : start + most]], [start], 1, [len(ids)])
            start += most
        return start

    def begin(self, lo: int, prompts: Sequence[list[int]], extra: int) -> list[int]:
        """Make room, copy what the store knows, and return how much that is."""
        self.reserve(lo + len(prompts), max(map(len, prompts)) + extra + 1)
        starts = []
        for slot, ids in enumerate(prompts, lo):
            shares = self._way.goes_on and self.rope.shares(len(ids))
            start = self._copied(slot, ids) if shares else 0
            starts.append(self._halfway(slot, ids, start) if shares and self._states else start)
        return starts

    def _copied(self, slot: int, ids: list[int]) -> int:
        side, stateful, at = self.rope.side(len(ids)), bool(self._states), 0
        known = self.store.match(ids[:-1], side, states=stateful)
        for kv in self.store.lookup(ids[:-1], side, states=stateful):
            for stack, piece in zip(self._stacks, kv, strict=True):
                size = piece.shape[-2]
                stack[:, slot, :, at : at + size] = piece
            at += kv[0].shape[-2] if kv else 0
        if known and stateful:
            for held, state in zip(self._states, self.store.states(ids[:-1], side), strict=True):
                held[slot] = state
        return known

    def _halfway(self, slot: int, ids: list[int], start: int) -> int:
        """Stop where an earlier prompt parted, for states are kept at ends only."""
        parted = self.store.match(ids[:-1], self.rope.side(len(ids)))
        if parted - start < _WORTH:
            return start
        self.feed(slot, [ids[start:parted]], [start], 1, [len(ids)])
        self.keep_prompt(slot, ids, parted)
        return parted

    def _outdated(self, slot: int, row: Sequence[int]) -> bool:
        """Whether a row must be computed again before its last token is fed."""
        if self._states and not (self._whole[slot] and self.used[slot] == len(row) - 1):
            return True
        return self._way.renews and self._sides[slot] != self.rope.side(len(row))

    def _renew(self, slot: int, row: Sequence[int]) -> None:
        self.feed(slot, [row[:-1]], [0], 1, [len(row) if self._way.renews else len(row) - 1])
        self.used[slot], self._whole[slot] = len(row) - 1, True
        if self._way.renews:
            self._sides[slot] = self.rope.side(len(row))

    def _keep_row(self, slot: int, ids: Sequence[int]) -> None:
        """Put what a row holds of `ids` into the store."""
        side = self._sides[slot]
        if side == self.rope.side(len(ids)):
            if self.rope.shares(len(ids)):
                self._keep(slot, ids, side)
        elif side == 0 and not self._states:  # it grew beyond a limit as it was
            self._keep(slot, ids[: self.rope.limit], side)

    def keep_prompt(self, slot: int, ids: Sequence[int], upto: int | None = None) -> None:
        """Put the beginning of a prompt, by default all of it, into the store."""
        if self.rope.shares(len(ids)):
            self._keep(slot, ids[:upto], self.rope.side(len(ids)))

    def _keep(self, slot: int, ids: Sequence[int], side: int) -> None:

        def cut(a: int, b: int) -> list[torch.Tensor]:
            return [stack[:, slot, :, a:b].clone() for stack in self._stacks]

        states = (lambda: [held[slot].clone() for held in self._states]) if self._states else None
        if not self._way.goes_on:
            return
        try:
            self.store.insert(ids, cut, side, states)
        except (RuntimeError, MemoryError):  # no room for a copy: the store is the first to go
            self._empty_store()

    def feed(
        self,
        lo: int,
        fed: Sequence[Sequence[int]],
        starts: Sequence[int],
        keep: int,
        lengths: Sequence[int],
        tree: TokenTree | None = None,
    ) -> torch.Tensor:
        """Logits of the last `keep` tokens of each row; rows are padded on the left."""
        return self._forward.feed(lo, fed, starts, keep, lengths, tree, self.graphs)
