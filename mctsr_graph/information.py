"""What to do next: whatever tells most, for its calls, about which answer is right.

A search can draft an independent answer (1 call), have an answer judged (1) or have one refined
(2: critique and refine). The gain of each is the information it is expected to give about the
right class (its mutual information with it, nats; see `belief`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from .belief import (
    DISCRIMINATION,
    Belief,
    Evidence,
    Prior,
    believe,
    class_of,
    entropy_of,
    evidence_of,
    move_chances,
    standing_of,
    tally_of,
    vote_chances,
    weight_of_rewards,
)
from .branches import in_play
from .tasks import Kind, Task
from .tree import Node

_REFINE_CALLS = 2
# A refinement's gain is overrated, as its chances are assumed and not learnt from one problem
_REFINE_TRUST = 0.5
_REFINED = 3  # classes that are worth refining, the likeliest
_NEW = "\0new"  # a class that no answer has


ALL: Collection[Kind] = ("draft", "refine", "evaluate")


def choose_tasks(
    tree: Mapping[str, Node], prior: Prior, width: int, kinds: Collection[Kind] = ALL
) -> list[Task]:
    """The `width` tasks of some kinds with the largest gains a call.

    A task that is in flight tells less when done again: its gain is divided by how often.
    """
    evidence = evidence_of(tree)
    belief = believe(evidence, prior)
    gains = {task: gain for task, gain in _gains(evidence, belief, prior) if task[0] in kinds}
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
    evidence: Evidence, belief: Belief, prior: Prior
) -> Iterator[tuple[tuple[Kind, str | None], float]]:
    """Gain a call of each kind of task for each class, nats."""
    entropy, standing = belief.entropy, standing_of(evidence, prior)

    def gain(key: str | None, chance: float, before: str | None = None) -> float:
        """What another vote for a class, or move to it, would tell; None: a new class."""
        after = key if key is not None else _NEW
        votes, moves = evidence.votes, evidence.moves
        if before is None:
            votes = {**votes, after: votes.get(after, 0) + 1}
        else:
            moves = {**moves, (before, after): moves.get((before, after), 0) + 1}
        more = Evidence(votes, moves)
        return chance * (entropy - entropy_of(tally_of(more), standing, prior))

    yield ("draft", None), sum(gain(key, p) for key, p in vote_chances(evidence).items())
    squared = sum(
        by * by * weight for by, weight in zip(DISCRIMINATION, belief.discrimination, strict=True)
    )
    for key in evidence.classes:
        judged = evidence.rewards.get(key, ())
        more = weight_of_rewards([*judged, (0.0, 1)]) - weight_of_rewards(judged)
        right = belief.chances[key]
        yield ("evaluate", key), squared / 2 * more * right * (1 - right)
    for key in sorted(evidence.classes, key=lambda key: -belief.chances[key])[:_REFINED]:
        moves = move_chances(evidence, belief, key)
        told = sum(gain(child, chance, key) for child, chance in moves.items())
        yield ("refine", key), _REFINE_TRUST * told / _REFINE_CALLS


def _task(
    tree: Mapping[str, Node], kind: Kind, key: str | None, busy: Mapping[str, int]
) -> Task | None:
    if kind == "draft":
        return Task("draft", None)
    nodes = [
        node
        for node in in_play(tree).values()
        if class_of(node["final_answer"]) == key and not node["dummy"]
    ]
    if kind == "refine":
        chosen = min(nodes, key=lambda n: len(n["children"]) + busy.get(n["id"], 0))
        return Task("refine", chosen["id"])
    unjudged = [node for node in nodes if not node["rewards"] and node["id"] not in busy]
    return Task("evaluate", unjudged[0]["id"]) if unjudged else None
