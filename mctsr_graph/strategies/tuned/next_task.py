"""What to do next: whatever is expected to help most, for its calls, to know the right answer.

A search can draft an independent answer, have one refined or have one judged. How much is known is
measured by the sum of squares of the chances of the classes that were found: the chance that a
class drawn by what is believed is the right one. The gain of a task is by how much it is expected
to raise that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from mctsr_graph.settings.prior import DISCRIMINATION, SPREAD, Prior
from mctsr_graph.strategies.tuned.belief import Belief, believe
from mctsr_graph.strategies.tuned.evidence import Evidence, evidence_of
from mctsr_graph.strategies.tuned.rewards import weight_of_rewards
from mctsr_graph.tree.classes import classes_in
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node

_LEAST_CALLS = 0.1  # a judge that asks no model is not quite free
_LOOKED_AT = 4  # classes that are worth refining or judging, the likeliest
_RULED_OUT = 0.01  # weight below which a judge is not looked at
# Gauss-Hermite: three points and weights that stand for a standard normal distribution
_NORMAL = ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6))


def choose_tasks(
    tree: Mapping[str, Node],
    prior: Prior,
    width: int,
    kinds: Collection[Kind] = ("draft", "refine", "evaluate"),
    calls: Mapping[Kind, int] = MappingProxyType({"draft": 1, "refine": 2, "evaluate": 1}),
    samples: int = 1,
) -> list[Task]:
    """The `width` tasks of some kinds with the largest gains a call.

    A task that is in flight tells less when done again: its gain is divided by how often.
    `calls` are the model calls of each kind; an answer that is judged gets `samples` rewards.
    """
    evidence = evidence_of(tree)
    belief = believe(evidence, prior)
    found = _gains(evidence, belief, calls, samples)
    gains = {task: gain for task, gain in found if task[0] in kinds}
    times: Counter[tuple[Kind, str | None]] = Counter()
    tasks: list[Task] = []
    busy: Counter[str] = Counter()
    while gains and len(tasks) < width:
        best = max(gains, key=lambda option: gains[option] / (1 + times[option]))
        task = _task(tree, *best, busy)
        if task is None:  # nothing of the class is left to judge
            del gains[best]
            continue
        times[best] += 1
        tasks.append(task)
        if task.node is not None:
            busy[task.node] += 1
    return tasks


def _gains(
    evidence: Evidence, belief: Belief, calls: Mapping[Kind, int], samples: int = 1
) -> Iterator[tuple[tuple[Kind, str | None], float]]:
    """Gain a call of each kind of task for each class."""
    now = sum(view.weight**2 for right, view in belief.views.items() if right is not None)
    votes = {key: Outcome(view.right, 1 - view.right, 0.0) for key, view in belief.views.items()}
    then = _expected(belief, votes)
    yield ("draft", None), (then - now) / calls["draft"]
    likeliest = sorted(belief.counts, key=lambda key: -belief.views[key].weight)[:_LOOKED_AT]
    for key in likeliest:
        judged = evidence.rewards.get(key, ())
        more = [
            weight_of_rewards([*judged, (0.0, samples)], spread) - weight_of_rewards(judged, spread)
            for spread in SPREAD
        ]
        then = _with_reward(belief, belief.views[key].weight, more, now)
        yield ("evaluate", key), (then - now) / max(calls["evaluate"], _LEAST_CALLS)
    for key in likeliest:
        then = _expected(belief, _moves(belief, key), key)
        yield ("refine", key), (then - now) / calls["refine"]


class Outcome(NamedTuple):
    """Chances of a new answer, if one class is the right one."""

    right: float
    """That it is right ..."""
    strays: float
    """... or a wrong one as an independent one would be ..."""
    stays: float
    """... or the wrong one that it refines."""


def _moves(belief: Belief, before: str) -> dict[str | None, Outcome]:
    """The same for a refinement of a class, by the class that is right."""
    return {
        right: Outcome(view.keeps, 1 - view.keeps, 0.0)
        if right == before
        else Outcome(view.mends, view.strays, view.stays)
        for right, view in belief.views.items()
    }


def _expected(
    belief: Belief, outcomes: Mapping[str | None, Outcome], before: str | None = None
) -> float:
    """The sum of squares after one more answer, expected.

    Args:
        belief: What is believed now.
        outcomes: Chances of that answer, by the class that is right (None: one not found yet).
        before: The class that it refines.
    """
    worlds = [(right, view, outcomes[right]) for right, view in belief.views.items()]
    # To be of a known class, for each time that it was seen: summed up once for all classes
    each = {right: view.weight * told.strays * view.known for right, view, told in worlds}
    mass_each = sum(each.values())
    squares_each = sum([one * one for right, one in each.items() if right is not None])
    total = 0.0
    for after, count in belief.counts.items():
        own = belief.views[after].weight * outcomes[after].right
        mass = own + count * (mass_each - each[after])
        squares = own * own + count * count * (squares_each - each[after] ** 2)
        if after == before:
            stays = [(one, view.weight * told.stays) for one, view, told in worlds if one != after]
            mass += sum([by for _, by in stays])
            squares += sum(
                [by * (by + 2 * count * each[one]) for one, by in stays if one is not None]
            )
        total += squares / mass if mass > 0 else 0.0
    found = belief.views[None].weight * outcomes[None].right
    new = {right: view.weight * told.strays * view.new for right, view, told in worlds}
    mass = found + sum(new.values())
    squares = found * found + sum([one * one for right, one in new.items() if right is not None])
    return total + (squares / mass if mass > 0 else 0.0)


def _with_reward(belief: Belief, chance: float, more: Sequence[float], now: float) -> float:
    """The sum of squares after one more reward of a class with this chance, expected.

    `more` is by how much the class's precision grows, for each of SPREAD.
    """
    others = now - chance * chance
    expected = told = 0.0
    sizes = [by * math.sqrt(one) for one in more for by in DISCRIMINATION]
    for size, share in zip(sizes, belief.judge, strict=True):
        # `size` is in standard deviations between a right one's reward and another
        if not size or share < _RULED_OUT:
            continue
        told += share
        for right in (True, False):
            for point, weight in _NORMAL:
                log = size * point + (size * size / 2 if right else -size * size / 2)
                odds = math.exp(log)
                total = chance * odds + 1 - chance
                squares = ((chance * odds) ** 2 + others) / total**2
                expected += share * weight * (chance if right else 1 - chance) * squares
    return expected + (1 - told) * now


def _task(
    tree: Mapping[str, Node], kind: Kind, key: str | None, busy: Mapping[str, int]
) -> Task | None:
    if kind == "draft":
        return Task("draft", None)
    classes = classes_in(tree)
    nodes = [
        one for one in in_play(tree).values() if classes[one["id"]] == key and not one["dummy"]
    ]
    if kind == "refine":
        refined = [len(node["children"]) + busy.get(node["id"], 0) for node in nodes]
        return Task("refine", nodes[refined.index(min(refined))]["id"])
    unjudged = [node for node in nodes if not node["rewards"] and node["id"] not in busy]
    return Task("evaluate", unjudged[0]["id"]) if unjudged else None
