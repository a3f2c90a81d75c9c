"""Splits a text outside its brackets, and joins the digits of a number."""

from __future__ import annotations

import re

SEPARATOR = re.compile(r"[,;]|(?<![A-Za-z]) ?(?:and|or) ?(?![A-Za-z])|(?<= )(?:and|or)(?= )")

_THOUSANDS = re.compile(
    r"(?<![\d,.])(?<!\d, )(\d{1,3}(?:,\d{3})+)(?![\d,])"
    r"|(?<![\d.,] )(?<![\d.,])(\d{1,3}(?: \d{3})+)(?! ?\d)"
)

_DOTS = re.compile(r"\A(-?\d{1,3}(?:\.\d{3}){2,})\Z")


def split(text: str, separator: re.Pattern[str] = SEPARATOR) -> list[str]:
    """Splits a text where separators stand outside all brackets; leaves blank parts out."""
    depths, depth = [], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        depths.append(depth)
    parts, start = [], 0
    for found in separator.finditer(text):
        if depths[found.start()] == 0:
            parts.append(text[start : found.start()])
            start = found.end()
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def stands_outside(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a pattern occurs outside all brackets."""
    return len(split(f"x{text}x", pattern)) > 1


def lowest_depth(text: str) -> int:
    """The lowest depth of brackets that a text reaches; below 0 it closes what it did not open."""
    depth = lowest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        lowest = min(lowest, depth)
    return lowest


def join_thousands(text: str) -> str:
    """Takes the separators out of 1,234 and 1 234, but not inside brackets or out of lists."""
    if found := _DOTS.match(text):
        return found[1].replace(".", "")
    found = _THOUSANDS.search(text)
    if not found:
        return text

    def join(number: re.Match[str]) -> str:
        inside = _depth(text[: number.start()])
        return number[0] if inside else re.sub("[, ]", "", number[0])

    return _THOUSANDS.sub(join, text)


def _depth(text: str) -> int:
    return sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")
