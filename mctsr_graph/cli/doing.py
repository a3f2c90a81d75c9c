"""What a model is asked for just now: LangChain's callbacks tell, as each call begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

_DOING = {
    "draft": "drafting",
    "critique": "criticising",
    "refine": "refining",
    "merge": "merging",
    "evaluate": "judging",
    "calibrate": "judging",
}


class _Hears(BaseCallbackHandler):
    run_inline = True  # in the order of the calls

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = Lock()
        self._under_way: dict[UUID, str] = {}
        self._done: dict[str, int] = {}  # of those that are asked for at once

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, metadata: Any = None, **told: Any
    ) -> None:
        """Say what it is for, where a search asks."""
        doing = _DOING.get((metadata or {}).get("mctsr_role", ""))
        if doing is None:
            return
        with self._lock:
            if doing not in self._under_way.values():
                self._done[doing] = 0
            self._under_way[run_id] = doing
            words = self._words(doing)
        self._tell(words)

    def on_llm_end(self, response: Any, *, run_id: UUID, **told: Any) -> None:
        """Say how many are left."""
        self._ended(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Say how many are left."""
        self._ended(run_id)

    def _ended(self, run_id: UUID) -> None:
        with self._lock:
            doing = self._under_way.pop(run_id, None)
            if doing is None:
                return
            self._done[doing] += 1
            left = [*self._under_way.values()]
            words = self._words(doing if doing in left else left[-1]) if left else None
        if words is not None:
            self._tell(words)

    def _words(self, doing: str) -> str:
        done = self._done[doing]
        most = done + [*self._under_way.values()].count(doing)
        return f"{doing} {done} of {most}" if most > 1 else doing


_hearing: ContextVar[Any] = ContextVar("mctsr_hearing", default=None)
register_configure_hook(_hearing, inheritable=True)


@contextmanager
def hearing(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell what the model calls of this context are for, and how many of a kind are done.

    Args:
        tell: Is given "judging", or "judging 3 of 8" of those that are asked for at once; from any
            thread.
    """
    before = _hearing.set(_Hears(tell))
    try:
        yield
    finally:
        _hearing.reset(before)
