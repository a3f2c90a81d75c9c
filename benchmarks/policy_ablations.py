"""Profile "tuned" less each of its parts: what a part earns in points, and takes in lines."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.policy_baselines import Policy
from benchmarks.policy_peers import BUDGETS
from benchmarks.policy_searches import tuned_with
from mctsr_graph.settings.prior import USUAL, Prior
from mctsr_graph.strategies import choose, enough
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.strategies.tuned import likelihood, next_task, rewards
from mctsr_graph.strategies.tuned.strategy import TunedStrategy
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task


class Ablation(NamedTuple):
    """A part that is left out."""

    policy: Policy
    code: tuple[Any, ...] = ()
    """Modules, classes and functions that are there for this part alone."""

    @property
    def lines(self) -> int:
        """Lines of its code."""
        return sum(len(inspect.getsource(one).splitlines()) for one in self.code)


class Only(TunedStrategy):
    """Some kinds of tasks only, once the first votes are there."""

    def __init__(self, *kinds: Kind) -> None:
        self._only = kinds

    def _affordable(self, search: Search) -> list[Kind]:
        return [kind for kind in super()._affordable(search) if kind in self._only]


class InTurn(TunedStrategy):
    """After the first votes drafts, refines and judges in turn, whatever would tell most."""

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """The next in turn; a draft where the budget or the tree has nothing for it."""
        chosen = self.choose(search.tree, search.context)
        unjudged = [key for key, node in in_play(search.tree).items() if not node["rewards"]]
        turn = search.rollouts % 3
        if self._first_drafts(search) > len(search.tree):
            return [Task("draft")]
        if turn == 1 and chosen is not None and "refine" in self._affordable(search):
            return [Task("refine", chosen)]
        return [Task("evaluate", unjudged[0])] if turn == 2 and unjudged else [Task("draft")]


class VotesLater(TunedStrategy):
    """Begins with two drafts, and weighs from then on."""

    def _first_drafts(self, search: Search) -> int:
        return search.context.drafts


def _pinned(**grids: Sequence[float]) -> Policy:
    """Under a prior that knows one point of a grid, or not some of them."""
    made: dict[str, Any] = {}
    for name, weights in grids.items():
        made[name] = tuple(weight / sum(weights) for weight in weights)
    prior: Prior = replace(USUAL, **made)
    return tuned_with(AsWithoutPrior(), prior=prior)


class AsWithoutPrior(TunedStrategy):
    """Drafts as many first answers under a prior as without one."""

    def _first_drafts(self, search: Search) -> int:
        context = search.context.model_copy(update={"prior": None})
        return super()._first_drafts(replace(search, context=context))


ABLATIONS: dict[str, Ablation] = {
    "refining": Ablation(tuned_with(Only("draft", "evaluate"))),
    "rewards": Ablation(tuned_with(Only("draft", "refine")), (rewards,)),
    "fresh answers": Ablation(tuned_with(Only("refine", "evaluate"))),
    "votes first": Ablation(tuned_with(VotesLater()), (TunedStrategy._first_drafts,)),
    "early stops": Ablation(
        tuned_with(lead=None, confidence=None), (enough.lead, enough._are_decided)
    ),
    "selection by what tells most": Ablation(tuned_with(InTurn()), (next_task,)),
    "weighted choice: a majority": Ablation(tuned_with(choice="majority"), (choose.weighted,)),
    "weighted choice: the highest q": Ablation(tuned_with(choice="max_q"), (choose.weighted,)),
    "unknown refining": Ablation(_pinned(refining=(0, 0, 0, 1, 0, 0))),
    "unknown variety": Ablation(
        _pinned(variety=(0, 0, 1, 0, 0)), (likelihood._log_shapes, likelihood.World._by_variety)
    ),
    "unknown judge": Ablation(_pinned(discrimination=(0, 0, 0, 1, 0, 0, 0))),
    "judges below chance": Ablation(_pinned(discrimination=(0, *USUAL.discrimination[1:]))),
    "errors shared by a class": Ablation(_pinned(spread=(1, 0, 0))),
}
"""By what is left out."""


def table(cells: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Points that "tuned" is above itself less each part, with 95 % intervals, over all cells."""
    for name, one in ABLATIONS.items():
        points = []
        for k in range(len(BUDGETS)):
            found = [cell["rows"][k]["tuned_minus"]["tuned"][name] for cell in cells]
            mean = sum(value for value, _, _ in found) / len(found)
            half = math.hypot(*((high - low) / 2 for _, low, high in found)) / len(found)
            points.append([round(value, 2) for value in (mean, mean - half, mean + half)])
        told = dict(zip(map(str, BUDGETS), points, strict=True))
        yield {"without": name, "points_at_calls": told, "lines": one.lines}
