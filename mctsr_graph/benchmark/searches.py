"""MCTSr on one problem: one search gives what every smaller number of rollouts would have given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mctsr_graph.calls import Model
from mctsr_graph.config import MCTSrContext
from mctsr_graph.errors import SearchFailedError
from mctsr_graph.events import Event, RolloutEvent
from mctsr_graph.journal import Slot
from mctsr_graph.prompts import Prompts
from mctsr_graph.retries import classify
from mctsr_graph.search import raw_q
from mctsr_graph.solution import Solution
from mctsr_graph.solve import asolve
from mctsr_graph.tree import Tree, best_node, merge
from mctsr_graph.usage import no_cost

from .ledger import Ledger
from .records import Attempt, MethodRecord, Point
from .unfinished import Unfinished
from .votes import majority, weighted


async def search(
    problem: str,
    model: Model,
    context: MCTSrContext,
    prompts: Prompts,
    ledger: Ledger,
    rollouts: Sequence[int],
) -> MethodRecord:
    """Search for an answer, and say what was there after each number of `rollouts`.

    Raises:
        Unfinished: the model's server failed.
        Exception: what the model raised for a wrong setting, key or name.
    """
    events: list[RolloutEvent] = []

    def note(event: Event) -> None:
        if event["type"] == "mctsr.rollout":
            events.append(event)

    error = None
    try:
        solution = await asolve(
            problem, model, context=context, prompts=prompts, journal=ledger, on_event=note
        )
    except SearchFailedError as failed:
        _raise_cause(failed)
        solution, error = failed.solution, str(failed)
    attempts = _attempts(solution.tree, ledger)
    history = _History(solution, events, context)
    return MethodRecord(
        attempts=attempts,
        points=[history.point(count, attempts, ledger) for count in rollouts],
        stop_reason=solution.stop_reason,
        failures=solution.failures,
        error=error,
    )


def _raise_cause(failed: SearchFailedError) -> None:
    """Raise what ended a search from outside; one that gave up has no cause."""
    cause = failed.__cause__
    if isinstance(cause, Exception):
        raise cause if classify(cause) == "configuration" else Unfinished(str(failed)) from failed


def _attempts(tree: Tree, ledger: Ledger) -> list[Attempt]:
    found = []
    charged: set[int] = set()
    for node in tree.values():
        rollout = node["rollout"]
        own = rollout not in charged
        charged.add(rollout)
        same, parent = node["duplicate_of"], node["parent"]
        found.append(
            Attempt(
                text=node["answer"],
                final_answer=node["final_answer"],
                parent=None if parent is None else int(parent),
                critique=node["critique"],
                rollout=rollout,
                rewards=node["rewards"],
                q=node["q"],
                dummy=node["dummy"],
                truncated=node["truncated"],
                suspicious=node["suspicious"],
                duplicate_of=None if same is None else int(same),
                cost=ledger.cost(_in_rollout(rollout)) if own else no_cost(),
                verdict=None,
            )
        )
    return found


class _History:
    """What a search knew after each of its rollouts."""

    def __init__(
        self, solution: Solution, events: Sequence[RolloutEvent], context: MCTSrContext
    ) -> None:
        self._tree = solution.tree
        self._events = events
        self._visits = _visits(solution, events, context)

    def point(self, rollouts: int, attempts: Sequence[Attempt], ledger: Ledger) -> Point:
        """What the search would have returned if it had been allowed so many rollouts."""
        made = min(rollouts, len(self._events))
        visits = self._visits[made]
        seen = attempts[: len(visits)]
        return Point(
            rollouts=rollouts,
            budget="rollouts",
            against=None,
            limit=None,
            attempts=len(visits),
            capped=False,
            rollouts_made=made,
            visits=visits,
            selected=self._best(made),
            majority=majority(seen),
            weighted=weighted(seen, visits),
            cost=ledger.cost(_up_to(made)),
            seconds=ledger.seconds(_up_to(made)),
        )

    def _best(self, made: int) -> int | None:
        if made:
            best = self._events[made - 1]["best"]
            return None if best is None else int(best["node"])
        roots: Tree = {}
        for index, count in enumerate(self._visits[0]):
            node = self._tree[str(index)]
            roots = merge(roots, [{node["id"]: {**node, "q": raw_q(node["rewards"][:count])}}])
        first = best_node(roots)
        return None if first is None else int(first)


def _visits(
    solution: Solution, events: Sequence[RolloutEvent], context: MCTSrContext
) -> list[list[int]]:
    """How many rewards each node had: an entry for each number of rollouts, from 0.

    Found from the end: each rollout gave some to the node that it made (or joined) and one to
    the node that it refined, but for those whose evaluation failed.
    """
    counts = [len(node["rewards"]) for node in solution.tree.values()]
    history = [list(counts)]
    for event in reversed(events):
        if event["node"] is not None:
            lost = [f for f in solution.failures if f["rollout"] == event["index"]]
            lost = [f for f in lost if f["role"] == "evaluate"]
            refined = sum(f["node"] == event["parent"] for f in lost)
            counts[int(event["parent"])] -= 1 - refined
            if solution.tree[event["node"]]["rollout"] == event["index"]:
                counts.pop()
            else:  # an equal answer was there before
                own = sum(f["node"] is None for f in lost)
                counts[int(event["node"])] -= context.reward_samples - own
        history.append(list(counts))
    return history[::-1]


def _in_rollout(rollout: int) -> Callable[[Slot], bool]:
    return lambda slot: slot.rollout == rollout


def _up_to(rollout: int) -> Callable[[Slot], bool]:
    return lambda slot: slot.rollout <= rollout
