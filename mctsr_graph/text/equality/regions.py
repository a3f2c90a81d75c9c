"""Reads sets of real numbers: intervals, their unions, inequalities and words for them."""

from __future__ import annotations

import itertools
import re

from .expressions import read_expression
from .forms import Form, Group, Infinite, Order, Piece, Read, Region, as_piece
from .names import NAME
from .quantities import Quantity
from .splitting import SEPARATOR, split, stands_outside
from .trees import names

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

_NUMBER = r"(\$?\\?\$?-?[0-9][0-9.,]*(?:/[0-9]+)?)"
_IN_WORDS = [
    (re.compile(rf"(?i){before} {_NUMBER}|{_NUMBER} {after}"), sign)
    for before, after, sign in (
        (r"(?:(?:more|greater|larger|higher|longer) than|over|above)", r"exceeded", ">"),
        (r"(?:at least|no (?:less|fewer) than)", r"or (?:more|greater|above|larger)", r"\ge"),
        (r"(?:(?:less|fewer|smaller|lower) than|under|below)", r"not reached", "<"),
        (r"(?:at most|no more than|up to)", r"or (?:less|fewer|below|smaller)", r"\le"),
    )
]
_IN_REALS = re.compile(r"\A[a-z] ?\\in ?\\mathbb ?\{? ?R ?\}? ?(?:[,;:]|and) ?(?=[a-z] ?[<>\\])")
_SIGNED = re.compile(r"(<|>|\\le|\\ge) ?([^<>\\]+)")
# ]0,1[ as in France
_OUTWARDS = re.compile(r"([\[\]]) ?([^\[\];]+?[,;][^\[\];]+?) ?([\[\]])")

_BUILDER = re.compile(r"\A\\\{ ?(\\?[A-Za-z]{1,8}) ?(?:\\in ?\\mathbb ?\{R\} ?)?[|:] ?(.+)\\\}\Z")

_RELATION = re.compile(r"\\(?:le|ge|ne)(?![a-z])|[<>]")

_CONJUNCTION = re.compile(r",|;|(?<= )and(?= )")

_ABSOLUTE = re.compile(r"\A\| ?([a-z]) ?\| ?(<|>|\\le|\\ge) ?([^<>\\]+)\Z")

_EVERYTHING = (Piece(Infinite(-1), Infinite(1), (False, False)),)


def read_region(text: str, read: Read) -> Form | None:
    """Reads unions of intervals, inequalities and the like; None if the text is none."""
    text = _IN_REALS.sub("", text)
    if region := _set_in_words(text, read):
        return region
    if text.startswith("]") or text.endswith("["):
        turned = _OUTWARDS.sub(_inwards, text)
        return read(turned) if turned != text and turned[0] in "([" else None
    if found := _BUILDER.match(text):
        form = read(found[2])
        return form if isinstance(form, Region) and form.name == found[1] else None
    if (found := _MEMBER.match(text)) and not stands_outside(SEPARATOR, text):
        return _member(found[1], found[2], read)
    parts = split(text, re.compile(r"\\cup(?![a-z])"))
    if len(parts) > 1:
        return _union([read(part) for part in parts])
    if stands_outside(_RELATION, text):
        return _inequalities(text, read)
    return None


def _set_in_words(text: str, read: Read) -> Form | None:
    bare = re.sub(r"\\text ?\{([^{}]*)\}", r"\1", text).strip()
    if _REAL.match(bare):
        return Region("", _EVERYTHING)
    bare = " ".join(re.sub(r"\\text ?\{([^{}]*)\}", r" \1 ", text).split())
    for pattern, sign in _IN_WORDS:
        if found := pattern.fullmatch(bare):
            end = next(group for group in found.groups() if group)
            return _half(["", end], sign, read)
    if found := _SIGNED.fullmatch(text):
        return _half(["", found[2]], found[1], read)
    bare = re.sub(r"\\text ?\{([^{}]*)\}", r"\1", text).strip()
    if found := _EXCEPT.match(bare):
        return _everything_but("", re.sub(r"\A\\\{|\\\}\Z", "", found[1]), read)
    return None


def _inwards(interval: re.Match[str]) -> str:
    inner = interval[2].replace(";", ",")
    return f"{'[' if interval[1] == '[' else '('}{inner}{']' if interval[3] == ']' else ')'}"


