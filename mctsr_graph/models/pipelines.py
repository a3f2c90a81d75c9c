"""What is taken over from a pipeline of transformers, or from LangChain's classes around one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mctsr_graph.errors import ConfigError

# What a pipeline calls what has another name here
_NAMES = {
    "max_new_tokens": "max_tokens",
    "num_return_sequences": "n",
    "stop_strings": "stop",
    "stop_sequence": "stop",
}
# Of a pipeline: how its reply is cut out and packed, which is not asked here
_ABOUT_PACKING = {
    *("return_full_text", "return_text", "return_tensors", "return_type", "skip_prompt"),
    *("clean_up_tokenization_spaces", "skip_special_tokens", "batch_size", "padding", "tokenizer"),
    *("pad_token_id", "use_cache", "add_special_tokens", "continue_final_message"),
}
_OF_CHAT = ("temperature", "top_p", "max_tokens", "seed", "stop", "n")
_OF_SERVERS = ("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs")


def taken_over(given: Any, fields: set[str]) -> tuple[Any, Any, dict[str, Any]]:
    """Model, tokenizer and settings of what is given.

    Args:
        given: A `ChatHuggingFace`, a `HuggingFacePipeline` or a pipeline of transformers.
        fields: Names of the settings that there are here.

    Raises:
        ConfigError: A setting has no counterpart, or there is no model in this process.
    """
    chat = given if hasattr(given, "llm") else None
    wrapped = getattr(given, "llm", given)
    inner = getattr(wrapped, "pipeline", wrapped)
    model, tokenizer = getattr(inner, "model", None), getattr(inner, "tokenizer", None)
    tokenizer = getattr(chat, "tokenizer", None) or tokenizer
    if model is None or tokenizer is None or not hasattr(model, "config"):
        raise ConfigError(
            f"pipeline is a {type(given).__name__} around a {type(wrapped).__name__}, allowed a "
            "ChatHuggingFace, HuggingFacePipeline or transformers pipeline with its model and "
            "tokenizer in this process"
        )
    asked = {
        **_asked(inner),
        **(getattr(wrapped, "pipeline_kwargs", None) or {}),
        **(_of_chat(chat, wrapped) if chat is not None else {}),
    }
    return model, tokenizer, _settings(asked, fields)


def _asked(pipeline: Any) -> dict[str, Any]:
    """What a pipeline of transformers was made with; its releases keep it in different places."""
    kept = ("_preprocess_params", "_forward_params", "_generate_kwargs")
    asked = {k: v for name in kept for k, v in (getattr(pipeline, name, None) or {}).items()}
    helpers = {name: getattr(pipeline, name, None) for name in ("assistant_model", "prefix")}
    return {**asked, **{name: type(one).__name__ for name, one in helpers.items() if one}}


def _of_chat(chat: Any, wrapped: Any) -> dict[str, Any]:
    asked = {name: getattr(chat, name, None) for name in (*_OF_CHAT, *_OF_SERVERS, "streaming")}
    found = {name: value for name, value in asked.items() if value}
    if asked.get("temperature") == 0:
        found["temperature"] = 0.0
    # It takes over what its pipeline's model was read with, which asks for nothing
    if chat.model_kwargs and chat.model_kwargs != (getattr(wrapped, "model_kwargs", None) or {}):
        found |= chat.model_kwargs
    return found


def _settings(asked: Mapping[str, Any], fields: set[str]) -> dict[str, Any]:
    """The settings by their names here."""
    config = asked.get("generation_config")
    if config is not None:
        asked = {**config.to_diff_dict(), **asked}
    dropped = _ABOUT_PACKING | {"do_sample", "generation_config", "transformers_version"}
    found: dict[str, Any] = {}
    for name, value in asked.items():
        own = _NAMES.get(name, name)
        if name in dropped or value is None or value is False:
            continue
        if own not in fields:
            allowed = sorted({*_OF_CHAT, *_NAMES, "do_sample", "top_k", "generation_config"})
            raise ConfigError(
                f"the pipeline asks for {name}={value!r}, which has no counterpart here, allowed: "
                f"{', '.join(allowed)}; set it in the model's generation_config, or leave it out"
            )
        found[own] = [value] if own == "stop" and isinstance(value, str) else value
    if asked.get("do_sample") is False:
        found["temperature"] = 0.0
    elif asked.get("do_sample") and "temperature" not in found:
        found["temperature"] = 1.0
    return found
