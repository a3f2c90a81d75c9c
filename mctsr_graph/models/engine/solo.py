"""Running rows of a model whose cache cannot be shared: sliding windows, linear attention, ...

Each row has the model's own kind of cache and its own forwards. Nothing is batched or reused,
but everything else of the engine works, and the tokens are those of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.forward_names import ForwardNames, cache_of

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree


class SoloMemory:
    """As `SlotMemory`, row by row."""

    shares = False

    def __init__(self, model: Any) -> None:
        self._model, self._names = model, ForwardNames.of(model)
        self._caches: list[Any] = []  # None: to be computed again, after a failed forward
        self.used: list[int] = []

    def known(self, ids: Sequence[int]) -> int:
        """Nothing is reused."""
        return 0

    def expect(self, slots: int, columns: int, room: int) -> None:
        """Each row makes its own room."""

    def join(self, prompts: Sequence[list[int]], most: int) -> torch.Tensor:
        """Compute each prompt and return the logits after it."""
        import torch

        made = [self._forward(ids, None) for ids in prompts]
        self._caches += [cache for _, cache in made]
        self.used += map(len, prompts)
        return torch.cat([logits for logits, _ in made])

    def fork(self, slot: int, copies: int) -> None:
        """Add copies of a row."""
        self._caches += [copy.deepcopy(self._caches[slot]) for _ in range(copies)]
        self.used += [self.used[slot]] * copies

    def step(self, lo: int, hi: int, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Feed the last token of each row that has not had it."""
        import torch

        every = []
        for slot, row in zip(range(lo, hi), rows, strict=True):
            cache, self._caches[slot] = self._caches[slot], None
            fresh = cache is None or self.used[slot] == len(row)
            logits, cache = self._forward(list(row), None if fresh else cache)
            self._caches[slot], self.used[slot] = cache, len(row)
            every.append(logits)
        return torch.cat(every)

    def leave(self, slot: int, ids: Sequence[int], *, spoilt: bool = False) -> None:
        """Drop a row; the last one moves there."""
        for rows in (self._caches, self.used):
            rows[slot] = rows[-1]
            rows.pop()

    def forget(self) -> bool:
        """Nothing is held beyond the rows."""
        return False

    def release(self) -> None:
        """Nothing is held beyond the rows."""

    def score(self, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
        """Log-probabilities as `SlotMemory.score`, by one forward per inner node."""
        return [self._score(ids, tree) for ids in prompts]

    def _score(self, ids: list[int], tree: TokenTree) -> list[float]:
        after = {}
        paths = {-1: ids}
        for node in [-1, *tree.inner()]:
            if node >= 0:
                paths[node] = [*paths[tree.parents[node]], tree.tokens[node]]
            after[node] = self._forward(paths[node], None)[0][0].float().log_softmax(-1)
        pairs = zip(tree.parents, tree.tokens, strict=True)
        return [float(after[parent][token]) for parent, token in pairs]

    def _forward(self, ids: list[int], cache: Any) -> tuple[torch.Tensor, Any]:
        """Logits after `ids`, [1, vocabulary], and the cache; with a cache only the last is fed."""
        import torch

        device, names = self._model.device, self._names
        fed = torch.tensor([ids], device=device)
        options = {"attention_mask": torch.ones_like(fed)}
        if cache is not None and names.cache:
            # Without a mask: a state-space model takes one for the tokens fed only
            fed, options = fed[:, -1:], {names.cache: cache}
            place = torch.tensor([len(ids) - 1], device=device)
            places = {"position_ids": place[None], "cache_position": place}
            options |= {name: value for name, value in places.items() if name in names.every}
        out = self._model(input_ids=fed, use_cache=True, **options)
        return out.logits[:, -1], cache_of(out)
