"""Chat models: by name (`load_model`), from HuggingFace, embedded, or scripted for tests.

The names below load on first use, so `import mctsr_graph.models` needs neither torch nor
transformers nor langchain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mctsr_graph.models.embedded import embedded_model
    from mctsr_graph.models.huggingface import ChatTransformers
    from mctsr_graph.models.load import load_model
    from mctsr_graph.models.scripted import ScriptedChatModel

__all__ = ["ChatTransformers", "ScriptedChatModel", "embedded_model", "load_model"]

_HOMES = {
    "ChatTransformers": "huggingface",
    "ScriptedChatModel": "scripted",
    "embedded_model": "embedded",
    "load_model": "load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
