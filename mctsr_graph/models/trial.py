"""Whether the memory of slots suits a model, and what a token costs there."""

from __future__ import annotations

from typing import Any

from mctsr_graph.models.prefix import PrefixStore
from mctsr_graph.models.slot_layer import layers_of
from mctsr_graph.models.slots import SlotMemory


def token_bytes(model: Any) -> int:
    """Bytes of a token's keys and values in a slot; 0 for a model that slots do not suit.

    They suit where all layers see everything before, and where a short trial gives the same
    logits as the model by itself: it may look at positions or masks in ways of its own.
    """
    from transformers.cache_utils import DynamicLayer

    plain = all(type(layer) is DynamicLayer for layer in layers_of(model))
    attention = getattr(model.config, "_attn_implementation", None)
    if not plain or not layers_of(model) or attention not in ("sdpa", "eager"):
        return 0
    memory = SlotMemory(model, PrefixStore(64))
    try:
        return memory.token_bytes() if _agrees(model, memory) else 0
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return 0


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
