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
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.policy_ablations import ABLATIONS, table
from benchmarks.policy_baselines import BASELINES, Policy
from benchmarks.policy_peers import BUDGETS, PEERS, Outcome
from benchmarks.policy_report import TARGETS, report, show
from benchmarks.policy_searches import SEARCHES, TUNED, outcome_of, search, searched
from benchmarks.policy_worlds import ERRORS, FITTED, OTHER_REFINING, Cell, fitted, grid, widened
from mctsr_graph import MCTSrContext
from mctsr_graph.benchmark.simulated_search import Moment
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.strategies.tuned.evidence import evidence_of
from mctsr_graph.strategies.tuned.learn import groups, learn

PROBLEMS, OF_GRID, QUICK = 250, 80, 40
"""Problems a cell; of the grid, which has many cells; and where little time is allowed."""
LEARNT_FROM, LEARNT_AT = 128, 19
"""Problems that "having learnt" has learnt from, and the calls of each."""


POLICIES: dict[str, Policy] = {**BASELINES, **SEARCHES, **PEERS}


def run_cell(cell: Cell, problems: int, names: Sequence[str], learning: bool) -> dict[str, Any]:
    """Every policy over the problems of one cell."""
    world = cell.world
    policies = {**POLICIES, **{name: one.policy for name, one in ABLATIONS.items()}}
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
        moments += [searched(context, world, numbers[place], budget) for place in group]
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
            [outcome_of(one, batch.context, world, n) for n, one in enumerate(batch.moments)]
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
    parser.add_argument("--policies", help="names, with commas; by default all")
    parser.add_argument("--ablate", action="store_true", help="tuned without each of its parts")
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
    needed = [*TARGETS, "tuned"]
    if not set(needed) <= set(names) <= set(POLICIES):
        parser.error(f"--policies allows {', '.join(POLICIES)}; it needs {', '.join(needed)}")
    names += list(ABLATIONS) if chosen.ablate else []
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
    for row in table(found) if chosen.ablate else ():
        print(json.dumps(row))
    print(json.dumps({"problems": sum(problems), "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
