"""Compares two forms: True, False, or None where only math-verify may tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from .amounts import same_quantity
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
    Order,
    Piece,
    Ratio,
    Region,
    Residues,
    Structure,
    as_piece,
)
from .logic import all_of, any_of
from .merging import merged
from .orders import half_line, same_order, same_ratio
from .quantities import Quantity
from .special import residues_of
from .trees import Tree, heads, names
from .values import is_polynomial, proportional, same_but_constants, same_value
from .words import Words

_MAX_EFFORT = 400  # comparisons of a millisecond or so
_NEAR = 3  # places in the alphabet between the letters of coordinates


def compare(gold: Form, answer: Form) -> bool | None:
    """Compares a reference answer and an answer.

    They are alike but for one thing: a reference with many decimals is a rounded number itself,
    so that an answer may be the exact value, or rounded further.
    """
    if gold == answer:
        return True
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
    if isinstance(other, Quantity) and other.text in ("e", "i"):  # E and I are not e and i
        return form.is_marked and form.letter.lower() == other.text
    return False


def _named(form: Named, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Named):
        return _both_named(form, other, turned)
    if isinstance(other, Equation):
        sides = [side for side in (other.left, other.right) if side is not None]
        if len(sides) == 2 and len(form.names[0]) == len(set().union(*map(names, sides))) == 1:
            return False  # 2x + 3 = 7 is not solved
        return _same_equation(form.sides, (other.left, other.right))
    if isinstance(other, Opaque):
        return None
    return _turned(form.value, other, turned)


def _both_named(a: Named, b: Named, turned: bool) -> bool | None:
    if set(a.names) & set(b.names) or _functions(a, b):
        return _turned(a.value, b.value, turned)
    if "(" in a.names[0] + b.names[0]:  # f(x) and f'(x)
        return False
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
        return same_but_constants(left, right)
    if proportional(left, right):
        return True
    return False if is_polynomial(left) and is_polynomial(right) else None


def _equation(form: Equation, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Equation):
        return _same_equation((form.left, form.right), (other.left, other.right))
    if form.left is None or isinstance(other, Opaque):
        return None
    # "2x + 1 = 5" is not solved, but "m + n = 33" and "5! = 120" say what is asked for.
    unknowns = names(form.left)
    if len(unknowns) == 1 and not heads(form.left) & _NAMED_VALUES:
        return False
    if unknowns & {"x", "y", "z"} and heads(form.left) & {"number", "^"}:
        return False  # 3x + 2y = 6
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
        return None if any(isinstance(item, Group) for item in form.items) else False
    if isinstance(other, Matrix):
        return _vector(form, other, turned)
    if isinstance(other, Words) and other.text == "no solution" and form.brackets:
        return not form.items  # a set that holds the empty set is not empty
    is_list = form.brackets in ("", "{}")
    if is_list and form.items and all(compare(form.items[0], x) for x in form.items[1:]):
        return _turned(form.items[0], other, turned)  # 1/2 or 0.5
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
    for group, other, turned in ((gold, answer, False), (answer, gold, True)):
        if len(group.items) == 1 and len(other.items) > 1:  # {(1, 2)} and (1, 2)
            return _turned(group.items[0], other, turned)
    if {a, b} & {"{}"} and {a, b} <= {"{}", ""}:
        return _sets(gold, answer)
    if not a and not b:
        return _lists(gold, answer)
    if "{}" in (a, b) or ({a, b} & {"[)", "(]"} and a != b):
        return False
    if a and b and a != b and not (len(gold.items) > 2 and {a, b} <= {"()", "[]"}):
        return False
    if not a or not b:  # x = 1, y = 2 and (1, 2); 1, 2 and (1, 2)
        gold, answer = _values_of(gold), _values_of(answer)
    return _ordered(gold.items, answer.items)


def _sets(gold: Group, answer: Group) -> bool | None:
    if any(len(set(_letters_of(group))) > 1 for group in (gold, answer)):
        return False  # x = 1, y = 2
    return _unordered(_distinct(gold.items), _distinct(answer.items))


def _values_of(group: Group) -> Group:
    items, letters = group.items, _letters_of(group)
    if len(letters) == len(items) and _are_coordinates(letters):  # y = 2, x = 1
        items = tuple(item for _, item in sorted(zip(letters, items, strict=True)))
    values = tuple(item.value if isinstance(item, Named) else item for item in items)
    return Group(group.brackets, values)


def _letters_of(group: Group) -> list[str]:
    return [item.names[0] for item in group.items if isinstance(item, Named)]


def _are_coordinates(letters: list[str]) -> bool:
    """Whether names have an order of their own: x, y, z or a_1, a_2."""
    if len({name[0] for name in letters}) == 1:
        return all(re.fullmatch(r"[a-zA-Z]_\{?[0-9]\}?", name) for name in letters)
    one = all(len(name) == 1 for name in letters) and len(set(letters)) == len(letters)
    return one and ord(max(letters)) - ord(min(letters)) <= _NEAR


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
    roots = [item.names[0] for g in (gold, answer) for item in g.items if isinstance(item, Named)]
    if all(re.fullmatch(r"[txz]_\{?[0-9]\}?", name) for name in roots):  # x_1 = 2, x_2 = 3
        return _unordered(_values_of(gold).items, _values_of(answer).items)
    return _ordered(_values_of(gold).items, _values_of(answer).items)


def _distinct(items: Sequence[Form]) -> list[Form]:
    found: list[Form] = []
    items = list(dict.fromkeys(items))
    if _effort(items, items) > _MAX_EFFORT:
        return items
    for item in items:
        if not any(compare(item, other) for other in found):
            found.append(item)
    return found


def _effort(gold: Sequence[Any], answer: Sequence[Any]) -> int:
    """How many comparisons of two lists take more than a look at two numbers."""
    sides = (gold, answer)
    slow = [sum(not (isinstance(x, Quantity) and x.value is not None) for x in s) for s in sides]
    return slow[0] * slow[1]


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
    if _effort(gold, answer) > _MAX_EFFORT:
        return True if Counter(gold) == Counter(answer) else None
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


def _ratio(form: Ratio, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Ratio):
        return same_ratio(form, other)
    if not isinstance(other, Quantity):
        return None if isinstance(other, Opaque) else False
    if form.clock or len(form.parts) != 2 or other.unit or other.mark:
        return False  # 12:30 is no 2/5
    return same_value(("/", *form.parts), other.tree)


def _residues(form: Residues, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Named):
        other = other.value
    if isinstance(other, Residues):
        return form == other
    if isinstance(other, Quantity) and len(names(other.tree)) == 1:
        return form == residues_of(other)
    if isinstance(other, Quantity) and (other.unit or other.mark):
        return False
    if isinstance(other, Quantity) and form.is_value:
        return same_value(("number", Fraction(form.remainder)), other.tree)
    return None if isinstance(other, Opaque | Quantity) else False


def _structure(form: Structure, other: Form, turned: bool) -> bool | None:
    if not isinstance(other, Structure):
        return None if isinstance(other, Opaque) or form.kind == "when" else False
    if form.kind != other.kind:
        return None if "cases" in (form.kind, other.kind) else False
    gold, answer = (other, form) if turned else (form, other)
    if form.kind == "cases":
        return _unordered(gold.parts, answer.parts)
    return _ordered(gold.parts, answer.parts)


def _order(form: Order, other: Form, turned: bool) -> bool | None:
    if isinstance(other, Order):
        return same_order(form, other)
    if form.region is not None:
        return _turned(form.region, other, turned)
    if isinstance(other, Region) and (half := half_line(other)):  # 2x > 4 and x > 2
        return same_order(form, half)
    return None if isinstance(other, Opaque | Named | Equation) else False


# What takes the lead, first to last, where the two forms differ in kind.
_ONE_SIDED: list[tuple[type, Callable[[Any, Form, bool], bool | None]]] = [
    (Either, _either),
    (Residues, _residues),
    (Structure, _structure),
    (Order, _order),
    (Named, _named),
    (Equation, _equation),
    (Choice, _choice),
    (Ratio, _ratio),
    (Group, _group),
    (Words, _words),
]
_ALIKE: dict[type, Callable[[Any, Any], bool | None]] = {
    Quantity: same_quantity,
    Matrix: _matrices,
    Region: _regions,
    Infinite: _infinities,
}
