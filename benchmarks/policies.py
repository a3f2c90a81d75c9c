"""Ways to search, compared at equal calls in a simulated world. Every figure is a simulation.

    python -m benchmarks.policies                # about an hour on two cores
    python -m benchmarks.policies --quick        # five minutes, a smaller grid

Prints one JSON line a cell and, at the end, the summary that `docs/results.md` quotes. A cell is a
skill, an AUC of the judge and a kind of error; its problems are the same for every policy, so that
differences are paired.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from benchmarks.policy_peers import BUDGETS, PEERS, Outcome
from mctsr_graph import MCTSrContext
from mctsr_graph.benchmark.simulated_search import Moment, simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.request import derive_seed
from mctsr_graph.strategies.choose import CHOICES, classes_of
from mctsr_graph.strategies.enough import why_enough
from mctsr_graph.strategies.strategy import Strategy, strategy_of
from mctsr_graph.strategies.tuned.evidence import evidence_of
from mctsr_graph.strategies.tuned.learn import groups, learn
from mctsr_graph.strategies.tuned.strategy import TunedStrategy
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.tree.task import KINDS, Kind

SKILLS, AUCS = (0.2, 0.4, 0.6, 0.8, 0.9), (0.5, 0.6, 0.7, 0.8, 0.9)
ERRORS: dict[str, dict[str, Any]] = {
    "scattered": {"noise": 30.0, "wrong_ratio": 0.75},
    "correlated": {"noise": 30.0, "wrong_ratio": 0.4, "class_spread": 12.0},
    "noise 12": {"noise": 12.0, "wrong_ratio": 0.6, "class_spread": 6.0},
    "noise 45": {"noise": 45.0, "wrong_ratio": 0.6, "class_spread": 6.0},
}
OTHER_REFINING: dict[str, dict[str, Any]] = {
    "weak refining": {"wrong_ratio": 0.6, "mends": 0.3, "keeps": 0.8, "sticks": 0.9},
    "strong refining": {"wrong_ratio": 0.6, "mends": 1.0, "keeps": 0.95, "sticks": 0.5},
}
"""Worlds in which refining is worse or better than what `belief` assumes; not in the grid."""
BASELINES = ("self-consistency", "best-of-n", "paper")
OURS = ("tuned", "tuned, learning", "tuned, having learnt")
LEARNT_FROM, LEARNT_AT = 128, 19
"""Problems that "having learnt" has learnt from, and the calls of each."""

Policy = Callable[[World, int], list[Outcome]]
"""Solves one problem; one outcome a budget."""


def drafts(world: World, number: int, count: int) -> list[str]:
    """Independent answers."""
    return [world.draft(number, derive_seed(0, 0, "draft", k, 0)) for k in range(count)]


def first_answer(world: World, number: int) -> list[Outcome]:
    """One answer, whatever the budget."""
    [answer] = drafts(world, number, 1)
    return [Outcome(is_right(world, number, answer), 1)] * len(BUDGETS)


def self_consistency(world: World, number: int) -> list[Outcome]:
    """The most frequent of as many answers as the budget allows; of equals, the first."""
    answers = drafts(world, number, BUDGETS[-1])
    outcomes = []
    for budget in BUDGETS:
        finals = [extract_final_answer(answer) for answer in answers[:budget]]
        chosen = max(finals, key=finals.count)
        outcomes.append(Outcome(chosen == world.problem(number).gold, budget))
    return outcomes


def best_of_n(world: World, number: int) -> list[Outcome]:
    """Half of the budget for answers, half for a reward of each; the highest reward."""
    answers = drafts(world, number, BUDGETS[-1] // 2)
    rewards = [
        world.reward(number, answer, derive_seed(0, 0, "evaluate", k, 0))
        for k, answer in enumerate(answers)
    ]
    outcomes = []
    for budget in BUDGETS:
        count = budget // 2
        best = max(range(count), key=lambda k: rewards[k])
        outcomes.append(Outcome(is_right(world, number, answers[best]), 2 * count))
    return outcomes


def is_right(world: World, number: int, answer: str) -> bool:
    """Whether an answer is right."""
    return extract_final_answer(answer) == world.problem(number).gold


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
    node = CHOICES[context.choice](moment.tree, context)
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


POLICIES: dict[str, Policy] = {
    "first answer": first_answer,
    "self-consistency": self_consistency,
    "best-of-n": best_of_n,
    "paper": partial(search, MCTSrContext(profile="paper")),
    "official": partial(search, MCTSrContext(profile="official")),
    "tuned": tuned_with(),
}
ABLATIONS: dict[str, Policy] = {
    "tuned without refining": tuned_with(only("draft", "evaluate")),
    "tuned without rewards": tuned_with(only("draft", "refine")),
    "tuned without fresh answers": tuned_with(only("refine", "evaluate")),
    "tuned without early stops": tuned_with(**NEVER_EARLY),
    "tuned, choice by majority": tuned_with(choice="majority"),
    "tuned, choice by q": tuned_with(choice="max_q"),
}


def run_cell(
    skill: float, auc: float, error: str, problems: int, names: Sequence[str], learning: bool
) -> dict[str, Any]:
    """Every policy over the problems of one cell."""
    world = World(skill=skill, auc=auc, **{**ERRORS, **OTHER_REFINING}[error])
    policies = {**POLICIES, **ABLATIONS, **PEERS}
    found = {name: [policies[name](world, number) for number in range(problems)] for name in names}
    if learning:
        found["tuned, learning"] = _learning(world, problems)
        found["tuned, having learnt"] = _having_learnt(world, problems)
    return {"skill": skill, "auc": auc, "error": error, "outcomes": found}


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


def report(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy and calls of each policy in a cell, and tuned against the others, in points."""
    outcomes: Mapping[str, list[list[Outcome]]] = cell["outcomes"]
    ours = [name for name in OURS if name in outcomes]
    rows = []
    for k, budget in enumerate(BUDGETS):
        row: dict[str, Any] = {"budget": budget, "accuracy": {}, "calls": {}, "tuned_minus": {}}
        for name, results in outcomes.items():
            right = [outcome[k].right for outcome in results]
            row["accuracy"][name] = round(100 * sum(right) / len(right), 2)
            row["calls"][name] = round(sum(o[k].calls for o in results) / len(results), 2)
        for tuned in ours:
            mine = [o[k].right for o in outcomes[tuned]]
            row["tuned_minus"][tuned] = {
                name: paired(mine, [o[k].right for o in results])
                for name, results in outcomes.items()
                if name != tuned
            }
        rows.append(row)
    return {
        **{name: cell[name] for name in ("skill", "auc", "error")},
        "problems": len(outcomes[ours[0]]) if ours else 0,
        "rows": rows,
        "confidence": {name: _tenths(outcomes[name]) for name in ours},
    }


