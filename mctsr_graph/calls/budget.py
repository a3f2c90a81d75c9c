"""What the calls of a step may still cost, shared out before they are made."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mctsr_graph.calls.usage import Cost, Usage, sum_costs, tokens, total_cost
from mctsr_graph.errors import ReplyError
from mctsr_graph.settings.context import MCTSrContext

# The budgets that can be shared out. Seconds pass for all at once: what they still allow depends
# on how fast the replies come
_SHARED = ("max_calls", "max_tokens", "max_cost")


class Budget:
    """What calls made one after the other may still cost. Safe to share between threads.

    Calls made at the same time each have a part of it, so that what one of them may cost depends
    on their order, and not on which is answered first.
    """

    def __init__(self, context: MCTSrContext, usages: Iterable[Usage], seconds: float) -> None:
        limits = {name: most for name in _SHARED if (most := getattr(context, name)) is not None}
        self._context, self._left = context, dict[str, float]()
        if limits:
            used = _used(sum_costs([cost for usage in usages for cost in usage.values()]))
            self._left = {name: most - used[name] for name, most in limits.items()}
        self._until = None
        if context.max_seconds is not None:
            self._until = time.monotonic() + context.max_seconds - seconds
        self._lock = threading.Lock()
        self._wave: dict[int, Budget] = {}
        self._above: tuple[Budget, ...] = ()
        """Those that it is a part of."""

    def take(self) -> None:
        """Claim one call.

        Raises:
            ReplyError: a limit is reached ("budget").
        """
        with self._lock:
            spent = None
            for name, left in self._left.items():
                if left <= 0:
                    spent = name
                    break
            if spent is None and self._until is not None and time.monotonic() >= self._until:
                spent = "max_seconds"
            # Nobody exceeds the calls, not even who asks without waiting for its own parts
            for one in self._above:
                if spent is None and one._left.get("max_calls", 1) <= 0:
                    spent = "max_calls"
            if spent is not None:
                limit = getattr(self._context, spent)
                raise ReplyError("budget", f"{spent} = {limit} leaves nothing for this call")
            self._use("max_calls", 1)

    def takes(self) -> bool:
        """Claim one call, unless a limit is reached."""
        try:
            self.take()
        except ReplyError:
            return False
        return True

    def add(self, cost: Cost) -> None:
        """Count the tokens and the price of a call that returned; `take` has counted the call."""
        counted = [name for name in ("max_tokens", "max_cost") if name in self._left]
        if counted:
            used = _used(cost)
            with self._lock:
                for name in counted:
                    self._use(name, used[name])

    @property
    def seconds_left(self) -> float:
        """Seconds after which a call that has waited so long ends the search by `max_seconds`."""
        return math.inf if self._until is None else self._until - time.monotonic()

    @property
    def is_shared_out(self) -> bool:
        """Whether there is anything that calls at the same time have each a part of."""
        return bool(self._left)

    def set_aside(self, wave: Mapping[int, tuple[int, Usage]]) -> None:
        """Give each rollout of a wave its part.

        Args:
            wave: By number of the rollout, in order: its calls at most, where no reply has to be
                asked for again, and what it has spent already.
        """
        parts = self._shared_out([calls for calls, _ in wave.values()])
        self._wave = dict(zip(wave, parts, strict=True))
        for part, (_, usage) in zip(parts, wave.values(), strict=True):
            for name, used in _used(total_cost(usage)).items():
                part._use(name, used)

    def parts(self, rollouts: Sequence[int], calls: int) -> list[Budget]:
        """A part for each of some jobs that are done at once.

        Each rollout keeps to its own. Of that, its jobs first get their calls, in order, as far
        as they go; what is left is for replies asked for again, in equal shares. What a part does
        not use is free again when the wave is over.

        Args:
            rollouts: The rollout that each job is for.
            calls: Of one job at most, where no reply has to be asked for again.
        """
        if not self._left:
            return [self] * len(rollouts)
        owners = [self._wave.get(rollout, self) for rollout in rollouts]
        jobs = Counter(owners)
        given = {one: iter(one._shared_out([calls] * count)) for one, count in jobs.items()}
        return [next(given[owner]) for owner in owners]

    def _shared_out(self, wanted: Sequence[int]) -> list[Budget]:
        if len(wanted) < 2:
            return [self] * len(wanted)
        with self._lock:
            left = dict(self._left)
        # Of tokens and money: a call's cost is known only when it is answered
        even = {name: most / len(wanted) for name, most in left.items() if name != "max_calls"}
        calls = _calls_of(int(left.get("max_calls", 0)), wanted)
        own = [{"max_calls": count} if "max_calls" in left else {} for count in calls]
        return [self._part({**first, **even}) for first in own]

    def _part(self, left: dict[str, float]) -> Budget:
        part = Budget.__new__(Budget)
        part.__dict__.update(self.__dict__)
        part._left, part._wave, part._above = left, {}, (self, *self._above)
        return part

    def _use(self, name: str, used: float) -> None:
        for one in (self, *self._above):
            if name in one._left:
                one._left[name] -= used


def _calls_of(left: int, wanted: Sequence[int]) -> list[int]:
    """What each gets: what it wants, in order, and then equal shares, the first the odd ones."""
    given = []
    for calls in wanted:
        given.append(max(0, min(calls, left)))
        left -= given[-1]
    more, odd = divmod(max(0, left), len(wanted))
    return [calls + more + (i < odd) for i, calls in enumerate(given)]


def spent_budget(context: MCTSrContext, spent: Cost, seconds: float) -> str | None:
    """Name of the first setting among the budgets that is used up, or None."""
    used = {**_used(spent), "max_seconds": seconds}
    for name in ("max_calls", "max_tokens", "max_seconds", "max_cost"):
        limit = getattr(context, name)
        if limit is not None and used[name] >= limit:
            return name
    return None


def _used(cost: Cost) -> dict[str, float]:
    """What a cost takes of each budget."""
    return {"max_calls": cost["calls"], "max_tokens": tokens(cost), "max_cost": cost["price"]}
