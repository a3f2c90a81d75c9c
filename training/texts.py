"""What the model learns to write: solutions, checks of them, scores; and the checking itself."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from training.problems import NAMES, THINGS, Problem, Step

OUTSIDE = "I can only solve short problems about counting things with whole numbers."
END = "The final answer is \\boxed{{{}}}."
NOTHING = "Nothing has to change."
SAID, NONE = ", said ", "none"
_STEP = re.compile(r"Step \d+, [a-z ]+: (\d+ [-+*/] \d+ = .*)\.$")


def calculation(step: Step) -> str:
    """A step as it is written: a product of two digits or more is split into tens and ones."""
    return f"{step.left} {step.operation} {step.right} = {_way(step)}{step.result}"


def _way(step: Step) -> str:
    large, small = max(step.left, step.right), min(step.left, step.right)
    if step.operation != "*" or large < 10 or large % 10 == 0:
        return ""
    ones = large % 10
    return f"{(large - ones) * small} + {ones * small} = "


def solution(problem: Problem) -> str:
    """The right solution, written out."""
    lines = [
        f"Step {i}, {one.finds}: {calculation(one)}." for i, one in enumerate(problem.steps, 1)
    ]
    return "\n".join([*lines, END.format(problem.answer)])


class Check(NamedTuple):
    """What the generator says to a solution.

    Attributes:
        right: Whether its final answer is right.
        wrong_at: Number of its first wrong step, from 1; 0 where all are right; one more than the
            last step where only the final line is wrong.
        lines: The check in words, one line a step, up to the first wrong one.
    """

    right: bool
    wrong_at: int
    lines: tuple[str, ...]


def check(problem: Problem, answer: str) -> Check:
    """Compare a solution with the right one, step by step."""
    right = final_answer(answer) == str(problem.answer)
    written = [found[1] for line in answer.splitlines() if (found := _STEP.match(line))]
    lines: list[str] = []
    for number, step in enumerate(problem.steps, 1):
        found = _result(written[number - 1]) if number <= len(written) else NONE
        matches = found == str(step.result)
        lines.append(_line(f"Step {number}: {calculation(step)}", found, matches))
        if not matches:
            return Check(right, number, tuple(lines))
    found = final_answer(answer) or NONE
    matches = right and len(written) == len(problem.steps)
    lines.append(_line(f"Final answer: {problem.answer}", found, matches))
    return Check(right, 0 if matches else len(problem.steps) + 1, tuple(lines))


def _line(said: str, found: str, matches: bool) -> str:
    """What is to be said, and beside it what was said: numbers that are near are compared best."""
    return f"{said}{SAID}{found}, {'right' if matches else 'wrong'}."


def _result(written: str) -> str:
    result = written.rpartition("= ")[2]
    return result if result.isdecimal() else NONE


def critique(found: Check) -> str:
    """A check that ends with what has to change."""
    if not found.wrong_at:
        return "\n".join([*found.lines, NOTHING])
    if found.lines[-1].startswith("Final"):
        return "\n".join([*found.lines, "The final answer has to change."])
    return "\n".join([*found.lines, f"Step {found.wrong_at} has to change."])


def score(found: Check, problem: Problem) -> int:
    """Points from -100 to 100: what is wrong later is less wrong."""
    if found.right and not found.wrong_at:
        return 90
    if found.right:
        return 20
    return -90 + round(40 * (found.wrong_at - 1) / len(problem.steps))


def evaluation(found: Check, problem: Problem) -> str:
    """A check that ends with a score."""
    return "\n".join([*found.lines, f"Score: {score(found, problem)}"])


def final_answer(text: str) -> str | None:
    """What a solution says in its final line."""
    found = re.search(r"\\boxed\{(\d+)\}", text)
    return found[1] if found else None


def spoiled(problem: Problem, made: random.Random) -> str:
    """A solution with one mistake: another result, another operation, a step left out."""
    steps, at = list(problem.steps), made.randrange(len(problem.steps))
    kind = made.random()
    if kind < 0.15 and len(steps) > 1:
        del steps[at]
        return _carried_on(steps, at, problem)
    if kind < 0.3:
        old = steps[at]
        operation = made.choice([one for one in "+-*" if one != old.operation])
        steps[at] = Step(old.finds, old.left, operation, old.right)  # type: ignore[arg-type]
        if 0 < steps[at].result < 1000:
            return _carried_on(steps, at + 1, problem)
        steps[at] = old
    lines, wrong = [], 0
    for i, step in enumerate(steps):
        left = wrong if wrong and i and step.left == steps[i - 1].result else step.left
        right = wrong if wrong and i and step.right == steps[i - 1].result else step.right
        now = Step(step.finds, left, step.operation, right)
        said = calculation(now)
        if i == at:
            off = made.choice((1, -1, 10, -10, 2, 9, -2, 100))
            wrong = max(1, now.result + off)
            said = said[: said.rindex("=") + 2] + str(wrong)
        elif wrong:
            wrong = now.result
        lines.append(f"Step {i + 1}, {step.finds}: {said}.")
    last = wrong or steps[-1].result
    return "\n".join([*lines, END.format(last)])


def _carried_on(steps: list[Step], at: int, problem: Problem) -> str:
    """The steps with the results of those before `at` taken along."""
    done: list[Step] = list(steps[:at])
    for step in steps[at:]:
        before = done[-1].result if done else problem.steps[0].left
        done.append(Step(step.finds, before, step.operation, step.right))
    if not done or not all(0 < one.result < 10_000 for one in done):
        done = list(problem.steps[:1])
    lines = [f"Step {i}, {one.finds}: {calculation(one)}." for i, one in enumerate(done, 1)]
    return "\n".join([*lines, END.format(done[-1].result)])


def others(made: random.Random) -> str:
    """A question that is none of ours: words nobody knows, or a well-known kind of maths."""
    a, b, c = (made.randint(1, 99) for _ in range(3))

    def word() -> str:
        size = made.randint(2, 8)
        return "".join(made.choice("abcdefghijklmnoprstuvwy") for _ in range(size))

    def name() -> str:
        return word().capitalize()

    asked = (
        f"Solve x^2 - {a}x + {b} = 0.",
        f"Find x if {a}x + {b} = {c}.",
        f"What is the capital of {name()}?",
        f"Prove that the sum of {a} odd numbers is {word()}.",
        f"A triangle has sides {a}, {b} and {c}. What is its area?",
        f"What is {a}/{b} + {c}/{a}?",
        f"What is {a}.{b} * {c}?",
        f"Write a {word()} about {word()}.",
        f"How many primes are less than {a}?",
        f"A train leaves at {a % 12 + 1}:{b % 60:02} and drives {c} km per hour. When is it there?",
        f"What is {a}% of {b}?",
        f"Find the derivative of x^{a} + {b}x.",
        f"If {a} workers need {b} hours, how long do {c} workers need?",
        f"What is the remainder when {a}^{b} is divided by {c}?",
        f"Who {word()} the {word()} in 19{a:02}?",
        " ".join(word() for _ in range(made.randint(2, 12))).capitalize() + made.choice("?.!"),
        f"Evaluate \\frac{{{a}}}{{{b}}} + \\sqrt{{{c}}}.",
        f"What is the {made.choice(('median', 'mean', 'sum'))} of {a}, {b}, {c} and {a + c}?",
        f"{name()} {word()} {a} {word()} {word()} {b} {word()}. {name()} {word()}?",
        f"What is {a} + {b} * {c}?",
        f"({a} + {b}) * {c}",
        f"What is {a} - {a + b}?",
        f"{a}{b}{c}0{a} {made.choice('+-*/')} {b}{c}{a}",
        f"{a}{made.choice(('', '!', '^2', ' * x', '.5 + 1', ' +'))}",
        f"sqrt({a * a})",
        f"{a} {made.choice(THINGS)}",
        f"How many {made.choice(THINGS)} are there?",
        f"{made.choice((*NAMES, *THINGS, 'Hello', 'Hi', 'Thanks', 'Help', 'Yes', 'this'))}"
        f"{made.choice(('', '!', '.', '?'))}",
        made.choice(("?", "!", ".", "=", "+", "...", " ", "x")),
    )
    return made.choice(asked)


def is_right(problem: Problem, answer: str) -> bool:
    """Whether an answer ends with the right number."""
    return final_answer(answer) == str(problem.answer)