def _everything_but(name: str, text: str, read: Read) -> Form | None:
    points = [read(_assigned(item)) for item in split(text)]
    if not all(isinstance(point, Quantity) and point.value is not None for point in points):
        return None
    ends = [Infinite(-1), *sorted(points, key=lambda p: p.value), Infinite(1)]  # type: ignore[union-attr,arg-type,return-value]
    pieces = itertools.pairwise(ends)
    return Region(name, tuple(Piece(low, high, (False, False)) for low, high in pieces))


def _assigned(text: str) -> str:
    return re.sub(r"\A ?[A-Za-z] ?(?:=|\\ne) ?", "", text)


def _member(name: str, text: str, read: Read) -> Form | None:
    form = read(text)
    if isinstance(form, Region):
        return Region(name, form.pieces)
    if piece := as_piece(form):
        return Region(name, (piece,))
    return form if isinstance(form, Group) else None


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


def _inequalities(text: str, read: Read) -> Form | None:
    either = split(text, re.compile(r"(?<= )or(?= )"))
    if len(either) > 1:
        return _union([read(part) for part in either])
    both = split(text, _CONJUNCTION)
    if len(both) == 1:
        return _chain(text, read)
    regions = [_chain(part, read) for part in both]
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


def _absolute(text: str, read: Read) -> Form | None:
    """Reads "|x| < 3" and "|x| > 3"."""
    found = _ABSOLUTE.match(text)
    end = read(found[3]) if found else None
    if not found or not isinstance(end, Quantity) or end.value is None or end.value <= 0:
        return None
    low, closed = read(f"-({found[3]})"), "e" in found[2]
    if found[2] in ("<", r"\le"):
        return Region(found[1], (Piece(low, end, (closed, closed)),))
    left = Piece(Infinite(-1), low, (False, closed))
    return Region(found[1], (left, Piece(end, Infinite(1), (closed, False))))


def _chain(text: str, read: Read) -> Form | None:
    """Reads "x > 3", "3 < x", "1 < x < 2", and "a < b" between formulas."""
    region = _of_one_name(text, read)
    if _is_plain(region):
        return region
    return _order(text, region) or region


def _is_plain(form: Form | None) -> bool:
    """Whether a region's ends hold no variables."""
    if not isinstance(form, Region):
        return False
    ends = [end for piece in form.pieces for end in (piece.low, piece.high)]
    return not any(isinstance(end, Quantity) and names(end.tree) for end in ends)


def _order(text: str, region: Form | None) -> Order | None:
    signs = _RELATION.findall(text)
    sides = [read_expression(side.strip()) for side in _RELATION.split(text)]
    if not all(sides) or r"\ne" in signs or not 1 <= len(signs) <= 4:
        return None
    if all(sign in (">", r"\ge") for sign in signs):
        sides.reverse()
        signs.reverse()
    elif not all(sign in ("<", r"\le") for sign in signs):
        return None
    strict = tuple(sign in "<>" for sign in signs)
    return Order(tuple(side for side in sides if side), strict, region)


def _of_one_name(text: str, read: Read) -> Form | None:
    if region := _absolute(text, read):
        return region
    spans = [(m.start(), m.end()) for m in _RELATION.finditer(text)]
    if not 1 <= len(spans) <= 2:
        return None
    ends = [0, *(end for _, end in spans)]
    sides = [text[a:b].strip() for a, b in zip(ends, [*(s for s, _ in spans), None], strict=True)]
    signs = [text[a:b] for a, b in spans]
    if len(spans) == 1 and not NAME.match(sides[0]) and NAME.match(sides[1]):
        sides.reverse()
        signs = [{"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}.get(signs[0], signs[0])]
    if len(spans) == 1:
        return _half(sides, signs[0], read) if NAME.match(sides[0]) else None
    if signs[0] in (">", r"\ge") and signs[1] in (">", r"\ge"):
        sides.reverse()
        signs = [{">": "<", r"\ge": r"\le"}[sign] for sign in reversed(signs)]
    if not NAME.match(sides[1]) or not set(signs) <= {"<", r"\le"}:
        return None
    closed = (signs[0] == r"\le", signs[1] == r"\le")
    return Region(sides[1], (Piece(read(sides[0]), read(sides[2]), closed),))


def _half(sides: list[str], sign: str, read: Read) -> Form | None:
    name, end = sides[0], read(sides[1])
    if sign == r"\ne":
        return _everything_but(name, sides[1], read)
    if sign in (">", r"\ge"):
        return Region(name, (Piece(end, Infinite(1), (sign == r"\ge", False)),))
    return Region(name, (Piece(Infinite(-1), end, (False, sign == r"\le")),))
