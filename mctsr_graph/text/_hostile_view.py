"""How a reader sees a text: look-alikes, widths and accents made plain, invisible marks gone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

_SPLIT = re.compile(
    r"(?m)(?P<item>^[ \t]*+\d{1,2}[.)](?=[ \t]+\S)|\.{2,6}(?= ?[-+]?\d))|(?P<line>\n)"
    r"|(?<![.!?])[.!?]++[\"')\]]*+(?=\s|\Z)|。|\[line removed\]"
)
_MARKUP = re.compile(
    r"(?i)\\(?:text|math)(?:bf|it|rm|sf|tt)?(?![a-z])|\\(?:boxed|[fm]box|bf)(?![a-z])|<!--|-->"
    r"|</?(?:b|i|u|em|strong|span|p|div|br|h[1-6]|font|code|td)(?: [^<>\n]{0,60})?/?>"
    r"|(?<![^\W_])_++|_++(?![^\W_])"
)
_MARKS = str.maketrans("*`$~{\\#}", "       )")
_ASCII = dict(zip("−‘’“”∶꞉ː։＝≔：", "-''\"\"::::=≔:", strict=True))
_FEW = 64
_LATIN = str.maketrans(
    "аеорсухѕіјԁɡһӏгвкмтАВЕЅІЈКМНОРСТУХαεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxsijdghlrbkmtABESIJKMHOPCTYXaeiknoptuxABEZHIKMNOPTYX",
)
"""Look-alikes of Cyrillic and Greek."""
_LETTERS = "".join(map(chr, _LATIN))
_LOOK_ALIKE = re.compile(rf"(?<![^\W\d_])[A-Za-z]*+[{_LETTERS}][A-Za-z{_LETTERS}]*+(?![^\W\d_])")
_MOST = 4000  # sentences in a text; what comes after so many counts as one more
_WORD = re.compile(r"[^\W_]|[★⭐]")


class Sentence(NamedTuple):
    """A part of a text, from `start` up to `end`."""

    start: int
    end: int
    is_broken: bool
    """True if only a line end ends it."""


def sentences_of(view: str) -> list[Sentence]:
    """The sentences of a text, without those that hold no word."""
    found, start = [], 0
    for stop in islice(_SPLIT.finditer(view), _MOST):
        if stop["item"] is None:  # else it is the "1." of a list, or dots as in "[Score]... 95"
            is_line = stop["line"] is not None
            found.append((start, stop.start() if is_line else stop.end(), is_line))
            start = stop.end()
    found.append((start, len(view), False))
    return [
        Sentence(start, end, is_line)
        for start, end, is_line in found
        if _WORD.search(view, start, end)
    ]


def as_seen(text: str) -> tuple[str, Sequence[int]]:
    """The text as a reader sees it, and where each of its characters (and its end) stands."""
    if text.isascii():
        return text, range(len(text) + 1)
    table = {char: plain(char) for char in set(text) if not char.isascii()}
    if all(len(piece) == 1 for piece in table.values()):
        view = _translated(text, table)
        mixed = bool(_LATIN.keys() & map(ord, table))
        return (_same_script(view) if mixed else view), range(len(text) + 1)
    pieces = [table.get(char, char) for char in text]
    places = [place for place, piece in enumerate(pieces) for _ in piece] + [len(text)]
    return _same_script("".join(pieces)), places


def _translated(text: str, table: dict[str, str]) -> str:
    changed = {char: piece for char, piece in table.items() if char != piece}
    if len(changed) > _FEW:
        return text.translate({ord(char): piece for char, piece in changed.items()})
    for char, piece in changed.items():  # much faster than `translate` where they are few
        text = text.replace(char, piece)
    return text


def without_markup(text: str) -> str:
    """The text with markup made blank, of the same length."""
    return _MARKUP.sub(lambda markup: " " * len(markup[0]), text).translate(_MARKS)


def plain(char: str) -> str:
    """ASCII for full-width, styled and accented letters; nothing for what is not visible."""
    if "\U000e0020" <= char <= "\U000e007e":  # "tags": ASCII that only models can read
        return chr(ord(char) - 0xE0000)
    if unicodedata.category(char) in {"Cf", "Mn"}:
        return ""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    wide = _ASCII.get(char) or unicodedata.normalize("NFKC", char)
    base = unicodedata.normalize("NFD", wide)[:1]
    return base if base.isascii() and len(wide) == 1 else wide if len(wide) < 3 else char


def _same_script(view: str) -> str:
    """Latin letters for those of other scripts that look like them, in words of nothing else."""
    return view if view.isascii() else _LOOK_ALIKE.sub(_latin, view)


def _latin(word: re.Match[str]) -> str:
    return word[0].translate(_LATIN)
