"""A model on this machine: what runs its weights, and what they are known by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import run_in_executor
from pydantic import PrivateAttr, field_validator, model_validator

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.backends import BACKENDS, BOUNDED, backend
from mctsr_graph.models.engine.limits import Limits
from mctsr_graph.models.engine.protocol import Engine
from mctsr_graph.models.pictures import Pictures, images_of, processor_of
from mctsr_graph.models.reading import described, look, read, tokenizer_of
from mctsr_graph.models.source import Source
from mctsr_graph.models.weights import Weights, engine_of
from mctsr_graph.models.weights_identity import digest_of_folder, digest_of_loaded


class LocalModel(Source):
    """Weights that are read once, at the first need, and the engine that runs them.

    Attributes:
        engine: "inflight" is this package's; "auto" chooses it. Others are the offline engines of
            other packages, see `mctsr_graph.models.engine.backends`.
        limits: Bounds of the engine by name, such as {"rows": 8}, see
            `mctsr_graph.models.engine.limits.Limits`. Chat models that wrap the same loaded model
            share the engine of the first.
    """

    engine: str = "auto"
    limits: Limits = Limits()
    _weights: Weights = PrivateAttr(default_factory=Weights)

    @field_validator("engine", mode="before")
    @classmethod
    def _known_engine(cls, engine: Any) -> Any:
        known = ("auto", "inflight", *BACKENDS)
        if engine not in known:
            raise ConfigError(f"engine is {engine!r}, allowed {', '.join(map(repr, known))}")
        return engine

    @field_validator("limits", mode="before")
    @classmethod
    def _checked_limits(cls, limits: Any) -> Any:
        return Limits.of(limits)

    @model_validator(mode="after")
    def _limits_of_engine(self) -> Self:
        if self.engine in {*BACKENDS} - {*BOUNDED} and self.limits != Limits():
            raise ConfigError(
                f"limits is {self.limits}, and the engine {self.engine!r} has none of these: "
                "allowed are its own settings, in model_kwargs"
            )
        return self

    def prepare(self) -> None:
        """Read config and tokenizer, without the weights, and refuse what cannot be loaded.

        Raises:
            UnknownModelError: There is no such model.
            MissingExtraError: A package is missing; the message says what to install.
            ConfigError: The model is of another kind, or a setting is wrong.
        """
        if self.engine in BACKENDS:
            backend(self.engine).check(self)
        with self._weights.lock:
            if self._weights.tokenizer is None:
                here = self.engine not in BACKENDS
                self._weights.tokenizer = look(self, self._template, here=here)

    @property
    def _template(self) -> Any:
        return getattr(self, "chat_template", None)

    def load_weights(self) -> None:
        """Load them now, which else the first call does."""
        self._engine()

    def close(self) -> None:
        """End the engine's thread and free its memory; a later call starts a new one."""
        if self._weights.engine is not None:
            self._weights.engine.close()
        self._weights.digest = None

    def label_parts(self) -> dict[str, Any]:
        """What tells the weights from others beside their name: a digest of what is at hand."""
        weights = self._weights
        if weights.digest is None and weights.given:
            weights.digest = digest_of_loaded(weights.model, weights.tokenizer)
        elif weights.digest is None:
            weights.digest = digest_of_folder(self.model_id, self.gguf_file) or ""
        return {"weights": weights.digest} if weights.digest else {}

    async def _labelled(self) -> None:
        """Read what `label_parts` tells without blocking the event loop."""
        if self._weights.digest is None:
            await run_in_executor(None, self.label_parts)

    def _engine(self) -> Engine:
        model, _ = self._load()
        with self._weights.lock:
            engine = self._weights.engine
            if engine is None or engine.closed:
                made = self.engine in BACKENDS
                engine = backend(self.engine).start(self) if made else engine_of(model, self.limits)
                self._weights.engine = engine
            return engine

    async def _ready(self) -> None:
        """Load without blocking the event loop."""
        engine = self._weights.engine
        if self._weights.model is None or engine is None or engine.closed:
            await run_in_executor(None, self._engine)

    def _pictures(self, messages: Sequence[BaseMessage]) -> Pictures | None:
        """The pictures in messages, where there are any; the first has the processor read.

        Raises:
            ConfigError: The model or its engine takes none, or one cannot be read.
        """
        images = images_of(messages)
        if not images:
            return None
        if self.engine in BACKENDS:
            raise ConfigError(
                f"the message holds a picture, and the engine {self.engine!r} is given text alone: "
                "take engine='inflight'"
            )
        with self._weights.lock:
            if self._weights.processor is None:
                self._weights.processor = processor_of(self)
        return Pictures(self._weights.processor, images)

    def _load(self) -> tuple[Any, Any]:
        with self._weights.lock:
            if self._weights.model is None:
                self._weights.tokenizer, self._weights.model = self._read_weights()
            return self._weights.model, self._weights.tokenizer

    def _read_weights(self) -> tuple[Any, Any]:
        tokenizer = self._weights.tokenizer
        if self.engine in BACKENDS:
            return tokenizer or tokenizer_of(self), described(self)
        return read(self, tokenizer, self._template)
