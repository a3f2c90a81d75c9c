"""Keys and values of many running sequences side by side, one slot each.

Each slot holds one sequence from column 0 on, so rows of different length run in one forward
without padding columns, a row joins by taking the next slot, and leaves by handing its slot to
the last. Nothing is concatenated: a step writes one column per row in place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.decode_attention import without_cudnn
from mctsr_graph.models.engine.forward_names import ForwardNames
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.slot_layer import Layer, Stacks, Window, layers_of

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree

_BLOCK = 64  # columns are allocated by so many
_AMPLE = (2048, 512)  # or by so many, where moving would lose graphs and there is room
_ALIGN = 16  # and read by so many, so that masks suit the fast kernels


class SlotMemory:
    """The running rows of a model whose layers all attend to everything before.

    `join`, `step` and `score` leave everything as it was when they raise, and `step` may be
    repeated for any part of the rows: it writes the same columns again.
    """

    def __init__(self, model: Any, store: PrefixStore) -> None:
        from transformers import Cache

        self._model, self.store = model, store
        self._window = Window()
        layers: Any = [Layer(self._window) for _ in layers_of(model)]
        self._cache, self._stacks = Cache(layers=layers), Stacks(layers)
        self._names = ForwardNames.of(model)
        self.graphs = Graphs.of(model)
        self.used: list[int] = []
        """Columns in use of each slot."""

    @property
    def shares(self) -> bool:
        """Whether anything computed is kept for later prompts."""
        return self.store.budget > 0

    def token_bytes(self) -> int:
        """Bytes of one column of one slot in all layers; 0 before the first forward."""
        one = (stack[:, :1, :, :1] for stack in self._stacks)
        return sum(len(s) * s.shape[2] * s.shape[4] * s.element_size() for s in one)

    def known(self, ids: Sequence[int]) -> int:
        """Tokens of a prompt that need not be computed; the last one always is."""
        return self.store.match(ids[:-1])

    def expect(self, slots: int, columns: int, room: int) -> None:
        """Make room for so many rows of so many columns, where moving would lose graphs.

        It is more than that, and shrinks nothing, as long as it is at most `room` columns.
        """
        if not self.graphs.enabled:
            return
        window = self._window
        for unit in _AMPLE:
            ample = max(_up(slots, 16), window.slots), max(_up(columns, unit), window.columns)
            if ample[0] * ample[1] <= room:
                slots, columns = ample
                break
        if slots > window.slots or columns > window.columns:
            with contextlib.suppress(RuntimeError):  # no memory: rows come one by one then
                self._resize(*self._held(slots, columns))

    def join(self, prompts: Sequence[list[int]], most: int) -> torch.Tensor:
        """Give each prompt the next slot and return the logits after it, [m, vocabulary].

        A single prompt is computed at most `most` tokens at a time.
        """
        lo = len(self.used)
        starts = self._begin(lo, prompts, 0)
        if len(prompts) == 1:
            while len(prompts[0]) - starts[0] > most:
                self._feed(lo, [prompts[0][starts[0] : starts[0] + most]], starts, 1)
                starts[0] += most
        fed = [ids[start:] for ids, start in zip(prompts, starts, strict=True)]
        logits = self._feed(lo, fed, starts, 1)[:, -1]
        for slot, ids in enumerate(prompts, lo):
            self._keep(slot, ids)
        self.used += [len(ids) for ids in prompts]
        return logits

    def fork(self, slot: int, copies: int) -> None:
        """Give copies of a slot the next ones."""
        new, used = len(self.used), self.used[slot]
        self._reserve(new + copies, used + 1)
        self._copy(slot, new, copies, used)
        self.used += [used] * copies

    def step(self, lo: int, hi: int, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Feed the last token of rows lo..hi and return the logits after it."""
        starts = [len(row) - 1 for row in rows]
        self._reserve(hi, max(starts) + 2)
        logits = self._feed(lo, [[row[-1]] for row in rows], starts, 1)[:, -1]
        self.used[lo:hi] = [start + 1 for start in starts]
        return logits

    def leave(self, slot: int, ids: Sequence[int], *, spoilt: bool = False) -> None:
        """Free a slot; the last row moves there. Its keys and values, of `ids`, are kept.

        A `spoilt` row may hold NaN: it is wiped instead, as NaN times weight 0 is NaN again.
        """
        if spoilt:
            for stack in self._stacks:
                stack[:, slot].zero_()
        else:
            self._keep(slot, ids[: self.used[slot]])
        last = len(self.used) - 1
        if slot != last:
            self._copy(last, slot, 1, self.used[last])
            self.used[slot] = self.used[last]
        self.used.pop()

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

    def _spare(self) -> int:
        """Slots beyond those in use and one; where moving failed midway, stacks differ."""
        return sum(max(0, stack.shape[1] - len(self.used) - 1) for stack in self._stacks)

    def _empty_store(self) -> None:
        import torch

        self.store.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def release(self) -> None:
        """Give back the memory of the slots, if none is in use."""
        if not self.used:
            self._window.slots = self._window.columns = 0
            self.graphs.clear()
            self._stacks.resize(0, 0)  # what is left remembers the shapes

    def score(self, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
        """Log-probability of each node of `tree` after its parent, for each prompt.

        One forward: the tree's inner nodes follow the prompt, and each sees the prompt and its
        own ancestors only.
        """
        import torch

        inner, lo = tree.inner(), len(self.used)
        starts = self._begin(lo, prompts, len(inner))
        extra = [tree.tokens[node] for node in inner]
        fed = [ids[start:] + extra for ids, start in zip(prompts, starts, strict=True)]
        all_logits = self._feed(lo, fed, starts, 1 + len(inner), tree)[:, -1 - len(inner) :]
        for slot, ids in enumerate(prompts, lo):
            self._keep(slot, ids)
        line = {node: 1 + i for i, node in enumerate(inner)} | {-1: 0}
        parents = torch.tensor([line[p] for p in tree.parents], device=all_logits.device)
        tokens = torch.tensor(tree.tokens, device=all_logits.device)
        each = (logits.float().log_softmax(-1)[parents, tokens] for logits in all_logits)
        return [logp.tolist() for logp in each]

    def _begin(self, lo: int, prompts: Sequence[list[int]], extra: int) -> list[int]:
        """Make room, copy what the store knows, and return how much that is."""
        self._reserve(lo + len(prompts), max(map(len, prompts)) + extra + 1)
        starts = []
        for slot, ids in enumerate(prompts, lo):
            at = 0
            for kv in self.store.lookup(ids[:-1]):
                size = kv[0].shape[-2]
                for stack, piece in zip(self._stacks, kv, strict=True):
                    stack[:, slot, :, at : at + size] = piece
                at += size
            starts.append(at)
        return starts

    def _keep(self, slot: int, ids: Sequence[int]) -> None:
        def cut(a: int, b: int) -> list[torch.Tensor]:
            return [stack[:, slot, :, a:b].clone() for stack in self._stacks]

        try:
            self.store.insert(ids, cut)
        except (RuntimeError, MemoryError):  # no room for a copy: the store is the first to go
            self._empty_store()

    def _copy(self, source: int, to: int, copies: int, columns: int) -> None:
        for stack in self._stacks:
            stack[:, to : to + copies, :, :columns] = stack[:, source, None, :, :columns]

    def _reserve(self, slots: int, columns: int) -> None:
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
        return max(slots, len(self.used)), _up(columns, _BLOCK)

    def _resize(self, slots: int, columns: int) -> None:
        window = self._window
        self.graphs.clear()
        # Where a layer has no memory left, all have at least the smaller of both sizes
        window.slots, window.columns = min(slots, window.slots), min(columns, window.columns)
        self._stacks.resize(slots, columns)
        window.slots, window.columns = slots, columns

    def _feed(
        self,
        lo: int,
        fed: Sequence[Sequence[int]],
        starts: Sequence[int],
        keep: int,
        tree: TokenTree | None = None,
    ) -> torch.Tensor:
        """Logits of the last `keep` tokens of each row; rows are padded on the left."""
        import torch

        window, width = self._window, max(map(len, fed))
        pads = [width - len(tokens) for tokens in fed]
        junk = window.columns - 1  # never read: every row ends before it
        ids = [[0] * p + list(t) for p, t in zip(pads, fed, strict=True)]
        places = [
            [junk] * p + list(range(s, s + width - p)) for p, s in zip(pads, starts, strict=True)
        ]
        inputs = torch.tensor([ids, places])
        window.lo, window.hi = lo, lo + len(fed)
        window.reach = min(_up(max(row[-1] for row in places) + 1, _ALIGN), window.columns)
        if width == 1 and lo == 0:
            replayed = self.graphs.step(self._forward, window, inputs)
            if replayed is not None:
                return replayed
        ends = [row[-1] + 1 for row in places]
        return self._forward(inputs.to(self._model.device), keep, tree, ends)

    def _forward(
        self,
        inputs: torch.Tensor,
        keep: int = 1,
        tree: TokenTree | None = None,
        ends: Sequence[int] = (),
    ) -> torch.Tensor:
        import torch

        window, (ids, places) = self._window, inputs
        window.rows = torch.arange(window.lo, window.hi, device=ids.device)[:, None]
        window.places = places
        seen = torch.arange(window.reach, device=ids.device) <= places[..., None]
        positions = places.masked_fill(places == window.columns - 1, 0)  # padding
        if tree is not None and tree.inner():
            self._plant(tree, ends, seen, positions)
        dtype = self._model.dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=ids.device)
        mask.masked_fill_(~seen, torch.finfo(dtype).min)
        options: dict[str, Any] = {self._names.cache: self._cache}
        if "logits_to_keep" in self._names.every:
            options["logits_to_keep"] = keep
        with without_cudnn(self._model):
            logits: torch.Tensor = self._model(
                input_ids=ids,
                attention_mask=mask[:, None],
                position_ids=positions,
                use_cache=True,
                **options,
            ).logits
        return logits[:, -keep:]

    def _plant(
        self, tree: TokenTree, ends: Sequence[int], seen: torch.Tensor, positions: torch.Tensor
    ) -> None:
        """Let the tokens before each row's end see and stand as the tree's inner nodes do."""
        import torch

        inner = tree.inner()
        place = {node: i for i, node in enumerate(inner)}
        sees = torch.eye(len(inner), dtype=torch.bool)
        for node, i in place.items():
            parent = tree.parents[node]
            if parent >= 0:
                sees[i] |= sees[place[parent]]
        depths = (sees.sum(1) - 1).to(positions.device)
        sees = sees.to(seen.device)
        for row, end in enumerate(ends):
            first = end - len(inner)
            seen[row, -len(inner) :, first : first + len(inner)] = sees
            positions[row, -len(inner) :] = first + depths


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
