"""Compares two values with their units, percent and degree signs."""

from __future__ import annotations

import re
from fractions import Fraction

from .expressions import FUNCTIONS
from .logic import any_of
from .quantities import Quantity
from .trees import Tree, heads, names, without_degrees
from .values import rounds_to, same_value

_FLOAT_DECIMALS = 6  # a reference with as many was calculated, not derived
_MIN_DECIMALS = 2  # of an answer that is rounded from such a reference
_MIN_DIGITS = 3
_MACHINE_DIGITS = 10**14  # 15 digits that count
_FLOAT_NOISE = Fraction(1, 10**12)  # relative


def same_quantity(gold: Quantity, answer: Quantity) -> bool | None:
    """Compares two quantities; None if only math-verify may tell."""
    if gold.unit and not answer.unit and names(answer.tree):
        return _variables(gold, answer)
    if answer.unit and not gold.unit and names(gold.tree):
        return _variables(answer, gold)
    if gold.mark != answer.mark:
        return _marks(gold, answer)
    if any(one.unit and one.unit.is_multiplier for one in (gold, answer)):
        return same_value(_in_base(gold), _in_base(answer))
    if gold.unit and answer.unit:
        return _units(gold, answer)
    if _in_thousands(gold, answer) or _in_thousands(answer, gold):
        return True
    same = _same_numbers(gold, answer)
    return same if same or not (gold.unit or answer.unit) else _dozens(gold, answer, same)


def _variables(unit: Quantity, other: Quantity) -> bool | None:
    """Compares "2 m" with "2m" and "m + m"."""
    return same_value(unit.whole, other.tree) if unit.whole else False


def _marks(gold: Quantity, answer: Quantity) -> bool | None:
    """Compares 62.5% with 62.5 and 0.625, and 90 degrees with 90 and half of pi."""
    if "_" in gold.mark + answer.mark:
        # 101 may leave out the base of 101_2, but 5 is not the same numeral
        if gold.mark and answer.mark and gold.mark == answer.mark:
            return same_value(gold.tree, answer.tree)
        return gold.text == answer.text and not (gold.mark and answer.mark)
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
    return False


def _in_base(quantity: Quantity) -> Tree:
    if quantity.unit is None or not (quantity.unit.measures or quantity.unit.is_multiplier):
        return quantity.tree
    return ("*", quantity.tree, ("number", quantity.unit.factor))


def _in_thousands(short: Quantity, other: Quantity) -> bool:
    """Whether one is "5k" and the other 5000."""
    found = re.fullmatch(r"([0-9.]+) ?k", short.text)
    value = other.value
    return bool(found) and not names(other.tree) and value == Fraction(found[1]) * 1000  # type: ignore[index]


def _dozens(gold: Quantity, answer: Quantity, otherwise: bool | None) -> bool | None:
    """Compares "2 dozen" and "1.5 million" with plain numbers."""
    for form, other in ((gold, answer), (answer, gold)):
        if form.unit and not form.unit.measures and not other.unit:
            return same_value(_in_base(form), other.tree)
    return otherwise


def _same_numbers(gold: Quantity, answer: Quantity) -> bool | None:
    same = same_value(gold.tree, answer.tree)
    if same is not True and _degrees_left_out(gold.tree, answer.tree):
        return same_value(without_degrees(gold.tree), without_degrees(answer.tree))
    if same is False and _is_noise(gold, answer):
        return True
    if same is False and _is_machine_number(answer):
        assert answer.value is not None
        return rounds_to(gold.tree, answer.value, answer.decimals or 0)
    if same is not True and (gold.decimals or 0) >= _FLOAT_DECIMALS and gold.value is not None:
        return _rounds(gold, gold.value, answer) or same
    return same


def _is_noise(gold: Quantity, answer: Quantity) -> bool:
    """Whether two decimals differ as 0.3 and 0.30000000000000004 do."""
    a, b = gold.value, answer.value
    if a is None or b is None or max(gold.decimals or 0, answer.decimals or 0) < _FLOAT_DECIMALS:
        return False
    return abs(a - b) <= abs(a) * _FLOAT_NOISE


def _is_machine_number(answer: Quantity) -> bool:
    """Whether an answer has as many digits as a computer prints: it stands for the exact value."""
    decimals = answer.decimals or 0
    value = answer.value
    return decimals > 0 and value is not None and abs(value) * 10**decimals >= _MACHINE_DIGITS


def _degrees_left_out(a: Tree, b: Tree) -> bool:
    r"""Whether one has signs for degrees as "180° - x", not as "\sin 30°", and the other none."""
    one = ("degree" in heads(a)) != ("degree" in heads(b))
    return one and not (heads(a) | heads(b)) & FUNCTIONS


def _rounds(gold: Quantity, exact: Fraction, answer: Quantity) -> bool:
    """Whether a calculated reference and an answer are one number, rounded differently."""
    value, decimals = answer.value, answer.decimals
    if gold.decimals is None:
        return False
    if value is None:
        return _digits(exact, gold.decimals) and rounds_to(answer.tree, exact, gold.decimals)
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
