r"""Splits an expression into numbers, letters, macros and signs, for `expressions`."""

from __future__ import annotations

import re
from fractions import Fraction

LETTERS = frozenset(
    re.findall(
        "[A-Za-z]+",
        "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi "
        "psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega Pi Xi Upsilon ell hbar aleph",
    )
)
"""Macros that are letters."""
MARKS = frozenset(
    re.findall(
        "[a-z]+",
        "vec hat bar tilde overline overrightarrow widehat angle triangle measuredangle nabla det",
    )
)
"""Macros for signs above or before a letter, which make something else of it."""
_TOKEN = re.compile(
    r"""(?x)(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![0-9]))
      | \\(?P<macro>[A-Za-z]+) | (?P<set>\\[{}]) | (?P<comma>,) | (?P<letter>[A-Za-z])
      | (?P<sign>[-+*/^_!%°|=(){}\[\]'])"""
)
_REPEATING = re.compile(
    r"""(?x)([0-9]*)\.([0-9]*)(?:\\(?:overline|bar)\ ?\{?\ ?([0-9]+)\ ?\}?|\(([0-9]+)\)
        |\\dot\ ?\{?\ ?([0-9])\ ?\}?(?:([0-9]*)\\dot\ ?\{?\ ?([0-9])\ ?\}?)?)(?![0-9])"""
)
_GOES_ON = re.compile(r"(?<![0-9])([0-9]{0,40})\.([0-9]{2,60}) ?\\dots(?![a-z])")
_LONGEST_PERIOD = 12


class UnreadableError(Exception):
    """A text is no expression, or one with two readings."""


def _repeating(match: re.Match[str]) -> str:
    period = match[3] or match[4] or "".join(part or "" for part in match.group(5, 6, 7))
    return _fraction(match[1] or "0", match[2], period)


def _going_on(match: re.Match[str]) -> str:
    r"""Reads "0.1666\dots" where the last digits repeat: at least twice."""
    digits = match[2]
    for length in range(1, _LONGEST_PERIOD + 1):
        same = [a == b for a, b in zip(digits, digits[length:], strict=False)]
        fixed = len(same) - same[::-1].index(False) if False in same else 0
        if len(digits) - fixed >= 2 * length:
            return _fraction(match[1] or "0", digits[:fixed], digits[fixed : fixed + length])
    return match[0]


def _fraction(whole: str, fixed: str, period: str) -> str:
    value = Fraction(int(whole + fixed + period) - int(whole + fixed)) / (
        10 ** len(fixed) * (10 ** len(period) - 1)
    )
    return f"({value.numerator}/{value.denominator})"


def tokens_of(text: str) -> list[tuple[str, str, bool]]:
    """Splits a text into (kind, text, whether a space stood before it)."""
    text = _GOES_ON.sub(_going_on, _REPEATING.sub(_repeating, text))
    found, position = [], 0
    while position < len(text):
        start = position
        while position < len(text) and text[position] == " ":
            position += 1
        if position == len(text):
            break
        token = _TOKEN.match(text, position)
        if token is None:
            raise UnreadableError
        kind = str(token.lastgroup)
        found.append((kind, token[kind], position > start))
        position = token.end()
    return found
