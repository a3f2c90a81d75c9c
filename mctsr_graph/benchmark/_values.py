"""Compares two expression trees by their values: exactly, else at 60 digits.

Rational values are exact and need only the standard library. Others are calculated to 60 digits by
mpmath, with bounds on every step, so that no answer can take long: two constants that agree to
50 digits are held equal, and so are two formulas that agree at a dozen points.
"""

from __future__ import annotations

import math
import random
import threading
from fractions import Fraction
from typing import Any

from ._expressions import Tree, heads, names

_MAX_BITS = 20_000  # of a numerator or denominator
_SMALL_BITS = 10_000  # of a number that is surely below a huge one, even if a few are summed up
_MAX_FACTORIAL = 2000
_DIGITS = 60
_MAX_SIZE = 10_000  # decimal digits before or after the point of an approximate value
_POINTS = 4  # of each kind
_ENOUGH = 3  # points at which both sides must have a value
_LOCK = threading.Lock()  # mpmath changes its precision for a moment in some functions


class NoValueError(Exception):
    """An expression has no value of the kind that is asked for, or one too large."""


class Huge:
    """A number above 2**20000 in size; nothing can be calculated with it."""


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
    if head not in _EXACT:
        raise NoValueError
    parts = [_exact(part) for part in tree[1:]]
    if any(isinstance(part, Huge) for part in parts):
        return _huge_result(head, parts)
    value = _EXACT[head](*parts)
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
    return Fraction(math.factorial(int(value))) if value <= _MAX_FACTORIAL else _huge(value)


def _huge(value: Fraction) -> Huge:
    if value <= 3000:  # less than Huge promises
        raise NoValueError
    return Huge()


def _binomial(top: Fraction, bottom: Fraction) -> Fraction | Huge:
    whole = top.denominator == bottom.denominator == 1
    if whole and 2 * _MAX_BITS < bottom < top - 2 * _MAX_BITS:
        return Huge()
    if not whole or not 0 <= bottom <= top or min(bottom, top - bottom) > 1000 or top > 10**9:
        raise NoValueError
    return Fraction(math.comb(int(top), int(bottom)))


_EXACT: dict[str, Any] = {
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
    "abs": abs,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
}


def same_value(left: Tree, right: Tree) -> bool | None:
    """Compares two expressions.

    Returns:
        None if that cannot be told: mpmath is missing, a part is too large or unknown, or the
        sides agree at some points only.
    """
    if left == right:
        return True
    a, b = exact(left), exact(right)
    if a is not None and b is not None:
        return _equal(a, b)
    if ("log" in heads(left)) != ("log" in heads(right)):
        return None  # the base may be e or 10
    return _same_at_points(left, right)


def _equal(a: Fraction | Huge, b: Fraction | Huge) -> bool | None:
    if not isinstance(a, Huge) and not isinstance(b, Huge):
        return a == b
    return False if any(not isinstance(x, Huge) and abs(x) < 2**_SMALL_BITS for x in (a, b)) else None


def proportional(left: Tree, right: Tree) -> bool:
    """Whether one formula is the other times a number that is not 0."""
    ratios = [b / a for a, b in _samples(left, right) if a != 0]
    return len(ratios) >= _ENOUGH and ratios[0] != 0 and all(_close(ratios[0], r) for r in ratios)


def _same_at_points(left: Tree, right: Tree) -> bool | None:
    constant = not names(left) | names(right)
    pairs = _samples(left, right)
    if len(pairs) < (1 if constant else _ENOUGH):
        return None
    agree = [_close(a, b) for a, b in pairs]
    if all(agree):
        return True if constant or len(pairs) > 2 * _POINTS else None
    # What is meant for whole numbers, such as (-1)^{2n}, may differ elsewhere; what is meant for
    # positive ones, such as \\ln x^2, may differ at negative ones.
    return None if all(agree[:_POINTS]) else False


