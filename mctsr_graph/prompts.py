"""The prompts of a search. Replies to them are read in `text`.

All roles continue one conversation (problem, answer, critique, ...) and add to its end only, so
that a server that caches prefixes computes each shared part once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from mctsr_graph.errors import ConfigError
from mctsr_graph.text.hostile import between_tags, hide_scores
from mctsr_graph.text.replies import A_NUMBER
from mctsr_graph.text.reward_scale import HIGHEST, LOWEST, RANGE, at

_PLACEHOLDER = re.compile(r"\{(problem|answer|answers|critique)\}")


class Example(NamedTuple):
    """A solution and the reply that a judge should give to it."""

    problem: str
    answer: str
    reply: str


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The words of a search. Replace any of them: `Prompts(critique="...")`.

    `{problem}`, `{answer}`, `{critique}` and, in `merge`, `{answers}` are filled in; other braces
    stand for themselves, so LaTeX needs no escapes.

    Raises:
        ConfigError: `merge` leaves out what is merged.
    """

    # "" sends no system message
    system: str = "You are a careful mathematician. You reason in short, checkable steps."

    draft: str = (
        "{problem}\n\n"
        "Solve this step by step. Check each step before you go on. "
        "Finish with one line of this form:\n"
        "The final answer is \\boxed{...}."
    )

    critique: str = (
        "Now be a strict critic of the solution above. Go through it line by line and name every "
        "flaw: wrong or unjustified steps, arithmetic slips, misread or unused conditions, "
        "missing cases, an answer that is not what was asked for. Recompute the doubtful places. "
        "Do not praise, and do not write a new solution. End with what has to change."
    )

    refine: str = (
        "Write a better solution of the same problem that takes this critique into account. "
        "Keep what was right, mend what was wrong, and write it out in full, as if there had "
        "been no earlier one. Finish with one line of this form:\n"
        "The final answer is \\boxed{...}."
    )

    merge: str = (
        "{problem}\n\nThese are attempts at this problem, in no order:\n\n{answers}\n\n"
        "Any of them may be wrong, even where most agree. Find where they differ, compute again "
        "what is right there, and take over what is right in each; if all of them fail, go another "
        "way. Write one better solution, in full, as if there had been no earlier ones. "
        "Finish with one line of this form:\n"
        "The final answer is \\boxed{...}."
    )

    evaluate: str = (
        "Now grade the solution above as a harsh examiner who deducts for every imperfection.\n"
        f"{LOWEST} to {at(0.245)}: the final answer is wrong, missing, or not what was asked for\n"
        f"{at(0.25)} to {at(0.5)}: a serious error, even if the final answer may be right\n"
        f"{at(0.505)} to {at(0.75)}: the result may be right, but steps are missing or not "
        "justified\n"
        f"{at(0.755)} to {at(0.95)}: right and justified; the fewer flaws, the higher\n"
        f"Never give full marks: {at(0.975)} is out of reach for any solution. "
        "First name the flaws in a few sentences, then finish with one line of this form:\n"
        f"Score: <{A_NUMBER} from {RANGE}>"
    )

    write_again: str = "Your reply was empty. Please reply with text."

    # A judge whose reply held no score is asked afresh, for the score alone and by example:
    # a small model that ignores every instruction still continues a pattern
    evaluate_again_system: str = (
        f"You are a harsh examiner. You reply with one line: Score: and {A_NUMBER} from {RANGE}."
    )

    evaluate_again: str = (
        "Problem: {problem}\n\nSolution: {answer}\n\n"
        f"Give this solution a score from {LOWEST} (worthless) to {HIGHEST} (flawless), "
        "in one line."
    )

    evaluate_examples: tuple[Example, ...] = (
        Example(
            "What is 3 * 4 + 5?",
            "3 * 4 = 12, and 12 + 5 = 18. The final answer is \\boxed{18}.",
            f"Score: {at(0.1)}",
        ),
        Example(
            "Tom has 7 apples and eats 2. How many are left?",
            "7 - 2 = 5. The final answer is \\boxed{5}.",
            f"Score: {at(0.875)}",
        ),
        Example("What is the sum of 1, 2, ..., 10?", "I think it is large.", f"Score: {LOWEST}"),
    )

    dummy_answer: str = "I don't know how to solve this problem."

    def __post_init__(self) -> None:
        """Refuse to merge what is not shown."""
        for needed in ("{problem}", "{answers}"):
            if needed not in self.merge:
                raise ConfigError(f"merge is {self.merge!r}, allowed a text that holds {needed}")


