"""Settings of one call."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Sampling(BaseModel):
    """Settings of one call. The chat model has them too, as defaults of its calls.

    What is not given is as the model's generation config has it.

    Attributes:
        temperature: 0 is greedy; None is the default of the model's generation config.
        top_p: None is the model's default; a value without a temperature turns sampling on.
        top_k: As `top_p`; transformers' own default is 50.
        min_p: As `top_p`: only tokens of at least so many times the likeliest one's chance.
        repetition_penalty: More than 1 makes tokens less likely that were there before.
        max_tokens: Most new tokens; fewer where the context window has less room. Not given, the
            limit of the model's generation config comes before this default.
        seed: The same seed, prompt and settings give the same text on the same machine. Where
            nothing but temperature, top_p and top_k bears on the draw, they and the seed are told
            in `response_metadata["sampling"]`.
        stop: Texts that end the answer; they are not part of it.
        n: Answers to one prompt, which is computed once. With more than 1 nothing streams.
        logprobs: True tells the log-probability of each token, before temperature and filters, in
            `response_metadata["logprobs"]`, as OpenAI does.
        top_logprobs: So many of the likeliest tokens are told, too.
        response_format: {"type": "json_schema", "json_schema": {"schema": ...}} or
            {"type": "json_object"}, as OpenAI has it: the answer cannot be anything else, though
            `max_tokens` may cut it. Needs the extra "grammar".
        logits_processor: Of transformers, or anything called like one, with the ids of one row
            [1, tokens] and its scores [1, vocabulary]; called in the engine's thread.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_tokens: int = Field(default=1024, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: list[Annotated[str, Field(min_length=1)]] | None = None
    n: int = Field(default=1, ge=1, le=1024)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    logits_processor: list[Any] | None = None
