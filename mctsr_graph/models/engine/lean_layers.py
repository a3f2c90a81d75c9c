"""Decoder layers of the plain kind on CPU, computed in a third of the steps.

A layer of Llama, Mistral, Qwen 2 and 3, SmolLM and their like is two norms, an attention with
rotary positions and a gated product. As its class computes it, a step of a few rows takes longer to
be called for than to be computed. Here the matrices that read the same numbers are one, queries and
keys are turned together, and rows are read as far as they are long. Whether a layer is of this kind
is not told by its class: both ways must give the same numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.masks import added, running
from mctsr_graph.models.engine.packed import PackedLinears, is_plain, product_of, suits
from mctsr_graph.models.engine.slot_layer import Layer

if TYPE_CHECKING:
    import torch

    Product = Callable[[torch.Tensor], torch.Tensor]

_BLOCK = 4  # neighbouring rows that are read alike
_CALL = 100_000  # bytes that can be read in the time of one more call


class LeanLayers:
    """Takes the place of a model's plain decoder layers and other products while it is entered.

    Args:
        model: Its weights must stay as they are from now on.
        most: Bytes that the second copy of the weights may take; further layers stay as they are.
    """

    def __init__(self, model: Any, most: int) -> None:
        self.layers: list[Any] = []
        self._made: list[_Lean] = []
        inside: set[Any] = set()
        shared = _Forward()
        for layer in model.modules() if most > 0 and suits(model) else ():
            if not hasattr(layer, "self_attn") or not hasattr(layer, "mlp"):
                continue
            cost = sum(weights.nbytes for weights in layer.parameters())
            made = _made(layer, model.dtype, shared) if cost <= most else None
            if made is not None:
                most -= cost
                self.layers.append(layer)
                self._made.append(made)
                inside.update(layer.modules())
        self.others = PackedLinears(model, most, inside)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let forwards over slots in inference mode use them."""
        for layer, made in zip(self.layers, self._made, strict=True):
            vars(layer)["forward"] = made
        try:
            with self.others.used():
                yield
        finally:
            for layer in self.layers:
                vars(layer).pop("forward", None)


