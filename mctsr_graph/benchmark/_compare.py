"""Compares two forms: True, False, or None where only math-verify may tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ._expressions import Tree, heads, names
from ._forms import (
    Choice,
    Either,
    Equation,
    Form,
    Group,
    Infinite,
    Matrix,
    Named,
    Opaque,
    Piece,
    Region,
    as_piece,
)
from ._quantities import Quantity
from ._values import proportional, same_value
from ._words import Words

_FLOAT_DECIMALS = 6  # a reference with as many was calculated, not derived
_MIN_DECIMALS = 2  # of an answer that is rounded from such a reference
_MIN_DIGITS = 3
_FLOAT_NOISE = Fraction(1, 10**12)  # relative


def compare(gold: Form, answer: Form) -> bool | None:
    """Compares a reference answer and an answer.

    They are alike but for one thing: a reference with many decimals is a rounded number itself,
    so that an answer may be the exact value, or rounded further.
    """
    for kind, rule in _ONE_SIDED:
        if isinstance(gold, kind):
            return rule(gold, answer, False)
        if isinstance(answer, kind):
            return rule(answer, gold, True)
    if isinstance(gold, Opaque) or isinstance(answer, Opaque):
        return None
    alike = _ALIKE.get(type(gold))
    return alike(gold, answer) if alike and type(gold) is type(answer) else False


def _turned(form: Form, other: Form, turned: bool) -> bool | None:
    return compare(other, form) if turned else compare(form, other)


def any_of(results: list[bool | None]) -> bool | None:
    """True if one is, None if one may be."""
    return True if True in results else None if None in results else False


def all_of(results: list[bool | None]) -> bool | None:
    """False if one is, None if one may be."""
    return False if False in results else None if None in results else True


def _either(form: Either, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Either):
        return any_of([compare(a, b) for a in form.options for b in other.options])
    return any_of([_turned(option, other, turned) for option in form.options])


def _choice(form: Choice, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Choice):
        return form.letter == other.letter
    if form.option is not None:
        return _turned(form.option, other, turned)
    if isinstance(other, Quantity) and other.tree == ("name", form.letter.lower()):
        return True
    if isinstance(other, Quantity) and other.text in ("e", "i"):
        return form.letter.lower() == other.text
    return False


def _named(form: Named, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Named):
        return _both_named(form, other, turned)
    if isinstance(other, Equation):
        return _same_equation(form.sides, (other.left, other.right))
    if isinstance(other, Region | Opaque):
        return None
    return _turned(form.value, other, turned)


def _both_named(a: Named, b: Named, turned: bool) -> bool | None:
    if set(a.names) & set(b.names) or _functions(a, b):
        return _turned(a.value, b.value, turned)
    return _same_equation(a.sides, b.sides)


def _functions(a: Named, b: Named) -> bool:
    """Whether one is "y = ..." and the other "f(x) = ..."."""
    first, second = sorted((a.names[0], b.names[0]), key=len)
    return first == "y" and second.endswith("(x)")


_Sides = tuple[Tree | None, Tree | None]


def _same_equation(a: _Sides, b: _Sides) -> bool | None:
    if a[0] is None or a[1] is None or b[0] is None or b[1] is None:
        return None
    left, right = ("-", a[0], a[1]), ("-", b[0], b[1])
    if names(left) != names(right):
        return False
    return True if proportional(left, right) else None


def _equation(form: Equation, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Equation):
        return _same_equation((form.left, form.right), (other.left, other.right))
    if form.left is None or isinstance(other, Opaque):
        return None
    # "2x + 1 = 5" is not solved, but "m + n = 33" and "5! = 120" say what is asked for.
    unknowns = names(form.left)
    if len(unknowns) == 1 and not heads(form.left) & _NAMED_VALUES:
        return False
    return compare(other, form.value) if turned else False


_NAMED_VALUES = frozenset(("sin", "cos", "tan", "cot", "ln", "log"))


def _group(form: Group, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Group):
        return _groups(other, form) if turned else _groups(form, other)
    if isinstance(other, Region):
        piece = as_piece(form)
        if piece:
            region = Region("", (piece,))
            return _regions(other, region) if turned else _regions(region, other)
        return None if form.brackets in ("", "{}") else False
    if isinstance(other, Matrix):
        return _vector(form, other, turned)
    if len(items := _distinct(form.items)) == 1:  # 1/2 or 0.5
        return _turned(items[0], other, turned)
    if isinstance(other, Words) and not form.items:
        return other.text == "no solution"
    if isinstance(other, Opaque):
        return None
    return _letters(form, other)


def _letters(form: Group, other: Form) -> bool:
    """Compares the choices B, F with "BF"."""
    text = other.text if isinstance(other, Quantity | Words) else ""
    letters = [item.letter for item in form.items if isinstance(item, Choice)]
    return len(letters) == len(form.items) > 1 and sorted(text.upper()) == sorted(letters)


def _groups(gold: Group, answer: Group) -> bool | None:
    a, b = gold.brackets, answer.brackets
    if {a, b} & {"{}"} and {a, b} <= {"{}", ""}:
        return _unordered(_distinct(gold.items), _distinct(answer.items))
    if not a and not b:
        return _lists(gold, answer)
    if "{}" in (a, b):
        return False
    if a and b and a != b and not (len(gold.items) > 2 and {a, b} <= {"()", "[]"}):
        return False
    if not a or not b:  # x = 1, y = 2 and (1, 2); 1, 2 and (1, 2)
        gold, answer = _values_of(gold), _values_of(answer)
    return _ordered(gold.items, answer.items)


def _values_of(group: Group) -> Group:
    values = tuple(item.value if isinstance(item, Named) else item for item in group.items)
    return Group(group.brackets, values)


def _lists(gold: Group, answer: Group) -> bool | None:
    if (result := _assignments(gold, answer)) is not None:
        return result
    items: Sequence[Form] = answer.items
    if len(items) > len(gold.items):  # a solution may be listed twice
        items = _distinct(items)
    return _unordered(gold.items, items)


def _assignments(gold: Group, answer: Group) -> bool | None:
    """Compares "x = 1, y = 2" with "1, 2", where order tells which is which."""
    named = [all(isinstance(item, Named) for item in g.items) for g in (gold, answer)]
    if named[0] == named[1]:
        return None
    return _ordered(_values_of(gold).items, _values_of(answer).items)


def _distinct(items: Sequence[Form]) -> list[Form]:
    found: list[Form] = []
    for item in items:
        if not any(compare(item, other) for other in found):
            found.append(item)
    return found


def _ordered(gold: Sequence[Form], answer: Sequence[Form]) -> bool | None:
    if len(gold) != len(answer):
        return False
    return all_of([compare(a, b) for a, b in zip(gold, answer, strict=True)])


def _unordered(
    gold: Sequence[Any], answer: Sequence[Any], same: Callable[[Any, Any], bool | None] = compare
) -> bool | None:
    """Whether each on one side has a partner of its own on the other."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    unsure = False
    for item in gold:
        results = [same(item, other) for other in left]
        if True in results:
            del left[results.index(True)]
        elif None in results:
            unsure = True
        else:
            return False
    return None if unsure else True


