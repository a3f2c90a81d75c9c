"""Compares two expression trees by their values: exactly, else at 60 digits.

Rational values are exact and need only the standard library. Others are calculated to 60 digits by
mpmath, with bounds on every step, so that no answer can take long: two constants that agree to
50 digits are held equal, and so are two formulas that agree at a dozen points.
"""

from __future__ import annotations

import random
import threading
from fractions import Fraction
from typing import Any, NamedTuple

from .exact import MAX_FACTORIAL, OPERATIONS, NoValueError, equal_numbers, exact
from .expressions import Tree, heads, names

_DIGITS = 60
_MAX_SIZE = 10_000  # decimal digits before or after the point of an approximate value
_POINTS = 4  # of each kind
_ENOUGH = 3  # points at which both sides must have a value
_LOCK = threading.Lock()  # mpmath changes its precision for a moment in some functions


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
        return equal_numbers(a, b)
    if ("log" in heads(left)) != ("log" in heads(right)):
        return None  # the base may be e or 10
    return _same_at_points(left, right)


def rounds_to(tree: Tree, value: Fraction, decimals: int) -> bool:
    """Whether a constant is within one unit in the last of so many decimals of `value`.

    One unit and not half: the last digit that a computer prints need not be the nearest.
    """
    for sample in [] if names(tree) else _samples(tree, tree):
        difference = abs(sample.left * value.denominator - value.numerator) / value.denominator
        return bool(difference * 10**decimals <= 1)
    return False


def proportional(left: Tree, right: Tree) -> bool:
    """Whether one formula is the other times a number that is not 0."""
    ratios = [sample.right / sample.left for sample in _samples(left, right) if sample.left != 0]
    return len(ratios) >= _ENOUGH and ratios[0] != 0 and all(_close(ratios[0], r) for r in ratios)


class _Sample(NamedTuple):
    """The values of two formulas at one point."""

    left: Any
    right: Any
    whole: bool
    """Whether the point consists of whole positive numbers."""

    @property
    def is_real(self) -> bool:
        mpc = _CONTEXT[0].mpc
        return not any(isinstance(side, mpc) and side.imag for side in (self.left, self.right))


def _same_at_points(left: Tree, right: Tree) -> bool | None:
    constant = not names(left) | names(right)
    samples = _samples(left, right)
    if "i" not in heads(left) | heads(right):
        # Where a side has no real value, nothing is meant: \\ln(xy) and \\ln x + \\ln y are equal.
        samples = [sample for sample in samples if sample.is_real] or samples
    if len(samples) < (1 if constant else _ENOUGH):
        return None
    apart = [sample for sample in samples if not _close(sample.left, sample.right)]
    # What is meant for whole numbers, such as (-1)^{2n}, may differ elsewhere; what is meant for
    # positive ones, such as \\sqrt{x^2}, may differ at negative ones.
    return (None if not any(sample.whole for sample in apart) else False) if apart else True


def _samples(left: Tree, right: Tree) -> list[_Sample]:
    """Values of both sides at whole, positive and negative points, where both have one."""
    variables = sorted(names(left) | names(right))
    samples = []
    with _LOCK:
        maths = _context()
        if maths is None:
            return []
        for place, point in enumerate(_points(maths, variables)):
            try:
                values = _value(left, point, maths), _value(right, point, maths)
            except _NO_VALUE:
                continue
            samples.append(_Sample(*values, whole=place < _POINTS))
    return samples


_NO_VALUE = (
    NoValueError,
    ZeroDivisionError,
    OverflowError,
    ValueError,
    TypeError,
    RecursionError,
)
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
        return OPERATIONS[head](*parts)
    if head == "^":
        return _real_power(parts[0], parts[1], maths)
    if head == "degree":
        return parts[0] * maths.pi / 180
    if head in ("factorial", "binom") and any(abs(part) > MAX_FACTORIAL for part in parts):
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
