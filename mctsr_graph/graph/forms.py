"""The words that ask for JSON, for a text, or for what a user wants, in place of a box."""

from __future__ import annotations

import json
from dataclasses import fields, replace

from mctsr_graph.prompts import Example, Prompts
from mctsr_graph.settings.reading import FinalAnswer
from mctsr_graph.text.replies import A_NUMBER
from mctsr_graph.text.reward_scale import HIGHEST, LOWEST, RANGE, at

_ALONE = "Reply with the text that is asked for, and nothing else."
_OF_TEXT = Prompts(
    system="You are a careful writer. You do what is asked for, and nothing else.",
    draft=f"{{problem}}\n\n{_ALONE}",
    critique=(
        "Now be a strict critic of the text above. Name every flaw: what was asked for and is "
        "missing, what is wrong, unclear or weaker than it could be, what nobody asked for. Do not "
        "praise, and do not write a new text. End with what has to change."
    ),
    refine=(
        "Write a better text for the same task that takes this critique into account. Keep what "
        "was good, mend what was not, and write it out in full, as if there had been no earlier "
        f"one. {_ALONE}"
    ),
    merge=(
        "{problem}\n\nThese are attempts at this task, in no order:\n\n{answers}\n\n"
        "Take over what is best in each, leave out what is weak, and write one better text, in "
        f"full, as if there had been no earlier ones. {_ALONE}"
    ),
    evaluate=(
        "Now grade the text above as a harsh reader who deducts for every imperfection.\n"
        f"{LOWEST} to {at(0.245)}: not what was asked for\n"
        f"{at(0.25)} to {at(0.5)}: what was asked for, with a serious flaw\n"
        f"{at(0.505)} to {at(0.75)}: good, with flaws that a reader notices\n"
        f"{at(0.755)} to {at(0.95)}: very good; the fewer flaws, the higher\n"
        f"Never give full marks: {at(0.975)} is out of reach for any text. "
        "First name the flaws in a few sentences, then finish with one line of this form:\n"
        f"Score: <{A_NUMBER} from {RANGE}>"
    ),
    evaluate_again_system=(
        f"You are a harsh reader. You reply with one line: Score: and {A_NUMBER} from {RANGE}."
    ),
    evaluate_again=(
        "Task: {problem}\n\nText: {answer}\n\n"
        f"Give this text a score from {LOWEST} (worthless) to {HIGHEST} (flawless), in one line."
    ),
    evaluate_examples=(
        Example("Thank a guest in one sentence.", "Thanks, I guess.", f"Score: {at(0.1)}"),
        Example(
            "Describe snow in one sentence.",
            "Snow makes the loudest street whisper.",
            f"Score: {at(0.875)}",
        ),
        Example("Name two rivers.", "I like rivers.", f"Score: {LOWEST}"),
    ),
    dummy_answer="I don't know what to write.",
)
_BOXED = "Finish with one line of this form:\nThe final answer is \\boxed{...}."


def worded(prompts: Prompts, reading: FinalAnswer) -> Prompts:
    """Words that ask for what is read, where the usual ones ask for a boxed answer."""
    if reading.is_text:
        return _asking_for_text(prompts)
    wanted = reading.form
    if reading.schema is not None and not wanted:
        told = json.dumps(reading.schema, ensure_ascii=False, sort_keys=True)
        wanted = f"Finish with one JSON object of this schema, and nothing after it:\n{told}"
    if not wanted:
        return prompts
    names = ("draft", "refine", "merge")
    return replace(
        prompts, **{name: getattr(prompts, name).replace(_BOXED, wanted) for name in names}
    )


def _asking_for_text(prompts: Prompts) -> Prompts:
    """Words for texts that state no final answer, in place of those that are not a user's own."""
    usual, names = Prompts(), [field.name for field in fields(Prompts)]
    kept = (name for name in names if getattr(prompts, name) == getattr(usual, name))
    return replace(prompts, **{name: getattr(_OF_TEXT, name) for name in kept})
