"""Running rows of a model one by one, as `generate` does.

For what slots do not suit. Each row has the model's own kind of cache and its own forwards, whose
arguments the model prepares itself. Nothing is batched, and nothing is reused beyond a row.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.rope import LengthRope
from mctsr_graph.models.engine.slot_scores import read

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree

_TRIED = 64  # tokens of the row by which memory is measured
GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
    "eos_token_id": (1 << 31) - 1,
    "pad_token_id": 0,
}
"""Settings of `generate` that end nothing early, whatever a model's own say; none of them warns."""


@dataclass
class _Row:
    """What `generate` would hold of one sequence."""

    options: dict[str, Any]
    """For the model's next forward, the cache among them."""
    turns: list[Any]
    """What models that see pictures keep in themselves of the last prompt: how far its positions
    are behind its tokens."""


class SoloMemory:
    """As `SlotMemory`, row by row."""

    shares = False

    def __init__(self, model: Any) -> None:
        self._model, self._rope = model, LengthRope(model)
        self._turning = [module for module in model.modules() if hasattr(module, "rope_deltas")]
        self._rows: list[_Row | None] = []  # None: to be computed again, after a failed forward
        self.used: list[int] = []

    def token_bytes(self) -> int:
        """Bytes that a token of a row takes, measured on a short one; 1 at least."""
        _, row = self._begun([1] * _TRIED)
        return max(1, -(-_bytes(row.options) // _TRIED))

    def known(self, ids: Sequence[int]) -> int:
        """Nothing is reused."""
        return 0

    def expect(self, slots: int, columns: int, room: int) -> None:
        """Each row makes its own room."""

    def join(
        self,
        prompts: Sequence[list[int]],
        most: int,
        pictures: Mapping[str, Any] | None = None,
    ) -> torch.Tensor:
        """Compute each prompt and return the logits after it.

        Args:
            prompts: Token ids.
            most: Counts for rows that share forwards alone.
            pictures: What the model is given beside the ids.
        """
        import torch

        made = [self._begun(ids, pictures) for ids in prompts]
        self._rows += [row for _, row in made]
        self.used += map(len, prompts)
        return torch.cat([logits for logits, _ in made])

    def fork(self, slot: int, copies: int) -> None:
        """Add copies of a row."""
        self._rows += [copy.deepcopy(self._rows[slot]) for _ in range(copies)]
        self.used += [self.used[slot]] * copies

    def step(self, lo: int, hi: int, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Feed the last token of each row that has not had it."""
        import torch

        every = []
        for slot, ids in zip(range(lo, hi), rows, strict=True):
            row, self._rows[slot] = self._rows[slot], None
            if row is None or self.used[slot] != len(ids) - 1:
                logits, row = self._begun(list(ids))
            else:
                logits = self._next(row, ids)
            self._rows[slot], self.used[slot] = row, len(ids)
            every.append(logits)
        return torch.cat(every)

    def leave(self, slot: int, ids: Sequence[int], *, spoilt: bool = False) -> None:
        """Drop a row; the last one moves there."""
        told: list[list[Any]] = [self._rows, self.used]
        for rows in told:
            rows[slot] = rows[-1]
            rows.pop()

    def forget(self) -> bool:
        """Nothing is held beyond the rows."""
        return False

    def release(self) -> None:
        """Nothing is held beyond the rows."""

    def score(self, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
        """Log-probabilities as `SlotMemory.score`: each prompt is computed once."""
        return [self._score(ids, tree) for ids in prompts]

    def _score(self, ids: list[int], tree: TokenTree) -> list[float]:
        logits, row = self._begun(ids)
        after, rows, paths = {-1: logits[0]}, {-1: row}, {-1: ids}
        inner = tree.inner()
        left = {parent: sum(tree.parents[node] == parent for node in inner) for parent in paths}
        left |= {node: sum(tree.parents[other] == node for other in inner) for node in inner}
        for node in inner:
            parent = tree.parents[node]
            left[parent] -= 1
            # Each child goes on from a copy, the last one from the row itself
            rows[node] = copy.deepcopy(rows[parent]) if left[parent] else rows.pop(parent)
            paths[node] = [*paths[parent], tree.tokens[node]]
            after[node] = self._next(rows[node], paths[node])[0]
        return read(after, tree)

    def _begun(
        self, ids: list[int], pictures: Mapping[str, Any] | None = None
    ) -> tuple[torch.Tensor, _Row]:
        """Logits after a prompt, [1, vocabulary], and what goes on from there."""
        import torch

        found: list[tuple[torch.Tensor, _Row]] = []

        def once(model: Any, input_ids: Any, **given: Any) -> Any:
            """Stands for the way of choosing tokens, which `generate` has made all ready for."""
            config, options = given.pop("generation_config"), _of_forward(given)
            out = model._prefill(input_ids, config, options)
            options = model._update_model_kwargs_for_generation(out, options)
            turns = [module.rope_deltas for module in self._turning]
            found.append((out.logits[:, -1].clone(), _Row(options, turns)))
            return input_ids

        self._rope.fresh()
        model, fed = self._model, torch.tensor([ids], device=self._model.device)
        options = {**GREEDY, "max_new_tokens": 1, "attention_mask": torch.ones_like(fed)}
        seen = {} if pictures is None else _moved(pictures, model.device, model.dtype)
        model.generate(fed, custom_generate=once, **options, **seen)
        return found[0]

    def _next(self, row: _Row, ids: Sequence[int]) -> torch.Tensor:
        """Logits after one more token, the last of `ids`."""
        import torch

        model = self._model
        self._rope.fresh()
        for module, turn in zip(self._turning, row.turns, strict=True):
            module.rope_deltas = turn
        fed = torch.tensor([list(ids)], device=model.device)
        count = 1 if row.options.get("use_cache") else None
        inputs = model.prepare_inputs_for_generation(fed, next_sequence_length=count, **row.options)
        out = model(**inputs, return_dict=True)
        row.options = model._update_model_kwargs_for_generation(out, row.options)
        logits: torch.Tensor = out.logits[:, -1].clone()
        return logits


def _of_forward(given: dict[str, Any]) -> dict[str, Any]:
    """Without what is meant for the way of choosing tokens."""
    other = {
        "logits_processor",
        "stopping_criteria",
        "streamer",
        "synced_gpus",
        "assistant_model",
        "tokenizer",
        "assistant_tokenizer",
        "prefix_allowed_tokens_fn",
    }
    return {name: value for name, value in given.items() if name not in other}


def _moved(pictures: Mapping[str, Any], device: Any, dtype: Any) -> dict[str, Any]:
    """Where the model is, what floats in its own dtype."""
    from transformers import BatchFeature

    return dict(BatchFeature(dict(pictures)).to(device, dtype=dtype))


def _bytes(held: Any) -> int:
    """Bytes of all tensors within dictionaries, sequences and the attributes of caches."""
    import torch

    seen: set[int] = set()

    def of(one: Any) -> int:
        if id(one) in seen:
            return 0
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            return one.nbytes
        if isinstance(one, dict):
            return sum(map(of, one.values()))
        if isinstance(one, list | tuple):
            return sum(map(of, one))
        return of(vars(one)) if hasattr(one, "__dict__") and not callable(one) else 0

    return of(held)
