"""What to do next: whatever is expected to help most, for its calls, to know the right answer.

A search can draft an independent answer, have one refined or have one judged. How much is known is
measured by the sum of squares of the chances of the classes that were found: the chance that a
class drawn by what is believed is the right one. The gain of a task is by how much it is expected
to raise that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from mctsr_graph.settings.prior import DISCRIMINATION, SPREAD, Prior
from mctsr_graph.strategies.tuned.belief import Belief, believe
from mctsr_graph.strategies.tuned.evidence import Evidence, evidence_of
from mctsr_graph.strategies.tuned.likelihood import View
from mctsr_graph.strategies.tuned.rewards import weight_of_rewards
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node

_LEAST_CALLS = 0.1  # a judge that asks no model is not quite free
_LOOKED_AT = 4  # classes that are worth refining or judging, the likeliest
_RULED_OUT = 0.01  # weight below which a judge is not looked at
_NEW = "\0new"  # a class that no answer has
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
    then = _expected(belief, _vote(belief), belief.views[None].right)
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
        then = _expected(belief, _move(belief, key), belief.views[None].mends)
        yield ("refine", key), (then - now) / calls["refine"]


Step = Callable[[str, str | None, View], float]
"""Chance that a new answer is of a class, if another (None: one not found) is the right one."""


def _vote(belief: Belief) -> Step:
    def step(after: str, right: str | None, view: View) -> float:
        if after == right:
            return view.right
        return (1 - view.right) * _wrong(belief, after, view)

    return step


def _move(belief: Belief, before: str) -> Step:
    def step(after: str, right: str | None, view: View) -> float:
        if right == before:
            return view.keeps if after == right else (1 - view.keeps) * _wrong(belief, after, view)
        if after == right:
            return view.mends
        stays = view.stays if after == before else 0.0
        return stays + view.strays * _wrong(belief, after, view)

    return step


def _wrong(belief: Belief, after: str, view: View) -> float:
    return belief.counts[after] * view.known if after != _NEW else view.new


def _expected(belief: Belief, step: Step, found: float) -> float:
    """The sum of squares after one more answer, expected.

    Args:
        belief: What is believed now.
        step: Chances of the classes of that answer.
        found: Chance that it is right, if the right one was not found yet.
    """
    total = 0.0
    for after in [*belief.counts, _NEW]:
        mass = squares = 0.0
        for right, view in belief.views.items():
            part = view.weight * step(after, right, view)
            mass += part
            if right is not None:
                squares += part * part
        if after == _NEW:
            part = belief.views[None].weight * found
            mass += part
            squares += part * part
        total += squares / mass if mass else 0.0
    return total


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
    nodes = [node for node in in_play(tree).values() if class_of(node) == key and not node["dummy"]]
    if kind == "refine":
        chosen = min(nodes, key=lambda n: len(n["children"]) + busy.get(n["id"], 0))
        return Task("refine", chosen["id"])
    unjudged = [node for node in nodes if not node["rewards"] and node["id"] not in busy]
    return Task("evaluate", unjudged[0]["id"]) if unjudged else None
