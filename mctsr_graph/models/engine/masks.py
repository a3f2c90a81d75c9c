"""Attention masks of rows that stand side by side in slots.

A model describes each of its masks (causal, a window, chunks, ...) by a function of the positions
of query and key, and leaves it to an entry of transformers' table to make a tensor of it. While a
forward over slots runs, in its own thread only, that is done here, where each row has positions
of its own.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.slot_layer import Window

if TYPE_CHECKING:
    import torch

_LOCK = threading.Lock()


class _Running(threading.local):
    """The forward that this thread computes."""

    window: Window | None = None


_RUNNING = _Running()


@contextlib.contextmanager
def masks_of(window: Window) -> Iterator[None]:
    """Let the masks of the forward in this thread be those of the rows of `window`."""
    _register()
    before, _RUNNING.window = _RUNNING.window, window
    try:
        yield
    finally:
        _RUNNING.window = before


def running() -> Window | None:
    """What the forward over slots covers that this thread computes, if it computes one."""
    return _RUNNING.window


def _register() -> None:
    from transformers.masking_utils import AttentionMaskInterface, eager_mask, sdpa_mask

    with _LOCK:
        known: Any = AttentionMaskInterface._global_mapping
        for name, usual in (("sdpa", sdpa_mask), ("eager", eager_mask)):
            if not isinstance(known[name], _SlotMask):
                AttentionMaskInterface.register(name, _SlotMask(known[name] or usual))


class _SlotMask:
    """An entry of transformers' table that makes masks for slots, and any other as before."""

    def __init__(self, usual: Callable[..., Any]) -> None:
        self._usual = usual
        self._bool = usual.__name__ != "eager_mask"
        functools.update_wrapper(self, usual)

    def __call__(self, *args: Any, **options: Any) -> Any:
        window = _RUNNING.window
        if window is None:
            return self._usual(*args, **options)
        window.masks += 1
        allowed = _allowed(window, options["mask_function"])
        return allowed if self._bool else added(allowed, options["dtype"])


def _allowed(window: Window, function: Callable[..., Any]) -> torch.Tensor:
    """What each token of each row attends to, [rows, 1, tokens, columns]."""
    import torch

    queries, columns = window.positions[:, None, :, None], window.standing[:, None, None, :]
    rows = torch.arange(len(queries), device=queries.device)[:, None, None, None]
    found: torch.Tensor = function(rows, torch.zeros_like(rows[:1]), queries, columns)
    return found & window.seen[:, None]


def added(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask as numbers that are added."""
    import torch

    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)
