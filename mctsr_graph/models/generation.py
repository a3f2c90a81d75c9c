"""What a model's generation config asks for, with the settings of a call, as `generate` has it."""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Collection, Iterable
from typing import Any

from mctsr_graph.models.sampling import Sampling

# What transformers' lists of processors and stopping rules are made of
_ASKED = (
    *("sequence_bias", "encoder_repetition_penalty", "repetition_penalty", "bad_words_ids"),
    *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens"),
    *("forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "suppress_tokens"),
    *("exponential_decay_length_penalty", "begin_suppress_tokens", "renormalize_logits"),
    *("min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "watermarking_config"),
)
# What changes the text, and is not to be had from logits one row at a time; with what has no effect
_NOT_HONOURED = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "penalty_alpha": 0,
    "dola_layers": None,
    "diversity_penalty": 0,
    "constraints": None,
    "force_words_ids": None,
    "guidance_scale": 1,
    "token_healing": False,
    "num_return_sequences": 1,
    "max_time": None,
}
_BY_ENGINE = ("TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper")
_WARPERS = (
    *_BY_ENGINE,
    *("TopHLogitsWarper", "MinPLogitsWarper", "TypicalLogitsWarper"),
    *("EpsilonLogitsWarper", "EtaLogitsWarper"),
)
_TOLD: weakref.WeakSet[Any] = weakref.WeakSet()


def asked_of_engine(
    model: Any, sampling: Sampling, ids: list[int], ends: Iterable[int], max_new: int
) -> dict[str, Any]:
    """Temperature, filters and processors of a request, as `generate` would take them.

    Args:
        model: Of transformers; its generation config counts where the call says nothing.
        sampling: The settings of the call.
        ids: The prompt.
        ends: Ids that end an answer.
        max_new: Most new tokens.
    """
    config = model.generation_config
    _tell_not_honoured(model, config)
    drawn = _drawn(sampling, config)
    asked = any(getattr(config, name, None) is not None for name in _ASKED)
    own = sampling.min_p is not None or sampling.repetition_penalty is not None
    if not asked and not own:
        return {**drawn, "processors": tuple(sampling.logits_processor or ())}
    made = _processors(model, _config(sampling, config, drawn, ends, len(ids) + max_new), ids)
    first = next((i for i, one in enumerate(made) if type(one).__name__ in _WARPERS), len(made))
    before, warpers = made[:first], made[first:]
    if drawn["temperature"] == 0:
        before, warpers = made, []
    elif all(type(one).__name__ in _BY_ENGINE for one in warpers):
        warpers = []
    before += sampling.logits_processor or ()
    return {**drawn, "processors": tuple(before), "warpers": tuple(warpers)}


def limit_of_call(
    config: Any, sampling: Sampling, given: Collection[str], prompt: int, room: int | None
) -> int:
    """Most new tokens of a call.

    Args:
        config: The model's generation config.
        sampling: The settings of the call.
        given: Names of the settings that somebody has given.
        prompt: Tokens of the prompt.
        room: Tokens that the window has left; None: it has no end.
    """
    most = sampling.max_tokens
    if "max_tokens" not in given:
        new, whole = (getattr(config, name, None) for name in ("max_new_tokens", "max_length"))
        if new:
            most = new
        elif whole and whole > prompt:
            most = whole - prompt
    return int(most if room is None else min(most, room))


def stops_of_call(config: Any, sampling: Sampling) -> list[str]:
    """Texts that end an answer."""
    if sampling.stop is not None:
        return sampling.stop
    told = getattr(config, "stop_strings", None) or []
    return [told] if isinstance(told, str) else list(told)


def _drawn(sampling: Sampling, config: Any) -> dict[str, Any]:
    """temperature, top_p and top_k."""
    given = (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p)
    sampled = getattr(config, "do_sample", None) or any(value is not None for value in given)
    if sampling.temperature == 0 or not sampled:
        return {"temperature": 0.0}

    def of(name: str, default: Any) -> Any:
        own = getattr(config, name, None)
        mine = getattr(sampling, name)
        return mine if mine is not None else default if own is None else own

    return {
        "temperature": float(of("temperature", 1.0)),
        "top_p": float(of("top_p", 1.0)),
        "top_k": of("top_k", 50) or None,
    }


def _config(
    sampling: Sampling, own: Any, drawn: dict[str, Any], ends: Iterable[int], longest: int
) -> Any:
    """The generation config of a call, to be given to `generate`'s parts."""
    config = copy.deepcopy(own)
    config.do_sample = drawn["temperature"] > 0
    config.temperature = drawn["temperature"] or None
    config.top_p, config.top_k = drawn.get("top_p"), drawn.get("top_k")
    for name in ("min_p", "repetition_penalty"):
        if getattr(sampling, name) is not None:
            setattr(config, name, getattr(sampling, name))
    for name, none in _NOT_HONOURED.items():
        if getattr(config, name, None) is not None:
            setattr(config, name, none)
    config.num_return_sequences = config.num_beams = 1
    config.eos_token_id = sorted(ends) or None
    config.max_length = longest
    return config


def _processors(model: Any, config: Any, ids: list[int]) -> list[Any]:
    import torch
    from transformers import GenerationMixin

    class Host(GenerationMixin):
        """Stands for a model that is only described."""

        config = model.config
        device = getattr(model, "device", torch.device("cpu"))

    host: Any = model if isinstance(model, GenerationMixin) else Host()
    host._prepare_special_tokens(config, device=host.device)
    return list(
        host._get_logits_processor(
            config,
            input_ids_seq_length=len(ids),
            encoder_input_ids=torch.tensor([ids], device=host.device),
            device=host.device,
            model_kwargs={},
        )
    )


def _tell_not_honoured(model: Any, config: Any) -> None:
    asked = {
        name: getattr(config, name)
        for name, none in _NOT_HONOURED.items()
        if getattr(config, name, None) not in (None, none)
    }
    if asked and model not in _TOLD:
        _TOLD.add(model)
        named = ", ".join(f"{key}={value!r}" for key, value in asked.items())
        name = getattr(model, "name_or_path", "") or type(model).__name__
        warnings.warn(
            f"the generation config of {name} asks for {named}, which is not honoured here",
            UserWarning,
            stacklevel=2,
        )
