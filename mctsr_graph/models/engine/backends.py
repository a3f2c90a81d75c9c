"""The engines that are not this package's, and what a file that adds one must hold.

A backend is one module in this folder and one line in `BACKENDS`. The module has two functions:

    check(source) -> None
        Refuse, when `load_model` is called, what cannot work: `MissingExtraError` where its package
        is missing, `ConfigError` where a setting has no word there (`foreign.Package.check`).
    start(source) -> Engine
        Read the weights that the settings (`mctsr_graph.models.source.Source`) name, and return an
        `Engine` (`protocol.Engine`): `submit` takes a `Request` of token ids and returns a future
        of its samples, `score` one of the log-probabilities of a `TokenTree`, `close` frees all.

What a package is called, and which settings it has a word for, is a `foreign.Package`.

Where the package streams tokens by asyncio, `served.ServedEngine` is that engine, and the module
gives it a `served.Server` of three methods: the tokens of one sample, the log-probabilities of some
tokens, and the end. Where it takes tokens by sequence and gives logits, it is
`sequences.SequenceEngine`, around the module's `sequences.Sequences`. Chat template, stop texts,
tool calls and the context window are the chat model's business: a backend sees token ids only.
`jobs.Row.add` says when a sample ends, for every engine alike. What a backend cannot do it refuses
by name, which fails that request alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from mctsr_graph.models.engine.protocol import Engine

BACKENDS = {
    "vllm": "vllm_engine",
    "sglang": "sglang_engine",
    "llama.cpp": "llamacpp_engine",
}
"""Name as `engine=` takes it -> module of this folder."""
BOUNDED = ("llama.cpp",)
"""Those that `limits` are for, too."""


class Backend(Protocol):
    """What a module of a backend holds."""

    def check(self, source: Any) -> None:
        """Refuse what cannot work."""

    def start(self, source: Any) -> Engine:
        """Read the weights and return what runs them."""


def backend(name: str) -> Backend:
    """The backend of that name."""
    found: Any = import_module(f"mctsr_graph.models.engine.{BACKENDS[name]}")
    return found  # type: ignore[no-any-return]
