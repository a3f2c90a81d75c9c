"""Our strategy: each call goes where it tells most about which final answer is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.strategies.tuned.next_task import choose_tasks
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.preference import states_none
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.task import Kind, Task
from mctsr_graph.tree.tree import Node

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
        what is not judged yet is judged, a text once, and else the highest UCT is refined, where
        calls are left to judge what comes of it.
        """
        tree, context, width = search.tree, search.context, search.width
        nodes = [node for node in in_play(tree).values() if not node["dummy"]]
        if any(node["final_answer"] is not None for node in nodes):
            if (missing := self._first_drafts(search) - len(nodes)) > 0:
                return [Task("draft")] * min(missing, width)
            calls: dict[Kind, int] = {kind: self._calls(kind, search) for kind in self.kinds}
            prior, samples = context.belief_prior, context.reward_samples
            return choose_tasks(tree, prior, width, self._affordable(search), calls, samples)
        if not nodes:
            return [Task("draft")] * width
        if self._is_short(search):
            return [Task("draft")] * width  # a fresh answer may state a final one
        return self._texts(search)

    def _texts(self, search: Search) -> Sequence[Task]:
        """What is judged, and else what is written: no more than calls are left to judge."""
        left, judging = search.calls_left, self._calls("evaluate", search)
        if (unjudged := _unjudged(search.tree)) or left is None:
            return unjudged[: search.width] or super().next_tasks(search)
        if room := left // (self._calls("refine", search) + judging):
            return super().next_tasks(replace(search, width=min(search.width, room)))
        return [Task("draft")] * min(search.width, left // (self._calls("draft", search) + judging))

    def _is_short(self, search: Search) -> bool:
        """Whether too few calls are left to have a text judged, and before that written."""
        if search.calls_left is None:
            return False
        writing = 0 if _unjudged(search.tree) else self._calls("draft", search)
        return search.calls_left < writing + self._calls("evaluate", search)

    def why_stop(self, search: Search) -> str | None:
        """Also where none states a final answer, and no text can be judged any more."""
        # Where one is too dear to judge, a fresh answer may still state a final one
        is_over = search.is_text or not _unjudged(search.tree)
        if is_over and states_none(search.tree) and self._is_short(search):
            return "max_calls"
        return super().why_stop(search)

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


def _unjudged(tree: Mapping[str, Node]) -> list[Task]:
    """The judgements that are missing, of a text once."""
    once = [node for node in distinct(in_play(tree), "duplicate_of") if not node["dummy"]]
    return [Task("evaluate", node["id"]) for node in once if not node["rewards"]]
