"""Reads times of day and dates in one spelling."""

from __future__ import annotations

import re

_MONTHS = "january february march april may june july august september october november december"
_MONTH = {month[:3]: month for month in _MONTHS.split()} | {"sept": "september"}
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
DAY = {day[:3]: day for day in _DAYS.split()} | {"tues": "tuesday", "thurs": "thursday"}
_CLOCK = re.compile(
    r"(?i)([01]?[0-9]|2[0-4])(?: ?: ?([0-5][0-9]))?(?: ?: ?([0-5][0-9]))? ?"
    r"(a\.? ?m\b\.?|p\.? ?m\b\.?|o'clock|noon|midnight|in the (?:morning|afternoon|evening))?"
)
_ISO = re.compile(r"([12][0-9]{3})[-/]([01]?[0-9])[-/]([0-3]?[0-9])")
_SLASHED = re.compile(r"([01]?[0-9])/([0-3]?[0-9])/([12][0-9]{3})")  # month first, as in the US
_CHINESE = re.compile(r"(?:([12][0-9]{3}) ?年 ?)?([01]?[0-9]) ?月 ?([0-3]?[0-9]) ?[日号]")
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
Clock = tuple[int, bool | None]
"""Seconds since the last noon or midnight, and whether that was noon; None where it is not said."""


def read_clock(text: str) -> Clock | None:
    """Reads "3:45 p.m.", "15:45" and "noon"; "3:45" alone may also be a ratio."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split()).lower()
    bare = {"noon": "12 noon", "midnight": "12 midnight"}.get(bare, bare)
    found = _CLOCK.fullmatch(bare)
    if not found or not (found[2] or found[4]):
        return None
    hours, half = int(found[1]), (found[4] or "").lower()
    later: bool | None = None
    if half.startswith(("p", "noon", "in the a", "in the e")) or 12 < hours < 24:
        later = True
    elif half.startswith(("a", "midnight", "in the m")) or hours in (0, 24) or found[1][0] == "0":
        later = False
    return hours % 12 * 3600 + int(found[2] or 0) * 60 + int(found[3] or 0), later


def same_clock(a: Clock, b: Clock) -> bool:
    """Whether two times of day are the same, as far as they are said."""
    return a[0] == b[0] and (None in (a[1], b[1]) or a[1] == b[1])


def read_date(text: str) -> str | None:
    """Reads "June 20", "20th of June, 2024" or "2024-06-20" as "june 20 2024"."""
    text = _SLASHED.sub(r"\3-\1-\2", text)
    if found := _ISO.fullmatch(text) or _CHINESE.fullmatch(text):
        year, number, day = found.groups()
        if not 1 <= int(number) <= 12:
            return None
        return " ".join(
            [_MONTHS.split()[int(number) - 1], str(int(day)), *([year] if year else [])]
        )
    words = re.sub(r"(?i)(?<=\d)(?:st|nd|rd|th)\b|\b(?:of|the|on)\b|[,.]", " ", text).split()
    words = [word for word in words if word.lower() not in {*DAY, *DAY.values()}]
    months = [_month(word) for word in words]
    found_months = [month for month in months if month]
    if len(found_months) != 1 or not 2 <= len(words) <= 3:
        return None
    rest = [word for word, month in zip(words, months, strict=True) if not month]
    if not all(word.isdecimal() for word in rest):
        return None
    return " ".join([found_months[0], *sorted(map(str, map(int, rest)), key=lambda w: (len(w), w))])


def _month(word: str) -> str | None:
    lower = word.lower()
    return _MONTH.get(lower) or (lower if lower in _MONTHS.split() else None)
