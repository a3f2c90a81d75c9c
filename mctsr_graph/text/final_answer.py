r"""Reading final answers out of model text, and a cheap key to compare them by.

Nothing here proves two answers equal, and nothing guesses: a text that states no final answer
has none. Every function takes any ``str``, never raises, and takes about linear time: the
patterns bound their repeats, or run only on text that was cut to a fixed length first.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from mctsr_graph.text.statements import DECLARED, MAX_SENTENCE, SAID, statements
from mctsr_graph.text.thinking import strip_reasoning
from mctsr_graph.text.tidy import TEXT_MACRO, tidy

LONGEST = 1_000_000
"""Characters of a draft, a critique or a refinement that are kept, at most."""
_HASHED = 3  # how sure a "####" line is: between a box and a sentence
_MAX_BOX = 1000  # a box may hold a matrix, but not an essay
_MAX_KEY = 400  # longer answers get no rewriting, only their ends stripped
_MAX_TEXT = 200_000  # characters at the end of a text that are looked at
_MAX_TRIES = 100  # boxes and lines looked at, last to first

# Found by the literal "ox", which a search is fast for; then its name is looked at. The note is
# the width of a \framebox, the arguments are the colours of a \fcolorbox.
_BOX = re.compile(
    r"ox(?:ed)?(?![A-Za-z])(?:\[[^\[\]\n]{0,20}\])?(?:\{[a-z]{1,20}\}(?=\s?\{)){0,2}\s{0,8}(\{?)"
)
# Two backslashes before "boxed" are accepted: replies quoted as JSON twice have them. JSON that
# was read once too often makes "\b" a backspace, or nothing.
_BOX_NAME = re.compile(r"\\{1,2}(?:b|B|fb|frameb|f?colorb|ovalb|doubleb)\Z|\x08\Z")
_BARE_NAME = re.compile(r"(?<![A-Za-z\\])b?\Z")
# An escaped character is one token, so that \{ and \} do not count as braces.
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
# "\boxed 5" and "\boxed x", but not "a \boxed environment".
_BARE_BOX = re.compile(r"(?=[-+.]?[0-9\\]|[A-Za-z]\b)(?:[^\s${}]|\{[^\s${}]{0,40}\}){1,60}")
_NAME = r"[A-Za-z](?:_\{?\w{1,3}\}?)?\s?="
# What may stand between two boxes of one list: "and", commas, dollar signs, "y =".
_GAP = re.compile(
    rf"""(?x)(?:[\s$,;&、*]|\\[()\[\]\\,;:! ]|\\q?quad\b|\b(?:and|or|und|oder|et|ou|y|o|e)\b|[和或]
        |\\text\s?\{{\s{{0,4}}(?:and|or|,)?\s{{0,4}}\}}|{_NAME}){{0,20}}"""
)
_NAMED = re.compile(rf"({_NAME})[\s$]*\Z")
# An earlier version that is only told of: it is no answer where there is another box
_DISOWNED = re.compile(
    r"(?i)\b(?:not|instead of|rather than|(?:earlier|previous|first|original|initial) (?:draft"
    r"|version|attempt|answer|try|solution)(?: (?:had|was|gave|said))?)[\s$*(:]{0,4}\Z"
)
_CORRECTION = re.compile(
    r"(?i)\b(?:correct(?:ion|ed|ing)?|actually|wait|mistake|wrong|instead|sorry|oops|erratum"
    r"|revis(?:ed|ion)|should (?:be|have been)|rather)\b|更正|纠正|订正|修正"
)
_HASH_LINE = re.compile(r"^[ \t]{0,8}####(?!#)([^\n]{0,400})", re.MULTILINE)
_HASH_VALUE = re.compile(r"(?![0-9]+[.)]\Z)(?:\S*[0-9]\S*|[^A-Za-z]*[0-9][^A-Za-z]*)")
# A line end that was escaped once too often; "\nu" and its like are macros.
_ESCAPED_LINE = re.compile(r"(?<!\\)(?:\\r)?\\n(?![a-z])")


class _Found(NamedTuple):
    """A place that states an answer: how sure, from where to where, and what."""

    level: int
    start: int
    end: int
    value: str


def clean_text(text: str) -> str:
    """Makes any text safe to store in JSON, SQLite and Postgres.

    Returns:
        The text without NUL. Two surrogates that are one character cut in two (as a stream may
        do) become that character, and any other surrogate becomes U+FFFD.
    """
    if text.isascii() and "\0" not in text:
        return text
    utf16 = text.replace("\0", "").encode("utf-16-le", "surrogatepass")
    return utf16.decode("utf-16-le", "replace")


def cut_long(text: str) -> str:
    """Cuts the middle out of a text of more than `LONGEST` characters, with a mark in its place.

    Returns:
        The text, or its first fifth and its end, about `LONGEST` characters together.
    """
    if len(text) <= LONGEST:
        return text
    head, left_out = LONGEST // 5, len(text) - LONGEST
    mark = f"\n[{left_out:,} characters left out]\n"
    return f"{text[:head]}{mark}{text[head + left_out :]}"


def extract_final_answer(text: str) -> str | None:
    r"""Finds the short final answer that a worked solution states.

    In this order: the last box, ``<answer>`` tag or "answer" field of JSON; the last ``####``
    line; the last "the answer is ..." or "Answer: ...", in fifteen languages; the last line such
    as "Result: 5". A blank one or a placeholder is passed over for the one before it, and words
    of correction ("Wait, ... the answer is 6") let a sentence beat the box before it.

    Boxes side by side, as in "\boxed{1} and \boxed{2}", are one list. Of nested boxes only the
    innermost counts. A ``####`` line with words counts only at the end of the text, as it may be
    a heading. A statement's value may stand on the next line if that line reads as a value.

    Args:
        text: A model's reply; its thinking is left out of account. Its last 200,000 characters
            are read.

    Returns:
        The answer without the markup around it, never empty, or None where none is stated.
    """
    text = strip_reasoning(text)[-_MAX_TEXT:].replace("\r\n", "\n")
    if "\\n" in text:
        text = _ESCAPED_LINE.sub("\n", text)
    found = [*_boxes(text), *_hash_lines(text), *_statements(text)]
    if not found:
        return None
    best = max(found, key=lambda one: (one.level, one.end))
    later = [one for one in found if one.level >= SAID and one.start >= best.end]
    last = max(later, key=lambda one: one.end, default=best)
    return (last if _CORRECTION.search(text, best.end, last.end) else best).value


def _boxes(text: str) -> list[_Found]:
    """The last closed boxes that hold no other box; those side by side are one."""
    spans = _box_spans(text)
    owned = [one for one in spans if not _DISOWNED.search(text, max(0, one.start - 50), one.start)]
    lists: list[list[_Found]] = []
    for one in owned or spans:
        gap = text[lists[-1][-1].end : one.start] if lists else ""
        # What follows in a paragraph of its own is a correction, and no second answer.
        if lists and len(gap) <= 100 and "\n\n" not in gap and _GAP.fullmatch(gap):
            lists[-1].append(one)
        else:
            lists.append([one])
    return [_joined(text, one) for one in lists]


def _joined(text: str, boxes: list[_Found]) -> _Found:
    """Boxes that stand side by side as one answer; "x =" and "y =" before them are kept."""
    matches = [_NAMED.search(text, max(0, one.start - 30), one.start) for one in boxes]
    names = [match[1] if match else "" for match in matches]
    told = len(set(names)) > 1
    parts = [f"{n} {b.value}" if n and told else b.value for n, b in zip(names, boxes, strict=True)]
    value = ", ".join(dict.fromkeys(parts))
    return _Found(DECLARED, boxes[0].start, boxes[-1].end, value)


def _box_spans(text: str) -> list[_Found]:
    """The last closed boxes that hold no other box and are not blank, in reading order."""
    found: list[_Found] = []
    for box in list(_BOX.finditer(text))[-_MAX_TRIES:]:
        before = text[max(0, box.start() - 8) : box.start()]
        named = _BOX_NAME.search(before)
        bare = box[0].startswith("oxed") and box[1] and _BARE_NAME.search(before)
        if not named and not bare:
            continue
        start = box.start() - len((named or bare or box)[0])
        if box[1]:
            end = _closing(text, box.end())
            value = text[box.end() : end - 1]
        elif open_ := _BARE_BOX.match(text, box.end()):
            end, value = open_.end(), open_[0]
        else:
            continue
        if end and (answer := tidy(value, _MAX_BOX)):
            found.append(_Found(DECLARED, start, end, answer))
    return found


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before `start` is closed; 0 if it is not, or too late."""
    depth = 1
    for token in _BRACE.finditer(text, start, start + 2 * _MAX_BOX):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return token.end()
    return 0


