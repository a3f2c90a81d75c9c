"""The model inside this package: it solves short problems about counting things, and nothing else.

A Llama of 1.3 million weights, trained from nothing by the folder `training` of the repository. Its
model card, `arithmetic/README.md`, has data, figures and limits.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mctsr_graph.errors import MissingExtraError
from mctsr_graph.models.bars import no_bars
from mctsr_graph.models.huggingface import ChatTransformers
from mctsr_graph.text.packages import install_line

NAME = "mctsr-arithmetic"
FOLDER = Path(__file__).with_name("arithmetic")
_NEEDED = ("torch", "transformers")


def embedded_model(**kwargs: Any) -> ChatTransformers:
    """The model that comes with this package, on the CPU unless `device` says otherwise.

    It knows the default prompts of a search and its own kind of problem: "Ann has 6 boxes of 7
    eggs. Then 19 of them get lost. How many eggs are left?" Of all else it says that it cannot.

    Args:
        **kwargs: Fields of `ChatTransformers`, such as `temperature` or `max_tokens`.

    Raises:
        MissingExtraError: torch or transformers is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the embedded model lacks {', '.join(missing)}: {install_line('huggingface')}"
        )
    return ChatEmbedded(**{"model_id": str(FOLDER), "device": "cpu", "dtype": "float32", **kwargs})


class ChatEmbedded(ChatTransformers):
    """Loads without a word."""

    @property
    def model_name(self) -> str:
        """What searches and reports call it, wherever the package lies."""
        return NAME

    def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
        """Refused in LangChain's way: it was trained on no tools."""
        raise NotImplementedError("the embedded model calls no tools, nor fills in schemas by them")

    def _read_weights(self) -> tuple[Any, Any]:
        with no_bars():
            return super()._read_weights()
