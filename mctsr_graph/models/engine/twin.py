"""A small model of the same class: every length in its configuration is passed within 100 tokens.

Whether a way of running a model gives its tokens cannot be seen on short prompts, and prompts
longer than a window of 4,096 tokens take minutes on a CPU. The twin has a few layers of every
kind, random weights large enough that all of it matters, and small windows, chunks and limits.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

LIMIT = 40  # tokens beyond which position codes change
POSITIONS = 160  # tokens that a twin has positions for
_SIZES: dict[int, str] = {
    96: "vocab_size padded_vocab_size vocab_size_per_layer_input unpadded_vocab_size",
    64: "hidden_size n_embd d_model intermediate_size n_inner d_ff ffn_dim decoder_ffn_dim "
    "encoder_ffn_dim ffn_hidden_size intermediate_size_mlp embedding_size dense_intermediate_size "
    "emb_dim dim_model dim lru_width mlp_hidden_size dim_ff d_embed "
    "word_embed_proj_dim prefix_dense_intermediate_size dim_feedforward attention_hidden_size",
    2: "num_experts_per_tok num_experts_per_token moe_topk top_k_experts moe_k "
    "num_selected_experts num_key_value_heads num_kv_heads n_kv_heads linear_num_key_heads "
    "swa_num_key_value_heads num_global_key_value_heads encoder_layers",
    4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads num_experts "
    "encoder_attention_heads num_local_experts n_routed_experts moe_num_experts "
    "linear_num_value_heads swa_num_attention_heads num_linear_attention_heads",
    16: "head_dim d_kv qk_nope_head_dim v_head_dim linear_key_head_dim linear_value_head_dim "
    "global_head_dim swa_head_dim swa_v_head_dim kv_channels q_lora_rank kv_lora_rank "
    "attention_head_dim hidden_size_per_layer_input index_head_dim mamba_d_state mamba_head_dim "
    "mamba_d_head state_size qk_rope_head_dim mamba_dt_rank time_step_rank "
    "chunk_size mamba_chunk_size index_topk",
    128: "mamba_d_ssm",
    8: "mamba_n_heads mamba_num_heads sliding_window window_size attention_window_size window "
    "local_attention local_attention_window rotary_dim",
    32: "qk_head_dim moe_intermediate_size shared_expert_intermediate_size "
    "shared_intermediate_size moe_shared_expert_intermediate_size expert_ffn_hidden_size "
    "router_hidden_size moe_ffn_hidden_size",
    1: "n_group topk_group num_expert_group num_mtp_layers num_nextn_predict_layers",
    12: "attention_chunk_size",
    POSITIONS: "max_position_embeddings n_positions n_ctx max_seq_len max_sequence_length",
    LIMIT: "original_max_position_embeddings max_trained_length max_trained_seq_len",
}
SMALL = {name: size for size, names in _SIZES.items() for name in names.split()}
_SPECIAL: dict[str, dict[str, Any]] = {  # where numbers must suit each other
    "bamba": {"attn_layer_indices": [1]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 4},
    "mamba2": {"num_heads": 8, "n_groups": 2},
    "recurrent_gemma": {
        "num_hidden_layers": 3,
        "block_types": ["recurrent", "recurrent", "attention"],
    },
    "zamba2": {
        "hybrid_layer_ids": [1],
        "layers_block_type": ["linear_attention", "hybrid"],
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "n_mamba_heads": 8,
        "mamba_headdim": 16,
    },
    "falcon_h1": {"mamba_d_head": 16},
    "dory": {
        "n_input_layers": 1,
        "n_recurrent_layers": 1,
        "n_output_layers": 1,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "mlp", "full_attention"],
    },
    "zamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "num_hidden_layers": 4,
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
    },
    "nemotron_h": {"n_groups": 2},
    "xlstm": {"num_blocks": 2, "embedding_dim": 64},
}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")
_LENGTH = re.compile("window|chunk|length|position|context|local|block|seq|topk")


def twin_of(model: Any) -> Any:
    """A twin of a model, on the CPU and in float32; None where none can be made."""
    config = getattr(model, "config", None)
    if config is None or not hasattr(type(model), "_from_config"):
        return None
    for more in (_unnamed(config), {}):
        try:
            return made(type(model), shrunk(config, more), model.config._attn_implementation)
        except Exception:  # whatever a class demands of its configuration
            continue
    return None


def made(kind: Any, config: Any, attention: str | None = None) -> Any:
    """A model of the class with large random weights; the random numbers of others stay."""
    import torch

    options = {} if attention is None else {"attn_implementation": attention}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind._from_config(config, dtype=torch.float32, **options).eval()
    return shaken(model.requires_grad_(False))


def shaken(model: Any) -> Any:
    """The model with weights so large that no two logits are close and no part goes unseen."""
    import torch

    random = torch.Generator().manual_seed(0)
    table = model.get_input_embeddings()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.is_floating_point() and (weights.ndim > 1 or name.endswith("bias")):
                weights.copy_(torch.randn(weights.shape, generator=random) * 0.18)
        if isinstance(getattr(table, "weight", None), torch.Tensor):
            table.weight.copy_(torch.randn(table.weight.shape, generator=random))
    return model


def shrunk(config: Any, more: Mapping[str, Any] | None = None) -> Any:
    """A configuration of the same class with small sizes and lengths, and a few layers."""
    told = copy.deepcopy(config.to_dict())
    told |= _shrunk(told, more or {})
    for name in ("model_type", "transformers_version", "quantization_config"):
        told.pop(name, None)
    return type(config)(**told)


def _shrunk(told: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    new = {name: _smaller(name, value, told, more) for name, value in told.items()}
    heads, pairs = "num_attention_heads", "num_key_value_heads"
    if pairs in told and told.get(heads) == told[pairs]:
        new[pairs] = new.get(heads)
    if told.get("num_kv_shared_layers"):
        own = _count(told) - told["num_kv_shared_layers"]
        new["num_kv_shared_layers"] = sum(i >= own for i in _kept(told))
    if _is_dynamic(told):
        new["max_position_embeddings"] = LIMIT
    new |= _SPECIAL.get(told.get("model_type", ""), {})
    return new | {name: value for name, value in more.items() if name in told}


def _smaller(name: str, value: Any, told: dict[str, Any], more: Mapping[str, Any]) -> Any:
    """One value of a configuration."""
    before = _count(told)
    if name.endswith("token_id"):
        return None if value is None else 0
    if name == "per_layer_config" and isinstance(value, dict):
        own = {int(layer): each for layer, each in value.items()}
        return {i: _shrunk(own[at], {}) for i, at in enumerate(_kept(told)) if at in own}
    if name in ("rope_parameters", "rope_scaling") and isinstance(value, dict):
        return _rope(value)
    if isinstance(value, dict) and ("model_type" in value or "hidden_size" in value):
        return value | _shrunk(value, more)
    if isinstance(value, list | tuple) and before > 2 and len(value) == before:
        return [_least(name, value[i]) for i in _kept(told)]
    if name in _LAYERS and isinstance(value, int):
        return len(_kept(told))
    return _least(name, value)


def _count(told: Mapping[str, Any]) -> int:
    """How many layers there are; 0 where that is not said."""
    return next((told[name] for name in _LAYERS if isinstance(told.get(name), int)), 0)


def _least(name: str, value: Any) -> Any:
    return min(value, SMALL[name]) if name in SMALL and type(value) is int else value


def _kept(told: Mapping[str, Any]) -> list[int]:
    """Layers of every kind, two at least."""
    count, kinds = _count(told), told.get("layer_types")
    if not isinstance(kinds, Sequence) or len(kinds) != count or count < 2:
        return list(range(min(count, 2)))
    own = count - (told.get("num_kv_shared_layers") or 0)  # the others use keys of these
    first = sorted(kinds[:own].index(kind) for kind in dict.fromkeys(kinds[:own]))
    others = sorted(own + kinds[own:].index(kind) for kind in dict.fromkeys(kinds[own:]))
    kept = first + others
    return kept if len(kept) > 1 else [0, 1]


def _rope(told: dict[str, Any]) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, dict):
            new[name] = _rope(value)
        elif name in ("short_factor", "long_factor"):
            new[name] = value[:8] if isinstance(value, list) else value
        elif name == "original_max_position_embeddings" and value:
            new[name] = LIMIT
        else:
            new[name] = value
    return new


def _is_dynamic(told: Mapping[str, Any]) -> bool:
    rope = told.get("rope_parameters") or told.get("rope_scaling") or {}
    parts = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    return any(
        "dynamic" in str(part.get("rope_type", part.get("type")))
        for part in parts
        if isinstance(part, dict)
    )


def lengths_in(config: Any) -> list[int]:
    """Every number of a configuration that may be a length at which a model changes its ways."""
    found: set[int] = set()

    def look(told: Mapping[str, Any]) -> None:
        for name, value in told.items():
            if isinstance(value, Mapping):
                look(value)
            elif type(value) is int and value > 1 and _LENGTH.search(name):
                found.add(value)

    look(config.to_dict())
    return sorted(found)


def _unnamed(config: Any) -> dict[str, int]:
    """Lengths that go by other names than those known here."""
    told = config.to_dict()
    return {
        name: LIMIT
        for name, value in told.items()
        if type(value) is int and value > LIMIT and name not in SMALL and _LENGTH.search(name)
    }
