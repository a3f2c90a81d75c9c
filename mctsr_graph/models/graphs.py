"""Replaying decode steps as CUDA graphs: one launch instead of hundreds.

An eager step of a model of many layers takes as long for one row as for sixty, for it is the
launches that cost. On other devices nothing is captured and steps run as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
_REACH = 256  # columns by which graphs differ


class Graphs:
    """Captured steps by number of rows and columns read. Valid until the memory moves."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._captured: dict[tuple[int, int], tuple[Any, torch.Tensor, torch.Tensor]] = {}

    @classmethod
    def of(cls, model: Any) -> Graphs:
        """Enabled for a model that is whole on one CUDA device and not quantised."""
        places = set((getattr(model, "hf_device_map", None) or {"": model.device}).values())
        quantised = getattr(model, "is_quantized", False)
        one = len(places) == 1 and getattr(model.device, "type", "") == "cuda"
        return cls(enabled=one and not quantised)

    def clear(self) -> None:
        """Forget all graphs: what they read has moved."""
        self._captured.clear()

    def step(
        self, forward: Callable[[torch.Tensor], torch.Tensor], window: Any, inputs: torch.Tensor
    ) -> torch.Tensor | None:
        """Run a step of one token for the first rows; None where that is left to the caller.

        `inputs` holds ids and columns, [2, rows, 1]; `window` says which memory is read.
        """
        if not self._enabled:
            return None
        rows = inputs.shape[1]
        size = min(_bucket(rows), window.slots)
        window.hi, reach = size, -(-window.reach // _REACH) * _REACH
        window.reach = min(reach, window.columns)
        key = (size, window.reach)
        if key not in self._captured and not self._capture(key, forward, inputs):
            window.hi = rows
            return None
        graph, still, logits = self._captured[key]
        still[:, :rows] = inputs
        still[:, rows:] = 0  # rows without a slot's owner write where the next owner will
        graph.replay()
        return logits[:rows].clone()

    def _capture(
        self,
        key: tuple[int, int],
        forward: Callable[[torch.Tensor], torch.Tensor],
        inputs: torch.Tensor,
    ) -> bool:
        import torch

        still = inputs.new_zeros(2, key[0], 1)
        still[:, : inputs.shape[1]] = inputs
        try:
            stream: Any = torch.cuda.Stream
            stream = stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                forward(still)  # twice what the replay does is harmless: the same columns
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                logits = forward(still)
        except RuntimeError:
            _log.warning("steps run without CUDA graphs: capturing one failed", exc_info=True)
            self._enabled = False
            self.clear()
            return False
        self._captured[key] = graph, still, logits
        return True


def _bucket(rows: int) -> int:
    return 1 << (rows - 1).bit_length() if rows < 8 else -(-rows // 8) * 8
