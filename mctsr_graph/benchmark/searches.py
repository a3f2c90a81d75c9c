"""MCTSr on one problem: one search gives what every smaller number of rollouts would have given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.messages import AIMessage

from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.finish_reason import model_told
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Failure, Model, names_of
from mctsr_graph.calls.usage import Cost, no_cost, sum_costs, total_cost
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.state import supersteps
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.prices import Price
from mctsr_graph.strategies.choose import explain
from mctsr_graph.strategies.strategy import strategy_of
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.stop_reasons import why_failed
from mctsr_graph.tree.tree import Tree

from .ledger import Ledger
from .plan import calls_of, is_counted_by_calls
from .records import OF_BUDGET, Attempt, MethodRecord, Point
from .votes import majority, weighted

_KEYS = ["tree", "best", "rollouts", "usage", "failures", "stop_reason", "record"]


@dataclass(frozen=True)
class _Moment:
    """A search after some of its rollouts."""

    rollouts: int
    best: str | None
    visits: list[int]
    """Rewards of each node."""
    cost: Cost
    calls: int
    """Calls in the ledger."""
    stop_reason: str | None = None
    tree: Tree | None = None
    """Kept where a point may see it."""


async def search(
    problem: str,
    model: Model,
    context: MCTSrContext,
    prompts: Prompts,
    journal: CallJournal,
    rollouts: Sequence[int],
) -> MethodRecord:
    """Search for an answer, and say what was there after each number of `rollouts`.

    A problem that the server refuses, or that is too long for it, is a search that has failed.

    Raises:
        Exception: what else the model raised.
    """

    def price(message: AIMessage) -> Price | None:
        return context.price_of([n for n in (model_told(message), *names_of(model)) if n])

    ledger = Ledger(journal, price)
    try:
        values, moments = await _searched(problem, model, context, prompts, ledger, rollouts)
    except Exception as error:
        code = classify(error)
        if code not in ("context", "refusal"):
            raise
        return _refused(f"{type(error).__name__}: {error}", code, ledger, rollouts, context)
    attempts = _attempts(values["tree"], ledger)
    rule = strategy_of(context).rule(context)
    return MethodRecord(
        attempts=attempts,
        record=values.get("record", []),
        choice=explain(values["tree"], context, rule, values["best"]),
        points=[_point(count, context, moments, attempts, ledger) for count in rollouts],
        stop_reason=values["stop_reason"] or "max_rollouts",
        failures=values["failures"],
        error=_error(values),
    )


def _refused(
    why: str, code: str, ledger: Ledger, rollouts: Sequence[int], context: MCTSrContext
) -> MethodRecord:
    """A search whose first answer could not be had."""
    moment = _Moment(0, None, [], sum_costs(call.cost for call in ledger.calls), len(ledger.calls))
    asked = next((call.slot.role for call in ledger.calls[::-1]), None)
    failed = Failure(
        rollout=0, node=None, role="draft" if asked is None else "evaluate", code=code, message=why
    )
    return MethodRecord(
        attempts=[],
        points=[_point(count, context, [moment], [], ledger) for count in rollouts],
        stop_reason="failed",
        failures=[failed],
        error=f"{failed['role']}: {why}",
    )


async def _searched(
    problem: str,
    model: Model,
    context: MCTSrContext,
    prompts: Prompts,
    ledger: Ledger,
    rollouts: Sequence[int],
) -> tuple[dict[str, Any], list[_Moment]]:
    """The last state of a search, and a moment for each number of rollouts that it had made."""
    graph = create_mctsr(model, context=context, prompts=prompts, journal=ledger).compile()
    steps = graph.astream(
        {"problem": problem},
        {"recursion_limit": supersteps(context.max_rollouts)},
        stream_mode="values",
        output_keys=_KEYS,
    )
    values: dict[str, Any] = {}
    moments: list[_Moment] = []
    async with aclosing(cast(Any, steps)) as states:
        async for values in states:
            if "usage" not in values:  # the input alone
                continue
            if moments and moments[-1].rollouts == values["rollouts"]:
                moments.pop()  # the last step may change the choice
            now = _moment(values, ledger)
            if moments and not _is_last_within(moments[-1], now, context, rollouts):
                moments[-1] = replace(moments[-1], tree=None)
            moments.append(now)
            if max(rollouts) == 0:
                break
    return values, moments


def _moment(values: dict[str, Any], ledger: Ledger) -> _Moment:
    return _Moment(
        rollouts=values["rollouts"],
        best=values["best"],
        visits=[len(node["rewards"]) for node in values["tree"].values()],
        cost=total_cost(values["usage"]),
        calls=len(ledger.calls),
        stop_reason=values["stop_reason"],
        tree=values["tree"],
    )


def _is_last_within(
    moment: _Moment, following: _Moment, context: MCTSrContext, rollouts: Sequence[int]
) -> bool:
    """Whether some budget ends between two moments."""
    by_calls = is_counted_by_calls(context)
    limits = [calls_of(count) if by_calls else count for count in rollouts]
    sizes = [m.cost["calls"] if by_calls else m.rollouts for m in (moment, following)]
    return moment.rollouts == 0 or any(sizes[0] <= limit < sizes[1] for limit in limits)


def _point(
    rollouts: int,
    context: MCTSrContext,
    moments: Sequence[_Moment],
    attempts: Sequence[Attempt],
    ledger: Ledger,
) -> Point:
    """What the search would have returned at a budget: the last moment within it."""
    by_calls, strategy = is_counted_by_calls(context), strategy_of(context)
    limit = calls_of(rollouts) if by_calls else rollouts
    within = [m for m in moments if (m.cost["calls"] if by_calls else m.rollouts) <= limit]
    then = within[-1] if within else moments[0]  # roots that cost more than the budget
    seen = attempts[: len(then.visits)]
    why = explain(then.tree, context, strategy.rule(context), then.best) if then.tree else None
    return Point(
        rollouts=rollouts,
        budget="calls" if by_calls else "rollouts",
        against=None,
        limit=limit if by_calls else None,
        attempts=len(seen),
        capped=False,
        rollouts_made=then.rollouts,
        visits=then.visits,
        selected=None if then.best is None else int(then.best),
        majority=majority(seen),
        weighted=weighted(seen, then.visits),
        confidence=None if why is None else why["confidence"],
        stop_reason=None if then.stop_reason in OF_BUDGET else then.stop_reason,
        cost=then.cost,
        seconds=ledger.seconds(then.calls),
    )


def _attempts(tree: Tree, ledger: Ledger) -> list[Attempt]:
    found = []
    charged: set[int] = set()
    for node in tree.values():
        rollout = node["rollout"]
        same, parent = node["duplicate_of"], node["parent"]
        found.append(
            Attempt(
                text=node["answer"],
                final_answer=node["final_answer"],
                answer_class=class_of(node),
                parent=None if parent is None else int(parent),
                critique=node["critique"],
                rollout=rollout,
                rewards=node["rewards"],
                q=node["q"],
                dummy=node["dummy"],
                truncated=node["truncated"],
                suspicious=node["suspicious"],
                duplicate_of=None if same is None else int(same),
                cost=no_cost() if rollout in charged else ledger.cost(rollout),
                verdict=None,
            )
        )
        if "parents" in node:
            found[-1]["parents"] = [int(one) for one in node["parents"]]
        charged.add(rollout)
    return found


def _error(values: dict[str, Any]) -> str | None:
    """Why a search gave up, if it did."""
    if values["stop_reason"] != "failed" and values["tree"]:
        return None
    lost = values["failures"][-1:]
    why = f"; the last failure was {lost[0]['role']}: {lost[0]['message']}" if lost else ""
    return f"the search gave up: {why_failed(values)}{why}"
