"""Reads an answer as one of the forms: tries the readers in turn, the most special first."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from .expressions import read_expression
from .forms import (
    Choice,
    Either,
    Equation,
    Form,
    Group,
    Infinite,
    Matrix,
    Named,
    Opaque,
    Read,
    Structure,
)
from .names import NAME
from .number_words import number_in_words
from .plain import MAX_LENGTH, plain
from .quantities import Quantity, read_quantity, read_sum
from .regions import read_region
from .special import (
    DOTS,
    read_arrow,
    read_builder,
    read_ratio,
    read_residues,
    read_rows,
    read_when,
    with_dots,
)
from .splitting import join_thousands, lowest_depth, split
from .words import Words, read_phrase, read_words, yes_or_no

_MAX_ITEMS = 200
_MAX_DEPTH = 6
_LEAD = re.compile(
    r"(?i)\A(?:(?:therefore|thus|hence|so|\\therefore)(?![a-z])[ ,]*)?"
    r"(?:(?:we|you|they|he|she|it) (?:find|get|have|obtain)s?(?: that)? )?"
    r"(?:(?:there (?:are|is)|it takes) (?=[0-9]))?"
    r"(?:(?:(?:the |our )?(?:final )?(?:answers?|solutions?)(?: is| are)?:?|equals?|is"
    r"|approximately|equivalently|i\.e\.|(?:for )?(?:all|any|every)(?: real)?(?= ?[a-z] ?[<>\\])"
    r"|about|roughly|exactly|only|\\approx|=)(?![a-z]) ?)?"
)

# "The total cost is \\$45": prose that ends in "is", before a value.
_PROSE = re.compile(
    r"\A(?:\\text ?\{ *)?(?!(?i:option|choice))[A-Za-z][A-Za-z' ]{2,100}"
    r"(?: is| are| was| equals|:)(?: equal to)?(?: *\})? ?"
    r"(?=[-+.(\[0-9]|\\(?!text))"
)

# 42 (forty-two); 4 (since x > 0)
_REMARK = re.compile(
    r"(?<=[0-9}%)a-zA-Z])(?: | ?\\text ?\{ ?)\((?:\\text ?\{ ?)?"
    r"(?!(?:not|no)\b|invalid|incorrect|impossible|inadmissible|extraneous|reject|wrong|false)"
    r"(?:(?:in )?[a-z-]{3,40}(?:[ -][a-z-]+)? ?\}?|(?:since|as|because|so|check|i\.e\.|e\.g\.|see"
    r"|approx|about|or) ?[:}]?[^()]{0,100})\)? ?\}?\)?\Z"
)
# A reason, which changes nothing: "4, as x > 0"
_REASON = re.compile(
    r",? ?\\text ?\{ *,? *(?:as|since|because|due to|by)\b[^{}]*\}.*\Z"
    r"|,? (?:as|since|because|due to)\b .*\Z"
)

# "5 is the answer", "5, not 7", "f(x) = x for all real x"
_TAIL = re.compile(
    r"(?i) is (?:the|our|my) (?:final |correct )?(?:answer|solution)\Z|, ?not .*\Z"
    r"|,? (?:in total|in all|altogether)\Z"
    r"|,? ?(?:\\text ?\{ *)?\b(?:for|where) (?:[a-z] is )?"
    r"(?:all|any|every|each|an? arbitrary|an? (?:real )?constant)\b.*\Z"
    r"|(?:, ?| |(?=\\text))(?:(?:\\text ?\{ *)?\b(?:for|where|with) *\}? *)?"
    r"\(? ?[a-z](?:, ?[a-z])* ?\\in ?\\mathbb ?\{? ?[zrcn] ?\}? ?\)?\Z"
)

_CHOICE = re.compile(
    r"""(?x)\A(?:(?i:option|choice|answer)\ ?)?
        (?:\((?P<a>[A-J])\)\.?|(?P<b>[A-J])(?=[).:]|\Z)[).:]?)(?:\ ?(?P<option>[^=\s].*))?\Z"""
)

# Lists or numbers: all that can be said is that one of both is meant.
_TWO_READINGS = re.compile(
    r"[0-9]{3}(?:,[0-9]{3})+\Z|-?0,[0-9]+\Z|-?[0-9]+,(?:[0-9]{2}|[0-9]{4,})\Z"
    r"|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}\Z"  # 12,34,567, as in India
)

_IN_FRACTION = re.compile(
    r"(?<=\{)[0-9]{1,3}(?:,[0-9]{3})+(?=\})|\A[0-9]{1,3}(?:,[0-9]{3})+(?=/[0-9])"
)

_MATRIX = re.compile(
    r"\A(?P<factor>[^&]{0,60}?)[(\[]? ?\\begin ?\{(?:[pbB]?matrix|smallmatrix|array)\*?\} ?"
    r"(?:\{[lcr| ]*\})?(.*?)"
    r"\\end ?\{(?:[pbB]?matrix|smallmatrix|array)\*?\} ?[)\]]?\Z"
)


@lru_cache(maxsize=4096)
def read_answer(answer: str) -> Form:
    """Reads a final answer; time is about linear in its length."""
    if len(answer) > MAX_LENGTH:
        return Opaque(answer)
    text = plain(answer)
    text = _TAIL.sub("", _LEAD.sub("", text, count=1)) or text
    text = _REMARK.sub("", _REASON.sub("", text)).rstrip(" ,") or text
    return _read(_PROSE.sub("", text, count=1))


def _read(text: str, depth: int = 0) -> Form:
    text = text.strip()
    if depth > _MAX_DEPTH or not text:
        return Opaque(text)
    deeper = partial(_read, depth=depth + 1)
    text = _IN_FRACTION.sub(lambda m: m[0].replace(",", ""), text)
    if _TWO_READINGS.match(text) and not depth:
        decimal = text.count(",") == 1 and not re.fullmatch(r"[0-9]{3},[0-9]{3}", text)
        number = text.replace(",", "." if decimal else "")
        return Either((_single(number), deeper(text.replace(",", ", "))))
    text = join_thousands(text)
    for reader in _READERS:
        form = reader(text, deeper)
        if form is not None:
            return form
    return _single(text)


def _single(text: str) -> Form:
    if text == "\\dots":
        return DOTS
    text = number_in_words(text) or text
    return read_words(text) or read_quantity(text) or read_phrase(text) or _opaque(text)


def _opaque(text: str) -> Opaque:
    """A text that is left as it is, but for braces and blanks that change nothing."""
    bare = re.sub(r"\{ ?([A-Za-z0-9]) ?\}", r"\1", text)
    return Opaque(re.sub(r" (?![A-Za-z])|(?<![A-Za-z]) ", "", bare))


def _about(text: str, read: Read) -> Form | None:
    if "\\approx" not in text:
        return None
    sides = [side.strip() for side in text.split("\\approx") if side.strip()]
    if len(sides) > 1 and NAME.match(sides[0]) and sides[0] != "\\pi":
        sides = sides[1:]
    forms = tuple(read(side) for side in sides[:3])
    return forms[0] if len(forms) == 1 else Either(forms) if forms else None


def _infinite(text: str, read: Read) -> Form | None:
    found = re.fullmatch(r"([-+]?) ?\\infty", text)
    return Infinite(-1 if found[1] == "-" else 1) if found else None


def _yes_or_no(text: str, read: Read) -> Form | None:
    return yes_or_no(text)


def _choice(text: str, read: Read) -> Form | None:
    bare = re.sub(r"\\text ?\{ *([^{}]*?) *\}", r"\1", text, count=1).strip()
    bare = re.sub(r"\A\(?([a-e])\)\Z", lambda m: m[0].upper(), bare)
    found = _CHOICE.match(bare)
    if not found or (found["option"] or "").startswith(
        (",", "or ", "and ", "\\cup", "^", "_", "+")
    ):
        return None
    option = found["option"]
    if option and found["a"] and not bare[found.end("a") + 1 :].startswith((" ", ".")):
        return None  # (A)x is a product
    letter = found["a"] or found["b"]
    return Choice(letter, read(option) if option else None, is_marked=text != letter)


def _several(text: str, read: Read) -> Form | None:
    if re.fullmatch(r"-?\d+(?: -?\d+)+", text):
        text = text.replace(" ", ", ")
    if ";" in text and len(cases := split(text, re.compile(";"))) > 1:  # x=1, y=2; x=3, y=4
        forms = tuple(read(case) for case in cases)
        if all(isinstance(form, Group) and isinstance(form.items[0], Named) for form in forms):
            return Group("", forms)
    items = _plus_or_minus(split(text))
    if items is None or len(items) > _MAX_ITEMS:
        return Opaque(text)
    if len(items) < 2:
        return None if items == [text] or not items else read(items[0])
    if " and " in text and read_sum(text):  # 18 dollars and 50 cents
        return None
    return _listed(text, tuple(with_dots([read(item) for item in items])))


def _listed(text: str, forms: tuple[Form, ...]) -> Form:
    if " or " in text and all(isinstance(form, Words) for form in forms):  # Anna or Ben
        return Structure("or", tuple(sorted(forms, key=str)))
    names = {form.names[0] for form in forms if isinstance(form, Named)}
    if len(names) == 1 and isinstance(forms[0], Named):  # x = 1, x = 2 and x = 1, 2
        values = tuple(f.value if isinstance(f, Named) else f for f in forms)
        return Group("", values)
    return Group("", forms)


_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")


def _plus_or_minus(items: list[str]) -> list[str] | None:
    r"""Writes an item with one \pm as two; None if there are more than one in an item."""
    found = []
    for item in items:
        signs = _PLUS_MINUS.findall(item)
        if len(signs) > 1:
            return None
        if signs == ["\\pm"] and item[0] not in "([":
            found += [_PLUS_MINUS.sub(sign, item) for sign in "+-"]
        else:
            found.append(item)
    return found


def _equation(text: str, read: Read) -> Form | None:
    sides = [side.strip() for side in split(text, re.compile("="))]
    if not 2 <= len(sides) <= 6 or "\\begin" in sides[0]:
        return None
    if not NAME.match(sides[0]) and NAME.match(sides[-1]) and len(sides) == 2:
        sides.reverse()
    left, right = read_expression(sides[0]), read_expression(sides[-1])
    value = read(sides[-1])
    labels = tuple(side.replace(" ", "") for side in sides[:-1] if NAME.match(side))
    if labels and NAME.match(sides[0]):
        return Named(labels, value, (left, right))
    return Equation(left, right, value)


def _matrix(text: str, read: Read) -> Form | None:
    if not (found := _MATRIX.match(text)) or "\\begin" in found[2]:
        return None
    rows = [row.split("&") for row in found[2].split("\\\\") if row.strip()]
    factor = found["factor"].strip().removesuffix("*")
    factor = "-1" if factor == "-" else factor
    return _rows(rows, read) if not factor else _multiple(factor, rows, read)


def _multiple(factor: str, rows: list[list[str]], read: Read) -> Form | None:
    """Reads a number in front of a matrix."""
    form = _rows([[f"({factor})({cell.strip()})" for cell in row] for row in rows], read)
    if read_expression(factor) is None or not isinstance(form, Matrix):
        return None
    return form if all(isinstance(x, Quantity) for row in form.rows for x in row) else None


def _rows(rows: list[list[str]], read: Read) -> Form | None:
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > _MAX_ITEMS:
        return None
    return Matrix(tuple(tuple(read(cell) for cell in row) for row in rows))


def _bracketed(text: str, read: Read) -> Form | None:
    column = re.sub(r" ?\^ ?\{? ?(?:T|\\top|\\intercal|\\text ?\{T\}) ?\}?\Z", "", text)
    if re.fullmatch(r"\\\{.*\\\}", column) or re.fullmatch(r"\{.*\}", column):
        start = 2 if column.startswith("\\") else 1
        # Without backslashes, LaTeX shows no braces: the list may be meant to have any brackets.
        inner, brackets = column[start:-start], "{}" if start == 2 else ""
    elif re.fullmatch(r"[(\[].*[)\]]", column):
        inner, brackets = column[1:-1], column[0] + column[-1]
    else:
        return None
    if lowest_depth(inner) < 0:  # (1+2)(3+4)
        return None
    if brackets == "[]" and ";" in inner:
        return _rows([split(row) for row in inner.split(";")], read)
    return _group(inner, brackets, read, is_column=column != text)


def _group(inner: str, brackets: str, read: Read, *, is_column: bool) -> Form | None:
    items = split(inner)
    if len(items) > _MAX_ITEMS or (not items and brackets != "{}"):
        return None
    forms = tuple(with_dots([read(item) for item in items]))
    if len(items) == 1 and brackets != "{}":
        return forms[0]
    rows = [form.items for form in forms if isinstance(form, Group) and form.brackets == "[]"]
    if brackets == "[]" and len(rows) == len(forms) and len({len(row) for row in rows}) == 1:
        return Matrix(tuple(rows))
    if is_column:
        return Matrix(tuple((form,) for form in forms))
    return Group(brackets, forms)


_READERS: tuple[Callable[[str, Read], Form | None], ...] = (
    _about,
    _infinite,
    _yes_or_no,
    read_rows,
    read_arrow,
    read_residues,
    read_when,
    read_region,
    _choice,
    read_ratio,
    read_builder,
    _several,
    _equation,
    _matrix,
    _bracketed,
)