def _hash_lines(text: str) -> list[_Found]:
    """What follows ``####`` where that is an answer and not a Markdown heading."""
    found: list[_Found] = []
    for line in list(_HASH_LINE.finditer(text))[-_MAX_TRIES:]:
        value = line[1].strip()
        last = line.end() == len(text) and ":" not in value
        # "#### Final Answer: 5" is left to be read as a statement.
        is_value = (last or _HASH_VALUE.fullmatch(value)) and not statements(value)
        if is_value and (answer := tidy(value, MAX_SENTENCE)):
            found.append(_Found(_HASHED, line.start(), line.end(), answer))
    return found


def _statements(text: str) -> list[_Found]:
    """What is stated in words, by tags or by fields, and is an answer."""
    found: list[_Found] = []
    for level, start, value in statements(text):
        declared = level == DECLARED
        boxes = _boxes(value) if declared else []
        answer = boxes[-1].value if boxes else tidy(value, _MAX_BOX if declared else MAX_SENTENCE)
        if answer:
            found.append(_Found(level, start, start + 1, answer))
    return found


_CHARACTERS = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u00b0": "^\\circ ", "\u03c0": "\\pi ", "\u221e": "\\infty "}
)
# Applied in this order. `(\\\\)` comes first where "\\" could be read as half of another macro.
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Separators that can only mean thousands: 1{,}234 1\,234 1,\!234 and narrow spaces.
        (r"(?<=[0-9])(?:\{,\}|\\[,;:! ]|,\\! ?|[~\u2009\u202f\xa0])(?=[0-9]{3}(?![0-9]))", ""),
        (r"\s+", " "),
        (r"(\\\\)|\\[!$()\[\]]|\\(?=%)|\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])", r"\1"),
        (r"(\\\\)|\\[,;: ]|\\q?quad(?![A-Za-z])|[~$]", r"\1 "),
        (TEXT_MACRO, r"\1"),
        (r"\^ ?(?:\\circ(?![A-Za-z])|\{ ?\\circ ?\})|(?<=[0-9]) ?degrees?\Z", ""),
        (r"\\([lg]e|ne)q(?:slant)?(?![A-Za-z])", r"\\\1"),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(frac|sqrt)(?: ?([0-9])| ([A-Za-z]))", r"\\\1{\2\3}"),
        (r"(\\frac\{[^{}]*\}) ?([0-9A-Za-z])", r"\1{\2}"),
        (r"([_^])\{ ?([0-9A-Za-z]) ?\}", r"\1\2"),
        (r"\A(-? ?)([\w\\]{1,20}) ?/ ?([0-9]{1,20}|[A-Za-z]|\\pi)\Z", r"\1\\frac{\2}{\3}"),
        (r"(\A|[,(\[=;{])[ +]*\+", r"\1"),
    )
]
_VARIABLE = re.compile(
    r"\A(?:(?:[A-Za-z]|\\[a-z]{2,8}) ?(?:_ ?(?:\w|\{[^{}=]{1,20}\}))?)? ?(?:=|\\in\b)(?= ?[^ ])"
)
_THOUSANDS = re.compile(r"(?a) ?-? ?[1-9]\d{0,2}(?:(?:,\d{3})+(?!\d)[^,)\]]*|(?: \d{3})+[.\d]*%?)")
_DECIMAL = r"(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})"
# A number that is the whole answer, or the whole of one place in a list, tuple or equation.
_NUMBER = re.compile(
    rf"""(?x)(?P<left>\A|[,(\[=;]|\\\{{)\ ?(?P<sign>-?)\ ?
        (?:(?P<whole>[0-9]{{1,20}})(?=\ ?\\frac|\ [0-9]+\ ?/)\ ?)?
        (?:\\frac\ ?\{{\ ?(?P<a>-?{_DECIMAL})\ ?\}}\ ?\{{\ ?(?P<b>-?{_DECIMAL})\ ?\}}
          |(?P<c>{_DECIMAL})(?:\ ?/\ ?(?P<d>{_DECIMAL}))?)
        (?=\ ?%?\ ?(?:\Z|[,)\];]|\\\}}))"""
)
_IN_PARENTHESES = re.compile(r"\A[({\[] ?([-0-9/]{1,210}%?|[A-Za-z]) ?[\])}]\Z")
_SPACES = re.compile(r"(?<=[0-9])(\s)\s*(?=[0-9])|\s+")


