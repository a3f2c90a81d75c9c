"""Reads numbers in words."""

from __future__ import annotations

import re

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = {word: value for value, word in enumerate(_SMALL)}
NUMBERS |= {word: 20 + 10 * place for place, word in enumerate(_TENS)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_SHARES = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8}
_SHARE = re.compile(
    rf"(?:(a|{'|'.join(_SMALL)})[ -])?({'|'.join(_SHARES)})s?(?: of ((?:the |an? )?[a-z]+))?"
)
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")


def number_in_words(text: str) -> str | None:
    """Writes "twenty-five" as "25" and "five apples" as "5 apples"; None if it starts otherwise."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split())
    if found := _SHARE.fullmatch(bare.lower()):
        top = found[1] if found[1] not in (None, "a") else "one"
        return f"{NUMBERS[top]}/{_SHARES[found[2]]} {found[3] or ''}".strip()
    if not re.fullmatch(r"[A-Za-z -]+", bare):
        return None
    words = bare.lower().replace("-", " ").split()
    value, used = _count(words)
    return f"{value} {' '.join(words[used:])}".strip() if used else None


def _count(words: list[str]) -> tuple[int, int]:
    """The value of the number that some words start with, and how many of them it takes."""
    total, current, used = 0, 0, 0
    for word in words:
        if word in NUMBERS:
            current += NUMBERS[word]
        elif word in _SCALES and used:
            current = max(current, 1) * _SCALES[word]
            if word != "hundred":
                total, current = total + current, 0
        elif word != "and" or not used:
            break
        used += 1
    return total + current, used
