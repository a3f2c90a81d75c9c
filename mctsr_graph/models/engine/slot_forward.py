"""One forward of a model over rows in slots: ids and columns in, logits out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.decode_attention import without_cudnn
from mctsr_graph.models.engine.forward_names import ForwardNames
from mctsr_graph.models.engine.masks import added, masks_of
from mctsr_graph.models.engine.rope import LengthRope
from mctsr_graph.models.engine.slot_layer import States, Window
from mctsr_graph.models.engine.slot_room import up

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree

_ALIGN = 16  # columns are read by so many, so that masks suit the fast kernels


class SlotForward:
    """Runs a model over the layers of slots; see `SlotMemory` for the arguments."""

    def __init__(
        self, model: Any, layers: list[Any], window: Window, rope: LengthRope, *, own_masks: bool
    ) -> None:
        from transformers import Cache

        self._model, self._window, self._rope = model, window, rope
        self._cache, self._states = Cache(layers=layers), States(layers)
        self._names, self._own_masks = ForwardNames.of(model), own_masks

    def feed(
        self,
        lo: int,
        fed: Sequence[Sequence[int]],
        starts: Sequence[int],
        keep: int,
        lengths: Sequence[int],
        tree: TokenTree | None,
        graphs: Graphs,
    ) -> torch.Tensor:
        """Logits of the last `keep` tokens of each row; rows are padded on the left.

        Args:
            lo: The slot of the first row; the others follow.
            fed: Token ids of each row.
            starts: The column of the first token of each.
            keep: How many.
            lengths: Tokens of the whole sequence of each, which may be fed later.
            tree: Whose inner nodes are the last tokens of each.
            graphs: What replays steps.
        """
        import torch

        window, width = self._window, max(map(len, fed))
        pads = [width - len(tokens) for tokens in fed]
        junk = window.columns - 1  # never read: every row ends before it
        ids = [[0] * p + list(t) for p, t in zip(pads, fed, strict=True)]
        places = [
            [junk] * p + list(range(s, s + width - p)) for p, s in zip(pads, starts, strict=True)
        ]
        inputs = torch.tensor([ids, places])
        window.lo, window.hi, window.lengths = lo, lo + len(fed), lengths
        window.fresh = starts[0] == 0
        window.ends = [row[-1] + 1 for row in places]
        window.reach = min(up(max(window.ends), _ALIGN), window.columns)
        if width == 1 and lo == 0:
            replayed = graphs.step(self._run, window, inputs)
            if replayed is not None:
                return replayed
        return self._run(inputs.to(self._model.device), keep, tree)

    def _run(
        self, inputs: torch.Tensor, keep: int = 1, tree: TokenTree | None = None
    ) -> torch.Tensor:
        import torch

        window, (ids, places) = self._window, inputs
        window.rows = torch.arange(window.lo, window.hi, device=ids.device)[:, None]
        window.places = places
        columns = torch.arange(window.reach, device=ids.device)
        window.seen = columns <= places[..., None]
        window.standing = columns[None]
        window.positions = places.masked_fill(places == window.columns - 1, 0)  # padding
        if tree is not None and tree.inner():
            self._plant(tree)
        self._states.begin()
        options: dict[str, Any] = {self._names.cache: self._cache}
        if "position_ids" in self._names.every:
            options["position_ids"] = window.positions
        if "logits_to_keep" in self._names.every:
            options["logits_to_keep"] = keep
        if not self._own_masks:
            options["attention_mask"] = added(window.seen[:, None], self._model.dtype)
        rope = self._rope.used() if self._rope else contextlib.nullcontext()
        with without_cudnn(self._model), masks_of(window), rope:
            logits: torch.Tensor = self._model(input_ids=ids, use_cache=True, **options).logits
        return logits[:, -keep:]

    def _plant(self, tree: TokenTree) -> None:
        """Let the tokens before each row's end see and stand as the tree's inner nodes do."""
        import torch

        window, inner = self._window, tree.inner()
        place = {node: i for i, node in enumerate(inner)}
        sees = torch.eye(len(inner), dtype=torch.bool)
        for node, i in place.items():
            parent = tree.parents[node]
            if parent >= 0:
                sees[i] |= sees[place[parent]]
        depths = (sees.sum(1) - 1).to(window.positions.device)
        sees = sees.to(window.seen.device)
        window.standing = window.standing.repeat(len(window.ends), 1)
        for row, end in enumerate(window.ends):
            first = end - len(inner)
            window.seen[row, -len(inner) :, first : first + len(inner)] = sees
            window.positions[row, -len(inner) :] = first + depths
            window.standing[row, first : first + len(inner)] = first + depths
