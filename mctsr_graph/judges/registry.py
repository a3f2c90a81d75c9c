"""Who judges in a search: a judge, and the model that it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import Runnable

from mctsr_graph.calls.ask import Asker
from mctsr_graph.calls.request import Model, Reply
from mctsr_graph.calls.sync_async import Way
from mctsr_graph.errors import ConfigError
from mctsr_graph.judges.base import Case, Judge, judge_all, name_of
from mctsr_graph.judges.logits import Logits, TextLogits
from mctsr_graph.judges.pairwise import Pairwise
from mctsr_graph.judges.rubric import Rubric
from mctsr_graph.judges.self_evaluation import SelfEvaluation
from mctsr_graph.judges.verifier import Check, Verifier
from mctsr_graph.models.load import lazy_model
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext, allowed_values
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.remembered import LONG
from mctsr_graph.text.replies import look_through

JudgeLike = Judge | Check | str
"""A judge, a function of problem and answer, or the name of a judge."""

NAMED: dict[str, Judge] = {
    "self": SelfEvaluation(),
    "rubric": Rubric(),
    "logits": Logits(),
    "pairwise": Pairwise(),
}
"""The judges that the setting `judge` can name."""
OF_TEXTS: dict[str, Judge] = {
    **NAMED,
    "rubric": Rubric.of_texts(),
    "logits": TextLogits(),
    "pairwise": Pairwise.of_texts(),
}
"""The same for texts that state no final answer."""


@dataclass(frozen=True)
class BoundJudge:
    """A judge, and the model that it asks."""

    judge: Judge | None = None
    """None: the one that the settings name."""
    model: Callable[[], Model] | None = None
    """Loads the model; None: it is the model of the search."""
    named: Mapping[str, Judge] = field(default_factory=lambda: NAMED)
    """The judges that the settings can name."""

    def reward_calls(self, context: MCTSrContext) -> int:
        """Model calls of one reward, at most.

        Raises:
            ConfigError: the judge tells something else.
        """
        judge = self.judge_of(context)
        calls = getattr(judge, "reward_calls", 1)
        if not isinstance(calls, int) or calls < 0:
            raise ConfigError(
                f"reward_calls of {name_of(judge)} is {calls!r}, allowed a whole number from 0"
            )
        return calls

    async def rewards(
        self,
        cases: Sequence[Sequence[Case]],
        asker: Asker,
        prompts: Prompts,
        strategy: Strategy,
        way: Way,
    ) -> list[list[Reply]]:
        """Have every case judged at once; return the rewards in the same groups.

        Args:
            cases: Groups of answers to be judged.
            asker: Asks the model of the search.
            prompts: The words of the search.
            strategy: How scores are read.
            way: How to wait.
        """
        judge = self.judge_of(asker.context)
        together = [case for group in cases for case in group]
        for answer in {case.answer for case in together if len(case.answer) > LONG}:
            await way.call(look_through, answer)  # which else each prompt would do on the loop
        replies = iter(await judge_all(judge, together, self._its(asker), prompts, strategy, way))
        return [[next(replies) for _ in group] for group in cases]

    def judge_of(self, context: MCTSrContext) -> Judge:
        """Who judges in a search of these settings."""
        return self.judge if self.judge is not None else self.named[context.judge]

    def _its(self, asker: Asker) -> Asker:
        return asker if self.model is None else replace(asker, model=self.model())


def bind_judge(
    judge: JudgeLike | None, model: Model | str | None, named: Mapping[str, Judge] = NAMED
) -> BoundJudge:
    """The judge that is meant, with the model that it asks; the model is loaded when it is asked.

    Raises:
        ConfigError: there is no such judge.
    """
    asked = None if model is None else lazy_model(model)
    return BoundJudge(as_judge(judge, named), asked, named)


def as_judge(given: Any, named: Mapping[str, Judge] = NAMED) -> Judge | None:
    """The judge that is meant; None where it is left to the settings.

    Raises:
        ConfigError: there is no such judge.
    """
    if given is None or (isinstance(given, Judge) and not isinstance(given, type)):
        return given
    if isinstance(given, str) and given in named:
        return named[given]
    if callable(given) and not isinstance(given, type | Runnable):
        return Verifier(given)
    raise ConfigError(
        f"judge is {given!r}, allowed {allowed_values('judge')}, a function of problem and "
        "answer, or an object with an async method `reward`; a chat model is a judge_model"
    )
