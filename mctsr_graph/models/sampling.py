"""Settings of one call, and what a model's own generation config makes of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Sampling(BaseModel):
    """Settings of one call. The chat model has them too, as defaults of its calls.

    Attributes:
        temperature: 0 is greedy; None is the default of the model's generation config.
        top_p: None is the model's default; a value without a temperature turns sampling on.
        top_k: As `top_p`; transformers' own default is 50.
        max_tokens: Most new tokens; fewer where the context window has less room.
        seed: The same seed, prompt and settings give the same text on the same machine.
        stop: Texts that end the answer; they are not part of it.
        n: Answers to one prompt, which is computed once. With more than 1 nothing streams.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=1024, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: list[Annotated[str, Field(min_length=1)]] | None = None
    n: int = Field(default=1, ge=1, le=1024)


def resolved(sampling: Sampling, config: Any) -> dict[str, Any]:
    """temperature, top_p and top_k for the engine, as `generate` would take them."""
    given = (sampling.temperature, sampling.top_p, sampling.top_k)
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


_PROCESSORS = {  # what has no effect
    "RepetitionPenaltyLogitsProcessor": ("repetition_penalty", 1.0),
    "NoRepeatNGramLogitsProcessor": ("no_repeat_ngram_size", 0),
    "SequenceBiasLogitsProcessor": ("sequence_bias", None),
    "SuppressTokensLogitsProcessor": ("suppress_tokens", None),
}


def processors(config: Any) -> list[Any]:
    """Logits processors of transformers that a generation config asks for beyond sampling."""
    import transformers

    given = [(kind, getattr(config, name, None), no) for kind, (name, no) in _PROCESSORS.items()]
    return [getattr(transformers, kind)(v) for kind, v, no in given if v is not None and v != no]