def _tenths(results: Sequence[Sequence[Outcome]]) -> list[list[float]]:
    """By tenths of confidence: sum of confidences, how many were right, how many."""
    tenths = [[0.0, 0.0, 0.0] for _ in range(10)]
    for outcome in (one for result in results for one in result):
        if outcome.confidence is not None:
            tenth = tenths[min(9, int(10 * outcome.confidence))]
            for i, value in enumerate((outcome.confidence, outcome.right, 1)):
                tenth[i] += value
    return [[round(value, 3) for value in tenth] for tenth in tenths]


def paired(ours: Sequence[bool], theirs: Sequence[bool]) -> list[float]:
    """Mean difference in points and its 95 % interval, over the same problems."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    count = len(differences)
    mean = sum(differences) / count
    variance = sum((one - mean) ** 2 for one in differences) / max(1, count - 1)
    half = 1.96 * math.sqrt(variance / count)
    return [round(100 * value, 2) for value in (mean, mean - half, mean + half)]


def summary(cells: Sequence[Mapping[str, Any]], tuned: str) -> dict[str, Any]:
    """Whether the targets are met: against self-consistency, best-of-N and the paper."""
    worst: tuple[float, str] = (100.0, "")
    above = below = count = 0
    noise_worst, fewer = 100.0, []
    for cell in cells:
        for row in cell["rows"]:
            versus = row["tuned_minus"][tuned]
            best = max(BASELINES, key=lambda name: row["accuracy"][name])
            mean, _, high = versus[best]
            place = f"skill {cell['skill']}, AUC {cell['auc']}, {cell['error']}, {row['budget']}"
            worst = min(worst, (mean, f"{place} calls, against {best}"))
            above += all(versus[name][1] > 0 for name in BASELINES)
            below += high < -3
            count += 1
            fewer.append(row["calls"][tuned] / row["budget"])
            if cell["auc"] == 0.5:
                noise_worst = min(noise_worst, versus["self-consistency"][0])
    return {
        "policy": tuned,
        "cells": count,
        "worst_points_below_best": worst,
        "share_significantly_above_all_three": round(above / count, 3),
        "cells_significantly_more_than_3_below": below,
        "worst_against_self_consistency_at_auc_0.5": noise_worst,
        "mean_share_of_the_calls": round(sum(fewer) / len(fewer), 3),
    }


def calibration(cells: Sequence[Mapping[str, Any]], tuned: str) -> dict[str, Any]:
    """Confidence against how often it was right, in tenths."""
    tenths = [[0.0, 0.0, 0.0] for _ in range(10)]
    for cell in cells:
        for total, one in zip(tenths, cell["confidence"][tuned], strict=True):
            total[:] = [a + b for a, b in zip(total, one, strict=True)]
    count = sum(one[2] for one in tenths)
    error = sum(abs(said - was) for said, was, _ in tenths) / count
    rows = [[round(s / n, 3), round(w / n, 3), int(n)] for s, w, n in tenths if n]
    return {"policy": tuned, "expected_calibration_error": round(error, 3), "said_was_count": rows}


def mean_accuracy(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy and calls of each policy at each budget, averaged over the cells."""

    def mean(what: str, name: str) -> list[float]:
        return [
            round(sum(cell["rows"][k][what][name] for cell in cells) / len(cells), 2)
            for k in range(len(BUDGETS))
        ]

    names = cells[0]["rows"][0]["accuracy"]
    return {
        "mean_over_cells_at_calls": BUDGETS,
        "accuracy": {name: mean("accuracy", name) for name in names},
        "calls": {name: mean("calls", name) for name in names},
    }