def _vector(form: Group, matrix: Matrix, turned: bool) -> bool | None:
    """Compares 1, 2, 3 in brackets with a row or a column."""
    items = [item for row in matrix.rows for item in row]
    if 1 not in (len(matrix.rows), len(matrix.rows[0])) or form.brackets not in ("()", "[]"):
        return False
    return _ordered(items, form.items) if turned else _ordered(form.items, items)


def _matrices(gold: Matrix, answer: Matrix) -> bool | None:
    if len(gold.rows) != len(answer.rows):
        return False
    return all_of([_ordered(a, b) for a, b in zip(gold.rows, answer.rows, strict=True)])


def _regions(gold: Region, answer: Region) -> bool | None:
    if gold.name and answer.name and gold.name != answer.name:
        return False
    return _unordered(merged(gold.pieces), merged(answer.pieces), _same_piece)


def _same_piece(a: Piece, b: Piece) -> bool | None:
    if a.closed != b.closed:
        return False
    return all_of([compare(a.low, b.low), compare(a.high, b.high)])


def _place(end: Form) -> float | Fraction | None:
    if isinstance(end, Infinite):
        return end.sign * float("inf")
    return end.value if isinstance(end, Quantity) else None


def merged(pieces: tuple[Piece, ...]) -> list[Piece]:
    """Joins intervals that touch or overlap, if all their ends are rational or infinite."""
    ends = [(_place(piece.low), _place(piece.high)) for piece in pieces]
    if any(low is None or high is None for low, high in ends):
        return list(pieces)
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (_place(p.low), not p.closed[0])):
        if found and _touch(found[-1], piece):
            last = found.pop()
            later = max(last, piece, key=lambda p: (_place(p.high), p.closed[1]))
            piece = Piece(last.low, later.high, (last.closed[0], later.closed[1]))
        found.append(piece)
    return found


def _touch(first: Piece, second: Piece) -> bool:
    end, start = _place(first.high), _place(second.low)
    assert end is not None
    assert start is not None
    return start < end or (start == end and (first.closed[1] or second.closed[0]))


def _words(form: Words, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Words):
        return _same_words(form, other)
    if isinstance(other, Quantity):
        return None if form.may_be_product and names(other.tree) else False
    return None if isinstance(other, Opaque) and form.may_be_product else False


