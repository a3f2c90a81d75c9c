"""A small configuration for each causal architecture that transformers has."""

from __future__ import annotations

from typing import Any

POSITIONS = 512
# What the defaults of a class leave open, or what makes it the model that people run
MORE: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        }
    },
    "cwm": {"bos_token_id": 1, "eos_token_id": 2},
    "deepseek_v2": {"topk_method": "greedy", "num_experts_per_tok": 2, "n_routed_experts": 4},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "gemma4_assistant": {},
    "granitemoehybrid": {
        "layer_types": ["linear_attention", "full_attention"],
        "num_hidden_layers": 2,
    },
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16, "moe_topk": 2, "num_experts": 4},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "ministral": {"head_dim": 16},
    "modernbert-decoder": {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 16,
        "indexer_compress_ratio": 4,
        "ngram_vocab_size_base": 100,
    },
    "roc_bert": {"shape_vocab_size": 96, "pronunciation_vocab_size": 96},
    "zaya": {"num_experts_per_tok": 1},
}
# The same class with other settings, which change how it looks back or where it stands
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2+window": (
        "qwen2",
        {
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 1,
            "layer_types": ["full_attention", "sliding_attention"],
        },
    ),
    "bert+decoder": ("bert", {"is_decoder": True}),
    "mistral+window": ("mistral", {"sliding_window": 8}),
    "mixtral+window": ("mixtral", {"sliding_window": 8}),
    "phi3+window": ("phi3", {"sliding_window": 8}),
    "phi3+longrope": (
        "phi3",
        {
            "original_max_position_embeddings": 40,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 1.0,
                "original_max_position_embeddings": 40,
                "short_factor": [1.0] * 8,
                "long_factor": [1.0 + 0.7 * i for i in range(8)],
            },
        },
    ),
    "llama+longrope": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 40,
                "short_factor": [1.0] * 8,
                "long_factor": [1.0 + 0.7 * i for i in range(8)],
            },
        },
    ),
    "llama+dynamic": (
        "llama",
        {
            "max_position_embeddings": 40,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
        },
    ),
    "llama+yarn": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 40,
            },
        },
    ),
}
NONE = {
    "gemma3n": "it needs the package timm",
    "musicgen": "it makes sounds from texts",
    "musicgen_melody": "it makes sounds from texts",
}
_LONG = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length")


def names() -> list[str]:
    """Model types whose auto class for causal language models is known, and the variants."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return [*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *VARIANTS]


def small_model(name: str) -> Any:
    """A model of that type with few layers, small windows and large random weights.

    Raises:
        Exception: whatever its class raises that cannot be made so small.
    """
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from mctsr_graph.models.engine.twin import made, shrunk

    kind, more = VARIANTS.get(name, (name, {}))
    long = dict.fromkeys(_LONG, POSITIONS)
    config = CONFIG_MAPPING[kind]()
    found: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    if not isinstance(config, found.config_class):  # of pictures and text: the class reads text
        config = config.get_text_config()
    config = shrunk(config, {**long, **MORE.get(kind, {}), **more})
    with torch.device("meta"):
        size = sum(p.numel() for p in found._from_config(config).parameters())
    if size > 20_000_000:
        raise ValueError(f"{size} parameters")
    model = made(found, config)
    # Some ban or force tokens, which is the business of whoever asks the engine
    model.generation_config = type(model.generation_config)()
    return model
