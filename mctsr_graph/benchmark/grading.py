"""Grades answers against the truth: right, wrong, no answer, or undecided.

The search imports nothing of this. Nothing is guessed: a reply that states no final answer has
none, and what neither the exact forms nor math-verify can decide is undecided.
"""

from __future__ import annotations

from enum import StrEnum
from types import TracebackType

from mctsr_graph.text.equality.compare import compare
from mctsr_graph.text.equality.reading import read_answer
from mctsr_graph.text.final_answer import extract_final_answer

from ._believed import is_read, same_words
from .worker import MathsChecker


class Verdict(StrEnum):
    """What a grader says of an answer."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNDECIDED = "undecided"


class Grader:
    """Grades final answers; plain ones at once, others by math-verify in a killable process.

    Safe to use from several threads. A context manager: `close` ends the processes, which are
    started only when an answer needs them.

    Args:
        workers: Comparisons by math-verify at the same time, 1 to 64.
        seconds: CPU time for one comparison by math-verify, above 0, at most 600. What else the
            machine does thus changes no verdict.

    Raises:
        ConfigError: `workers` is out of range.
        MCTSrError: This is no POSIX system.
    """

    def __init__(self, *, workers: int = 2, seconds: float = 3.0) -> None:
        self._checker = MathsChecker(workers=workers)
        self._seconds = seconds

    def grade(self, reply: str | None, gold: str) -> Verdict:
        """Grade a whole reply by the final answer that it states.

        Args:
            reply: A model's text; None where the model gave none.
            gold: The reference answer.

        Returns:
            NO_ANSWER if the reply states no final answer; see `grade_answer`.

        Raises:
            MissingExtraError: math-verify is needed and not installed.
            MCTSrError: The grader is closed, or no process can be started.
        """
        return self.grade_answer(None if reply is None else extract_final_answer(reply), gold)

    def grade_answer(self, final_answer: str | None, gold: str) -> Verdict:
        """Grade a final answer, as `extract_final_answer` returns it; see `grade`."""
        if final_answer is None or not final_answer.strip():
            return Verdict.NO_ANSWER
        return self._verdict(gold, final_answer)

    def equal(self, a: str, b: str) -> Verdict:
        """Whether two answers of a model say the same; their order does not matter.

        Stricter than a grade: no answer is taken for a rounded reference of the other.

        Returns:
            RIGHT, WRONG or UNDECIDED; NO_ANSWER if one of them is blank.

        Raises:
            MissingExtraError: math-verify is needed and not installed.
            MCTSrError: The grader is closed, or no process can be started.
        """
        verdicts = {self.grade_answer(a, b), self.grade_answer(b, a)}
        ranks = (Verdict.NO_ANSWER, Verdict.WRONG, Verdict.UNDECIDED, Verdict.RIGHT)
        return next(verdict for verdict in ranks if verdict in verdicts)

    def _verdict(self, gold: str, answer: str) -> Verdict:
        """Decides by the exact forms, else by math-verify."""
        equal = compare(read_answer(gold), read_answer(answer))
        if equal is None:
            equal = self._checker.check(gold, answer, seconds=self._seconds)
            believed = same_words(gold, answer) if equal else is_read(gold) and is_read(answer)
            equal = equal if believed else None
        if equal is None:
            return Verdict.UNDECIDED
        return Verdict.RIGHT if equal else Verdict.WRONG

    def close(self) -> None:
        """End the processes. Later comparisons that need them raise MCTSrError."""
        self._checker.close()

    def __enter__(self) -> Grader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
