"""What logged trees of the official code tell about a judge, to check simulated ones against.

    python -m benchmarks.logged_trees FILE

FILE holds one tree a line, as in `benchmarks.replay`. Of a node's rewards the first is given when
it is made, and the k-th further one right before its k-th child is: a fresh look at the parent
and the first look at the child, which nothing has selected yet, so that their difference is fair.
A node's first reward against its later ones is not: it was selected because the first was high.

Prints one line of JSON. Every figure has a 95 % interval by a bootstrap over trees. SDs and
differences are in points. What is not in the logs cannot be measured: whether an answer is right,
so neither the judge's AUC nor how often a refinement mends or breaks an answer; for the AUC there
is an upper bound only. The official code had read rewards from 95 on as 50, which the logs keep.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import NormalDist, fmean, median
from typing import Any

LoggedTree = list[dict[str, Any]]
_DRAWS = 1000


def within_sd(trees: Sequence[LoggedTree]) -> float:
    """SD of the rewards of one answer, pooled; the first is left out, as it was selected."""
    return _pooled_sd(node["rewards"][1:] for node in _answers(trees))


def median_within_sd(trees: Sequence[LoggedTree]) -> float:
    """Median over answers with at least four rewards of the SD of all but the first."""
    again = [node["rewards"][1:] for node in _answers(trees)]
    return float(median(_pooled_sd([rewards]) for rewards in again if len(rewards) >= 3))


def total_sd(trees: Sequence[LoggedTree]) -> float:
    """SD of the first rewards of the answers to one problem, pooled."""
    return _pooled_sd([node["rewards"][0] for node in _answers([tree])] for tree in trees)


def between_sd(trees: Sequence[LoggedTree]) -> float:
    """SD between the answers to one problem, without the noise of a single reward."""
    return math.sqrt(max(0.0, total_sd(trees) ** 2 - within_sd(trees) ** 2))


def reliability(trees: Sequence[LoggedTree]) -> float:
    """Share of the variance of single rewards within a problem that is the answer's, 0 to 1."""
    return (between_sd(trees) / total_sd(trees)) ** 2


def highest_auc(trees: Sequence[LoggedTree]) -> float:
    """The AUC if half of the answers were right and nothing else set answers apart.

    Two values a distance 2 b apart have SD b, and then the AUC is the probability that a normal
    difference of mean 2 b and variance 2 w^2 is positive. It is lower as far as other things
    set answers apart, and may be higher where right answers are rare or almost all.
    """
    return NormalDist().cdf(math.sqrt(2) * between_sd(trees) / within_sd(trees))


def first_minus_later(trees: Sequence[LoggedTree]) -> float:
    """How far a first reward that led to a selection lies above the later ones, points."""
    both = [node["rewards"] for node in _answers(trees) if len(node["rewards"]) > 1]
    return fmean(rewards[0] - fmean(rewards[1:]) for rewards in both)


def child_minus_parent(trees: Sequence[LoggedTree]) -> float:
    """What a refinement gains in the judge's eyes, points."""
    return fmean(child - parent for parent, child in _refinements(trees))


def child_higher(trees: Sequence[LoggedTree]) -> float:
    """Share of refinements with a higher reward than a fresh one of the parent; a tie is half."""
    steps = _refinements(trees)
    return fmean((child > parent) + (child == parent) / 2 for parent, child in steps)


def above_dummy(trees: Sequence[LoggedTree]) -> float:
    """How often an answer's first reward is above that of "I don't know"; a tie is half."""
    won = []
    for tree in trees:
        dummies = [node["rewards"][0] for node in tree if node["dummy"]]
        firsts = [node["rewards"][0] for node in _answers([tree])]
        won += [(r > d) + (r == d) / 2 for r in firsts for d in dummies]
    return fmean(won)


FIGURES: tuple[Callable[[Sequence[LoggedTree]], float], ...] = (
    within_sd,
    median_within_sd,
    total_sd,
    between_sd,
    reliability,
    highest_auc,
    first_minus_later,
    child_minus_parent,
    child_higher,
    above_dummy,
)


def measure(trees: Sequence[LoggedTree]) -> dict[str, Any]:
    """Every figure as [value, low, high], and how much there is to tell it from."""
    rng = random.Random(0)
    draws = [rng.choices(trees, k=len(trees)) for _ in range(_DRAWS)]
    found: dict[str, Any] = {
        "trees": len(trees),
        "answers": len(_answers(trees)),
        "rewards": sum(len(node["rewards"]) for node in _answers(trees)),
        "refinements": len(_refinements(trees)),
    }
    for figure in FIGURES:
        drawn = sorted(figure(draw) for draw in draws)
        ends = (drawn[round(_DRAWS * 0.025)], drawn[round(_DRAWS * 0.975) - 1])
        found[figure.__name__] = [round(value, 3) for value in (figure(trees), *ends)]
    return found


def _answers(trees: Iterable[LoggedTree]) -> LoggedTree:
    return [node for tree in trees for node in tree if not node["dummy"]]


def _refinements(trees: Sequence[LoggedTree]) -> list[tuple[float, float]]:
    """A fresh reward of the parent and the first of its child, for each child of an answer."""
    pairs = []
    for tree in trees:
        looks = [iter(node["rewards"][1:]) for node in tree]
        for node in tree:
            if node["parent"] is None:
                continue
            look = next(looks[node["parent"]], None)
            if look is not None and not tree[node["parent"]]["dummy"]:
                pairs.append((look, node["rewards"][0]))
    return pairs


def _pooled_sd(groups: Iterable[Sequence[float]]) -> float:
    squares, freedom = 0.0, 0
    for group in groups:
        middle = fmean(group) if group else 0.0
        squares += sum((value - middle) ** 2 for value in group)
        freedom += max(0, len(group) - 1)
    return math.sqrt(squares / freedom)


def main(arguments: list[str] | None = None) -> None:
    """Print the figures for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Measure a judge on logged trees.")
    parser.add_argument("file", type=Path, help='JSON lines with "nodes"')
    lines = parser.parse_args(arguments).file.read_text("utf-8").splitlines()
    print(json.dumps(measure([json.loads(line)["nodes"] for line in lines if line.strip()])))


if __name__ == "__main__":
    main()
