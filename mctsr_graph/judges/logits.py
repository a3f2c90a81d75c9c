"""The judge that reads scores from logits, where the model can tell them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.request import innermost
from mctsr_graph.calls.sync_async import Scorer, Way
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.judges.self_evaluation import evaluation


@dataclass(frozen=True)
class Logits:
    """Takes the mean score that the model's logits give; a model that cannot tell is asked."""

    name: ClassVar = "logits"

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the mean score, lowered where it is too good to be believed."""
        request = evaluation(case, calls)
        if isinstance(innermost(calls.model), Scorer):
            request = replace(request, messages=request.again(), send=_by_logits)
        score: float = await calls.ask(request)
        return calls.strategy.suppressed(score, calls.context)


async def _by_logits(model: Any, messages: list[BaseMessage], way: Way) -> AIMessage:
    found = await way.score(innermost(model), messages)
    return AIMessage(f"Score: {found.expected:.6f}")
