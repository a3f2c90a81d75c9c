"""What a model is asked for just now: LangChain's callbacks tell, as each call begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

_DOING = {
    "draft": "drafting",
    "critique": "criticising",
    "refine": "refining",
    "evaluate": "judging",
}


class _Hears(BaseCallbackHandler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, metadata: Any = None, **told: Any
    ) -> None:
        """Say what it is for, where a search asks."""
        doing = _DOING.get((metadata or {}).get("mctsr_role", ""))
        if doing is not None:
            self._tell(doing)


_hearing: ContextVar[Any] = ContextVar("mctsr_hearing", default=None)
register_configure_hook(_hearing, inheritable=True)


@contextmanager
def hearing(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell what each model call of this context is for, in a word; from any thread."""
    before = _hearing.set(_Hears(tell))
    try:
        yield
    finally:
        _hearing.reset(before)
