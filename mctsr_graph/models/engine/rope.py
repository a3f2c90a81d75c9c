"""Position codes that depend on how long a sequence is.

transformers takes the length of the longest row of the batch for all of them. Here each row has
the codes that it has alone: LongRoPE turns to other factors beyond a length, dynamic scaling to
new ones with every token beyond it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.masks import running

if TYPE_CHECKING:
    import torch

KINDS = ("longrope", "dynamic")


class LengthRope:
    """The position codes of a model that depend on lengths; false where it has none."""

    def __init__(self, model: Any) -> None:
        self._modules = [(module, kinds) for module in model.modules() if (kinds := _kinds(module))]
        found = {(kind, limit) for _, kinds in self._modules for kind, limit in kinds.values()}
        self._limits = sorted(limit for _, limit in found)
        self._dynamic = min((limit for kind, limit in found if kind == "dynamic"), default=None)

    def __bool__(self) -> bool:
        return bool(self._modules)

    @property
    def limit(self) -> int:
        """Tokens of the longest sequence whose codes do not depend on its length."""
        return self._limits[0]

    def side(self, length: int) -> int:
        """Sequences of one side have keys in common where they have tokens in common."""
        return sum(length > limit for limit in self._limits)

    def shares(self, length: int) -> bool:
        """Whether sequences of this side have keys in common at all."""
        return self._dynamic is None or length <= self._dynamic

    def fresh(self) -> None:
        """Take back what earlier, longer sequences have left in the model."""
        for module, kinds in self._modules:
            for layer, (kind, _) in kinds.items():
                if kind == "dynamic":
                    _forget(module, layer)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let forwards over slots in this thread have the codes of their rows."""
        before = [(module, vars(module).get("forward")) for module, _ in self._modules]
        for module, kinds in self._modules:
            vars(module)["forward"] = _by_row(module, kinds)
        try:
            yield
        finally:
            for module, forward in before:
                vars(module).pop("forward")
                if forward is not None:  # such as one that moves what it is given to a device
                    vars(module)["forward"] = forward


def _kinds(module: Any) -> dict[str | None, tuple[str, int]]:
    """Kind and limit by type of layer, None standing for all."""
    told = getattr(module, "rope_type", None)
    every = told if isinstance(told, dict) else {None: told}
    config = getattr(module, "config", None)
    return {
        layer: (kind, _limit(config, module, layer))
        for layer, told in every.items()
        for kind in KINDS
        if isinstance(told, str) and kind in told
    }


def _limit(config: Any, module: Any, layer: str | None) -> int:
    told = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    told = told.get(layer, told) if layer is not None else told
    limit = told.get("original_max_position_embeddings")
    if limit is None or "dynamic" in str(told.get("rope_type", told.get("type"))):
        limit = getattr(module, "original_max_seq_len", limit)
    return int(limit or config.max_position_embeddings)


def _by_row(module: Any, kinds: dict[str | None, tuple[str, int]]) -> Callable[..., Any]:
    plain = module.forward

    def forward(x: Any, position_ids: Any, layer_type: str | None = None) -> Any:
        window = running()
        more = {} if layer_type is None else {"layer_type": layer_type}
        if window is None or layer_type not in kinds:
            return plain(x, position_ids, **more)
        kind, limit = kinds[layer_type]
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(window.lengths):
            known = max(length, limit) if kind == "dynamic" else int(length > limit)
            groups.setdefault(known, []).append(row)
        position_ids = position_ids.expand(len(window.lengths), -1)
        made: list[Any] = [None, None]
        for rows in groups.values():
            length = max(window.lengths[row] for row in rows)
            if kind == "dynamic":
                _forget(module, layer_type)
            codes = _of_length(plain, x, position_ids[rows], length, more)
            for i, code in enumerate(codes):
                if made[i] is None:
                    made[i] = code.new_zeros(len(window.lengths), *code.shape[1:])
                made[i][rows] = code
        return tuple(made)

    return forward


def _of_length(
    plain: Callable[..., Any], x: Any, places: torch.Tensor, length: int, more: dict[str, str]
) -> list[torch.Tensor]:
    """The codes of rows that are `length` tokens long: one more token, the last, says so."""
    import torch

    last = places.new_full((len(places), 1), length - 1)
    codes = plain(x, torch.cat([places, last], dim=1), **more)
    return [code[:, :-1] for code in codes]


def _forget(module: Any, layer: str | None) -> None:
    """Take back what an earlier, longer sequence has left."""
    prefix = "" if layer is None else f"{layer}_"
    original = getattr(module, f"{prefix}original_inv_freq")
    current = getattr(module, f"{prefix}inv_freq")
    module.register_buffer(f"{prefix}inv_freq", original.to(current.device), persistent=False)
    for name in {"max_seq_len_cached", f"{prefix}max_seq_len_cached"}:
        if hasattr(module, name):
            setattr(module, name, module.original_max_seq_len)
