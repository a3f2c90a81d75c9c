"""Models for `benchmarks.backend`: SmolLM2-135M, or random weights of a known shape."""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "max_position_embeddings": 8192,
    },
    "llama-3-8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 8192,
    },
}
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def load(shape: str | None, device: str, tokenizer: str | None = None) -> tuple[Any, Any]:
    """Model and tokenizer: random bfloat16 (float32 on CPU) of `shape`, or SmolLM2-135M.

    With a shape, `tokenizer` is the folder or hub id of one; None has one token a byte.
    """
    if shape is not None:
        return _random(shape, device), _named(tokenizer) if tokenizer else byte_tokenizer()
    from mctsr_graph.models.smollm2 import smollm2_model

    chat = smollm2_model(device=device, dtype="float32")
    chat.invoke("hi", max_tokens=1)
    chat.close()
    return chat._load()


def config_of(shape: str) -> Any:
    """The configuration of a Llama of this shape."""
    from transformers import LlamaConfig

    settings: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    return LlamaConfig(**settings, **SHAPES[shape], architectures=["LlamaForCausalLM"])


def _random(shape: str, device: str) -> Any:
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    config = config_of(shape)
    made: Any = LlamaForCausalLM
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return made(config).eval()
    finally:
        torch.set_default_dtype(before)


def _named(tokenizer: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer)


def byte_tokenizer() -> Any:
    """One token a byte, and ChatML."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE({text: i for i, text in enumerate(letters)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    make: Any = PreTrainedTokenizerFast
    made = make(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    made.chat_template = _TEMPLATE
    return made


def bytes_read(model: Any, rows: int, context: int) -> float:
    """Bytes that one decode step of a Llama must read: weights, keys and values."""
    config = model.config
    size = model.dtype.itemsize
    weights = sum(p.numel() for p in model.parameters()) - config.vocab_size * config.hidden_size
    head = config.hidden_size // config.num_attention_heads
    each = 2 * config.num_hidden_layers * config.num_key_value_heads * head
    return float(size * (weights + rows * context * each))