def _same_words(gold: Words, answer: Words) -> bool | None:
    if gold.text == answer.text:
        return True
    both = gold.may_be_product and answer.may_be_product
    return sorted(gold.text) == sorted(answer.text) if both else False


def _infinities(gold: Infinite, answer: Infinite) -> bool:
    return gold.sign == answer.sign


def _quantities(gold: Quantity, answer: Quantity) -> bool | None:
    if gold.unit and not answer.unit and names(answer.tree):
        return _variables(gold, answer)
    if answer.unit and not gold.unit and names(gold.tree):
        return _variables(answer, gold)
    if gold.mark != answer.mark:
        return _marks(gold, answer)
    if gold.unit and answer.unit:
        return _units(gold, answer)
    return _same_numbers(gold, answer) or _dozens(gold, answer)


def _variables(unit: Quantity, other: Quantity) -> bool | None:
    """Compares "2 m" with "2m" and "m + m"."""
    return same_value(unit.whole, other.tree) if unit.whole else False


def _marks(gold: Quantity, answer: Quantity) -> bool | None:
    """Compares 62.5% with 62.5 and 0.625, and 90 degrees with 90 and half of pi."""
    if "_" in gold.mark + answer.mark:
        written = gold.text == answer.text and not (gold.mark and answer.mark)
        return written or same_value(gold.tree, answer.tree)
    if gold.mark and answer.mark:
        return False
    marked, other = (gold, answer) if gold.mark else (answer, gold)
    if other.unit and other.unit.measures and not (marked.mark == "°" and _is_angle(other)):
        return False
    converted = ({"%": "percent", "°": "degree"}[marked.mark], marked.tree)
    plain = _same_numbers(gold, answer) if not other.unit else False
    return any_of([plain, same_value(converted, other.tree)])


def _is_angle(quantity: Quantity) -> bool:
    return bool(quantity.unit) and quantity.unit.measures == (("angle", 1),)  # type: ignore[union-attr]


def _units(gold: Quantity, answer: Quantity) -> bool | None:
    a, b = gold.unit, answer.unit
    assert a is not None
    assert b is not None
    if a.measures == b.measures:
        if a.factor == b.factor:
            return _same_numbers(gold, answer)
        return same_value(_in_base(gold), _in_base(answer))
    if not a.measures or not b.measures:
        return any_of([_same_numbers(gold, answer), same_value(_in_base(gold), _in_base(answer))])
    same = _same_numbers(gold, answer)
    # 5 students may be 5 people, but 5 km are no 5 kg.
    return None if same and not (a.known and b.known) and same else False


def _in_base(quantity: Quantity) -> Tree:
    assert quantity.unit is not None
    return ("*", quantity.tree, ("number", quantity.unit.factor))


def _dozens(gold: Quantity, answer: Quantity) -> bool | None:
    """Compares "2 dozen" and "1.5 million" with plain numbers."""
    for form, other in ((gold, answer), (answer, gold)):
        if form.unit and not form.unit.measures and not other.unit:
            return same_value(_in_base(form), other.tree)
    return _same_numbers(gold, answer)


def _same_numbers(gold: Quantity, answer: Quantity) -> bool | None:
    same = same_value(gold.tree, answer.tree)
    if same is not True and (gold.decimals or 0) >= _FLOAT_DECIMALS and gold.value is not None:
        return _rounds(gold, gold.value, answer) or same
    return same


def _rounds(gold: Quantity, exact: Fraction, answer: Quantity) -> bool:
    """Whether a calculated reference and an answer are one number, rounded differently."""
    value, decimals = answer.value, answer.decimals
    if value is None or gold.decimals is None:
        return False
    if abs(value - exact) <= abs(exact) * _FLOAT_NOISE:
        return True
    if decimals is None or decimals >= gold.decimals:
        return _rounded(value, gold.decimals) == exact and _digits(exact, gold.decimals)
    enough = decimals >= _MIN_DECIMALS and _digits(value, decimals)
    return enough and _rounded(exact, decimals) == value


def _digits(value: Fraction, decimals: int) -> bool:
    return bool(abs(value) * 10**decimals >= 10 ** (_MIN_DIGITS - 1))


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Rounds half away from zero."""
    scaled = abs(value) * 10**decimals + Fraction(1, 2)
    return Fraction(scaled.numerator // scaled.denominator, 10**decimals) * (-1 if value < 0 else 1)


# What takes the lead, first to last, where the two forms differ in kind.
_ONE_SIDED: list[tuple[type, Callable[[Any, Form, bool], bool | None]]] = [
    (Either, _either),
    (Named, _named),
    (Equation, _equation),
    (Choice, _choice),
    (Group, _group),
    (Words, _words),
]
_ALIKE: dict[type, Callable[[Any, Any], bool | None]] = {
    Quantity: _quantities,
    Matrix: _matrices,
    Region: _regions,
    Infinite: _infinities,
}
