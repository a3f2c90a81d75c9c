"""Whether the memory of slots suits a model."""

from __future__ import annotations

from typing import Any

from mctsr_graph.models.engine.forward_names import ForwardNames
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.slot_layer import layers_of
from mctsr_graph.models.engine.slots import SlotMemory


def slots_of(model: Any) -> SlotMemory | None:
    """An empty memory of slots, without a store; None for a model that slots do not suit.

    They suit where all layers see everything before, and where a short trial gives the same
    logits as the model by itself: it may look at positions or masks in ways of its own. From the
    trial the memory knows the shape of what it will hold.
    """
    from transformers.cache_utils import DynamicLayer

    plain = all(type(layer) is DynamicLayer for layer in layers_of(model))
    attention = getattr(model.config, "_attn_implementation", None)
    if not plain or not layers_of(model) or attention not in ("sdpa", "eager"):
        return None
    if not ForwardNames.of(model).cache:
        return None
    memory = SlotMemory(model, PrefixStore(64))
    try:
        if not _agrees(model, memory):
            return None
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return None
    while memory.used:
        memory.leave(0, [])
    memory.release()
    memory.store = PrefixStore(0)
    return memory


def _agrees(model: Any, memory: SlotMemory) -> bool:
    import torch

    first, second = [1, 2, 3, 4, 5], [1, 2]
    found = [memory.join([first, second], 8)]
    found.append(memory.step(0, 2, [[*first, 6], [*second, 7]]))
    found.append(memory.join([[1, 2, 3, 9]], 8))
    prompts = [first, second, [*first, 6], [*second, 7], [1, 2, 3, 9]]
    for logits, ids in zip(torch.cat(found).float(), prompts, strict=True):
        wanted = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1].float()
        bound = (1e-3 if model.dtype == torch.float32 else 0.25) * wanted.std()
        if (logits - wanted.to(logits.device)).abs().max() > bound:
            return False
    return True