def answer_key(final_answer: str) -> str:
    r"""Gives a form under which final answers that are plainly equal compare equal.

    For votes and repeated answers, not for proof. Numbers become exact rationals (``0.5``, ``1/2``
    and ``\frac12`` are one); "1,234" is a number, while "1, 234", "(1,234)" and "1,2" are lists;
    words and single letters lose their case; units and percent stay ("50%" is not "50").

    Args:
        final_answer: An answer as `extract_final_answer` returns it, or a reference answer.

    Returns:
        The key; the key of a key is that key.
    """
    # A rewrite can make room for another. The first text to come back also comes back to itself,
    # so the key of a key is that key, whatever the rewrites do.
    seen: set[str] = set()
    while final_answer not in seen:
        seen.add(final_answer)
        final_answer = _rewrite(final_answer)
    return final_answer


def _rewrite(text: str) -> str:
    """Does one round of `answer_key`."""
    text = text.lstrip(" \t\r\n$").rstrip(" \t\r\n$.,;\\")
    if len(text) > _MAX_KEY:
        return text
    text = text.translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    if text.count("=") <= 1:  # "x=1, x=2" states two things, and keeps them
        text = _VARIABLE.sub("", text)
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"(?<=[0-9])[, ](?=[0-9]{3}(?![0-9]))", "", text)
    text = _IN_PARENTHESES.sub(r"\1", _NUMBER.sub(_rational, text))
    if all(c.isalpha() or c in " ,'" for c in text):
        text = text.casefold()
    # One space stays between digits ("1 2" is not 12), and one after each comma, which tells a
    # list from a number with thousands separators when the key is read again.
    return _SPACES.sub(lambda m: " " if m[1] else "", text).replace(",", ", ")


def _rational(number: re.Match[str]) -> str:
    """Rewrites a match of `_NUMBER` as an exact rational in lowest terms."""
    value = Fraction(Decimal(number["a"] or number["c"]))
    divisor = Fraction(Decimal(number["b"] or number["d"] or "1"))
    if divisor == 0 or (number["whole"] and not 0 <= value < divisor):  # "2\frac{3}{2}": product
        return number[0]
    value = value / divisor + int(number["whole"] or 0)
    return number["left"] + str(-value if number["sign"] else value)
