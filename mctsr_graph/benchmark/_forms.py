r"""The forms that an answer may have, and how a text is read as one of them.

A form keeps what matters to equality: whether order counts, which ends belong to an interval, which
unit a number has. What fits no form is `Opaque`, and left to math-verify.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ._expressions import Tree, read_expression
from ._plain import MAX_LENGTH, plain
from ._quantities import Quantity, read_quantity, read_sum
from ._words import Words, number_in_words, read_words, yes_or_no

_MAX_ITEMS = 200
_MAX_DEPTH = 6


@dataclass(frozen=True)
class Opaque:
    """A text that fits no other form."""

    text: str


@dataclass(frozen=True)
class Infinite:
    """Plus or minus infinity."""

    sign: int


@dataclass(frozen=True)
class Choice:
    """The letter of an option, and the option's own text if it is given, too."""

    letter: str
    option: Form | None = None


@dataclass(frozen=True)
class Either:
    """One value in several ways, the first being the most exact: 2\\sqrt2 and about 2.83."""

    options: tuple[Form, ...]


@dataclass(frozen=True)
class Group:
    """Several answers. `brackets` is "" for a list, else such as "()", "[)" or "{}"."""

    brackets: str
    items: tuple[Form, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of the same length."""

    rows: tuple[tuple[Form, ...], ...]


@dataclass(frozen=True)
class Piece:
    """An interval, or a point where both ends are the same."""

    low: Form
    high: Form
    closed: tuple[bool, bool]


@dataclass(frozen=True)
class Region:
    """A union of intervals and points, of the variable `name` if it is not ""."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Named:
    """A value with its name: "x = 5", "f(x) = x + 1"; `names` has more for "x = y = 5"."""

    names: tuple[str, ...]
    value: Form
    sides: tuple[Tree | None, Tree | None]


@dataclass(frozen=True)
class Equation:
    """An equation that gives no single name a value: "5x + y = -3"."""

    left: Tree | None
    right: Tree | None
    value: Form


Form = (
    Opaque
    | Infinite
    | Choice
    | Either
    | Group
    | Matrix
    | Region
    | Named
    | Equation
    | Quantity
    | Words
)

_LEAD = re.compile(
    r"(?i)\A(?:(?:therefore|thus|hence|so|\\therefore)(?![a-z])[ ,]*)?"
    r"(?:(?:(?:the |our )?(?:final )?(?:answers?|solutions?)(?: is| are)?:?|equals?|is|approximately"
    r"|about|roughly|exactly|only|\\approx|=)(?![a-z]) ?)?"
)
# "The total cost is \\$45": prose that ends in "is", before a value.
_PROSE = re.compile(
    r"\A(?:\\text ?\{ *)?[A-Za-z][A-Za-z' ]{2,100}(?: is| are| was| equals|:)(?: equal to)?(?: *\})? ?"
    r"(?=[-+.(\[0-9]|\\(?!text))"
)
_TAIL = re.compile(r"(?i) is (?:the|our|my) (?:final |correct )?(?:answer|solution)\Z")
_CHOICE = re.compile(
    r"""(?x)\A(?:(?i:option|choice|answer)\ ?)?
        (?:\((?P<a>[A-J])\)\.?|(?P<b>[A-J])(?=[).:]|\Z)[).:]?)(?:\ ?(?P<option>[^=\s].*))?\Z"""
)
_REAL = re.compile(
    r"(?i)\A(?:(?:all|any|every)(?: the)? reals?(?: numbers?| values?)?|\\mathbb ?\{R\}"
    r"|reals?(?: numbers)?)(?: (?:of )?[a-z])?\Z"
)
_EXCEPT = re.compile(
    r"(?i)\A(?:(?:all|any) reals?(?: numbers)?(?: [a-z])?|\\mathbb ?\{R\}"
    r"|\( ?-\\infty ?, ?\+?\\infty ?\)) ?"
    r"(?:,? ?(?:except|but|other than|excluding)(?: for)?|\\setminus|\\backslash|-|\\) ?(.+)\Z"
)
_MEMBER = re.compile(r"\A(\\?[A-Za-z]{1,8}(?:_\{?\w+\}?)?) ?\\in(?![a-z]) ?(.+)\Z")
_BUILDER = re.compile(r"\A\\\{ ?(\\?[A-Za-z]{1,8}) ?(?:\\in ?\\mathbb ?\{R\} ?)?[|:] ?(.+)\\\}\Z")
_RELATION = re.compile(r"\\(?:le|ge|ne)(?![a-z])|[<>]")
_SEPARATOR = re.compile(r"[,;]|(?<![A-Za-z]) ?(?:and|or) ?(?![A-Za-z])|(?<= )(?:and|or)(?= )")
_CONJUNCTION = re.compile(r",|;|(?<= )and(?= )")
_THOUSANDS = re.compile(
    r"(?<![\d,.])(?<!\d, )(\d{1,3}(?:,\d{3})+)(?![\d,])|(?<![\d.,] )(?<![\d.,])(\d{1,3}(?: \d{3})+)(?! ?\d)"
)
_DOTS = re.compile(r"\A(-?\d{1,3}(?:\.\d{3}){2,})\Z")
_MATRIX = re.compile(
    r"\A[(\[]? ?\\begin ?\{(?:[pbB]?matrix|smallmatrix|array)\*?\} ?(?:\{[lcr| ]*\})?(.*?)"
    r"\\end ?\{(?:[pbB]?matrix|smallmatrix|array)\*?\} ?[)\]]?\Z"
)
_NAME = re.compile(
    r"""(?x)\A(?:\\[a-z]{2,8}|[A-Za-z])(?:_\ ?(?:\w|\\[a-z]+|\{[^{}=]{1,20}\}))?\Z  # x, x_1
      | \A\\?[A-Za-z](?:_\ ?\w)?(?:\^\ ?\{?\ ?-1\ ?\}?|')?\ ?\([^()=]{1,20}\)\Z  # f(x), P(A)
      | \A(?:\\(?:angle|triangle|overline|widehat|measuredangle)\ ?)?\{?\|?[A-Z]{1,4}\|?\}?\Z  # AB
      | \A\(\ ?[a-z](?:\ ?,\ ?[a-z]){1,5}\ ?\)\Z  # (x, y)
      | \A(?:\\frac\ ?\{[A-Z]{2}\}\ ?\{[A-Z]{2}\}|[A-Z]{2}/[A-Z]{2})\Z  # AB/CD
      | \A(?:\\text\ ?\{[^{}]*\}|[A-Za-z]{4,}(?:\ [a-z]+){0,4})\Z  # Area"""
)
_PAIRS = {"(": ")", "[": "]"}


@lru_cache(maxsize=4096)
def read_answer(answer: str) -> Form:
    """Reads a final answer; time is about linear in its length."""
    if len(answer) > MAX_LENGTH:
        return Opaque(answer)
    text = plain(answer)
    text = _TAIL.sub("", _LEAD.sub("", text, count=1)) or text
    return _read(_PROSE.sub("", text, count=1))


def _read(text: str, depth: int = 0) -> Form:
    text = _join_thousands(text.strip())
    if depth > _MAX_DEPTH or not text:
        return Opaque(text)
    for read in (_about, _infinite, _set_in_words, _choice, _region, _several):
        form = read(text, depth)
        if form is not None:
            return form
    for read in (_equation, _matrix, _bracketed):
        form = read(text, depth)
        if form is not None:
            return form
    return _single(text)


def _single(text: str) -> Form:
    if number := number_in_words(text):
        text = number
    words = read_words(text)
    if words is not None:
        return words
    return read_quantity(text) or Opaque(text)


def _about(text: str, depth: int) -> Form | None:
    if "\\approx" not in text:
        return None
    sides = [side.strip() for side in text.split("\\approx") if side.strip()]
    if len(sides) > 1 and _NAME.match(sides[0]) and sides[0] != "\\pi":
        sides = sides[1:]
    forms = tuple(_read(side, depth + 1) for side in sides[:3])
    return forms[0] if len(forms) == 1 else Either(forms) if forms else None


def _infinite(text: str, depth: int) -> Form | None:
    found = re.fullmatch(r"([-+]?) ?\\infty", text)
    return Infinite(-1 if found[1] == "-" else 1) if found else None


_EVERYTHING = (Piece(Infinite(-1), Infinite(1), (False, False)),)


def _set_in_words(text: str, depth: int) -> Form | None:
    bare = re.sub(r"\\text ?\{([^{}]*)\}", r"\1", text).strip()
    if answer := yes_or_no(bare):
        return answer
    if _REAL.match(bare):
        return Region("", _EVERYTHING)
    if found := _EXCEPT.match(bare):
        return _everything_but("", re.sub(r"\A\\\{|\\\}\Z", "", found[1]), depth)
    return None


def _everything_but(name: str, text: str, depth: int) -> Form | None:
    points = [_read(_assigned(item), depth + 1) for item in split(text)]
    if not all(isinstance(point, Quantity) and point.value is not None for point in points):
        return None
    ends = [Infinite(-1), *sorted(points, key=lambda p: p.value), Infinite(1)]  # type: ignore[union-attr,arg-type,return-value]
    pieces = zip(ends, ends[1:], strict=False)
    return Region(name, tuple(Piece(low, high, (False, False)) for low, high in pieces))


def _assigned(text: str) -> str:
    return re.sub(r"\A ?[A-Za-z] ?(?:=|\\ne) ?", "", text)


def _choice(text: str, depth: int) -> Form | None:
    bare = re.sub(r"\\text ?\{ *([^{}]*?) *\}", r"\1", text, count=1).strip()
    found = _CHOICE.match(bare)
    if not found or (found["option"] or "").startswith((",", "or ", "and ", "\\cup", "^", "_", "+")):
        return None
    option = found["option"]
    if option and found["a"] and not bare[found.end("a") + 1 :].startswith((" ", ".")):
        return None  # (A)x is a product
    return Choice(found["a"] or found["b"], _read(option, depth + 1) if option else None)


def _region(text: str, depth: int) -> Form | None:
    """Reads unions of intervals, inequalities and the like; None if the text is none."""
    if found := _BUILDER.match(text):
        form = _read(found[2], depth + 1)
        return form if isinstance(form, Region) and form.name == found[1] else None
    if (found := _MEMBER.match(text)) and not _top(_SEPARATOR, text, 0):
        return _member(found[1], found[2], depth)
    parts = split(text, re.compile(r"\\cup(?![a-z])"))
    if len(parts) > 1:
        return _union([_read(part, depth + 1) for part in parts])
    if _top(_RELATION, text, 0):
        return _inequalities(text, depth)
    return None


def _member(name: str, text: str, depth: int) -> Form | None:
    form = _read(text, depth + 1)
    if isinstance(form, Region):
        return Region(name, form.pieces)
    if piece := as_piece(form):
        return Region(name, (piece,))
    return form if isinstance(form, Group) else None


def as_piece(form: Form) -> Piece | None:
    """The interval that a pair in round or square brackets may be."""
    if not isinstance(form, Group) or len(form.items) != 2 or form.brackets in ("", "{}"):
        return None
    return Piece(*form.items, (form.brackets[0] == "[", form.brackets[1] == "]"))


def _union(forms: list[Form]) -> Form | None:
    pieces: list[Piece] = []
    names = set()
    for form in forms:
        if isinstance(form, Region):
            names.add(form.name)
            pieces += form.pieces
        elif piece := as_piece(form):
            pieces.append(piece)
        elif isinstance(form, Group) and form.brackets == "{}":
            pieces += [Piece(item, item, (True, True)) for item in form.items]
        else:
            return None
    names.discard("")
    return Region("".join(names), tuple(pieces)) if len(names) < 2 else None


def _inequalities(text: str, depth: int) -> Form | None:
    either = split(text, re.compile(r"(?<= )or(?= )"))
    if len(either) > 1:
        return _union([_read(part, depth + 1) for part in either])
    both = split(text, _CONJUNCTION)
    if len(both) == 1:
        return _chain(text, depth)
    regions = [_chain(part, depth) for part in both]
    pieces = [r.pieces[0] for r in regions if isinstance(r, Region) and len(r.pieces) == 1]
    same = len({r.name for r in regions if isinstance(r, Region)}) == 1
    if len(pieces) != 2 or len(both) != 2 or not same or not isinstance(regions[0], Region):
        return None
    low, high = sorted(pieces, key=lambda piece: isinstance(piece.low, Infinite))
    ends = (low.low, high.high)
    if not (isinstance(low.high, Infinite) and isinstance(high.low, Infinite)):
        return None
    if not all(isinstance(end, Quantity) and end.value is not None for end in ends):
        return None
    if ends[0].value < ends[1].value:  # type: ignore[union-attr,operator]
        return Region(regions[0].name, (Piece(*ends, (low.closed[0], high.closed[1])),))
    return Region(regions[0].name, (high, low))


def _chain(text: str, depth: int) -> Form | None:
    """Reads "x > 3", "3 < x", "1 \\le x < 2" or "x \\ne 3"."""
    spans = [(m.start(), m.end()) for m in _RELATION.finditer(text)]
    if not 1 <= len(spans) <= 2:
        return None
    ends = [0, *(end for _, end in spans)]
    sides = [text[a:b].strip() for a, b in zip(ends, [*(s for s, _ in spans), None], strict=True)]
    signs = [text[a:b] for a, b in spans]
    if len(spans) == 1 and not _NAME.match(sides[0]) and _NAME.match(sides[1]):
        sides.reverse()
        signs = [{"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}.get(signs[0], signs[0])]
    if len(spans) == 1:
        return _half(sides, signs[0], depth) if _NAME.match(sides[0]) else None
    if signs[0] in (">", r"\ge") and signs[1] in (">", r"\ge"):
        sides.reverse()
        signs = [{">": "<", r"\ge": r"\le"}[sign] for sign in reversed(signs)]
    if not _NAME.match(sides[1]) or not set(signs) <= {"<", r"\le"}:
        return None
    closed = (signs[0] == r"\le", signs[1] == r"\le")
    return Region(sides[1], (Piece(_read(sides[0], depth + 1), _read(sides[2], depth + 1), closed),))


def _half(sides: list[str], sign: str, depth: int) -> Form | None:
    name, end = sides[0], _read(sides[1], depth + 1)
    if sign == r"\ne":
        return _everything_but(name, sides[1], depth)
    if sign in (">", r"\ge"):
        return Region(name, (Piece(end, Infinite(1), (sign == r"\ge", False)),))
    return Region(name, (Piece(Infinite(-1), end, (False, sign == r"\le")),))


def _several(text: str, depth: int) -> Form | None:
    if re.fullmatch(r"-?\d+(?: -?\d+)+", text):
        text = text.replace(" ", ", ")
    items = _plus_or_minus(split(text))
    if items is None or len(items) > _MAX_ITEMS:
        return Opaque(text)
    if len(items) < 2:
        return None if items == [text] or not items else _read(items[0], depth + 1)
    if _unit_sum(text):
        return None
    forms = tuple(_read(item, depth + 1) for item in items)
    names = {form.names[0] for form in forms if isinstance(form, Named)}
    if len(names) == 1 and isinstance(forms[0], Named):  # x = 1, x = 2 and x = 1, 2
        values = tuple(f.value if isinstance(f, Named) else f for f in forms)
        return Group("", values)
    return Group("", forms)


def _unit_sum(text: str) -> bool:
    return " and " in text and read_sum(text) is not None


def _plus_or_minus(items: list[str]) -> list[str] | None:
    r"""Writes an item with one \pm as two; None if there are more than one in an item."""
    found = []
    for item in items:
        if item.count("\\pm") + item.count("\\mp") > 1:
            return None
        if "\\pm" in item and item[0] not in "([":
            found += [item.replace("\\pm", "+"), item.replace("\\pm", "-")]
        else:
            found.append(item)
    return found


def _join_thousands(text: str) -> str:
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


def _equation(text: str, depth: int) -> Form | None:
    sides = [side.strip() for side in split(text, re.compile("="))]
    if not 2 <= len(sides) <= 6 or "\\begin" in sides[0]:
        return None
    if not _NAME.match(sides[0]) and _NAME.match(sides[-1]) and len(sides) == 2:
        sides.reverse()
    left, right = read_expression(sides[0]), read_expression(sides[-1])
    value = _read(sides[-1], depth + 1)
    labels = tuple(side.replace(" ", "") for side in sides[:-1] if _NAME.match(side))
    if labels and _NAME.match(sides[0]):
        return Named(labels, value, (left, right))
    return Equation(left, right, value)


def _matrix(text: str, depth: int) -> Form | None:
    if not (found := _MATRIX.match(text)) or "\\begin" in found[1]:
        return None
    rows = [row for row in found[1].split("\\\\") if row.strip()]
    return _rows([row.split("&") for row in rows], depth)


def _rows(rows: list[list[str]], depth: int) -> Form | None:
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > _MAX_ITEMS:
        return None
    return Matrix(tuple(tuple(_read(cell, depth + 1) for cell in row) for row in rows))


def _bracketed(text: str, depth: int) -> Form | None:
    column = re.sub(r" ?\^ ?\{? ?(?:T|\\top|\\intercal|\\text ?\{T\}) ?\}?\Z", "", text)
    if re.fullmatch(r"\\\{.*\\\}", column) or re.fullmatch(r"\{.*\}", column):
        start = 2 if column.startswith("\\") else 1
        # Without backslashes, LaTeX shows no braces: the list may be meant to have any brackets.
        inner, brackets = column[start:-start], "{}" if start == 2 else ""
    elif re.fullmatch(r"[(\[].*[)\]]", column):
        inner, brackets = column[1:-1], column[0] + column[-1]
    else:
        return None
    if _lowest(inner) < 0:  # (1+2)(3+4)
        return None
    if brackets == "[]" and ";" in inner:
        return _rows([split(row) for row in inner.split(";")], depth)
    return _group(inner, brackets, depth, is_column=column != text)


def _group(inner: str, brackets: str, depth: int, *, is_column: bool) -> Form | None:
    items = split(inner)
    if len(items) > _MAX_ITEMS or (not items and brackets != "{}"):
        return None
    forms = tuple(_read(item, depth + 1) for item in items)
    if len(items) == 1 and brackets != "{}":
        return forms[0]
    rows = [form.items for form in forms if isinstance(form, Group) and form.brackets == "[]"]
    if brackets == "[]" and len(rows) == len(forms) and len({len(row) for row in rows}) == 1:
        return Matrix(tuple(rows))
    if is_column:
        return Matrix(tuple((form,) for form in forms))
    return Group(brackets, forms)


def _lowest(text: str) -> int:
    """The lowest depth of brackets that a text reaches; below 0 it closes what it did not open."""
    depth = lowest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        lowest = min(lowest, depth)
    return lowest


def split(text: str, separator: re.Pattern[str] = _SEPARATOR) -> list[str]:
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


def _top(pattern: re.Pattern[str], text: str, depth: int) -> bool:
    """Whether a pattern occurs outside all brackets."""
    return len(split(f"x{text}x", pattern)) > 1
