"""Calculates rational constants exactly, with bounds on every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .trees import Tree

_MAX_BITS = 60_000  # of a numerator or denominator
_SMALL_BITS = 30_000  # of a number that is surely below a huge one, even if a few are summed up
MAX_FACTORIAL = 5000


class NoValueError(Exception):
    """An expression has no value of the kind that is asked for, or one too large."""


class Huge:
    """A number above 2**60000 in size; nothing can be calculated with it."""


def exact(tree: Tree) -> Fraction | Huge | None:
    """Calculates a rational constant; None if a tree is none, or none that is easy to see."""
    try:
        value = _exact(tree)
    except (NoValueError, ZeroDivisionError, OverflowError):
        return None
    return value


def _exact(tree: Tree) -> Fraction | Huge:
    head = tree[0]
    if head == "number":
        return _checked(tree[1])
    if head not in OPERATIONS:
        raise NoValueError
    parts = [_exact(part) for part in tree[1:]]
    if any(isinstance(part, Huge) for part in parts):
        return _huge_result(head, parts)
    value = OPERATIONS[head](*parts)
    return value if isinstance(value, Huge) else _checked(value)


def _huge_result(head: str, parts: list[Fraction | Huge]) -> Huge:
    """What surely stays huge: its factorial, its sum with a small number, a power with it."""
    small = [part for part in parts if not isinstance(part, Huge)]
    stays = {
        "neg": True,
        "abs": True,
        "factorial": True,
        "+": all(abs(part) < 2**_SMALL_BITS for part in small) and len(small) == 1,
        "-": all(abs(part) < 2**_SMALL_BITS for part in small) and len(small) == 1,
        "*": all(abs(part) >= 1 for part in small),
        "^": all(abs(part) >= 2 for part in small) and parts[0] in small,
    }
    if not stays.get(head):
        raise NoValueError
    return Huge()


def _checked(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
        raise NoValueError
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction | Huge:
    if exponent.denominator != 1:
        return _power(_root(base, exponent.denominator), Fraction(exponent.numerator))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent) > _MAX_BITS and abs(base) not in (0, 1):
        if exponent > 0 and abs(base) >= 2 and exponent * (math.log2(int(abs(base)))) > _MAX_BITS:
            return Huge()
        raise NoValueError
    if abs(exponent) > _MAX_BITS:  # of 0, 1 or -1
        return base if exponent % 2 else base * base
    if base == 0 == exponent:
        raise NoValueError
    return base ** int(exponent)


def _root(value: Fraction, degree: int) -> Fraction:
    """The rational root of a value that is not negative, if there is one."""
    if value < 0 or degree > 100:
        raise NoValueError
    parts = []
    for part in (value.numerator, value.denominator):
        root = math.isqrt(part) if degree == 2 else _integer_root(part, degree)
        if root**degree != part:
            raise NoValueError
        parts.append(root)
    return Fraction(parts[0], parts[1])


def _integer_root(value: int, degree: int) -> int:
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    return low


def _factorial(value: Fraction) -> Fraction | Huge:
    if value.denominator != 1 or value < 0:
        raise NoValueError
    return (
        Fraction(math.factorial(int(value))) if value <= MAX_FACTORIAL else _large_factorial(value)
    )


def _large_factorial(value: Fraction) -> Huge:
    if value <= 6000:  # less than Huge promises
        raise NoValueError
    return Huge()


def _binomial(top: Fraction, bottom: Fraction) -> Fraction | Huge:
    whole = top.denominator == bottom.denominator == 1
    if whole and 2 * _MAX_BITS < bottom < top - 2 * _MAX_BITS:
        return Huge()
    if not whole or not 0 <= bottom <= top or min(bottom, top - bottom) > 1000 or top > 10**9:
        raise NoValueError
    return Fraction(math.comb(int(top), int(bottom)))


def _double_factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        raise NoValueError
    return Fraction(math.prod(range(int(value), 0, -2)))


def _of_whole(function: Callable[..., int]) -> Callable[..., Fraction]:
    """A function of whole numbers; of others there is no value."""

    def applied(*values: Fraction) -> Fraction:
        if any(value.denominator != 1 for value in values):
            raise NoValueError
        return Fraction(function(*(int(value) for value in values)))

    return applied


OPERATIONS: dict[str, Any] = {
    "number": None,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": _power,
    "neg": lambda a: -a,
    "percent": lambda a: a / 100,
    "sqrt": lambda a: _root(a, 2),
    "factorial": _factorial,
    "binom": _binomial,
    "factorial2": _double_factorial,
    "gcd": _of_whole(math.gcd),
    "lcm": _of_whole(math.lcm),
    "max": max,
    "min": min,
    "mod": lambda a, b: a % b,
    "abs": abs,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
}


def equal_numbers(a: Fraction | Huge, b: Fraction | Huge) -> bool | None:
    """Compares two values; None if both are huge."""
    if not isinstance(a, Huge) and not isinstance(b, Huge):
        return a == b
    return (
        False if any(not isinstance(x, Huge) and abs(x) < 2**_SMALL_BITS for x in (a, b)) else None
    )
