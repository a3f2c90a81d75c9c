"""The layers of the memory of slots: as a model asks for them, and as they are copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_STACKS = 8  # at least so many, for one at a time is in memory twice when they move


class Window:
    """What the forward now running covers; shared by all layers."""

    slots = columns = 0  # allocated
    lo = hi = reach = 0  # rows lo..hi, columns below reach
    rows: torch.Tensor  # [m, 1]
    places: torch.Tensor  # [m, q]: the column of each token fed


class Layer:
    """One layer's keys and values, [slots, heads, columns, size]; acts as a cache layer."""

    is_compileable = is_sliding = is_croppable = False
    is_initialized = True

    def __init__(self, window: Window) -> None:
        self._window = window
        self.parts: list[torch.Tensor] = []

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the columns of this forward and return all that it may read."""
        window, new = self._window, (keys, values)
        if not self.parts:
            # Zeros: a masked column has weight 0, and 0 times what is there must be a number
            self.parts = [
                p.new_zeros(window.slots, p.shape[1], window.columns, p.shape[3]) for p in new
            ]
        rows, places = window.rows.to(keys.device), window.places.to(keys.device)
        for part, fed in zip(self.parts, new, strict=True):
            part[rows, :, places] = fed.transpose(1, 2)
        key, value = (p[window.lo : window.hi, :, : window.reach] for p in self.parts)
        return key, value

    def get_seq_length(self) -> int:
        """Nothing: positions are always given."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that may be read, and the first of them."""
        return self._window.reach, 0


class Stacks:
    """Keys and values of several layers in one tensor, so that one kernel copies them all.

    Empty until a first forward has shown what the layers hold.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._held: list[torch.Tensor] = []
        self._homes: list[list[tuple[Layer, int]]] = []
        """Whose keys (0) or values (1) each stack holds."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Each [parts, slots, heads, columns, size]."""
        if not self._held:
            self._stack()
        return iter(self._held)

    def resize(self, slots: int, columns: int) -> None:
        """Move to tensors of this size, with what fits."""
        for index, old in enumerate(self):
            parts, _, heads, _, size = old.shape
            new = old.new_zeros(parts, slots, heads, columns, size)
            kept = old[:, :slots, :, :columns]
            new[:, : kept.shape[1], :, : kept.shape[3]] = kept
            self._place(index, new)

    def _stack(self) -> None:
        import torch

        kinds: dict[Any, list[tuple[Layer, int]]] = {}
        for layer in self._layers:
            for which, part in enumerate(layer.parts):
                _, heads, _, size = part.shape
                kind = part.device, part.dtype, heads, size
                kinds.setdefault(kind, []).append((layer, which))
        for alike in kinds.values():
            size = -(-len(alike) // _STACKS)
            self._homes += [alike[i : i + size] for i in range(0, len(alike), size)]
        self._held = [
            torch.stack([layer.parts[which] for layer, which in home]) for home in self._homes
        ]
        for index, stack in enumerate(self._held):
            self._place(index, stack)

    def _place(self, index: int, stack: torch.Tensor) -> None:
        self._held[index] = stack
        for (layer, which), part in zip(self._homes[index], stack, strict=True):
            layer.parts[which] = part


def layers_of(model: Any) -> list[Any]:
    """The layers of the cache that transformers would make for the model."""
    from transformers import DynamicCache

    layers: list[Any] = DynamicCache(config=model.config).layers
    return layers