def _samples(left: Tree, right: Tree) -> list[tuple[Any, Any]]:
    """Values of both sides at whole, positive and then negative points, where both have one."""
    variables = sorted(names(left) | names(right))
    pairs = []
    with _LOCK:
        maths = _context()
        if maths is None:
            return []
        for point in _points(maths, variables):
            try:
                pairs.append((_value(left, point, maths), _value(right, point, maths)))
            except _NO_VALUE:
                continue
    return pairs


_NO_VALUE = (NoValueError, ZeroDivisionError, OverflowError, ValueError, TypeError)
_CONTEXT: list[Any] = []


def _context() -> Any:
    """The calculator; None if mpmath is not installed."""
    if not _CONTEXT:
        try:
            from mpmath import MPContext
        except ImportError:
            return None
        _CONTEXT.append(MPContext())
        _CONTEXT[0].dps = _DIGITS
    return _CONTEXT[0]


def _points(maths: Any, variables: list[str]) -> list[dict[str, Any]]:
    if not variables:
        return [{}]
    draw = random.Random(0)  # the same points for everybody
    whole = [{v: maths.mpf(draw.randint(2, 12)) for v in variables} for _ in range(_POINTS)]
    real = [{v: maths.mpf(draw.uniform(0.1, 3)) for v in variables} for _ in range(_POINTS)]
    signed = [{v: maths.mpf(draw.uniform(-3, 3)) for v in variables} for _ in range(_POINTS)]
    return whole + real + [{v: -abs(x) for v, x in p.items()} for p in signed[:2]] + signed


def _close(a: Any, b: Any) -> bool:
    maths = _CONTEXT[0]
    tolerance = maths.mpf(10) ** (10 - _DIGITS)
    return bool(abs(a - b) <= tolerance * max(abs(a), abs(b), tolerance))


def _value(tree: Tree, point: dict[str, Any], maths: Any) -> Any:
    head = tree[0]
    if head == "number":
        return maths.mpf(tree[1].numerator) / tree[1].denominator
    if head == "name":
        return point[tree[1]]
    constants = {"pi": maths.pi, "e": maths.e, "i": maths.j}
    if head in constants:
        return +constants[head]
    parts = [_value(part, point, maths) for part in tree[1:]]
    return _bounded(_applied(head, parts, maths), maths)


def _applied(head: str, parts: list[Any], maths: Any) -> Any:
    if head in ("+", "-", "*", "/", "neg", "abs", "percent"):
        return _EXACT[head](*parts)
    if head == "^":
        return _real_power(parts[0], parts[1], maths)
    if head == "degree":
        return parts[0] * maths.pi / 180
    if head in ("factorial", "binom") and any(abs(part) > _MAX_FACTORIAL for part in parts):
        raise NoValueError
    if head in _TRIGONOMETRIC and abs(parts[0]) > 10**20:
        raise NoValueError
    return getattr(maths, _MPMATH.get(head, head))(*parts)


_TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc", "exp", "sinh", "cosh", "tanh")
_MPMATH = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "lg": "log10",
    "log": "ln",
    "binom": "binomial",
}


def _real_power(base: Any, exponent: Any, maths: Any) -> Any:
    if base == 0:
        if maths.re(exponent) <= 0:
            raise NoValueError
        return maths.mpf(0)
    size = abs(exponent) * abs(maths.log10(abs(base)) + 1)
    if size > _MAX_SIZE:
        raise NoValueError
    # The real root of a negative number, such as the third root of -8, as everybody reads it.
    if not isinstance(base, maths.mpc) and base < 0 and not isinstance(exponent, maths.mpc):
        degree = 1 / exponent
        if exponent < 1 and abs(degree - round(float(degree))) < 1e-30 and round(degree) % 2:
            return -((-base) ** exponent)
    return base**exponent


def _bounded(value: Any, maths: Any) -> Any:
    size = abs(value)
    if not maths.isfinite(size) or size > maths.mpf(10) ** _MAX_SIZE:
        raise NoValueError
    if isinstance(value, maths.mpc) and value.imag == 0:
        return value.real
    return value
