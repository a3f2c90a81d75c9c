"""Texts of strangers as a reader sees them: whether there is anything to see, and nothing else."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# Letters and signs by category that are drawn as nothing: fillers of Hangul, and blank Braille
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_NOT_ASCII = re.compile(r"[^ -~]+")


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing: spaces, zero-width characters, controls, lone marks."""
    return all(unicodedata.category(c)[0] in "CMZ" or c in _BLANK_LETTERS for c in text)


def printable(text: str, keep: str = "") -> str:
    r"""A text without what a terminal obeys: control and bidirectional characters become "?".

    Args:
        text: Any text.
        keep: Characters to leave as they are, such as "\n".
    """
    return text if text.isprintable() else "".join(_seen(c, keep) for c in text)


def one_line(text: str, most: int = 60) -> str:
    """A text of a model on one line of `most` characters, without what a terminal would obey."""
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= most else flat[: most - 3] + "..."


def _seen(c: str, keep: str) -> str:
    if c in keep or c.isprintable():
        return c
    return " " if unicodedata.category(c) == "Zs" else "?"


def printable_json(value: Any, **options: Any) -> str:
    """JSON in which what cannot be printed is escaped; whoever reads it gets it back."""
    return escaped(json.dumps(value, ensure_ascii=False, **options))


def escaped(text: str) -> str:
    """The same JSON with an escape for what cannot be printed."""
    return _NOT_ASCII.sub(lambda found: _escaped(found[0]), text)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    # A line break stands between values only, where an indent was asked for
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
