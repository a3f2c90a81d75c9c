"""A judge with a rubric: points for each criterion, which are added up here, not by the model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from mctsr_graph.calls.request import Request
from mctsr_graph.errors import ScoreError
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.prompts import evaluate_messages
from mctsr_graph.text.reward_scale import scaled
from mctsr_graph.text.thinking import strip_reasoning


class Criterion(NamedTuple):
    """One line of a rubric."""

    name: str
    most: int
    """Points at most; 0 is the least."""
    question: str


CRITERIA = (
    Criterion("Understanding", 10, "is every condition of the problem used as it is given?"),
    Criterion("Reasoning", 30, "does each step follow from the ones before, with no case missing?"),
    Criterion("Calculation", 20, "is every number right, when you compute it again?"),
    Criterion("Answer", 40, "is the final answer what was asked for, and right?"),
)
TEXT_CRITERIA = (
    Criterion("Task", 40, "does it do all that was asked for, and nothing else?"),
    Criterion("Content", 30, "is what it says right, and worth reading?"),
    Criterion("Language", 30, "is it clear, free of faults, and in the tone that was asked for?"),
)


@dataclass(frozen=True)
class Rubric:
    """Asks for points by criterion; their share of all points is the reward.

    A judge that must look at one thing after another tells right from wrong better than one
    that is asked for a single number.
    """

    name: ClassVar = "rubric"
    prompts_used: ClassVar = ()
    criteria: tuple[Criterion, ...] = CRITERIA
    begin: str = (
        "Now grade the solution above as a strict examiner. First solve the problem in a few "
        "lines in your own way and compare. Then give points, few where you are in doubt:"
    )
    end: str = "Finish with these lines and nothing else behind them:"

    @classmethod
    def of_texts(cls) -> Self:
        """One for texts that state no final answer."""
        return cls(
            criteria=TEXT_CRITERIA,
            begin="Now grade the text above as a strict reader. Give points, few where you are in "
            "doubt:",
        )

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the score, lowered where it is too good to be believed."""
        score: float = await calls.ask(self.first_request(case, calls))
        return calls.strategy.suppressed(score, calls.context)

    def first_request(self, case: Case, calls: JudgeCalls) -> Request:
        """What is asked of the model."""

        def asking(words: str) -> Request:
            prompts = replace(calls.prompts, evaluate=words)
            messages = evaluate_messages(prompts, case.problem, case.answer)
            return Request("evaluate", messages, self.read, lambda: asking(self._lines()).messages)

        questions = "\n".join(
            f"- {one.name}, 0 to {one.most}: {one.question}" for one in self.criteria
        )
        return asking(f"{self.begin}\n{questions}\n{self._lines()}")

    def _lines(self) -> str:
        lines = [f"{one.name}: <0 to {one.most}>" for one in self.criteria]
        return "\n".join([self.end, *lines])

    def read(self, reply: str) -> float:
        """Read a graded rubric, points on the reward scale. Its lines stand in order, at the end.

        Raises:
            ScoreError: a criterion is missing, or its points are not what it allows.
        """
        text, given = strip_reasoning(reply), 0.0
        for one in self.criteria:
            found = list(_line(one).finditer(text))
            if not found:
                raise ScoreError("missing", f"no points for {one.name!r} in their place", reply)
            line = found[-1] if one is self.criteria[0] else found[0]
            text = text[line.end() :]
            given += _points(one, line, reply)
        return scaled(given, sum(one.most for one in self.criteria))


def _line(criterion: Criterion) -> re.Pattern[str]:
    note = r"(?:[^\w\n(]*\([^()\n]*\))?[^\w\n]*"
    number = r"(?P<points>[+-]?\d{1,9}(?:\.\d{1,9})?)(?:\s*(?:/|out of)\s*(?P<scale>\d{1,9}))?"
    return re.compile(
        rf"^[\W_]*{re.escape(criterion.name)}{note}[:=][^\w\n.+-]*{number}(?: points?)?{note}$",
        re.MULTILINE | re.IGNORECASE,
    )


def _points(criterion: Criterion, line: re.Match[str], reply: str) -> float:
    points, scale = float(line["points"]), line["scale"]
    if scale and int(scale) != criterion.most:
        raise ScoreError("other_scale", f"{criterion.name} is out of {scale}", reply)
    if not 0 <= points <= criterion.most:
        told = f"{criterion.name} is {points:g}, allowed 0 to {criterion.most}"
        raise ScoreError("out_of_range", told, reply)
    return points
