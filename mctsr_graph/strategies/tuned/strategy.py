"""Our strategy: each call goes where it tells most about which final answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.strategies.tuned.next_task import choose_tasks
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task

_FIRST_SHARE = 0.3  # of the calls
_KNOWING_SHARE = 0.15  # where a prior says what judge and refinements are worth
_FIRST_DRAFTS = 10  # where calls have no limit


class TunedStrategy(PaperStrategy):
    """Fresh answers, refinements and rewards compete; answers are chosen by what is believed.

    An answer is judged only where that tells enough, so it may have no reward.
    """

    name = "tuned"
    defaults: ClassVar = {
        "max_rollouts": 4096,  # the calls limit it
        "max_calls": 35,
        "drafts": 2,
        "confidence": 0.97,
        "lead": 0.95,
        "choice": "weighted",
    }
    kinds = ("draft", "refine", "evaluate")

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """Whatever the budget allows that tells most, for its calls, about the right answer.

        Where no answer states a final one there is nothing to agree on, and the judge decides:
        what is not judged yet is judged, a text once, and else the highest UCT is refined.
        """
        tree, context, width = search.tree, search.context, search.width
        nodes = [node for node in in_play(tree).values() if not node["dummy"]]
        kinds = self._affordable(search)
        if any(node["final_answer"] is not None for node in nodes):
            if (missing := self._first_drafts(search) - len(nodes)) > 0:
                return [Task("draft")] * min(missing, width)
            calls: dict[Kind, int] = {kind: self._calls(kind, search) for kind in self.kinds}
            prior, samples = context.belief_prior, context.reward_samples
            return choose_tasks(tree, prior, width, kinds, calls, samples)
        if not nodes:
            return [Task("draft")] * width
        once = [node for node in distinct(in_play(tree), "duplicate_of") if not node["dummy"]]
        unjudged = [Task("evaluate", node["id"]) for node in once if not node["rewards"]]
        if unjudged and "evaluate" not in kinds:  # too dear; a fresh answer may state a final one
            return [Task("draft")] * width
        return unjudged[:width] or super().next_tasks(search)

    def wants_reward(self, kind: Kind) -> bool:
        """Only where it was chosen as what tells most."""
        return kind == "evaluate"

    def _first_drafts(self, search: Search) -> int:
        """Independent answers before anything else: votes are the surest evidence.

        Where rewards cost no call they go along with the answers.
        """
        if not self._calls("evaluate", search):
            return search.context.drafts
        budget = search.context.max_calls
        share = _FIRST_SHARE if search.context.prior is None else _KNOWING_SHARE
        return _FIRST_DRAFTS if budget is None else round(share * budget)

    def _affordable(self, search: Search) -> list[Kind]:
        if search.calls_left is None:
            return list(self.kinds)
        left = search.calls_left
        return [kind for kind in self.kinds if self._calls(kind, search) <= left]

    def _calls(self, kind: Kind, search: Search) -> int:
        return self.calls_of(kind, search.context, search.reward_calls)
