"""Which models can be asked to chat: what config, weights and template say against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.source import Source

_WANTED = (
    "allowed a causal language model (...ForCausalLM), or one of pictures and text "
    "(...ForConditionalGeneration), with its head"
)


def auto_class(config: Any, source: Source) -> str:
    """The class of transformers that reads a model with its head.

    Raises:
        ConfigError: The model continues no text.
    """
    made = list(getattr(config, "architectures", None) or [])
    own = f"the model {source.model_id!r} is a {', '.join(made) or type(config).__name__}"
    tables = _tables()
    local = {name for _, names in tables.values() for name in names}
    if "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {}) and (
        source.trust_remote_code or not local & set(made)
    ):
        return "AutoModelForCausalLM"  # without trust, transformers says what to do
    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(f"{own}, an encoder-decoder; {_WANTED}")
    for auto, (kinds, names) in tables.items():
        heads = ("ForCausalLM", "LMHeadModel") if auto == "AutoModelForCausalLM" else ()
        suits = any(one in names or one.endswith(heads or "?") for one in made)
        if config.model_type in kinds and (suits or not made):
            return auto
    raise ConfigError(f"{own}, {_why_not(made)}; {_WANTED}")


def _tables() -> dict[str, tuple[set[str], set[str]]]:
    """Model types and class names that continue text, and those that look at pictures, too."""
    from transformers.models.auto import modeling_auto

    found = {}
    for auto, table in (
        ("AutoModelForCausalLM", modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
        ("AutoModelForImageTextToText", modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES),
    ):
        names = (one if isinstance(one, list | tuple) else [one] for one in table.values())
        found[auto] = set(table), {name for several in names for name in several}
    return found


def _why_not(made: list[str]) -> str:
    name = made[0] if made else ""
    if "Classification" in name or "Reward" in name or "Score" in name:
        return "which gives numbers, as a reward model does, and no text"
    if "MaskedLM" in name or "PreTraining" in name:
        return "which fills in gaps"
    if name.endswith("Model"):
        return "which has no head that writes text"
    return "which is no language model"


def check_class(model: Any) -> None:
    """Refuse a loaded model that continues no text.

    Raises:
        ConfigError: It is an encoder-decoder, or has no head.
    """
    name = type(model).__name__
    if not hasattr(model, "config") or not callable(getattr(model, "eval", None)):
        raise ConfigError(f"the model is a {name}, which is none of transformers; {_WANTED}")
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        raise ConfigError(f"the model is a {name}, an encoder-decoder; {_WANTED}")
    generates = getattr(model, "can_generate", None)
    if generates is not None and not generates():
        raise ConfigError(f"the model is a {name}, {_why_not([name])}; {_WANTED}")


def check_whole(model: Any, found: Mapping[str, Any], model_id: str) -> None:
    """Refuse weights that do not make up the model: the rest would be random.

    Raises:
        ConfigError: The message names what is missing.
    """
    missing = sorted(found.get("missing_keys") or ())
    if getattr(model, "is_quantized", False):  # which has names of its own for the rest
        missing = [name for name in missing if name.endswith("weight") and "head" in name]
    mismatched = [str(one[0]) for one in found.get("mismatched_keys") or ()]
    if missing or mismatched:
        named = ", ".join([*missing, *mismatched][:4])
        raise ConfigError(
            f"the files of {model_id!r} lack {len(missing) + len(mismatched)} weights of a "
            f"{type(model).__name__} ({named}, ...), which would be random: {_WANTED}"
        )


def check_template(tokenizer: Any, model_id: str, template: Any = None) -> None:
    """Refuse a tokenizer without a chat template.

    Raises:
        ConfigError: There is none, and none is given.
    """
    if not template and not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"the tokenizer of {model_id!r} has no chat template, as those of base models have "
            "none: take a model made for chat (its name often ends in -Instruct, -Chat or -it), or "
            "give chat_template="
        )


def check_quantiser(config: Any, source: Source) -> None:
    """Refuse quantised weights that nothing here can read.

    Raises:
        ConfigError: The kind of quantisation is not known, or the device does not suit it.
        ImportError: A package is missing.
    """
    asked = source.quantization_config or getattr(config, "quantization_config", None)
    if asked is None:
        return
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING, AutoHfQuantizer

    try:
        made = AutoHfQuantizer.from_config(asked, pre_quantized=source.quantization_config is None)
        made.validate_environment(device_map=source.device_map or {"": source.device or "cpu"})
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        known = ", ".join(sorted(AUTO_QUANTIZER_MAPPING))
        raise ConfigError(
            f"the quantised weights of {source.model_id!r} cannot be read here: {error}; "
            f"kinds that transformers knows: {known}"
        ) from error


def check_attention(config: Any, source: Source) -> None:
    """Refuse a kind of attention that is not here, on a model without weights.

    Raises:
        ImportError: It needs a package.
        ValueError: There is none of that name.
    """
    import torch
    import transformers

    if source.attn_implementation is not None and not source.trust_remote_code:
        made: Any = getattr(transformers, auto_class(config, source))
        with torch.device("meta"):
            made.from_config(config, attn_implementation=source.attn_implementation)