def show(cells: Sequence[Mapping[str, Any]]) -> None:
    """Print what the cells say together."""
    for tuned in cells[0]["confidence"]:
        print(json.dumps(summary(cells, tuned)))
        print(json.dumps(calibration(cells, tuned)))
    print(json.dumps(mean_accuracy(cells)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller grid, 200 problems a cell")
    parser.add_argument("--problems", type=int, help="problems a cell (500; quick: 200)")
    parser.add_argument("--policies", help="names, with commas; by default all but the ablations")
    parser.add_argument("--ablations", action="store_true", help="tuned without each of its parts")
    parser.add_argument("--alone", action="store_true", help="nothing is learnt")
    parser.add_argument("--errors", default=",".join(ERRORS), help="kinds of errors, with commas")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--summary", help="print the summary of a file of cells, and run nothing")
    chosen = parser.parse_args(arguments)
    if chosen.summary:
        with open(chosen.summary, encoding="utf-8") as file:
            show([cell for line in file if "rows" in (cell := json.loads(line))])
        return
    skills, aucs = ((0.2, 0.6, 0.9), (0.5, 0.7, 0.9)) if chosen.quick else (SKILLS, AUCS)
    names = chosen.policies.split(",") if chosen.policies else [*POLICIES, *PEERS]
    names += list(ABLATIONS) if chosen.ablations else []
    known, needed = [*POLICIES, *ABLATIONS, *PEERS], [*BASELINES, "tuned"]
    if not set(needed) <= set(names) <= set(known):
        parser.error(f"--policies allows {', '.join(known)}; it needs {', '.join(needed)}")
    worlds = chosen.errors.split(",")
    if not set(worlds) <= {*ERRORS, *OTHER_REFINING}:
        parser.error(f"--errors allows {', '.join([*ERRORS, *OTHER_REFINING])}")
    problems = chosen.problems or (200 if chosen.quick else 500)
    grid = [(s, a, e) for s in skills for a in aucs for e in worlds]
    began = time.monotonic()
    cells = []
    with ProcessPoolExecutor(chosen.workers) as pool:
        jobs = [pool.submit(run_cell, *cell, problems, names, not chosen.alone) for cell in grid]
        for job in jobs:
            cells.append(report(job.result()))
            print(json.dumps(cells[-1]), flush=True)
    show(cells)
    print(json.dumps({"problems_a_cell": problems, "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
