"""How a model is run: in slots, row by row, or not at all."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.forward_names import ForwardNames
from mctsr_graph.models.engine.layer_kinds import all_attend, all_plain, slot_layers
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.rope import LengthRope
from mctsr_graph.models.engine.slot_layer import Window
from mctsr_graph.models.engine.slots import SlotMemory, Way
from mctsr_graph.models.engine.solo import SoloMemory
from mctsr_graph.models.engine.trial import LENGTHS, Wanted, agrees, begins
from mctsr_graph.models.engine.twin import lengths_in, twin_of

_log = logging.getLogger(__name__)
_SHORT = (5, 2, 9)  # tokens of the rows by which a model itself is tried
_TRIED = 600  # tokens of the longest, where no twin can be made
_ALONE = Way(slots=False)
_KNOWN: dict[tuple[Any, str], Way | None] = {}
_TOLD: set[str] = set()


def memory_of(model: Any) -> SlotMemory | SoloMemory:
    """An empty memory, without a store, that gives the tokens of the model's own `generate`.

    It is found by trying: on a small twin of the model, beyond every length in its configuration,
    then on the model itself by a few tokens. Rows share forwards where they can; where they
    cannot, that is logged once, by the name of the class.

    Raises:
        ConfigError: neither way gives what `generate` gives; it names the class.
    """
    way = way_of(model)
    memory = None if way is None else _memory(model, way)
    if memory is not None and way != _ALONE and not _works(memory, model):
        way, memory = _ALONE, SoloMemory(model)
    if memory is None or (way == _ALONE and not _works(memory, model)):
        raise ConfigError(
            f"the model is a {type(model).__name__}, of which this engine does not give the "
            "tokens of `generate`, neither for many rows at once nor row by row; allowed is a "
            "causal language model"
        )
    if way == _ALONE:
        _tell(type(model).__name__)
    return memory


def way_of(model: Any) -> Way | None:
    """The first way that agrees with `generate` beyond every length; None where none does."""
    model = within(model)
    config = getattr(model, "config", None)
    if config is None or not hasattr(model, "generate"):
        return None
    key = type(model), f"{config._attn_implementation} {config.to_json_string(use_diff=False)}"
    if key not in _KNOWN:
        _KNOWN[key] = _found(model)
    return _KNOWN[key]


def within(model: Any) -> Any:
    """The model of transformers that another, such as one with adapters, wraps; or itself."""
    from transformers import PreTrainedModel

    inner = (part for part in model.modules() if isinstance(part, PreTrainedModel))
    return next((part for part in inner if part.can_generate()), model)


def _found(model: Any) -> Way | None:
    twin = twin_of(model)
    lengths: tuple[int, ...] = LENGTHS
    wanted = Wanted(twin or model)
    if twin is None or not _runs(wanted):
        longest = max(lengths_in(model.config), default=0)
        if longest > _TRIED:
            return _ALONE  # which prepares its arguments as `generate` does
        twin, wanted, lengths = model, Wanted(model), (*_SHORT, longest + 3)
    for way in _ways(twin):
        memory = _memory(twin, way)
        if memory is not None and agrees(memory, wanted, lengths):
            return way
    return None


def _ways(model: Any) -> list[Way]:
    attention = getattr(model.config, "_attn_implementation", None)
    if attention not in ("sdpa", "eager") or not ForwardNames.of(model).cache:
        return [_ALONE]
    ways = [Way()]
    if LengthRope(model):
        ways.append(Way(renews=True))
    if all_plain(model):
        ways += [replace(way, own_masks=False) for way in ways]
    less = "plants" if all_attend(model) else "goes_on"
    ways += [replace(way, **{less: False}) for way in ways]
    return [*ways, _ALONE]


def _memory(model: Any, way: Way) -> SlotMemory | SoloMemory | None:
    if not way.slots:
        return SoloMemory(model)
    window = Window()
    layers = slot_layers(model, window)
    if layers is None:
        return None
    return SlotMemory(model, layers, window, PrefixStore(4096), way)


def _works(memory: SlotMemory | SoloMemory, model: Any) -> bool:
    """Whether a few tokens agree; from them the memory knows the shape of what it will hold.

    A handful of forwards, for with a model of this size each may take seconds.
    """
    if not begins(memory, Wanted(model)):
        return False
    memory.release()
    if isinstance(memory, SlotMemory):
        memory.keep_into(PrefixStore(0))
    return True


def _runs(wanted: Wanted) -> bool:
    try:
        wanted([1, 2, 3], 2)
    except Exception:  # a twin of a configuration that its class does not suit
        return False
    return True


def _tell(name: str) -> None:
    if name not in _TOLD:
        _TOLD.add(name)
        _log.warning(
            "%s runs row by row: its rows cannot share forwards, and no beginning of a prompt is "
            "kept for later ones",
            name,
        )
