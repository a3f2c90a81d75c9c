"""The layers of the memory of slots: as a model asks for them, and as they are copied."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_STACKS = 8  # at least so many, for one at a time is in memory twice when they move


class Window:
    """What the forward now running covers; shared by all layers."""

    slots = columns = 0  # allocated
    lo = hi = reach = 0  # rows lo..hi, columns below reach
    fresh = True  # whether the rows begin with this forward
    masks = 0  # how many the model has asked for
    lengths: Sequence[int] = ()  # tokens of each row's whole sequence
    ends: Sequence[int] = ()  # the column behind the last token of each row
    rows: torch.Tensor  # [m, 1]
    places: torch.Tensor  # [m, q]: the column of each token fed
    positions: torch.Tensor  # [m, q]: where in its sequence each token stands
    seen: torch.Tensor  # [m, q, reach]: columns that hold what comes before a token
    standing: torch.Tensor  # [1 or m, reach]: the position of what each column holds


class Layer:
    """One layer's keys and values, [slots, heads, columns, size]; acts as a cache layer."""

    is_compileable = is_sliding = is_croppable = supports_early_init = False
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


class StateLayer:
    """What a layer of linear attention, a state space or a short convolution knows of each row.

    It has one size however long a row is, and a step changes it in place.
    """

    is_compileable = is_sliding = is_croppable = record_past = False
    supports_early_init, is_initialized = False, True

    def __init__(self, window: Window, kinds: int) -> None:
        self._window = window
        self.number_of_states = kinds
        self.held: dict[tuple[str, int], torch.Tensor] = {}
        """Each [slots, ...], by "conv" or "recurrent" and its number."""
        self.has_previous_state = dict.fromkeys(range(kinds), False)

    def begin(self) -> None:
        """Note whether the rows of the next forward have states already."""
        for kind in self.has_previous_state:
            self.has_previous_state[kind] = not self._window.fresh

    @property
    def conv_states(self) -> dict[int, torch.Tensor]:
        """Those of the rows of this forward, to be written to."""
        return self._of_rows("conv")

    @property
    def recurrent_states(self) -> dict[int, torch.Tensor]:
        """Those of the rows of this forward, to be written to."""
        return self._of_rows("recurrent")

    def update_conv_state(
        self,
        conv_states: torch.Tensor,
        state_idx: int = 0,
        conv_kernel_size: int | None = None,
        **_: Any,
    ) -> torch.Tensor:
        """Keep the end of what a convolution reads and return all that it reads now."""
        import torch

        whole, place = conv_states, ("conv", state_idx)
        if place not in self.held:
            size = conv_kernel_size or whole.shape[-1]
            self.held[place] = whole.new_zeros(self._window.slots, *whole.shape[1:-1], size)
        mine = self._mine(place)
        size = mine.shape[-1]
        if self.has_previous_state[state_idx]:
            whole = torch.cat([mine, whole], dim=-1)
        elif whole.shape[-1] < size:
            whole = torch.nn.functional.pad(whole, (size - whole.shape[-1], 0))
        self.has_previous_state[state_idx] = True
        mine.copy_(whole[..., -size:])
        return whole

    def update_recurrent_state(
        self, recurrent_states: torch.Tensor, state_idx: int = 0, **_: Any
    ) -> torch.Tensor:
        """Keep the new state."""
        place, new = ("recurrent", state_idx), recurrent_states
        if place not in self.held:
            self.held[place] = new.new_zeros(self._window.slots, *new.shape[1:])
        mine = self._mine(place)
        mine.copy_(new)
        return mine

    def _mine(self, place: tuple[str, int]) -> torch.Tensor:
        return self.held[place][self._window.lo : self._window.hi]

    def _of_rows(self, which: str) -> dict[int, torch.Tensor]:
        return {place[1]: self._mine(place) for place in self.held if place[0] == which}


class BothLayer(Layer, StateLayer):
    """A layer with attention and a state."""

    def __init__(self, window: Window, kinds: int) -> None:
        Layer.__init__(self, window)
        StateLayer.__init__(self, window, kinds)


class States:
    """The states of all layers, by slot."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = [layer for layer in layers if isinstance(layer, StateLayer)]

    def __bool__(self) -> bool:
        return bool(self._layers)

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Each [slots, ...]."""
        return (held for layer in self._layers for held in layer.held.values())

    def begin(self) -> None:
        """Before a forward."""
        for layer in self._layers:
            layer.begin()

    def bytes(self) -> int:
        """Of one slot; 0 before the first forward."""
        return sum(held.element_size() * math.prod(held.shape[1:]) for held in self)

    def resize(self, slots: int) -> None:
        """Move to tensors for so many slots, with what fits."""
        for layer in self._layers:
            for place, old in layer.held.items():
                new = old.new_zeros(slots, *old.shape[1:])
                kept = min(slots, len(old))
                new[:kept] = old[:kept]
                layer.held[place] = new


class Stacks:
    """Keys and values of several layers in one tensor, so that one kernel copies them all.

    Empty until a first forward has shown what the layers hold.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = [layer for layer in layers if isinstance(layer, Layer)]
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
