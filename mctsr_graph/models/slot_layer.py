"""One layer of the memory of slots, in the form in which a model asks for a cache layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


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

    def resize(self, slots: int, columns: int) -> None:
        """Move to tensors of this size, with what fits."""
        for index, old in enumerate(self.parts):
            new = old.new_zeros(slots, old.shape[1], columns, old.shape[3])
            kept = old[:slots, :, :columns]
            new[: kept.shape[0], :, : kept.shape[2]] = kept
            self.parts[index] = new

    def get_seq_length(self) -> int:
        """Nothing: positions are always given."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that may be read, and the first of them."""
        return self._window.reach, 0


def layers_of(model: Any) -> list[Any]:
    """The layers of the cache that transformers would make for the model."""
    from transformers import DynamicCache

    layers: list[Any] = DynamicCache(config=model.config).layers
    return layers
