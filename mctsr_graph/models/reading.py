"""A local model is looked at before it is loaded, and loaded one at a time.

Looking reads config and tokenizer, which are small, and tells what can be told without weights.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.kinds import (
    auto_class,
    check_attention,
    check_quantiser,
    check_template,
    check_whole,
)
from mctsr_graph.models.load_errors import check_gguf, load_error, no_weights
from mctsr_graph.models.source import Source
from mctsr_graph.text.packages import install_line

# transformers changes torch for all threads while it loads: the default dtype, how parameters begin
_READING = threading.Lock()
_WEIGHTS = ("*.safetensors", "*.bin", "*.safetensors.index.json", "*.bin.index.json")
_DTYPES = {
    **dict.fromkeys(("float32", "fp32", "float"), "float32"),
    **dict.fromkeys(("bfloat16", "bf16"), "bfloat16"),
    **dict.fromkeys(("float16", "fp16", "half"), "float16"),
    **dict.fromkeys(("float64", "fp64", "double"), "float64"),
}


def look(source: Source, template: Any = None, *, here: bool = True) -> Any:
    """Refuse what cannot be loaded, without loading it, and return the tokenizer.

    Args:
        source: Where the model is.
        template: A chat template that is used in place of the tokenizer's.
        here: Whether transformers is to read the weights, too, and not another package.

    Returns:
        None for GGUF weights, whose tokenizer is read with them.

    Raises:
        UnknownModelError: There is no such model.
        MissingExtraError: A package is missing; the message says what to install.
        ConfigError: The model is of another kind, or a setting is wrong.
    """
    with _told(source):
        dtype_of(source, "cpu")
        if here:
            device_of(source)
        if source.device_map is not None:
            _needs("device_map", "accelerate")
            _check_map(source)
        if source.gguf_file is not None:
            _needs("GGUF weights", "gguf", "accelerate")
            check_gguf(source.model_id, source.gguf_file)
            return None
        config = _config(source, here=here)
        auto_class(config, source)
        if here:
            check_quantiser(config, source)
            check_attention(config, source)
        tokenizer = tokenizer_of(source)
        check_template(tokenizer, source.model_id, template)
        return tokenizer


def read(source: Source, tokenizer: Any = None, template: Any = None) -> tuple[Any, Any]:
    """Tokenizer and model from files or the hub, one at a time.

    Raises:
        UnknownModelError, MissingExtraError, ConfigError: As `look`, or the weights cannot be
            read, do not fit, or do not make up the whole model.
    """
    with _told(source):
        import transformers

        device = device_of(source)
        kind, options = "AutoModelForCausalLM", source.hub_options()
        config = None
        if source.gguf_file is None:
            config = _config(source)
            kind = auto_class(config, source)
        else:
            options["gguf_file"] = source.gguf_file
        placed = _placed(source, config, device)
        with _READING:
            tokenizer = tokenizer or tokenizer_of(source)
            check_template(tokenizer, source.model_id, template)
            # use_safetensors stays unset: then safetensors is taken where there is one.
            made = getattr(transformers, kind).from_pretrained(
                source.model_id,
                dtype=dtype_of(source, device),
                output_loading_info=True,
                trust_remote_code=source.trust_remote_code,
                **{**options, **placed, **source.model_kwargs},
            )
        model, found = made if isinstance(made, tuple) else (made, {})
        check_whole(model, found, source.model_id)
        return tokenizer, (model if placed.get("device_map") else model.to(device)).eval()


def tokenizer_of(source: Source) -> Any:
    """The tokenizer, with the chat template of the processor where only that has one."""
    from transformers import AutoTokenizer

    options = source.hub_options()
    if source.gguf_file is not None:
        options["gguf_file"] = source.gguf_file
    made: Any = AutoTokenizer.from_pretrained(
        source.model_id, trust_remote_code=source.trust_remote_code, **options
    )
    if source.gguf_file is None and not getattr(made, "chat_template", None):
        made.chat_template = _template_of_processor(source)
    return made


@dataclass(eq=False)
class Described:
    """What stands for a model whose weights another package holds."""

    config: Any
    generation_config: Any


def described(source: Source) -> Described:
    """Config and generation config, for an engine that reads the weights itself."""
    from transformers import GenerationConfig

    with _told(source):
        config = _config(source, here=False)
        try:
            generation = GenerationConfig.from_pretrained(source.model_id, **source.hub_options())
        except OSError:  # most have none of their own
            generation = GenerationConfig.from_model_config(config)
        return Described(config, generation)


def device_of(source: Source) -> str:
    """The device that the weights go to.

    Raises:
        ConfigError: There is none of that name here.
    """
    import torch

    mps = "mps" if torch.backends.mps.is_available() else "cpu"
    device = source.device or ("cuda" if torch.cuda.is_available() else mps)
    kind, _, number = device.partition(":")
    here = ["cpu"] + (["mps"] if mps == "mps" else [])
    here += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if not torch.cuda.is_available():
        here = [name for name in here if not name.startswith("cuda")]
    known = kind in ("cpu", "cuda", "mps", "meta")  # on the last nothing is computed
    if known and device not in here and not (kind in ("cpu", "mps") and number == "0"):
        raise ConfigError(f"device is {source.device!r}, which is not here, allowed {here}")
    try:
        torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device is {source.device!r}, allowed {here}") from error
    return device


def _check_map(source: Source) -> None:
    """Refuse a map to devices that are not here."""
    places = source.device_map.values() if isinstance(source.device_map, dict) else ()
    for place in places:
        if place != "disk":
            device_of(source.model_copy(update={"device": Source._as_name(place)}))


def dtype_of(source: Source, device: str) -> Any:
    """The torch dtype of the weights, or "auto".

    Raises:
        ConfigError: It is none that weights are computed in.
    """
    import torch

    given = source.dtype
    if given is None:
        return torch.bfloat16 if device.startswith("cuda") else torch.float32
    if given == "auto":
        return given
    found = given
    if isinstance(given, str):
        found = getattr(torch, _DTYPES.get(given.removeprefix("torch."), given), None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ConfigError(
            f"dtype is {given!r}, allowed a floating torch dtype, 'auto', {', '.join(_DTYPES)}"
        )
    return found


def _placed(source: Source, config: Any, device: str) -> dict[str, Any]:
    """What keeps weights where `from_pretrained` puts them: quantised ones cannot be moved."""
    names = ("device_map", "quantization_config", "attn_implementation")
    placed = {name: getattr(source, name) for name in names if getattr(source, name) is not None}
    quantised = "quantization_config" in placed or getattr(config, "quantization_config", None)
    if quantised and "device_map" not in placed:
        placed["device_map"] = {"": device}
    return placed


def _config(source: Source, *, here: bool = True) -> Any:
    from transformers import AutoConfig

    options = source.hub_options()
    if source.gguf_file is not None:  # which has the config in it
        options["gguf_file"] = source.gguf_file
    try:
        config: Any = AutoConfig.from_pretrained(
            source.model_id, trust_remote_code=source.trust_remote_code, **options
        )
    except (OSError, ValueError) as error:  # the latter for a folder without one
        base = _base_of_adapter(source) if "config.json" in str(error) else None
        if base is None:
            raise
        _needs(f"the LoRA adapter {source.model_id!r}", "peft")
        own = source.model_copy(update={"model_id": base, "revision": None})
        return _config(own, here=here)
    folder = Path(source.model_id, source.subfolder or "")
    if here and folder.is_dir() and not any(next(folder.glob(one), None) for one in _WEIGHTS):
        raise no_weights(str(folder))
    return config


def _base_of_adapter(source: Source) -> str | None:
    """The model that an adapter without a config of its own belongs to."""
    file = _cached(source, "adapter_config.json")
    if file is None:
        return None
    base: str | None = json.loads(Path(file).read_text("utf-8")).get("base_model_name_or_path")
    return base


def _template_of_processor(source: Source) -> Any:
    """The chat template in the file in which older processors keep it."""
    file = _cached(source, "chat_template.json")
    return json.loads(Path(file).read_text("utf-8")).get("chat_template") if file else None


def _cached(source: Source, name: str) -> str | None:
    """The path of a file of the model, None where it has none."""
    from transformers.utils.hub import cached_file

    found: Any = cached_file(
        source.model_id,
        name,
        _raise_exceptions_for_missing_entries=False,
        **source.hub_options(),
    )
    return None if found is None else str(found)


def _needs(what: str, *packages: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {', '.join(missing)}: pip install {missing[0]}")


@contextmanager
def _told(source: Source) -> Iterator[None]:
    """Let errors of other packages be this package's."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtraError(
            f"a HuggingFace model needs torch and transformers: {install_line('huggingface')}"
        )
    path = source.model_id
    if os.path.isdir(path) and source.gguf_file is None and not os.listdir(path):
        raise no_weights(path)
    try:
        yield
    except Exception as error:
        told = load_error(error, source.model_id, source.revision)
        if told is error:
            raise
        raise told from error
