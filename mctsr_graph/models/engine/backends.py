"""The engines that are not this package's, and what a file that adds one must hold.

A backend is one module in this folder and one line in `BACKENDS`. The module has two functions:

    check() -> None
        Raise `MissingExtraError` where its package is missing. Called by `load_model`.
    start(source) -> Engine
        Read the weights that a `mctsr_graph.models.source.Source` names, and return an `Engine`
        (`protocol.Engine`): `submit` takes a `Request` of token ids and returns a future of its
        samples, `score` the log-probabilities of a `TokenTree`, `close` frees everything.

Chat template, tokens, stop texts, tool calls, streaming and the context window are the chat model's
business: a backend sees token ids only. What it cannot do it refuses by name with a `ConfigError`,
which fails that request alone. A future that is cancelled stops its request, `on_token` is told
each token as it comes, and `max_new`, `ends` and `stopped` end a sample, which
`jobs.Row.add` decides for every engine alike.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from mctsr_graph.errors import MissingExtraError
from mctsr_graph.models.engine.protocol import Engine
from mctsr_graph.text.packages import install_line

BACKENDS: dict[str, str] = {}
"""Name as `engine=` takes it -> module of this folder."""


class Backend(Protocol):
    """What a module of a backend holds."""

    def check(self) -> None:
        """Raise `MissingExtraError` where its package is missing."""

    def start(self, source: Any) -> Engine:
        """Read the weights and return what runs them."""


def backend(name: str) -> Backend:
    """The backend of that name."""
    found: Any = import_module(f"mctsr_graph.models.engine.{BACKENDS[name]}")
    return found  # type: ignore[no-any-return]


def needs(package: str) -> None:
    """Raise where an engine's package is missing.

    Raises:
        MissingExtraError: The message says what to install.
    """
    if find_spec(package) is None:
        raise MissingExtraError(
            f'engine="{package}" needs the package {package}, which wants a GPU: '
            f"{install_line(package)}"
        )
