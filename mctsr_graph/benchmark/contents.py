"""The answers of one problem by content: what several trees, methods and seeds found of it.

A text is one answer, however often it was found. So no example is written twice, and nothing is
set against itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mctsr_graph.text.equality.classes import classes_of

from .records import SIMPLE_METHODS, Attempt, Line, MethodRecord


@dataclass
class Answer:
    """A text that was found, with everything that is known of it in one tree or in several."""

    text: str
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def reward(self) -> float | None:
        """Mean of all its rewards, points; None where it was never judged."""
        rewards = [reward for attempt in self.attempts for reward in attempt["rewards"]]
        return fmean(rewards) if rewards else None

    @property
    def final_answer(self) -> str | None:
        """The short answer that it states."""
        return self.attempts[0]["final_answer"]

    @property
    def verdict(self) -> str | None:
        """The grader's."""
        return self.attempts[0]["verdict"]

    @property
    def is_example(self) -> bool:
        """Whether it may be followed: whole, with a final answer, and nothing for the judge."""
        good = self.final_answer is not None
        return good and not any(a["truncated"] or a["suspicious"] for a in self.attempts)


@dataclass(frozen=True)
class Tree:
    """What one search found, by text."""

    line: Line
    method: str
    answers: dict[str, Answer]
    returned: Answer | None


def trees_of(lines: Iterable[Line]) -> Iterator[Tree]:
    """Yield every search tree of some lines."""
    for line in lines:
        for name, method in line["methods"].items():
            if name not in SIMPLE_METHODS:
                yield Tree(line, name, _answers(method), _returned(method))


def _answers(method: MethodRecord) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for attempt in method["attempts"]:
        if not attempt["dummy"] and attempt["text"]:
            found.setdefault(attempt["text"], Answer(attempt["text"])).attempts.append(attempt)
    return found


def _returned(method: MethodRecord) -> Answer | None:
    selected = method["points"][-1]["selected"] if method["points"] else None
    if selected is None or method["attempts"][selected]["dummy"]:
        return None
    return _answers(method).get(method["attempts"][selected]["text"])


@dataclass(frozen=True)
class Pair:
    """Two answers of one tree, one of them to be preferred."""

    tree: Tree
    chosen: Answer
    rejected: Answer

    @property
    def margin(self) -> float | None:
        """Difference of their mean rewards, points; None where one was never judged."""
        rewards = self.chosen.reward, self.rejected.reward
        return None if rewards[0] is None or rewards[1] is None else rewards[0] - rewards[1]


def chosen(tree: Tree, gold: bool) -> list[Answer]:
    """The answers of a tree to follow: the right ones, or else the one that it returned."""
    if gold:
        return [a for a in tree.answers.values() if a.verdict == "right" and a.is_example]
    return [tree.returned] if tree.returned is not None and tree.returned.is_example else []


def pairs(tree: Tree, gold: bool, same_answer: bool) -> Iterator[Pair]:
    """Yield the best answer of a tree against each worse one.

    Args:
        tree: The tree.
        gold: Whether worse is wrong; else it has lower rewards.
        same_answer: Whether both may state the same final answer.
    """
    best = max(chosen(tree, gold), key=_merit, default=None)
    if best is None:
        return
    stated = [answer.final_answer for answer in tree.answers.values()]
    classes = classes_of(one for one in stated if one is not None)
    for other in tree.answers.values():
        pair = Pair(tree, best, other)
        is_worse = other.verdict == "wrong" if gold else (pair.margin or 0.0) > 0
        is_same = other.final_answer is not None and (
            classes[other.final_answer] == classes.get(best.final_answer or "")
        )
        if is_worse and (same_answer or not is_same):
            yield pair


def _merit(answer: Answer) -> tuple[bool, float]:
    return answer.reward is not None, answer.reward or 0.0


def step_labels(answers: Sequence[Answer]) -> Iterator[tuple[Answer, list[str], list[bool]]]:
    """Yield each graded answer with its steps, and whether each of them can lead to the truth.

    Steps are paragraphs, or lines where there is one paragraph. A step is good if some right
    answer to the problem begins with all steps up to it (the hard estimate of Math-Shepherd,
    2312.08935, with the answers of the trees in place of fresh completions).
    """
    graded = [(one, _steps(one.text)) for one in answers if one.verdict in ("right", "wrong")]
    good = {
        tuple(steps[: place + 1])
        for answer, steps in graded
        if answer.verdict == "right"
        for place in range(len(steps))
    }
    for answer, steps in graded:
        yield answer, steps, [tuple(steps[: i + 1]) in good for i in range(len(steps))]


def _steps(text: str) -> list[str]:
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    return parts if len(parts) > 1 else [line.strip() for line in text.split("\n") if line.strip()]
