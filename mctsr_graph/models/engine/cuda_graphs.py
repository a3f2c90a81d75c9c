"""Replaying decode steps as CUDA graphs: one launch instead of hundreds.

An eager step of a model of many layers takes as long for one row as for sixty, for it is the
launches that cost. On other devices nothing is captured and steps run as they are.

While a step is captured, a tenth of a second for each new number of rows, PyTorch raises in
another thread that draws random numbers on the same device. The sampler here draws on the CPU.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.decode_attention import decode_attention, suits
from mctsr_graph.models.engine.layer_kinds import all_plain
from mctsr_graph.models.engine.protocol import is_out_of_memory

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
_REACH = 256  # columns by which graphs differ, unless rows are read by their own lengths
Forward = Callable[["torch.Tensor"], "torch.Tensor"]


class Graphs:
    """Captured steps by number of rows and columns read. Valid until the memory moves.

    Args:
        model: What computes the steps.
        enabled: Whether anything is captured.
        by_length: Whether steps use `decode_attention`, until that turns out not to fit.
    """

    def __init__(self, model: Any, *, enabled: bool, by_length: bool = False) -> None:
        self._model = model
        self.enabled, self._by_length = enabled, by_length
        self._checked = self._full = False
        self._pool: Any = None  # of memory, shared: what one graph leaves is copied at once
        self._captured: dict[tuple[int, int], tuple[Any, torch.Tensor, torch.Tensor]] = {}

    @classmethod
    def of(cls, model: Any) -> Graphs:
        """Enabled for a model that is whole on one CUDA device and not quantised."""
        places = set((getattr(model, "hf_device_map", None) or {"": model.device}).values())
        quantised = getattr(model, "is_quantized", False)
        one = len(places) == 1 and getattr(model.device, "type", "") == "cuda"
        enabled = one and not quantised
        return cls(model, enabled=enabled, by_length=enabled and all_plain(model) and suits(model))

    def clear(self) -> None:
        """Forget all graphs: what they read has moved."""
        self._captured.clear()
        self._pool, self._full = None, False

    def step(self, forward: Forward, window: Any, inputs: torch.Tensor) -> torch.Tensor | None:
        """Run a step of one token for the first rows; None where that is left to the caller.

        `inputs` holds ids and columns, [2, rows, 1], on the CPU; `window` says which memory is
        read.
        """
        rows, reach = inputs.shape[1], window.reach
        while self.enabled and not self._full:
            window.hi = size = min(_bucket(rows), window.slots)
            whole = -(-reach // _REACH) * _REACH
            window.reach = window.columns if self._by_length else min(whole, window.columns)
            key = (size, window.reach)
            if key in self._captured or self._tried(key, forward, window, inputs):
                graph, still, logits = self._captured[key]
                still.copy_(_padded(inputs, size))
                graph.replay()
                return logits[:rows].clone()
        window.hi, window.reach = rows, reach
        return None

    def _tried(self, key: tuple[int, int], forward: Forward, window: Any, inputs: Any) -> bool:
        """Capture a step; where that fails, the next best thing is tried from now on."""
        still = _padded(inputs, key[0]).to(self._model.device)
        try:
            self._captured[key] = self._capture(forward, window, still)
        except Exception as error:  # what is the model's own fault will be raised by an eager step
            self.clear()
            # The end of a capture that ran out of memory raises something else
            if any(is_out_of_memory(e) for e in (error, error.__context__) if e is not None):
                self._full = True  # until the memory moves; an eager step needs less
            elif self._by_length:
                self._by_length = False
                _log.info("steps run with the model's own attention: %s", error)
            else:
                self.enabled = False
                _log.warning("steps run without CUDA graphs: capturing failed", exc_info=True)
            return False
        return True

    def _capture(
        self, forward: Forward, window: Any, still: torch.Tensor
    ) -> tuple[Any, torch.Tensor, torch.Tensor]:
        import torch

        wanted = None if self._checked else forward(still)
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        stream = _stream(still.device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), self._better(window):
            forward(still)  # whatever is loaded at first use; writes what the replay will write
        torch.cuda.synchronize()
        with torch.cuda.stream(stream), self._better(window):
            # Not `torch.cuda.graph`, which gives all cached memory back each time
            graph.capture_begin(self._pool, capture_error_mode="thread_local")
            try:
                logits = forward(still)
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(stream)
        if wanted is not None:
            graph.replay()
            _compare(logits, wanted)
            self._checked = True
        return graph, still, logits

    def _better(self, window: Any) -> contextlib.AbstractContextManager[None]:
        """Let the model's forwards be what is to be captured."""
        if self._by_length:
            return decode_attention(self._model, window)
        return contextlib.nullcontext()


def _padded(inputs: torch.Tensor, rows: int) -> torch.Tensor:
    """With more rows, of zeros: without a slot's owner they write where the next owner will."""
    import torch

    return torch.nn.functional.pad(inputs, (0, 0, 0, rows - inputs.shape[1]))


@functools.cache
def _stream(device: torch.device) -> Any:
    """One for all captures: cuBLAS keeps memory for every stream that it has seen."""
    import torch

    stream: Any = torch.cuda.Stream
    return stream(device)


def _compare(logits: torch.Tensor, wanted: torch.Tensor) -> None:
    """Raise RuntimeError where a row's logits are not the same but for rounding."""
    import torch

    exact = wanted.dtype == torch.float32
    apart = (logits.float() - wanted.float()).norm(dim=-1) / wanted.float().norm(dim=-1)
    if bool((apart > (1e-3 if exact else 0.1)).any()):  # a row of NaN is no sign of anything
        raise RuntimeError(f"a captured step differs from an eager one by {float(apart.max()):.2g}")


def _bucket(rows: int) -> int:
    return 1 << (rows - 1).bit_length() if rows < 8 else -(-rows // 8) * 8