class _Forward:
    """What all layers of one forward need, made once."""

    codes: tuple[torch.Tensor, torch.Tensor]
    parts: list[tuple[int, int, int]]
    """Rows from, to, and how many columns of them are read."""

    def __init__(self) -> None:
        self._of: Any = None
        self._masks: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self, codes: tuple[torch.Tensor, torch.Tensor], rows: int, cost: int) -> None:
        """Note the position codes, each [1 or rows, width, size]; new ones are a new forward."""
        import torch

        cos, sin = codes
        if cos is self._of:
            return
        self._of, self._masks = cos, {}
        half = sin.shape[-1] // 2
        signed = torch.cat((-sin[..., :half], sin[..., half:]), -1)
        shape = (rows, *cos.shape[1:])
        flat = (each.expand(shape).reshape(-1, 1, shape[-1]) for each in (cos, signed))
        self.codes = next(flat), next(flat)
        window = running()
        self.parts = parts_of(window.ends, cost) if window is not None else []

    def mask(self, mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The mask as numbers that are added."""
        if id(mask) not in self._masks:
            made = mask if mask.is_floating_point() else added(mask, dtype)
            self._masks[id(mask)] = mask, made
        return self._masks[id(mask)][1]


class _Lean:
    """One layer; it answers as the layer's own forward does."""

    def __init__(self, layer: Any, shared: _Forward) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._own, self._layer, self._shared = type(layer).forward, layer, shared
        self._index, self._scale = attention.layer_idx, attention.scaling
        self._size = size = attention.head_dim
        self._heads = attention.q_proj.out_features // size
        self._pairs = attention.k_proj.out_features // size
        self._norms = _norm(layer.input_layernorm), _norm(layer.post_attention_layernorm)
        self._turned = [
            _norm(norm) for name in ("q_norm", "k_norm") if (norm := getattr(attention, name, None))
        ]
        self._read = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self._write = _joined(attention.o_proj)
        self._gates, self._down = _joined(mlp.gate_proj, mlp.up_proj), _joined(mlp.down_proj)
        self._act, self._inner = _act(mlp.act_fn), mlp.gate_proj.out_features

    def __call__(self, hidden_states: Any, *more: Any, **options: Any) -> Any:
        import torch

        cache = options.get("cache", options.get("past_key_values"))
        codes, mask = options.get("position_embeddings"), options.get("attention_mask")
        held = next(iter(getattr(cache, "layers", ())[self._index : self._index + 1]), None)
        other = more or codes is None or mask is None or type(held) is not Layer
        if other or not torch.is_inference_mode_enabled():
            return self._own(self._layer, hidden_states, *more, **options)
        return self.computed(hidden_states, codes, mask, held)

    def computed(self, given: Any, codes: Any, mask: Any, held: Layer | None) -> Any:
        """The layer's output, [rows, width, size]."""
        shared = self._shared
        shared.begin(codes, len(given), 2 * self._pairs * self._size * given.element_size())
        x = given.reshape(-1, given.shape[-1])
        x = x + self._write(self._attended(self._norms[0](x), given.shape, mask, held))
        both = self._gates(self._norms[1](x))
        inner = self._act(both[:, : self._inner]).mul_(both[:, self._inner :])
        return (x + self._down(inner)).view(given.shape)

    def _attended(self, x: Any, shape: Any, mask: Any, held: Layer | None) -> Any:
        heads, pairs, size = self._heads, self._pairs, self._size
        every = self._read(x).view(len(x), heads + 2 * pairs, size)
        queries, keys = self._placed(every[:, : heads + pairs])
        grid = shape[0], shape[1], -1, size
        keys, values = (
            each.view(grid).transpose(1, 2) for each in (keys, every[:, heads + pairs :])
        )
        if held is not None:
            keys, values = held.update(keys, values)
        mask = self._shared.mask(mask, x.dtype)
        if shape[1] > 1:
            queries = queries.view(grid).transpose(1, 2)
            found = _attend(queries, keys, values, mask, self._scale, enable_gqa=heads > pairs)
            return found.transpose(1, 2).reshape(len(x), -1)
        queries = queries.view(shape[0], pairs, heads // pairs, size)
        return self._by_parts(queries, keys, values, mask).reshape(len(x), -1)

    def _placed(self, both: Any) -> tuple[Any, Any]:
        """Queries and keys, turned by their positions."""
        import torch

        heads = self._heads
        if self._turned:
            query, key = self._turned
            both = torch.cat((query(both[:, :heads]), key(both[:, heads:])), 1)
        cos, sin = self._shared.codes
        turned = torch.addcmul(both * cos, both.roll(self._size // 2, -1), sin)
        return turned[:, :heads], turned[:, heads:]

    def _by_parts(self, queries: Any, keys: Any, values: Any, mask: Any) -> Any:
        import torch

        parts = self._shared.parts
        if len(parts) < 2:
            return _attend(queries, keys, values, mask, self._scale)
        each = [
            _attend(
                queries[a:b], keys[a:b, :, :end], values[a:b, :, :end], mask[a:b, ..., :end],
                self._scale,
            )
            for a, b, end in parts
        ]  # fmt: skip
        return torch.cat(each)


def parts_of(ends: Sequence[int], cost: int) -> list[tuple[int, int, int]]:
    """Neighbouring rows that are read together: from, to, and columns.

    Args:
        ends: Columns that each row must be read to.
        cost: Bytes of one column of one row. A part more is made where it spares more than a call.
    """
    call = _CALL // cost
    most = [max(ends[i : i + _BLOCK]) for i in range(0, len(ends), _BLOCK)]
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # what the first blocks cost, last part, its end
    for i in range(1, len(most) + 1):
        options, end = [], 0
        for j in range(i - 1, -1, -1):
            end = max(end, most[j])
            rows = min(i * _BLOCK, len(ends)) - j * _BLOCK
            options.append((best[j][0] + call + rows * end, j, end))
        best.append(min(options))
    found, i = [], len(most)
    while i:
        _, j, end = best[i]
        found.append((j * _BLOCK, min(i * _BLOCK, len(ends)), end))
        i = j
    return found[::-1]


def _made(layer: Any, dtype: Any, shared: _Forward) -> _Lean | None:
    """The lean layer, where it is the same as the layer."""
    linears = [one for one in layer.modules() if type(one).__name__.endswith("Linear")]
    if not all(is_plain(one) and one.weight.dtype == dtype for one in linears):
        return None
    if any(one._forward_hooks or one._forward_pre_hooks for one in layer.modules()):
        return None
    try:
        lean = _Lean(layer, shared)
        return lean if _is_same(layer, lean, dtype) else None
    except Exception:  # of another kind
        return None


def _is_same(layer: Any, lean: _Lean, dtype: Any) -> bool:
    """Whether both give the same numbers but for rounding, far from the beginning, too."""
    import torch

    if "forward" in vars(layer) or layer.self_attn.config._attn_implementation != "sdpa":
        return False
    random = torch.Generator().manual_seed(0)
    size = layer.self_attn.q_proj.in_features
    # Small, so that what the layer adds is most of what comes out
    hidden = (0.05 * torch.randn(2, 3, size, generator=random)).to(dtype)
    angles = torch.randn(2, 3, lean._size, generator=random)
    mask = torch.ones(2, 1, 3, 3, dtype=torch.bool).tril()
    bound = 1e-4 if dtype == torch.float32 else 0.1
    for width in (3, 1):
        given, seen = hidden[:, :width], mask[..., :width, :width]
        codes = angles[:, :width].cos().to(dtype), angles[:, :width].sin().to(dtype)
        places = torch.tensor([[0, 1, 90_000][-width:]] * 2)
        with torch.inference_mode():
            wanted = layer(
                given, attention_mask=seen, position_embeddings=codes, position_ids=places
            )
            apart = (wanted - lean.computed(given, codes, seen, None)).abs().max()
        if not apart <= bound * wanted.std():  # nor where one is NaN
            return False
    return True


def _joined(*layers: Any) -> Product:
    """Several linear layers of the same numbers as one."""
    import torch

    weight = torch.cat([layer.weight.detach() for layer in layers])
    biases = [layer.bias for layer in layers]
    if all(bias is None for bias in biases):
        return product_of(weight, None)
    return product_of(weight, torch.cat([bias.detach() for bias in biases]))


def _norm(norm: Any) -> Product:
    """A norm by the root of the mean square, with rounding as transformers has it."""
    import torch

    weight, eps = norm.weight.detach(), getattr(norm, "variance_epsilon", None) or norm.eps
    shape = weight.shape
    if weight.dtype == torch.float32:
        return lambda x: torch.rms_norm(x, shape, weight, eps)
    return lambda x: weight * torch.rms_norm(x.float(), shape, None, eps).to(x.dtype)


def _act(act: Any) -> Callable[[Any], Any]:
    import torch

    return torch.nn.functional.silu if "SiLU" in type(act).__name__ else act


def _attend(queries: Any, keys: Any, values: Any, mask: Any, scale: float, **more: Any) -> Any:
    import torch

    return torch.nn.functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=scale, **more
    )
