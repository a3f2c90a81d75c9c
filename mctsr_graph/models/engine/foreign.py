"""Another package that runs the weights: what it is called, and which settings it has words for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.source import Source
from mctsr_graph.text.packages import install_line


@dataclass(frozen=True)
class Package:
    """The package of one engine.

    Attributes:
        engine: The name of the engine.
        module: What is imported.
        extra: What installs it.
        instead: Setting that it has no word for -> what to write instead.
        devices: What `device` may be, such as "cuda:N".
        allowed: The same in words.
        wants: More that it needs, in words.
    """

    engine: str
    module: str
    extra: str
    instead: Mapping[str, str]
    devices: Collection[str]
    allowed: str
    wants: str = ""

    def check(self, source: Source) -> None:
        """Refuse what cannot work.

        Raises:
            MissingExtraError: The package is missing; the message says what to install.
            ConfigError: A setting is given that it has no word for.
        """
        if find_spec(self.module) is None:
            raise MissingExtraError(
                f'engine="{self.engine}" needs the package {self.module}{self.wants}: '
                f"{install_line(self.extra)}"
            )
        for name, words in self.instead.items():
            if getattr(source, name) is not None:
                self._refuse(name, getattr(source, name), words)
        if source.device and re.sub(r":\d+$", ":N", source.device) not in self.devices:
            self._refuse("device", source.device, f"allowed {self.allowed}")

    def _refuse(self, name: str, value: Any, words: str) -> None:
        raise ConfigError(
            f"{name} is {value!r}, which the engine {self.engine!r} does not take: {words}"
        )


def arguments(source: Source, model: str, **more: Any) -> dict[str, Any]:
    """What an engine of transformers' weights is made with, in the words that they share.

    Args:
        source: The settings.
        model: The engine's word for where the model is.
        **more: In its own words; None is left out.
    """
    named = source.gguf_file
    asked = {
        model: str(Path(source.model_id, named)) if named else source.model_id,
        "dtype": str(source.dtype or "auto").removeprefix("torch."),
        "revision": source.revision,
        "download_dir": source.cache_dir,
        "trust_remote_code": source.trust_remote_code,
        **more,
    }
    return {**{k: v for k, v in asked.items() if v is not None}, **source.model_kwargs}
