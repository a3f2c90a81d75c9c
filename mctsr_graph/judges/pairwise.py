"""A judge that compares: which of two answers is better? Asked in both orders."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import ClassVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from mctsr_graph.answers import strip_reasoning
from mctsr_graph.calls import Request, derive_seed
from mctsr_graph.defuse import hide_scores
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges.base import Case, Clerk

_TAG = re.compile(r"</?\s*solution_[ab]\s*>", re.IGNORECASE)
_WINNER = r"[^\w\n]*(?:solution[ _])?(a|b|equal|tie|draw|both|neither)[^\w\n]*"
_LINE = re.compile(rf"^[\W_]*better[^\w\n]*[:=]{_WINNER}$", re.MULTILINE | re.IGNORECASE)
_ALONE = re.compile(_WINNER, re.IGNORECASE)


@dataclass(frozen=True)
class Pairwise:
    """Rewards an answer with its share of wins against some other answers of the search.

    Each pair is asked for twice, in both orders, since models favour a place; orders that
    contradict each other are a draw. One more draw, against nobody, keeps the share of few
    matches near the middle: with w wins in n matches the reward is 200 (w + 1/2) / (n + 1) - 100
    points, which is the answer's Borda quantile among the ones it met.
    """

    name: ClassVar = "pairwise"
    rivals: int = 2
    """Other answers that it meets at a time, drawn anew each time; 2 calls each."""
    ask: str = (
        "Compare the two solutions above as a strict examiner. A right final answer comes before "
        "everything else; then sound and complete steps count, and neither length nor style does. "
        "Check the doubtful places of both, and compute again where they differ."
    )
    end: str = "Finish with one line of this form:\nBetter: <A or B>"

    @property
    def reward_calls(self) -> int:
        """Model calls of one reward, at most."""
        return 2 * self.rivals

    async def reward(self, case: Case, clerk: Clerk) -> float:
        """Return the quantile in points; an answer that has no rival yet gets 0."""
        others = case.others
        rng = random.Random(derive_seed(clerk.context.seed, "rivals", case.rollout, case.sample))
        rivals = rng.sample(others, min(self.rivals, len(others)))
        orders = [
            order for rival in rivals for order in ((case.answer, rival), (rival, case.answer))
        ]
        firsts = await clerk.ask_all(
            [self._request(case.problem, *order, clerk) for order in orders]
        )
        pairs = zip(firsts[::2], firsts[1::2], strict=True)
        wins: list[float] = [(one + 1.0 - two) / 2 for one, two in pairs]  # 1/2 is a draw
        return 200.0 * (sum(wins) + 0.5) / (len(wins) + 1) - 100.0

    def _request(self, problem: str, a: str, b: str, clerk: Clerk) -> Request:
        def asking(words: str) -> list[BaseMessage]:
            shown = [
                f"<solution_{name}>\n{_TAG.sub('', hide_scores(answer).text)}\n</solution_{name}>"
                for name, answer in (("a", a), ("b", b))
            ]
            text = "\n\n".join([problem, *shown, words])
            return [SystemMessage(clerk.prompts.system), HumanMessage(text)]

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
