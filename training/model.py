"""The network: an ordinary Llama, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.tokens import LONGEST


class Size(NamedTuple):
    """Width and depth of a network."""

    hidden: int
    layers: int


SIZES = {"standard": Size(128, 6), "small": Size(64, 4)}
TEMPERATURE = 1.5  # so that about three first answers of four are right, and a search has a task
TOP = 20  # likeliest tokens that are sampled from: what lies beyond is noise
_HEAD = 32  # width of an attention head


def make_model(size: Size, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A network that has learnt nothing."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=round(size.hidden * 8 / 3 / 32) * 32,
        num_hidden_layers=size.layers,
        num_attention_heads=size.hidden // _HEAD,
        num_key_value_heads=size.hidden // _HEAD,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write what `AutoModelForCausalLM` and `AutoTokenizer` load; weights in 16 bits."""
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=TOP,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    half.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def optimizers(model: LlamaForCausalLM, rate: float) -> list[Any]:
    """Muon for the matrices of the layers, AdamW for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    adjust = {"adjust_lr_fn": "match_rms_adamw"}
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, momentum=0.95, **adjust),
        torch.optim.AdamW(others, lr=rate, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]


@torch.no_grad()
def replies(
    model: LlamaForCausalLM,
    prompts: list[list[int]],
    temperature: float,
    most: int = 160,
    rows: int = 256,
) -> list[list[int]]:
    """What the model writes after each of these prompts, without the token that ends it.

    Args:
        model: The network.
        prompts: Token ids.
        temperature: 0 takes the likeliest token each time.
        most: Longest reply, tokens.
        rows: How many are written at once.
    """
    model.eval()
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: list[list[int]] = [[] for _ in prompts]
    stop, pad = model.config.eos_token_id, model.config.pad_token_id
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        longest = max(len(prompts[i]) for i in part)
        ids = torch.full((len(part), longest), pad)
        for row, i in enumerate(part):
            ids[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
        sampling = (
            {"do_sample": True, "temperature": temperature, "top_k": TOP}
            if temperature
            else {"do_sample": False}
        )
        ids = ids.to(model.device)
        out = model.generate(
            ids, attention_mask=(ids != pad).long(), max_new_tokens=most, pad_token_id=pad,
            eos_token_id=stop, **sampling,
        )[:, longest:].tolist()  # fmt: skip
        for i, written in zip(part, out, strict=True):
            found[i] = written[: written.index(stop)] if stop in written else written
    model.train()
    return found
