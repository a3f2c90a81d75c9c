"""What two equal answers have in common: a few short texts for each answer.

Answers that share none of them are not equal, so that a new answer need not be compared with all.
Answers that share one are likely to be, and `compare` says whether they are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from .calculator import NO_VALUE, calculator, value_at
from .expressions import FUNCTIONS
from .forms import (
    Choice,
    Either,
    Equation,
    Form,
    Group,
    Matrix,
    Named,
    Order,
    Ratio,
    Region,
    Residues,
    Structure,
)
from .merging import merged
from .quantities import Quantity
from .reading import read_answer
from .special import residues_of
from .trees import Tree, heads, names, without_degrees
from .values import CONSTANT, COUNTER
from .words import Words

View = Literal["said", "base"]
"""A number as it is written, or in base units, without percent: 50% is 50 and 0.5."""
_DIGITS = 30
_SHOWN = 9  # digits of a number that tell it from others
_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29)
_NOTHING = "".join(sorted("no solution"))
_MOST_LETTERS = 6  # choices side by side, such as "ACD"


@lru_cache(maxsize=16384)
def handles(answer: str) -> frozenset[str]:
    """The short texts for an answer; never empty."""
    return frozenset(_handles(read_answer(answer)))


def _handles(form: Form) -> set[str]:
    match form:
        case Either(options):
            return set().union(*(_handles(option) for option in options))
        case Choice(letter, option):
            return {f"letter {letter}"} | (_handles(option) if option is not None else set())
        case Named(_, value, sides):
            return _handles(value) | _of_equation(*sides)
        case Equation(left, right, value):
            return _handles(value) | _of_equation(left, right)
        case Order(sides, _, region):
            found = {f"order {sorted(set().union(*map(names, sides)))}"}
            return found | (_handles(region) if region is not None else set())
        case Ratio(parts, clock):
            found = {f"clock {clock[0]}"} if clock else set()
            ratio = [_number(("/", part, parts[0])) for part in parts[1:]]
            both = {_number(("/", *parts))} if len(parts) == 2 else set()
            return found | both | ({f"ratio {ratio}"} if ratio else set())
    if isinstance(form, Region) and form.name and len(form.pieces) == 1:
        return {f"order {[form.name]}"} | _alike(form)
    return _alike(form)


def _alike(form: Form) -> set[str]:
    found = {" ".join(sorted(set(_leaves(form, view)))) for view in ("said", "base")}
    return found | _letters(form) | _families(form)


def _letters(form: Form) -> set[str]:
    """The choices B, C are "BC"; "b" may be the choice B; 5k is 5000."""
    if isinstance(form, Group) and all(isinstance(item, Choice) for item in form.items):
        letters = [item.letter for item in form.items if isinstance(item, Choice)]
        return {f"letters {sorted(letters)}"}
    if not isinstance(form, Quantity | Words):
        return set()
    text, found = form.text.strip(), set()
    if text.isalpha() and len(text) <= _MOST_LETTERS:
        found.add(f"letter {text.upper()}" if len(text) == 1 else f"letters {sorted(text.upper())}")
    if isinstance(form, Quantity) and form.whole:
        found.add(_number(form.whole))
    if text.endswith("k") and isinstance(form, Quantity) and names(form.tree) == {"k"}:
        found |= {_number(("number", Fraction(1000) * value)) for value in _numbers(text[:-1])}
    return found


def _numbers(text: str) -> list[Fraction]:
    try:
        return [Fraction(text.strip())]
    except ValueError:
        return []


def _families(form: Form) -> set[str]:
    if isinstance(form, Quantity) and len(names(form.tree)) == 1:
        found = residues_of(form)
    else:
        found = form if isinstance(form, Residues) else None
    if found is None:
        return set()
    value = {_number(("number", Fraction(found.remainder)))} if found.is_value else set()
    return {f"residues {found.remainder} {found.modulus}"} | value


def _leaves(form: Form, view: View) -> list[str]:
    """What stands in a form, in any order and in any brackets."""
    parts = _parts(form)
    if parts is None:
        return [_leaf(form, view)]
    own = [form.kind] if isinstance(form, Structure) else []
    return own + [leaf for part in parts for leaf in _leaves(part, view)] or [_NOTHING]


def _parts(form: Form) -> Sequence[Form] | None:
    """The forms in a form; None if it is not made of others."""
    match form:
        case Group(_, items) | Structure(_, items):
            return items
        case Matrix(rows):
            return [item for row in rows for item in row]
        case Region(_, pieces):
            return [end for piece in merged(pieces) for end in (piece.low, piece.high)]
        case Either(options):
            return options[:1]
        case Named(_, value) | Equation(_, _, value):
            return [value]
    return None


def _leaf(form: Form, view: View) -> str:
    match form:
        case Quantity(text):
            tree = _tree(form, view)
            return text if tree is None else _number(tree)
        case Words(text):
            return "".join(sorted(text))  # "ab" may be "ba"
    return str(form)


def _tree(form: Quantity, view: View) -> Tree | None:
    """What to calculate; None where only the text counts, as of a number in base 4."""
    if form.mark.startswith("_"):
        return ("number", Fraction(int(form.text))) if form.text.isdecimal() else None
    if view == "said":
        return form.tree if heads(form.tree) & FUNCTIONS else without_degrees(form.tree)
    if form.unit:
        return ("*", form.tree, ("number", form.unit.factor))
    if form.mark:
        return ({"%": "percent", "°": "degree"}[form.mark], form.tree)
    return form.tree


def _of_equation(left: Tree | None, right: Tree | None) -> set[str]:
    """Equal for equations of which one is the other times a number."""
    if left is None or right is None:
        return set()
    tree = ("-", left, right)
    values = [_value(tree, shift) for shift in (0, 3)]
    if None in values or values[1] == 0:
        return {f"equation {sorted(names(tree))}"}
    with calculator(_DIGITS) as maths:
        return {f"equation {maths.nstr(values[0] / values[1], _SHOWN)}"}


def _number(tree: Tree) -> str:
    """A number in a few digits; where there are variables, at a point of their own."""
    value = _value(tree)
    if value is None:
        return f"{sorted(heads(tree))} {sorted(names(tree))}"
    with calculator(_DIGITS) as maths:
        least = maths.mpf(10) ** (10 - _DIGITS) * max(1, abs(value))
        parts = [maths.re(value), maths.im(value)]
        # What is less may be what rounding has left of 0
        return " ".join(maths.nstr(part if abs(part) > least else 0, _SHOWN) for part in parts)


def _value(tree: Tree, shift: int = 0) -> Any:
    point = {name: _place(name) + shift for name in names(tree)}
    with calculator(_DIGITS) as maths:
        try:
            return value_at(tree, {name: maths.mpf(at) for name, at in point.items()}, maths)
        except NO_VALUE:
            return None


def _place(name: str) -> int:
    """Where a variable is looked at: the same for all that may go by another name."""
    kind = "C" if CONSTANT.fullmatch(name) or COUNTER.fullmatch(name) else name
    return random.Random(kind).choice(_PRIMES)
