"""What one method's calls on one problem have cost, told by the journal that keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from langchain_core.messages import AIMessage

from mctsr_graph.calls.journal import CallJournal, Slot
from mctsr_graph.calls.logprobs import TOKENS
from mctsr_graph.calls.usage import Cost, cost_of, sum_costs
from mctsr_graph.settings.prices import Price


@dataclass(frozen=True)
class Call:
    """A model call that returned."""

    slot: Slot
    cost: Cost
    recalled: bool
    """Whether the reply was read from the journal instead of made."""
    ended: float
    """Seconds since the ledger began."""
    told: dict[str, float]
    """What the tokens of the reply tell, where that was asked for (`confidence`)."""


class Ledger(CallJournal):
    """A view of a journal that counts the calls which go through it."""

    def __init__(
        self,
        journal: CallJournal,
        price: Callable[[AIMessage], Price | None] = lambda message: None,
    ) -> None:
        self._journal, self._price = journal, price
        self._began = time.monotonic()
        self.calls: list[Call] = []

    def get(self, slot: Slot, request: str) -> AIMessage | None:
        """Return the reply recorded in `slot`, or None, and count it."""
        found = self._journal.get(slot, request)
        if found is not None:
            self._count(slot, found, recalled=True)
        return found

    @contextmanager
    def without_waiting(self) -> Iterator[bool]:
        """As of the whole journal."""
        with self._journal.without_waiting() as is_free:
            yield is_free

    def writing(self, replies: Sequence[tuple[Slot, str, AIMessage]]) -> Callable[[], None]:
        """Take replies over, and count them."""
        for slot, _, reply in replies:
            self._count(slot, reply, recalled=False)
        return self._journal.writing(replies)

    def holds(self, search: str) -> bool:
        """Whether a call of that search is in the whole journal."""
        return self._journal.holds(search)

    def count(self) -> int:
        """Number of calls in the whole journal."""
        return self._journal.count()

    def close(self) -> None:
        """Leave the journal open: it belongs to the run."""

    def cost(self, rollout: int) -> Cost:
        """Cost of the calls of one rollout; 0 for the roots and drafts."""
        return sum_costs(call.cost for call in self.calls if call.slot.rollout == rollout)

    def seconds(self, count: int) -> float | None:
        """When the first so many calls had ended, or None where one was not made now."""
        calls = self.calls[:count]
        if any(call.recalled for call in calls):
            return None
        return max((call.ended for call in calls), default=0.0)

    def _count(self, slot: Slot, reply: AIMessage, *, recalled: bool) -> None:
        cost = cost_of(reply.usage_metadata, self._price(reply))
        ended, told = time.monotonic() - self._began, reply.response_metadata.get(TOKENS, {})
        self.calls.append(Call(slot, cost, recalled, ended, told))
