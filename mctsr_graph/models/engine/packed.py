"""Matrix products on CPU by oneDNN, with weights in the layout that its kernels read fastest.

PyTorch gives float32 products to MKL, which keeps its fastest kernels for processors of one maker,
and reorders bfloat16 weights anew at each call. Steps of a few rows gain most.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

_ROWS = 64  # which the layout is chosen for; it hardly matters


class PackedLinears:
    """Takes the place of a model's linear layers while it is entered.

    Args:
        model: Its weights must stay as they are from now on.
        most: Bytes that the second copy of the weights may take; further layers stay as they are.
    """

    def __init__(self, model: Any, most: int) -> None:
        self._made: list[tuple[dict[str, Any], Callable[..., Any]]] = []
        packed: dict[int, Any] = {}
        for layer in model.modules() if most > 0 and suits(model) else ():
            weight: Any = getattr(layer, "weight", None)
            if not _is_plain(layer) or weight.dtype != model.dtype:
                continue
            if id(weight) not in packed:
                most -= weight.nbytes
                if most < 0:
                    break
                packed[id(weight)] = _packed(weight)
            self._made.append((vars(layer), _forward(layer, packed[id(weight)])))

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let the model's forwards in inference mode use them, whatever thread they are in."""
        for attributes, forward in self._made:
            attributes["forward"] = forward
        try:
            yield
        finally:
            for attributes, _ in self._made:
                attributes.pop("forward", None)


def suits(model: Any) -> bool:
    """Whether the processor has the kernels for the model's dtype; products stay plain if not."""
    import torch

    if model.device.type != "cpu":
        return False
    try:
        if model.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        few = torch.ones(2, 2, dtype=model.dtype)
        with torch.inference_mode():
            return bool((_product()(few, _packed(few), None, "none", [], "") == 2).all())
    except (AttributeError, TypeError, RuntimeError):  # no oneDNN, or not for this dtype
        return False


def _is_plain(layer: Any) -> bool:
    """Whether nobody has put anything into the way of the layer's product."""
    import torch

    return type(layer) is torch.nn.Linear and "forward" not in vars(layer)


def _packed(weight: Any) -> Any:
    import torch

    with torch.inference_mode():
        return torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)


def _product() -> Any:
    import torch

    return torch.ops.mkldnn._linear_pointwise.default


def _forward(layer: Any, weight: Any) -> Callable[[Any], Any]:
    import torch

    product, bias = _product(), layer.bias

    def forward(given: Any) -> Any:
        if torch.is_inference_mode_enabled():
            return product(given, weight, bias, "none", [], "")
        return type(layer).forward(layer, given)

    return forward
