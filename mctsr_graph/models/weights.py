"""Weights and tokenizer, loaded once, and the engine that owns them."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.engine.protocol import Engine
from mctsr_graph.text.packages import install_line

_ENGINES: weakref.WeakValueDictionary[int, Engine] = weakref.WeakValueDictionary()
_ENGINES_LOCK = threading.Lock()
# transformers changes torch for all threads while it loads: the default dtype, how parameters begin
_READING = threading.Lock()


class Weights:
    """Model and tokenizer; shared by copies of a chat model."""

    def __init__(self, model: Any = None, tokenizer: Any = None) -> None:
        self.lock = threading.Lock()
        self.model, self.tokenizer = model, tokenizer
        self.engine: Engine | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Weights:
        return self  # a copy of the settings needs no copy of the weights


def engine_of(model: Any, limits: dict[str, Any]) -> Engine:
    """The engine of a loaded model: one for each, however many chat models wrap it."""
    from mctsr_graph.models.engine.inflight import InflightEngine, Limits

    with _ENGINES_LOCK:
        engine = _ENGINES.get(id(model))
        if engine is None or engine.closed:
            engine = InflightEngine(model, Limits(**limits))
            _ENGINES[id(model)] = engine
        return engine


def read(
    model_id: str,
    *,
    device: str | None,
    dtype: Any,
    trust_remote_code: bool,
    options: dict[str, Any],
    model_options: dict[str, Any],
) -> tuple[Any, Any]:
    """Tokenizer and model from files or the hub, one at a time.

    Args:
        model_id: Hub id or folder.
        device: None is the first of cuda, mps, cpu there is.
        dtype: A torch dtype or its name; None is bfloat16 on CUDA and float32 elsewhere.
        trust_remote_code: Whether code that comes with the model may run.
        options: For tokenizer and model; None stands for "not given".
        model_options: For the model; with device_map or quantization_config it stays where it
            is put.

    Raises:
        ConfigError: `dtype` is none.
        MissingExtraError: torch or transformers is missing.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(
            f"a HuggingFace model needs torch and transformers ({error}): "
            f"{install_line('huggingface')}"
        ) from error

    mps = "mps" if torch.backends.mps.is_available() else "cpu"
    device = device or ("cuda" if torch.cuda.is_available() else mps)
    kind = dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)
    if isinstance(kind, str) and kind != "auto":
        kind = getattr(torch, kind, None)
        if not isinstance(kind, torch.dtype):
            raise ConfigError(f"dtype must be a torch dtype or its name, got {dtype!r}")
    given = {name: value for name, value in options.items() if value is not None}
    given["trust_remote_code"] = trust_remote_code
    with _READING:
        tokenizer = AutoTokenizer.from_pretrained(model_id, **given)
        # use_safetensors stays unset: then safetensors is taken where there is one.
        model: Any = AutoModelForCausalLM.from_pretrained(
            model_id, dtype=kind, **{**given, **model_options}
        )
    placed = {"device_map", "quantization_config"} & set(model_options)
    return tokenizer, (model if placed else model.to(device)).eval()


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end a turn; some models list only one of the two in their generation config."""
    ends = model.generation_config.eos_token_id
    ends = list(ends) if isinstance(ends, list | tuple) else [ends]
    return frozenset(end for end in [*ends, tokenizer.eos_token_id] if end is not None)


def window_of(model: Any) -> int | None:
    """Tokens of the context window, or None where the model names none."""
    window: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return window
