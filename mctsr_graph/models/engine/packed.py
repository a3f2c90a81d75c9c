"""Matrix products on CPU, with weights in the layout that the fastest kernels read.

PyTorch gives float32 products to MKL, which keeps its fastest kernels for processors of one maker:
there it is fastest with weights that lie the other way round. Elsewhere, and for bfloat16, whose
weights PyTorch reorders anew at each call, it is oneDNN. Steps of a few rows gain most.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from typing import Any

_ROWS = 64  # which the layout is chosen for; it hardly matters


class PackedLinears:
    """Takes the place of a model's linear layers while it is entered.

    Args:
        model: Its weights must stay as they are from now on.
        most: Bytes that the second copy of the weights may take; further layers stay as they are.
        aside: Layers to leave as they are.
    """

    def __init__(self, model: Any, most: int, aside: Collection[Any] = ()) -> None:
        self._made: list[tuple[dict[str, Any], Callable[..., Any]]] = []
        packed: dict[int, Any] = {}
        for layer in model.modules() if most > 0 and suits(model) else ():
            weight: Any = getattr(layer, "weight", None)
            if not is_plain(layer) or weight.dtype != model.dtype or layer in aside:
                continue
            if id(weight) not in packed:
                most -= weight.nbytes
                if most < 0:
                    break
                packed[id(weight)] = _laid(weight)
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
        if _by_mkl(model.dtype):
            return True
        if model.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        few = torch.ones(2, 2, dtype=model.dtype)
        with torch.inference_mode():
            return bool((_product()(few, _packed(few), None, "none", [], "") == 2).all())
    except (AttributeError, TypeError, RuntimeError):  # no oneDNN, or not for this dtype
        return False


def is_plain(layer: Any) -> bool:
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


def product_of(weight: Any, bias: Any) -> Callable[[Any], Any]:
    """What multiplies by a weight [out, in] and adds the bias, in inference mode."""
    return _product_by(_laid(weight), bias)


def _laid(weight: Any) -> Any:
    """The weight in the layout that is read fastest."""
    return weight.detach().t().contiguous() if _by_mkl(weight.dtype) else _packed(weight)


def _product_by(laid: Any, bias: Any) -> Callable[[Any], Any]:
    import torch

    if not laid.is_mkldnn:
        if bias is None:
            return lambda given: torch.matmul(given, laid)
        return lambda given: torch.matmul(given, laid) + bias
    product = _product()
    return lambda given: product(given, laid, bias, "none", [], "")


@functools.cache
def _by_mkl(dtype: Any) -> bool:
    import torch

    told: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    intel = str(told.get("cpu_name", "")).startswith("Intel")
    mkl: Any = torch.backends.mkl
    return bool(dtype == torch.float32 and intel and mkl.is_available())


def _forward(layer: Any, laid: Any) -> Callable[[Any], Any]:
    import torch

    product = _product_by(laid, layer.bias)

    def forward(given: Any) -> Any:
        if torch.is_inference_mode_enabled():
            return product(given)
        return type(layer).forward(layer, given)

    return forward
