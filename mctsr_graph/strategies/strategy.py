"""What a search asks of a strategy: six questions, which each profile answers."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.profiles import add_profile
from mctsr_graph.strategies.choose import CHOICES
from mctsr_graph.strategies.enough import why_enough
from mctsr_graph.strategies.uct import suppressed
from mctsr_graph.text.score import parse_score
from mctsr_graph.tree.steered import live_children
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node, Patch, Tree, path_to_root
from mctsr_graph.tree.values import backed_up_value, own_value


class Roots(NamedTuple):
    """What a tree begins with."""

    drafts: int
    """Independent answers."""
    dummy: bool
    """Whether a root that only says it does not know is there, too."""


@dataclass(frozen=True)
class Search:
    """A search so far, as a strategy sees it. The ground truth is not in it."""

    tree: Mapping[str, Node]
    context: MCTSrContext
    rollouts: int
    """Rollouts finished."""
    width: int
    """Leaves wanted next, from 1."""
    rng: random.Random
    """Seeded for these leaves, so that a search taken up again draws the same."""
    reward_calls: int
    """Model calls of one reward, at most."""
    calls_left: int | None
    """Model calls that max_calls leaves; None: no limit."""
    is_text: bool = False
    """Whether no answer states a final one, new ones neither: `final_answer=False`."""


class Strategy(ABC):
    """Decides what to do next, when to stop and which answer to return.

    A subclass answers what it wants to answer otherwise. One that has a `name` is a profile of
    that name: `MCTSrContext(profile=name)`. An instance must not change, and must decide by what
    it is given alone: else a search taken up after a crash differs from the one that crashed.
    """

    name: ClassVar[str] = ""
    """Of its profile; "" has none."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings whose defaults differ from those of profile "paper", where the name is asked for. An
    instance given as `strategy=` runs under the settings that are given."""
    kinds: ClassVar[Sequence[Kind]] = ("draft", "refine", "evaluate")
    """What the tasks of `next_tasks` may be. One that merges says so: the prompt for it then tells
    its searches apart."""
    refine_sees_answer: ClassVar[bool] = True
    """Whether a refinement is shown the answer that it refines, or its critique only."""
    merges_equal_answers: ClassVar[bool] = False
    """Whether an answer whose text is in the tree adds its reward there."""
    keeps_any_score: ClassVar[bool] = False
    """Whether a score outside the reward scale is kept as it is."""

    def __init_subclass__(cls) -> None:
        """Make a profile of a class that has a name of its own."""
        super().__init_subclass__()
        if not (name := vars(cls).get("name")):
            if "defaults" in vars(cls):
                raise ConfigError(
                    f"{cls.__qualname__} has defaults, but no name to ask for them by"
                )
            return
        known = _named.get(name)
        if known is not None and known.__module__.startswith(__package__):
            raise ConfigError(f"name of {cls.__qualname__} is {name!r}, which is built in")
        add_profile(name, cls.defaults)
        _named[name] = cls

    def roots(self, context: MCTSrContext) -> Roots:
        """What the tree begins with."""
        return Roots(0 if context.init == "dummy" else context.drafts, context.init != "answer")

    @abstractmethod
    def next_tasks(self, search: Search) -> Sequence[Task | str]:
        """What the next rollouts are to do: `search.width` tasks at most.

        The id of a node is short for refining it. None at all ends the search ("exhausted").
        """

    def wants_reward(self, kind: Kind) -> bool:
        """Whether an answer that such a task has made is judged at once."""
        return True

    def calls_of(self, kind: Kind, context: MCTSrContext, reward_calls: int) -> int:
        """Model calls of a rollout, at most, where no reply has to be asked for again."""
        # Critique and refine are two
        asked = {"draft": 1, "refine": 2, "merge": 1, "evaluate": 0}[kind]
        if not self.wants_reward(kind):
            return asked
        again = reward_calls if kind == "refine" else 0  # the answer refined is judged once more
        return asked + context.reward_samples * reward_calls + again

    def why_stop(self, search: Search) -> str | None:
        """Why no further rollout is worth its calls, or None. Budgets are not its concern."""
        context = search.context
        unset = context.agree is context.lead is context.confidence is None
        if unset and not context.settle:
            return None
        return why_enough(search.tree, self.rollouts_left(search), context)

    def choose(self, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
        """Id of the node whose answer would be returned now; None for an empty tree."""
        return CHOICES[context.choice](tree, context) if tree else None

    def rule(self, context: MCTSrContext) -> str:
        """What its way of choosing is called."""
        if type(self).choose is Strategy.choose:
            return context.choice
        return f"{type(self).__module__}.{type(self).__qualname__}"

    # The paper's arithmetic, which a reproduction of other code may change

    def backpropagate(self, tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
        """Carry the rewards of a node upwards, to the root (Eq. 3).

        q is computed from rewards, never from an earlier q of the same node, so backpropagating
        twice changes nothing.
        """
        patch: Patch = {}
        current = dict(tree)
        for height, ancestor in enumerate(path_to_root(tree, node_id)):
            node = current[ancestor]
            q = self._value(current, node, context)
            if q != node["q"]:
                patch[ancestor] = {"q": q}
                current[ancestor] = {**node, "q": q}
            elif height > 0:  # so nothing above it changes, however deep the tree
                break
        return patch

    def read_score(self, reply: str) -> float:
        """The score that a judge's reply states, points.

        Raises:
            ScoreError: it states none that can be used.
        """
        return parse_score(reply)

    def suppressed(self, reward: float, context: MCTSrContext) -> float:
        """A reward, lowered where it is too good to be believed (section 3.2), points."""
        return suppressed(reward, context.full_score_threshold, context.full_score_penalty)

    def rollouts_left(self, search: Search) -> int:
        """Rollouts that the budgets of rollouts and calls still allow, at most."""
        left = search.context.max_rollouts - search.rollouts
        if search.calls_left is None:
            return left
        return min(left, search.calls_left // self.least_calls(search))

    def least_calls(self, search: Search) -> int:
        """Model calls of the cheapest rollout, from 1."""
        each = (self.calls_of(kind, search.context, search.reward_calls) for kind in self.kinds)
        return max(1, min(each))

    def _value(self, tree: Mapping[str, Node], node: Node, context: MCTSrContext) -> float | None:
        if not node["rewards"]:
            return None
        below = [q for child in live_children(tree, node) if (q := child["q"]) is not None]
        return backed_up_value(own_value(node["rewards"], context.value), below)


_named: dict[str, type[Strategy]] = {}


def as_strategy(given: Any) -> Strategy | None:
    """The strategy that is meant; None where it is left to the profile.

    Raises:
        ConfigError: it is no strategy.
    """
    if given is None or isinstance(given, Strategy):
        return given
    raise ConfigError(
        f"strategy is {given!r}, allowed an instance of a class made from "
        f"mctsr_graph.strategies.Strategy; a name is a profile: {', '.join(_named)}"
    )


def strategy_of(context: MCTSrContext) -> Strategy:
    """The strategy of the profile that the settings name."""
    return _named[context.profile]()
