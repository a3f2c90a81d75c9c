"""A judge that compares: which of two answers is better? Asked in both orders."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from langchain_core.messages import BaseMessage, HumanMessage

from mctsr_graph.calls.request import Request, derive_seed
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.prompts import system_messages
from mctsr_graph.text.hostile import between_tags
from mctsr_graph.text.reward_scale import scaled
from mctsr_graph.text.thinking import strip_reasoning

_WINNER = r"[^\w\n]*(?:solution[ _])?(a|b|equal|tie|draw|both|neither)[^\w\n]*"
_LINE = re.compile(rf"^[\W_]*better[^\w\n]*[:=]{_WINNER}$", re.MULTILINE | re.IGNORECASE)
_ALONE = re.compile(_WINNER, re.IGNORECASE)


@dataclass(frozen=True)
class Pairwise:
    """Rewards an answer with its share of wins against some other answers of the search.

    Each pair is asked for twice, in both orders, since models favour a place; orders that
    contradict each other are a draw. One more draw, against nobody, keeps the share of few
    matches near the middle: with w wins in n matches the reward is at (w + 1/2) / (n + 1) of its
    scale, which is the answer's Borda quantile among the ones it met.
    """

    name: ClassVar = "pairwise"
    prompts_used: ClassVar = ()
    rivals: int = 2
    """Other answers that it meets at a time, drawn anew each time; 2 calls each."""
    ask: str = (
        "Compare the two solutions above as a strict examiner. A right final answer comes before "
        "everything else; then sound and complete steps count, and neither length nor style does. "
        "Check the doubtful places of both, and compute again where they differ."
    )
    end: str = "Finish with one line of this form:\nBetter: <A or B>"

    @classmethod
    def of_texts(cls) -> Self:
        """One for texts that state no final answer, which may be equally good."""
        return cls(
            ask="Compare the texts A and B above as a strict reader. Better is the one that does "
            "more of what was asked for, and nothing else; then content and language count, and "
            "length does not. If neither is better, they are equal.",
            end="Finish with one line of this form:\nBetter: <A, B or equal>",
        )

    @property
    def reward_calls(self) -> int:
        """Model calls of one reward, at most."""
        return 2 * self.rivals

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the quantile in points; an answer that has no rival yet gets 0."""
        others = case.others
        rng = random.Random(derive_seed(calls.context.seed, "rivals", case.rollout, case.sample))
        rivals = rng.sample(others, min(self.rivals, len(others)))
        pairs = [(case.answer, rival) for rival in rivals]
        told = await self._told(case.problem, pairs, calls)
        calls.compared.update(zip(rivals, told, strict=True))
        return scaled(sum(map(sum, told)) / 2 + 0.5, len(told) + 1)

    async def compare(
        self,
        problem: str,
        pairs: Sequence[tuple[str, str]],
        calls: JudgeCalls,
    ) -> list[float]:
        """How often the first answer of each pair wins: 1, 0, or 1/2 for a draw."""
        return [sum(both) / 2 for both in await self._told(problem, pairs, calls)]

    async def _told(
        self, problem: str, pairs: Sequence[tuple[str, str]], calls: JudgeCalls
    ) -> list[list[float]]:
        """Whether the first answer of each pair is better, in both orders: 1, 0, or 1/2."""
        orders = [order for a, b in pairs for order in ((a, b), (b, a))]
        firsts = await calls.ask_all([self._request(problem, *order, calls) for order in orders])
        return [[one, 1.0 - two] for one, two in zip(firsts[::2], firsts[1::2], strict=True)]

    def _request(self, problem: str, a: str, b: str, calls: JudgeCalls) -> Request:
        def asking(words: str) -> list[BaseMessage]:
            text = "\n\n".join([problem, between_tags("a", a), between_tags("b", b), words])
            return [*system_messages(calls.prompts.system), HumanMessage(text)]

        whole = f"{self.ask} {self.end}"
        return Request("evaluate", asking(whole), read_verdict, lambda: asking(self.end))


def read_verdict(reply: str) -> float:
    """Read a comparison: 1 if the first solution (A) is better, 0 if B is, 1/2 if neither is.

    Raises:
        ReplyError: no line says so ("missing"), or lines contradict each other ("ambiguous").
    """
    text = strip_reasoning(reply)
    alone = _ALONE.fullmatch(text)
    said = {alone[1].lower()} if alone else {one.lower() for one in _LINE.findall(text)}
    if len(said) != 1:
        code, why = ("ambiguous", "several winners") if said else ("missing", "no winner is named")
        raise ReplyError(code, why, reply)
    return {"a": 1.0, "b": 0.0}.get(said.pop(), 0.5)
