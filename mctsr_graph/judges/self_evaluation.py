"""The paper's judge: the model is asked to score the answer, as a harsh examiner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mctsr_graph.calls.request import Request
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.prompts import evaluate_again_messages, evaluate_messages
from mctsr_graph.text.replies import SCORE_SCHEMA


@dataclass(frozen=True)
class SelfEvaluation:
    """Asks for a score, in the words of `Prompts.evaluate`."""

    name: ClassVar = "self"

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the score, lowered where it is too good to be believed."""
        score: float = await calls.ask(self.first_request(case, calls))
        return calls.strategy.suppressed(score, calls.context)

    def first_request(self, case: Case, calls: JudgeCalls) -> Request:
        """What is asked of the model."""
        return evaluation(case, calls)


def evaluation(case: Case, calls: JudgeCalls) -> Request:
    """The request for a score of an answer."""
    prompts = calls.prompts
    return Request(
        "evaluate",
        evaluate_messages(prompts, case.problem, case.answer),
        calls.strategy.read_score,
        lambda: evaluate_again_messages(prompts, case.problem, case.answer),
        schema=SCORE_SCHEMA,
        rollout=case.rollout,
        sample=case.sample,
    )
