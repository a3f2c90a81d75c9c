"""Loading without progress bars, which are noise where it takes a moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

_QUIET = threading.Lock()


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Switch tqdm's bars off for a while; reading weights has some without a switch of their own.

    For one thread at a time: two that overlap would leave them off for good.
    """
    with _QUIET:
        tqdm: Any = import_module("tqdm").tqdm
        original = tqdm.__init__

        def silent(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **{**kwargs, "disable": True})

        tqdm.__init__ = silent
        try:
            yield
        finally:
            tqdm.__init__ = original
