"""Attention of decode steps on CUDA, by the flash kernel that comes with PyTorch.

With a mask, as a step over rows of different length needs it, `scaled_dot_product_attention`
reads the columns of the longest row for all of them, by a kernel that leaves most of the device
idle when rows are few. The flash kernel is told each row's length instead.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.slot_layer import Window

if TYPE_CHECKING:
    import torch

_NAME = "mctsr_graph_decode"
_UNKNOWN = ("softcap", "s_aux", "sliding_window", "position_bias")  # of other kinds of attention


class _Running(threading.local):
    """The step that this thread computes."""

    window: Window | None = None
    lengths: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None


_RUNNING = _Running()


def suits(model: Any) -> bool:
    """Whether the kernel is there for the model's device and dtype."""
    import torch

    half = model.dtype in (torch.bfloat16, torch.float16)
    return half and torch.cuda.get_device_capability(model.device) >= (8, 0)


@contextlib.contextmanager
def decode_attention(model: Any, window: Window) -> Iterator[None]:
    """Let the model's forwards in this thread, each a step of one token a row, use the kernel.

    The name of the attention is the model's, not the thread's: a forward of another thread that
    meets it has what it had before.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(_NAME, _attend)
    masks: Any = AttentionMaskInterface
    masks.register(_NAME, masks._global_mapping["sdpa"])
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = _NAME
    _RUNNING.window = window
    try:
        yield
    finally:
        config._attn_implementation = before
        _RUNNING.window = _RUNNING.lengths = None


def without_cudnn(model: Any) -> AbstractContextManager[None]:
    """On CUDA, keep `scaled_dot_product_attention` from cuDNN.

    It prepares a plan for each new shape, which takes longer than the forward, and here almost
    every prompt brings a new shape.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if model.device.type != "cuda":
        return contextlib.nullcontext()
    others = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    found: AbstractContextManager[None] = sdpa_kernel(others)
    return found


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Any,
    **options: Any,
) -> tuple[Any, ...]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    window = _RUNNING.window
    if window is None:
        return tuple(sdpa_attention_forward(module, query, key, value, mask, **options))
    asked = [name for name in _UNKNOWN if options.get(name) is not None]
    if asked:
        raise NotImplementedError(f"attention with {', '.join(asked)}")
    rows, heads, _, size = key.shape
    step = window.columns * heads  # columns from one row to the next, if heads are counted too
    if _RUNNING.lengths is None:
        _RUNNING.lengths = _lengths(window, rows, step)
    # Slots are [row, head, column]; the kernel has tokens of all rows in one line. Strides allow
    # it: from its token `row * step` on it finds, at a distance of `columns`, the row's heads.
    shape = (rows * step - (heads - 1) * window.columns, heads, size)
    strides = (size, window.columns * size, 1)
    keys, values = (part.as_strided(shape, strides) for part in (key, value))
    out = _kernel(
        query[:, :, 0], keys, values, _RUNNING.lengths, window.columns, options.get("scaling")
    )
    return out[:, None], None


def _lengths(
    window: Window, rows: int, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where each row begins in queries and in keys, and how many keys it has."""
    import torch

    places = window.places[:, 0]
    count = torch.arange(rows + 1, dtype=torch.int32, device=places.device)
    return count, count * step, (places + 1).to(torch.int32)


def _kernel(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    lengths: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    most: int,
    scale: float | None,
) -> torch.Tensor:
    """`torch.nn.attention.varlen.varlen_attn`, which takes lengths only from torch 2.12 on."""
    import torch

    starts, places, used = lengths
    # One query a row, 1 of 1 tokens; no dropout, not causal, no debug mask
    settings = (starts, places, 1, most, 0.0, False, False)
    op: Any = torch.ops.aten._flash_attention_forward
    out: torch.Tensor = op(query, keys, values, *settings, scale=scale, seqused_k=used)[0]
    return out
