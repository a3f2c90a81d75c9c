"""Weights and tokenizer, loaded once, and the engine that owns them."""

from __future__ import annotations

import threading
import warnings
import weakref
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.limits import Limits
from mctsr_graph.models.engine.protocol import Engine

_ENGINES: weakref.WeakValueDictionary[int, Engine] = weakref.WeakValueDictionary()
_ENGINES_LOCK = threading.Lock()


class Weights:
    """Model and tokenizer; shared by copies of a chat model.

    Pickled, they are to be loaded again; those that were given in memory cannot be.
    """

    def __init__(self, model: Any = None, tokenizer: Any = None) -> None:
        self.lock = threading.Lock()
        self.model, self.tokenizer = model, tokenizer
        self.engine: Engine | None = None
        self.given = model is not None
        """Whether they came from whoever made the chat model, and not from its settings."""
        self.processor: Any = None
        """What turns pictures into input, once one has come."""
        self.digest: str | None = None
        """Of what was given or stands in a folder, once it is known."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Weights:
        return self  # a copy of the settings needs no copy of the weights

    def __reduce__(self) -> tuple[Any, ...]:
        if self.given:
            raise ConfigError(
                "a chat model of weights that were given in memory (from_loaded, from_pipeline) "
                "cannot be pickled; allowed one made by load_model or "
                "ChatTransformers(model_id=...), which loads again where it is unpickled"
            )
        return Weights, ()


def engine_of(model: Any, limits: Limits) -> Engine:
    """The engine of a loaded model: one for each, however many chat models wrap it."""
    from mctsr_graph.models.engine.inflight import InflightEngine

    with _ENGINES_LOCK:
        engine = _ENGINES.get(id(model))
        if engine is None or engine.closed:
            engine = InflightEngine(model, limits)
            _ENGINES[id(model)] = engine
        elif limits not in (Limits(), getattr(engine, "limits", limits)):
            warnings.warn(
                "the loaded model has an engine with other limits already, which stay: "
                f"{engine.limits}; close() it to have {limits}",  # type: ignore[attr-defined]
                UserWarning,
                stacklevel=2,
            )
        return engine


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end a turn; some models list only one of the two in their generation config."""
    ends = model.generation_config.eos_token_id
    ends = list(ends) if isinstance(ends, list | tuple) else [ends]
    return frozenset(end for end in [*ends, tokenizer.eos_token_id] if end is not None)


def window_of(model: Any) -> int | None:
    """Tokens of the context window, or None where the model names none."""
    window: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return window
