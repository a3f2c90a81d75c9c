"""Reads answers in words: yes and no, names, dates, numbers in words, and words for no solution."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = "january february march april may june july august september october november december"
_MONTH = {month[:3]: month for month in _MONTHS.split()} | {"sept": "september"}
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_DAY = {day[:3]: day for day in _DAYS.split()} | {"tues": "tuesday", "thurs": "thursday"}
_NOTHING = re.compile(
    r"(?i)(?:there (?:is|are) )?(?:no|none|zero) (?:real |such |possible |integer |valid )*"
    r"(?:solutions?|numbers?|values?|roots?|integers?|answers?)(?: exists?)?"
    r"|(?:the )?empty set|\\varnothing|\\\{ ?\\\}|none|impossible|not possible"
)
_UNDEFINED = re.compile(r"(?i)(?:it )?(?:is )?(?:undefined|dne|does not exist|not defined|d\.n\.e)")
_DROPPED = re.compile(r"(?i)\b(?:the|an?|on|is|it|of)\b|[\"'.!?,]")
_YES_NO = re.compile(r"(?i)(yes|no|true|false)(?:[.!]?\Z|[,.!;:](?! ?(?:and|or)\b) ?[a-z])")
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z '.,!?\"-]*")


@dataclass(frozen=True)
class Words:
    """An answer in words, in one spelling."""

    text: str
    may_be_product: bool
    """Whether it may as well be a product of variables, such as "ab"."""


def read_words(text: str) -> Words | None:
    """Reads a text that consists of words; None for anything else."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split()).strip(" .")
    if _NOTHING.fullmatch(bare):
        return Words("no solution", False)
    if _UNDEFINED.fullmatch(bare):
        return Words("undefined", False)
    if date := _date(bare):
        return Words(date, False)
    if not _PLAIN.fullmatch(bare) or not _has_word(bare):
        return None
    if bare == text and len(bare.replace(" ", "")) < 3 and bare.lower() not in ("no", "up"):
        return None  # x, ab
    word = " ".join(_DROPPED.sub(" ", bare).replace("-", " ").casefold().split())
    word = _DAY.get(word, word)
    return Words(word or bare.casefold(), bare == text and len(bare) < 4)


def yes_or_no(text: str) -> Words | None:
    """Reads "Yes" and "No, it is not."."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split())
    found = _YES_NO.match(bare)
    return Words(found[1].lower(), False) if found else None


def _has_word(text: str) -> bool:
    """Whether letters are words: not in "a - b" or "ab-cd"."""
    longest = max(len(word) for word in re.findall(r"[A-Za-z]+", text))
    return longest > 1 and not (" - " in text or ("-" in text and longest < 3))


def _date(text: str) -> str | None:
    """Reads "June 20", "20 June" or "20th of June, 2024"."""
    words = re.sub(r"(?i)(?<=\d)(?:st|nd|rd|th)\b|\b(?:of|the|on)\b|[,.]", " ", text).split()
    months = [_month(word) for word in words]
    found = [month for month in months if month]
    if len(found) != 1 or not 2 <= len(words) <= 3:
        return None
    rest = [word for word, month in zip(words, months, strict=True) if not month]
    if not all(word.isdecimal() for word in rest):
        return None
    return " ".join([found[0], *sorted(rest, key=lambda word: (len(word), word))])


def _month(word: str) -> str | None:
    lower = word.lower()
    return _MONTH.get(lower) or (lower if lower in _MONTHS.split() else None)
