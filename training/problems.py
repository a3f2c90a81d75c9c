"""Made-up word problems about counting things, with the steps that solve them.

A problem is a start, some events and a question. Wordings and numbers are drawn from a seeded
generator. Which wordings go together, and which numbers are calculated with, decide to what split
a problem belongs, so that the test split holds sentences and calculations never trained on.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "validation", "test"]
Operation = Literal["+", "-", "*", "/"]

LARGEST = 999  # of all numbers in a problem and on the way to its answer
NAMES = (
    "Ann Ben Cara Dan Eva Finn Gus Hana Ivo Jana Kim Leo Maya Nils Olga Paul Rosa Sam Tom Uma Vera "
    "Will Yara Zoe Anna John Maria Emma Lily Jack"
).split()
TRADES = ("A baker", "A farmer", "A shop", "A school", "A teacher", "A gardener", "A library")
THINGS = (
    "apples books cards coins eggs flags lamps muffins pens stamps tiles toys marbles cookies "
    "oranges pencils stickers shells roses chairs balls candles bottles cups plants photos "
    "tickets buttons stones cakes"
).split()
CONTAINERS = "boxes bags trays rows packs baskets jars shelves crates bowls".split()
COLOURS = "red blue green yellow white black big small old new".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}


@dataclass(frozen=True)
class Step:
    """One calculation: what it finds, and its numbers."""

    finds: str
    left: int
    operation: Operation
    right: int

    @property
    def result(self) -> int:
        """The right result."""
        if self.operation == "+":
            return self.left + self.right
        if self.operation == "-":
            return self.left - self.right
        if self.operation == "*":
            return self.left * self.right
        return self.left // self.right


@dataclass(frozen=True)
class Problem:
    """A problem as a person would ask it, and how it is solved.

    Attributes:
        text: The question.
        steps: The calculations in their order; the result of the last is the answer.
        wording: Which sentences it is made of.
    """

    text: str
    steps: tuple[Step, ...]
    wording: str

    @property
    def answer(self) -> int:
        """The right final answer."""
        return self.steps[-1].result

    @property
    def split(self) -> Split | None:
        """Where it belongs; None where its wording says one thing and its numbers another."""
        words = zlib.crc32(self.wording.encode()) % 10
        kept_back = any(_is_kept_back(step) for step in self.steps)
        if words == 0:
            return "test" if kept_back else None
        if words == 1:
            return "validation" if kept_back else None
        return None if kept_back else "train"


def _is_kept_back(step: Step) -> bool:
    # The small tables are needed by everybody
    if max(step.left, step.right) < 13:
        return False
    sides = sorted((step.left, step.right)) if step.operation in "+*" else (step.left, step.right)
    return zlib.crc32(f"{sides[0]}{step.operation}{sides[1]}".encode()) % 12 == 0


@dataclass
class _Story:
    """A problem while it is being made."""

    random: random.Random
    name: str
    other: str
    things: str
    container: str
    value: int = 0
    sentences: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    wording: list[str] = field(default_factory=list)

    def say(self, kind: str, wordings: tuple[str, ...], **numbers: object) -> None:
        """Add a sentence in one of its wordings."""
        which = self.random.randrange(len(wordings))
        self.wording.append(f"{kind}{which}")
        words = {"N": self.name, "M": self.other, "T": self.things, "C": self.container}
        self.sentences.append(wordings[which].format(**words, **numbers))

    def step(self, finds: str, left: int, operation: Operation, right: int) -> int:
        """Add a calculation and return its result."""
        self.steps.append(Step(finds, left, operation, right))
        return self.steps[-1].result


def _groups(story: _Story) -> tuple[int, int]:
    """Two numbers whose product is asked: one of them has a single digit."""
    small, large = story.random.randint(2, 9), story.random.randint(2, 30)
    return (small, large) if story.random.random() < 0.5 else (large, small)


def _start_groups(story: _Story) -> None:
    a, b = _groups(story)
    wordings = (
        "{N} has {a} {C} of {b} {T}.",
        "{N} has {a} {C} with {b} {T} in each.",
        "{N} fills {a} {C} with {b} {T} each.",
        "{N} buys {a} {C} of {b} {T} each.",
        "{N} makes {a} {C} of {b} {T}.",
        "{N} has {a} {C}. There are {b} {T} in each.",
    )
    story.say("groups", wordings, a=a, b=b)
    story.value = story.step("groups", a, "*", b)


def _start_days(story: _Story) -> None:
    a, b = _groups(story)
    wordings = (
        "{N} collects {a} {T} a day for {b} days.",
        "{N} makes {a} {T} every day. {N} does this for {b} days.",
        "For {b} days {N} gets {a} {T} each day.",
    )
    story.say("days", wordings, a=a, b=b)
    story.value = story.step("groups", a, "*", b)


def _start_two(story: _Story) -> None:
    a, b = story.random.randint(5, 300), story.random.randint(5, 300)
    first, second = story.random.sample(COLOURS, 2)
    day, next_day = story.random.sample(DAYS, 2)
    wordings = (
        "{N} has {a} {first} {T} and {b} {second} {T}.",
        "{N} buys {a} {T} on {day} and {b} {T} on {next_day}.",
        "{N} has {a} {T} and {M} has {b} {T}. They put them together.",
        "There are {a} {first} and {b} {second} {T} on a table.",
    )
    words = {"first": first, "second": second, "day": day, "next_day": next_day}
    story.say("two", wordings, a=a, b=b, **words)
    story.value = story.step("together", a, "+", b)


def _start_compared(story: _Story) -> None:
    a, b = story.random.randint(10, 200), story.random.randint(3, 100)
    more = story.random.random() < 0.6 or b >= a
    if more:
        wordings = (
            "{N} has {a} {T}. {M} has {b} more than {N}. They put them together.",
            "{N} finds {a} {T} and {M} finds {b} more than that. They share what they have.",
        )
        story.say("more", wordings, a=a, b=b)
        second = story.step("the other", a, "+", b)
    else:
        wordings = (
            "{N} has {a} {T}. {M} has {b} fewer than {N}. They put them together.",
            "{N} finds {a} {T} and {M} finds {b} fewer than that. They share what they have.",
        )
        story.say("fewer", wordings, a=a, b=b)
        second = story.step("the other", a, "-", b)
    story.value = story.step("together", a, "+", second)


def _start_plain(story: _Story) -> None:
    story.value = story.random.randint(10, 400)
    wordings = (
        "{N} has {a} {T}.",
        "There are {a} {T} in a room.",
        "{N} starts with {a} {T}.",
    )
    story.say("plain", wordings, a=story.value)


def _gain(story: _Story) -> bool:
    if story.value > LARGEST - 10:
        return False
    c = story.random.randint(3, min(300, LARGEST - story.value))
    wordings = (
        "Then {N} buys {c} more.",
        "{N} finds {c} more {T}.",
        "{M} brings {c} {T}.",
        "Then {c} more come.",
        "After that {N} gets {c} {T} as a gift.",
    )
    story.say("gain", wordings, c=c)
    story.value = story.step("more", story.value, "+", c)
    return True


def _loss(story: _Story) -> bool:
    if story.value < 6:
        return False
    c = story.random.randint(2, story.value - 2)
    wordings = (
        "{N} sells {c} of them.",
        "{N} gives {c} {T} to {M}.",
        "Then {c} of them get lost.",
        "{c} {T} break.",
        "{M} takes {c} of them.",
        "{N} uses {c} {T}.",
    )
    story.say("loss", wordings, c=c)
    story.value = story.step("fewer", story.value, "-", c)
    return True


def _times(story: _Story) -> bool:
    if not 2 <= story.value <= 110:
        return False
    k = story.random.randint(2, min(9, LARGEST // story.value))
    if k == 2 and story.random.random() < 0.7:
        wordings: tuple[str, ...] = (
            "Then the number of {T} doubles.",
            "A week later there are twice as many.",
        )
        story.say("double", wordings)
    else:
        wordings = (
            "A week later there are {k} times as many.",
            "Then the number of {T} grows to {k} times what it was.",
        )
        story.say("times", wordings, k=k)
    story.value = story.step("times", story.value, "*", k)
    return True


def _shared(story: _Story) -> bool:
    parts = [k for k in range(2, 10) if story.value % k == 0 and 1 < story.value // k <= 99]
    if not parts:
        return False
    k = story.random.choice(parts)
    if k in PARTS and story.random.random() < 0.5:
        story.say("part", ("{N} keeps only {p} of them.", "Only {p} of them are good."), p=PARTS[k])
    else:
        wordings = (
            "{N} puts them into {k} equal piles and keeps one pile.",
            "{k} friends share them equally, and {N} is one of them.",
        )
        story.say("shared", wordings, k=k)
    story.value = story.step("a part", story.value, "/", k)
    return True


def _gain_groups(story: _Story) -> bool:
    a, b = _groups(story)
    if story.value + a * b > LARGEST:
        return False
    wordings = (
        "{N} buys {a} {C} of {b} {T}.",
        "{M} brings {a} {C} with {b} {T} each.",
        "Then {a} {C} of {b} {T} are added.",
    )
    story.say("gain groups", wordings, a=a, b=b)
    story.value = story.step("more", story.value, "+", story.step("groups", a, "*", b))
    return True


def _loss_groups(story: _Story) -> bool:
    a, b = _groups(story)
    if a * b > story.value - 2:
        return False
    wordings = (
        "{N} sells {a} {C} of {b} {T}.",
        "{N} gives {a} {C} with {b} {T} each to {M}.",
        "{a} friends take {b} {T} each.",
    )
    story.say("loss groups", wordings, a=a, b=b)
    story.value = story.step("fewer", story.value, "-", story.step("groups", a, "*", b))
    return True


_STARTS = (_start_groups, _start_days, _start_two, _start_compared, _start_plain)
_EVENTS: tuple[Callable[[_Story], bool], ...] = (
    _gain, _loss, _loss, _times, _shared, _gain_groups, _loss_groups,
)  # fmt: skip


def _aside(story: _Story) -> None:
    """A sentence with a number that matters to nothing."""
    k = story.random.randint(2, 60)
    wordings = (
        "{N} is {k} years old.",
        "It takes {k} minutes.",
        "The way home is {k} miles long.",
        "{M} has {k} friends.",
        "It is {k} degrees outside.",
    )
    story.say("aside", wordings, k=k)


def _question(story: _Story) -> None:
    chance = story.random.random()
    prices = [k for k in range(2, 10) if story.value * k <= LARGEST]
    packs = [k for k in range(2, 10) if story.value % k == 0 and 1 < story.value // k <= 99]
    if chance < 0.2 and prices and story.value > 1:
        k = story.random.choice(prices)
        wordings: tuple[str, ...] = (
            "Each costs {k} coins. How many coins do they cost together?",
            "{N} sells all of them for {k} dollars each. How many dollars does {N} get?",
        )
        story.say("price", wordings, k=k)
        story.value = story.step("price", story.value, "*", k)
    elif chance < 0.35 and packs:
        k = story.random.choice(packs)
        wordings = (
            "They are packed in groups of {k}. How many groups are there?",
            "{k} of them fit into a drawer. How many drawers are needed?",
        )
        story.say("packs", wordings, k=k)
        story.value = story.step("a part", story.value, "/", k)
    else:
        wordings = (
            "How many {T} are there now?",
            "How many {T} are left?",
            "How many {T} is that?",
            "How many {T} are there in the end?",
        )
        story.say("count", wordings)


def _drawn(made: random.Random, sizes: tuple[int, ...]) -> Problem | None:
    """One problem of as many steps as one of `sizes`, or None where the draw came to nothing."""
    name, other = made.sample(NAMES, 2)
    if made.random() < 0.1:
        name = made.choice(TRADES)
    things, container = made.choice(THINGS), made.choice(CONTAINERS)
    # Words that nobody has met: what they are does not matter
    if made.random() < 0.12:
        things = _new_word(made) + "s"
    if made.random() < 0.12:
        name = _new_word(made).capitalize()
    story = _Story(made, name, other, things, container)
    size = made.choice(sizes)
    made.choice(_STARTS)(story)
    while len(story.steps) < size and len(story.sentences) < 8:
        if made.random() < 0.12:
            _aside(story)
        if len(story.steps) >= size - 1 and made.random() < 0.5:
            break
        made.choice(_EVENTS)(story)
    _question(story)
    if len(story.steps) not in sizes or story.value > LARGEST:
        return None
    return Problem(" ".join(story.sentences), tuple(story.steps), " ".join(story.wording))


def _new_word(made: random.Random) -> str:
    size = made.randint(1, 3)
    syllables = (made.choice("bdfgklmnprstvz") + made.choice("aeiou") for _ in range(size))
    return "".join(syllables) + made.choice(("", "n", "r", "l", "ck"))


_SIGNS = (
    {sign: f" {sign} " for sign in "+-*/"},
    {sign: sign for sign in "+-*/"},
    {"+": " + ", "-": " - ", "*": " x ", "/": " / "},
    {"+": " plus ", "-": " minus ", "*": " times ", "/": " divided by "},
)
_ASKED = ("What is {}?", "Calculate {}.", "How much is {}?", "Compute {}.", "{}", "{} = ?", "{} =")


def sums(seed: int, split: Split = "train") -> Iterator[Problem]:
    """Calculations without a story, of one to three steps, forever: "What is 12 * 8 + 5?"."""
    made = random.Random(f"sums {seed} {split}")
    while True:
        problem = _sum(made)
        if problem is not None and problem.split == split:
            yield problem


def _sum(made: random.Random) -> Problem | None:
    size, large = made.choice((1, 1, 2, 3)), made.choice((12, 400))
    first: Operation = made.choice("+-*/")  # type: ignore[assignment]
    right = made.randint(2, 9) if first in "*/" else made.randint(1, large)
    left = made.randint(2, min(99, large)) if first in "*/" else made.randint(1, 2 * large)
    if first == "/":
        left *= right
    elif first == "*" and made.random() < 0.5:
        left, right = right, left
    if first == "-" and left < right:
        left, right = right, left
    steps = [Step("value", left, first, right)]
    while len(steps) < size:
        value = steps[-1].result
        operation: Operation = made.choice("+-") if value > 3 else "+"  # type: ignore[assignment]
        most = value - 1 if operation == "-" else LARGEST - value
        if most < 2:
            return None
        steps.append(Step("value", value, operation, made.randint(2, min(most, large))))
    if not all(0 < step.result <= LARGEST for step in steps):
        return None
    asked, signs = made.randrange(len(_ASKED)), made.randrange(len(_SIGNS))
    text = str(left) + "".join(f"{_SIGNS[signs][one.operation]}{one.right}" for one in steps)
    wording = f"sum{asked}-{signs}{''.join(step.operation for step in steps)}"
    return Problem(_ASKED[asked].format(text), tuple(steps), wording)


def problems(
    seed: int, split: Split = "train", sizes: tuple[int, ...] = (2, 3, 4, 5)
) -> Iterator[Problem]:
    """Word problems of one split, forever; the same seed gives the same ones.

    Args:
        seed: Any whole number.
        split: "train", "validation" or "test".
        sizes: How many steps a problem may have, 1 to 6.
    """
    made = random.Random(f"problems {seed} {split}")
    while True:
        problem = _drawn(made, sizes)
        if problem is not None and problem.split == split:
            yield problem
