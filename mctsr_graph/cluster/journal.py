"""The journal of a run for workers on other machines: it stays where the run was begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.messages import AIMessage

from mctsr_graph.calls.journal import CallJournal, Slot
from mctsr_graph.cluster.connect import of_keeper


class JournalKeeper:
    """Holds the journal."""

    def __init__(self, path: str) -> None:
        self._journal = CallJournal(path)

    def get(self, slot: tuple[Any, ...], request: str) -> AIMessage | None:
        """As the journal's."""
        return self._journal.get(Slot(*slot), request)

    def put_all(self, replies: Sequence[tuple[tuple[Any, ...], str, AIMessage]]) -> None:
        """As the journal's."""
        self._journal.put_all([(Slot(*slot), request, reply) for slot, request, reply in replies])

    def holds(self, search: str) -> bool:
        """As the journal's."""
        return self._journal.holds(search)


class RemoteJournal(CallJournal):
    """The journal as a worker sees it."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    def get(self, slot: Slot, request: str) -> AIMessage | None:
        """As the journal's; CheckpointError where its keeper is gone, as in all methods."""
        found: AIMessage | None = _kept(self._keeper.get.remote(tuple(slot), request))
        return found

    @contextmanager
    def without_waiting(self) -> Iterator[bool]:
        """Never: its keeper has to be waited for."""
        yield False

    def writing(self, replies: Sequence[tuple[Slot, str, AIMessage]]) -> Callable[[], None]:
        """As the journal's; if what is returned is never called, nothing is recorded."""
        plain = [(tuple(slot), request, reply) for slot, request, reply in replies]
        return lambda: _kept(self._keeper.put_all.remote(plain))

    def holds(self, search: str) -> bool:
        """As the journal's."""
        return bool(_kept(self._keeper.holds.remote(search)))

    def close(self) -> None:
        """The keeper's to do."""


def _kept(waited_for: Any) -> Any:
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(waited_for)
    except RayError as error:
        raise of_keeper(error) from None
