"""Tiny models that see pictures, random weights, and processors with the parts of real ones."""

from __future__ import annotations

import base64
import io
from typing import Any

from tests.engine_models import chatml_tokenizer

_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "initializer_range": 0.5,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
_SEEN = {"hidden_size": 32, "intermediate_size": 64, "initializer_range": 0.5}


def picture(seed: int = 0, size: tuple[int, int] = (40, 56)) -> str:
    """A PNG as base64."""
    import numpy
    from PIL import Image

    values = numpy.random.default_rng(seed).integers(0, 255, (*size, 3), dtype="uint8")
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def template_with(place: str) -> str:
    """ChatML in which `place` stands for a picture."""
    return (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}"
        "{{ m.content }}{% else %}{% for b in m.content %}{% if b.type == 'image' %}"
        + place
        + "{% else %}{{ b.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def seeing(family: str) -> tuple[Any, Any]:
    """Model and processor of a family."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    made: tuple[Any, Any] = {
        "qwen3_vl": _qwen,
        "gemma3": _gemma,
        "llava": _llava,
        "idefics3": _idefics,
    }[family]()
    # Some dominate by one token else, which hides faults
    for name, weights in made[0].named_parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=1.0 if "embed_tokens" in name else 0.18)
    return made[0].eval(), made[1]


def _tokenizer(*tokens: str) -> Any:
    tokenizer = chatml_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", *tokens]})
    return tokenizer


def _qwen() -> tuple[Any, Any]:
    import transformers
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    start, end, image, video = range(len(tokenizer) - 4, len(tokenizer))
    config = transformers.Qwen3VLConfig(
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]
            },
        },
        vision_config={
            **_SEEN, "depth": 2, "num_heads": 4, "patch_size": 8, "out_hidden_size": 32,
            "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
        },
        image_token_id=image, video_token_id=video,
        vision_start_token_id=start, vision_end_token_id=end,
    )  # fmt: skip
    eye = Qwen2VLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    )

    class Processor(transformers.Qwen3VLProcessor):
        """Without what reads videos, which needs torchvision."""

        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            return None

    processor = Processor(
        image_processor=eye,
        tokenizer=tokenizer,
        chat_template=template_with("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return transformers.Qwen3VLForConditionalGeneration(config), processor


def _gemma() -> tuple[Any, Any]:
    import transformers
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = _tokenizer("<start_of_image>", "<end_of_image>", "<image_soft_token>")
    tokenizer.boi_token, tokenizer.eoi_token = "<start_of_image>", "<end_of_image>"
    tokenizer.image_token = "<image_soft_token>"
    begin, end, soft = range(len(tokenizer) - 3, len(tokenizer))
    tokenizer.boi_token_id, tokenizer.eoi_token_id, tokenizer.image_token_id = begin, end, soft
    config = transformers.Gemma3Config(
        text_config={
            **_TEXT, "vocab_size": len(tokenizer), "sliding_window": 24,
            "tie_word_embeddings": False,
        },
        vision_config={
            **_SEEN, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
            "patch_size": 8,
        },
        tie_word_embeddings=False, mm_tokens_per_image=4, boi_token_index=begin,
        eoi_token_index=end, image_token_index=soft,
    )  # fmt: skip
    processor = transformers.Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
        chat_template=template_with("<start_of_image>"),
        image_seq_length=4,
    )
    return transformers.Gemma3ForConditionalGeneration(config), processor


def _llava() -> tuple[Any, Any]:
    import transformers
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = _tokenizer("<image>")
    config = transformers.LlavaConfig(
        text_config={**_TEXT, "model_type": "llama", "vocab_size": len(tokenizer)},
        vision_config={
            **_SEEN, "model_type": "clip_vision_model", "num_hidden_layers": 2,
            "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "projection_dim": 32,
        },
        image_token_index=len(tokenizer) - 1, image_seq_length=16,
        vision_feature_select_strategy="default", vision_feature_layer=-1,
    )  # fmt: skip
    processor = transformers.LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template_with("<image>\n"),
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def _idefics() -> tuple[Any, Any]:
    import transformers
    from transformers.models.idefics3.image_processing_pil_idefics3 import (
        Idefics3ImageProcessorPil,
    )

    tokenizer = _tokenizer(
        "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"
    )
    processor = transformers.Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=template_with("<image>"),
    )
    config = transformers.Idefics3Config(
        text_config={**_TEXT, "model_type": "llama", "vocab_size": len(tokenizer)},
        vision_config={
            **_SEEN, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
            "patch_size": 8,
        },
        image_token_id=processor.image_token_id, scale_factor=2,
    )  # fmt: skip
    return transformers.Idefics3ForConditionalGeneration(config), processor
