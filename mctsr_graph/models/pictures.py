"""Pictures in messages: read from content blocks, put into a prompt by the model's processor."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from langchain_core.messages import BaseMessage

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.source import Source

_BY_TOKEN = ("mm_token_type_ids", "token_type_ids")
_OF_TEXT = ("input_ids", "attention_mask", "text_replacement_offsets", *_BY_TOKEN)


def images_of(messages: Sequence[BaseMessage]) -> list[Any]:
    """The pictures in messages as Pillow has them, in order. Nothing is fetched from anywhere.

    Raises:
        ConfigError: One is not in the message itself, or cannot be read.
        MissingExtraError: Pillow is missing.
    """
    every = [blocks_of(message) for message in messages if message.type != "ai"]
    return [_image(one) for blocks in every for one in blocks if one["type"] == "image"]


def blocks_of(message: BaseMessage) -> list[dict[str, Any]]:
    """What a message holds, as LangChain's standard blocks."""
    return [] if isinstance(message.content, str) else [dict(b) for b in message.content_blocks]


def _image(block: dict[str, Any]) -> Any:
    if find_spec("PIL") is None:
        raise MissingExtraError("pictures need Pillow: pip install pillow")
    from PIL import Image

    url = str(block.get("url") or "")
    data = block.get("base64") or (url.partition(",")[2] if url.startswith("data:") else None)
    if not data:
        told = url or block.get("file_id") or "without any data"
        raise ConfigError(
            f"a picture is {told[:80]!r}, which is fetched from nowhere: allowed are base64 and "
            "a data: URL"
        )
    try:
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    except (ValueError, OSError) as error:
        raise ConfigError(f"a picture of {len(data)} characters cannot be read: {error}") from error


def processor_of(source: Source) -> Any:
    """What turns pictures into a model's input.

    Raises:
        ConfigError: The model has none, or a package for it is missing.
    """
    import transformers

    auto: Any = transformers.AutoProcessor
    own = f"the message holds a picture, and {source.model_id!r} has no processor of pictures here"
    if source.gguf_file is not None:
        raise ConfigError(f"{own}: GGUF weights are read for text alone")
    try:
        made: Any = auto.from_pretrained(
            source.model_id, trust_remote_code=source.trust_remote_code, **source.hub_options()
        )
    except Exception as error:  # of whatever its files lack
        raise ConfigError(f"{own}: {error}") from error
    if not hasattr(made, "image_processor"):
        raise ConfigError(f"{own}: it reads text alone")
    return made


class Pictures:
    """The pictures of one call, in the words of a model's processor.

    Args:
        processor: Of transformers.
        images: Of Pillow.
    """

    def __init__(self, processor: Any, images: list[Any]) -> None:
        self._processor, self._images = processor, images
        self._made: Any = {}

    def put_into(self, text: str) -> str:
        """A prompt in which each place that a template wrote for a picture is as long as that.

        Raises:
            ConfigError: It has not as many places as there are pictures.
        """
        place = getattr(self._processor, "image_token", None)
        name, count = type(self._processor).__name__, len(self._images)
        if place is None or text.count(place) != count:
            found = 0 if place is None else text.count(place)
            raise ConfigError(f"the chat template writes {found} of {count} pictures for {name}")
        self._made = self._processor(
            text=[text],
            images=self._images,
            return_tensors="pt",
            return_text_replacement_offsets=True,
        )
        replaced = self._made.get("text_replacement_offsets")
        if replaced is None:
            raise ConfigError(f"{name} does not tell what it writes for a picture")
        for one in reversed(replaced[0]):
            start, end = one["span"]
            text = text[:start] + one["replacement"] + text[end:]
        return text

    def inputs(self, ids: Sequence[int]) -> dict[str, Any]:
        """What the model is given beside a prompt's ids."""
        import torch

        found = {name: each for name, each in self._made.items() if name not in _OF_TEXT}
        [known] = self._made["input_ids"].tolist()
        for name in _BY_TOKEN:
            if name in self._made:
                kinds = dict(zip(known, self._made[name][0].tolist(), strict=True))
                found[name] = torch.tensor([[kinds.get(token, 0) for token in ids]])
        return found
