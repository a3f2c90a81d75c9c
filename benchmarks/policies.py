"""Ways to search, compared at equal calls in a simulated world. Every figure is a simulation.

    python -m benchmarks.policies                     # an hour on two cores
    python -m benchmarks.policies --quick             # five minutes, a smaller grid
    python -m benchmarks.policies --worlds FILE.json  # worlds of `benchmarks.graded_trees`

Prints one JSON line a cell and, at the end, the summaries that `docs/results.md` quotes. A cell is
a world of one of three families (`policy_worlds`): the grid of skills, AUCs of the judge and kinds
of errors, what that leaves out, and worlds fitted to graded logs. Its problems are the same for
every policy, so that differences are paired.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.policy_baselines import BASELINES, Policy
from benchmarks.policy_peers import BUDGETS, PEERS, Outcome
from benchmarks.policy_report import TARGETS, report, show
from benchmarks.policy_worlds import ERRORS, FITTED, OTHER_REFINING, Cell, fitted, grid, widened
from mctsr_graph import MCTSrContext
from mctsr_graph.benchmark.simulated_search import Moment, simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.settings.profiles import PROFILES
from mctsr_graph.strategies.choose import classes_of
from mctsr_graph.strategies.enough import why_enough
from mctsr_graph.strategies.strategy import Strategy, strategy_of
from mctsr_graph.strategies.tuned.evidence import evidence_of
from mctsr_graph.strategies.tuned.learn import groups, learn
from mctsr_graph.strategies.tuned.strategy import TunedStrategy
from mctsr_graph.tree.task import KINDS, Kind

PROBLEMS, OF_GRID, QUICK = 300, 100, 60
"""Problems a cell; of the grid, which has many cells; and where little time is allowed."""
LEARNT_FROM, LEARNT_AT = 128, 19
"""Problems that "having learnt" has learnt from, and the calls of each."""


def search(
    context: MCTSrContext, world: World, number: int, strategy: Strategy | None = None
) -> list[Outcome]:
    """A search under one set of settings, for each budget."""
    outcomes: list[Outcome] = []
    strategy = strategy or strategy_of(context)
    dearest = max(strategy.calls_of(kind, context, 1) for kind in KINDS)
    for moment in simulated_search(world, number, context, strategy):
        for budget in BUDGETS[len(outcomes) :]:
            left = budget - moment.calls
            if left < dearest:
                ended = _searched(context, world, number, budget, strategy, moment)
            elif why_enough(moment.tree, left, context):
                ended = moment
            else:
                break  # so far a larger budget makes no difference
            outcomes.append(_outcome(ended, context, world, number))
        if len(outcomes) == len(BUDGETS):
            return outcomes
    last = _outcome(moment, context, world, number)
    return outcomes + [last] * (len(BUDGETS) - len(outcomes))


def _searched(
    context: MCTSrContext,
    world: World,
    number: int,
    budget: int,
    strategy: Strategy | None = None,
    begin: Moment | None = None,
) -> Moment:
    """A search as it is when its calls are spent, or it is sure."""
    for moment in simulated_search(world, number, context, strategy, budget, begin=begin):
        left = budget - moment.calls
        if left <= 0 or why_enough(moment.tree, left, context):
            break
    return moment


def _outcome(moment: Moment, context: MCTSrContext, world: World, number: int) -> Outcome:
    node = strategy_of(context).choose(moment.tree, context)
    right = node is not None and moment.tree[node]["final_answer"] == world.problem(number).gold
    confidence = None
    if context.choice == "weighted":
        confidence = classes_of(moment.tree, context)[0]["chance"]
    return Outcome(right, moment.calls, confidence)


TUNED = MCTSrContext(profile="tuned")
NEVER_EARLY: dict[str, Any] = {"lead": None, "confidence": None}


def only(*kinds: Kind) -> Strategy:
    """Profile "tuned" with some kinds of tasks only."""
    strategy: Strategy = type("Only", (TunedStrategy,), {"kinds": kinds})()
    return strategy


def tuned_with(strategy: Strategy | None = None, **settings: Any) -> Policy:
    """Profile "tuned" with something changed."""
    context = TUNED.model_copy(update=settings)
    return lambda world, number: search(context, world, number, strategy)


SEARCHES: dict[str, Policy] = {
    "paper": partial(search, MCTSrContext(profile="paper")),
    "official": partial(search, MCTSrContext(profile="official")),
    "tuned": tuned_with(),
}
if "rsa" in PROFILES:
    SEARCHES["rsa"] = partial(search, MCTSrContext(profile="rsa"))
POLICIES = {**BASELINES, **SEARCHES, **PEERS}
ABLATIONS: dict[str, Policy] = {
    "tuned without refining": tuned_with(only("draft", "evaluate")),
    "tuned without rewards": tuned_with(only("draft", "refine")),
    "tuned without fresh answers": tuned_with(only("refine", "evaluate")),
    "tuned without early stops": tuned_with(**NEVER_EARLY),
    "tuned, choice by majority": tuned_with(choice="majority"),
    "tuned, choice by q": tuned_with(choice="max_q"),
}


def run_cell(cell: Cell, problems: int, names: Sequence[str], learning: bool) -> dict[str, Any]:
    """Every policy over the problems of one cell."""
    world, policies = cell.world, {**POLICIES, **ABLATIONS}
    found = {name: [policies[name](world, number) for number in range(problems)] for name in names}
    if learning:
        found["tuned, learning"] = _learning(world, problems)
        found["tuned, having learnt"] = _having_learnt(world, problems)
    return report(cell, found)


class Batch(NamedTuple):
    """Searches one group after another, and what was learnt from them."""

    context: MCTSrContext
    moments: list[Moment]


def _batch(world: World, numbers: Sequence[int], budget: int) -> Batch:
    context, moments = TUNED, []
    for group in groups(len(numbers)):
        moments += [_searched(context, world, numbers[place], budget) for place in group]
        prior = learn(evidence_of(moment.tree) for moment in moments)
        context = context.model_copy(update={"prior": prior, "lead": None})
    return Batch(context, moments)


def _learning(world: World, problems: int) -> list[list[Outcome]]:
    """Tuned over a batch: what its problems so far say of model and judge is the prior of the next.

    Each budget is a batch of its own, which learns from searches under that budget only. All are
    chosen under the last prior, as `solve_many` does.
    """
    columns = []
    for budget in BUDGETS:
        batch = _batch(world, range(problems), budget)
        columns.append(
            [_outcome(one, batch.context, world, n) for n, one in enumerate(batch.moments)]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def _having_learnt(world: World, problems: int) -> list[list[Outcome]]:
    """Tuned, each problem for itself, under what a batch of other problems told before."""
    others = range(problems, problems + LEARNT_FROM)
    context = _batch(world, others, LEARNT_AT).context
    return [search(context, world, number) for number in range(problems)]


def cells(chosen: argparse.Namespace) -> list[Cell]:
    """The cells that the command line asks for."""
    if chosen.worlds:
        return list(fitted(chosen.worlds))
    families = {
        "grid": lambda: grid(chosen.errors.split(","), quick=chosen.quick),
        "widened": widened,
        "fitted": fitted,
    }
    return [cell for name in chosen.families.split(",") for cell in families[name]()]


def number_of(cell: Cell, *, quick: bool) -> int:
    """How many problems of a cell are solved, where nothing is said."""
    return QUICK if quick else OF_GRID if cell.family == "grid" else PROBLEMS


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller grid, nothing learnt")
    parser.add_argument("--problems", type=int, help=f"a cell ({PROBLEMS}; grid {OF_GRID})")
    parser.add_argument("--policies", help="names, with commas; by default all but the ablations")
    parser.add_argument("--ablations", action="store_true", help="tuned without each of its parts")
    parser.add_argument("--alone", action="store_true", help="nothing is learnt")
    parser.add_argument("--families", default="grid,widened,fitted", help="with commas")
    parser.add_argument("--worlds", type=Path, help=f"worlds of a file alone, as {FITTED.name}")
    parser.add_argument("--errors", default=",".join(ERRORS), help="of the grid, with commas")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--summary", type=Path, help="summarise a file of cells, and run nothing")
    chosen = parser.parse_args(arguments)
    if chosen.summary:
        lines = map(json.loads, chosen.summary.read_text("utf-8").splitlines())
        show([line for line in lines if "rows" in line])
        return
    names = chosen.policies.split(",") if chosen.policies else list(POLICIES)
    names += list(ABLATIONS) if chosen.ablations else []
    known, needed = {**POLICIES, **ABLATIONS}, [*TARGETS, "tuned"]
    if not set(needed) <= set(names) <= set(known):
        parser.error(f"--policies allows {', '.join(known)}; it needs {', '.join(needed)}")
    try:
        todo = cells(chosen)
    except (KeyError, ValueError, OSError) as error:
        errors = ", ".join([*ERRORS, *OTHER_REFINING])
        parser.error(f"{error}; --families allows grid, widened, fitted; --errors {errors}")
    began, found = time.monotonic(), []
    with ProcessPoolExecutor(chosen.workers) as pool:
        problems = [chosen.problems or number_of(cell, quick=chosen.quick) for cell in todo]
        learning = not (chosen.alone or chosen.quick)
        jobs = [
            pool.submit(run_cell, cell, count, names, learning)
            for cell, count in zip(todo, problems, strict=True)
        ]
        for job in jobs:
            found.append(job.result())
            print(json.dumps(found[-1]), flush=True)
    show(found)
    print(json.dumps({"problems": sum(problems), "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
