"""Which layers of slots stand for the cache layers that transformers makes for a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mctsr_graph.models.engine.slot_layer import BothLayer, Layer, StateLayer, Window

# By name, as earlier releases do not have them all. A layer that forgets what left its window is
# a mask over one that keeps it
_KINDS: dict[str, Callable[[Window, Any], Any]] = {
    "DynamicLayer": lambda window, _: Layer(window),
    "DynamicSlidingWindowLayer": lambda window, _: Layer(window),
    "LinearAttentionLayer": lambda window, own: StateLayer(window, _count(own)),
    "LinearAttentionAndFullAttentionLayer": lambda window, own: BothLayer(window, _count(own)),
    "LinearAttentionAndSlidingWindowAttentionLayer": lambda window, own: BothLayer(
        window, _count(own)
    ),
    "DummyLayer": lambda _, own: own,  # of a layer that caches nothing
}


def slot_layers(model: Any, window: Window) -> list[Any] | None:
    """A layer of slots for each of the model's; None where one of them is of an unknown kind."""
    _register()
    own = layers_of(model)
    if not own or any(type(layer).__name__ not in _KINDS for layer in own):
        return None
    return [_KINDS[type(layer).__name__](window, layer) for layer in own]


def layers_of(model: Any) -> list[Any]:
    """The layers of the cache that transformers would make for the model."""
    from transformers import DynamicCache

    layers: list[Any] = DynamicCache(config=model.config).layers
    return layers


def all_plain(model: Any) -> bool:
    """Whether all layers see everything before."""
    return all(type(layer).__name__ == "DynamicLayer" for layer in layers_of(model))


def all_attend(model: Any) -> bool:
    """Whether no layer has a state."""
    return not any("Linear" in type(layer).__name__ for layer in layers_of(model))


def _count(layer: Any) -> int:
    return int(getattr(layer, "number_of_states", 1))


def _register() -> None:
    """Let transformers take them for its own, which it asks of a layer before it uses it."""
    from transformers import cache_utils

    cache_utils.CacheLayerMixin.register(Layer)
    linear = getattr(cache_utils, "LinearAttentionCacheLayerMixin", None)
    if linear is not None:
        linear.register(StateLayer)
