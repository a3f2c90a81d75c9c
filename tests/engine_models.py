"""Tiny random models, and what `generate` makes of a prompt, for tests of the engines."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

VOCABULARY, WINDOW = 100, 512


def tiny(kind: str = "Llama", **changes: Any) -> Any:
    """Two random layers in float32, with weights large enough that no two logits are close."""
    import torch
    import transformers

    torch.set_num_threads(1)  # more only wait for each other at this size
    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": WINDOW,
        "initializer_range": 0.5,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    config = getattr(transformers, f"{kind}Config")(**{**settings, **changes})
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def plain(model: Any, ids: list[int], count: int) -> list[int]:
    """Greedy tokens of `generate` for one prompt alone."""
    import torch

    prompt = torch.tensor([ids])
    options = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": count}
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    return list(out[0, len(ids) :].tolist())


class Counts:
    """Forwards of a model and tokens fed to them, padding included."""

    forwards = tokens = rows = 0


@contextlib.contextmanager
def counting(model: Any) -> Iterator[Counts]:
    """Count while the block runs."""
    counts, original = Counts(), model.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        counts.forwards += 1
        counts.tokens += kwargs["input_ids"].numel()
        counts.rows += kwargs["input_ids"].shape[0]
        return original(*args, **kwargs)

    model.forward = forward
    try:
        yield counts
    finally:
        model.forward = original


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chatml_tokenizer() -> Any:
    """Byte-level BPE with ChatML; every text can be written in it."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(["user\n system\n assistant\n the answer is 36\n\n"] * 3, trainer)
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    made.chat_template = CHATML
    return made