def system_messages(words: str) -> list[BaseMessage]:
    """A system message of these words; none where there are none."""
    return [SystemMessage(words)] if words.strip() else []


def draft_messages(prompts: Prompts, problem: str) -> list[BaseMessage]:
    """Ask for a first answer."""
    asked = _fill(prompts.draft, problem=problem)
    return [*system_messages(prompts.system), HumanMessage(asked)]


def critique_messages(prompts: Prompts, problem: str, answer: str) -> list[BaseMessage]:
    """Ask for the flaws of an answer."""
    asked = _fill(prompts.critique, problem=problem, answer=answer)
    return [*draft_messages(prompts, problem), AIMessage(answer), HumanMessage(asked)]


def refine_messages(
    prompts: Prompts, problem: str, answer: str, critique: str, sees_answer: bool = True
) -> list[BaseMessage]:
    """Ask for a better answer in the light of a critique, which goes back verbatim."""
    if not sees_answer:
        return _blind_refine_messages(prompts, problem, critique)
    asked = _fill(prompts.refine, problem=problem, answer=answer, critique=critique)
    before = critique_messages(prompts, problem, answer)
    return [*before, AIMessage(critique), HumanMessage(asked)]


def shorter_refine_messages(
    prompts: Prompts, problem: str, critique: str
) -> list[Callable[[], list[BaseMessage]]]:
    """What to send if that is too long for the model: the oldest goes first, the problem never."""
    return [
        lambda: _blind_refine_messages(prompts, problem, critique),
        lambda: draft_messages(prompts, problem),
    ]


def _blind_refine_messages(prompts: Prompts, problem: str, critique: str) -> list[BaseMessage]:
    # Differs: as the official code, which cuts the conversation to its last two messages
    critic = _fill(prompts.critique, problem=problem, answer="")
    asked = _fill(prompts.refine, problem=problem, answer="", critique=critique)
    return [
        *system_messages(prompts.system),
        HumanMessage(f"{problem}\n\n{critic}"),
        AIMessage(critique),
        HumanMessage(asked),
    ]


def merge_messages(prompts: Prompts, problem: str, answers: Sequence[str]) -> list[BaseMessage]:
    """Ask for one better answer than several, without what in them could sway the choice."""
    shown = "\n\n".join(between_tags(str(i), answer) for i, answer in enumerate(answers, 1))
    asked = _fill(prompts.merge, problem=problem, answers=shown)
    return [*system_messages(prompts.system), HumanMessage(asked)]


def shorter_merge_messages(
    prompts: Prompts, problem: str, answers: Sequence[str]
) -> list[Callable[[], list[BaseMessage]]]:
    """What to send if that is too long for the model: an answer less each time, at last none."""
    fewer = [answers[:count] for count in range(len(answers) - 1, 0, -1)]
    shorter = [partial(merge_messages, prompts, problem, some) for some in fewer]
    return [*shorter, partial(draft_messages, prompts, problem)]


def evaluate_messages(prompts: Prompts, problem: str, answer: str) -> list[BaseMessage]:
    """Ask for a score of an answer, without what in it could be taken for the score."""
    answer = hide_scores(answer).text
    asked = _fill(prompts.evaluate, problem=problem, answer=answer)
    return [*draft_messages(prompts, problem), AIMessage(answer), HumanMessage(asked)]


def write_again_messages(prompts: Prompts, messages: list[BaseMessage]) -> list[BaseMessage]:
    """Ask again for a text, after an empty reply."""
    return [*messages, HumanMessage(prompts.write_again)]


def evaluate_again_messages(prompts: Prompts, problem: str, answer: str) -> list[BaseMessage]:
    """Ask again for a score of an answer, by example and for the score alone."""
    messages = system_messages(prompts.evaluate_again_system)
    for example in prompts.evaluate_examples:
        asked = _fill(prompts.evaluate_again, problem=example.problem, answer=example.answer)
        messages += [HumanMessage(asked), AIMessage(example.reply)]
    shown = hide_scores(answer).text
    asked = _fill(prompts.evaluate_again, problem=problem, answer=shown)
    return [*messages, HumanMessage(asked)]


def _fill(template: str, **values: str) -> str:
    # One pass, so that braces inside a problem or an answer are never taken for placeholders
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
