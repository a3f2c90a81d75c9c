"""Calculates an expression tree at a point, to as many digits as are asked for.

By mpmath, or where that is not installed by the standard library's decimals, which know no angles
and no imaginary numbers. Every step has bounds, so that no answer can take long.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from .decimals import UNDEFINED, Decimals
from .exact import MAX_FACTORIAL, OPERATIONS, NoValueError
from .trees import Tree

DIGITS = 60
_MAX_SIZE = 10_000  # decimal digits before the point of an approximate value
_MAX_BITS = 33_219  # the same in binary digits
_MOST_TERMS = 200  # of a sum
_LOCK = threading.RLock()  # mpmath changes its precision for a moment in some functions
_CONTEXT: list[Any] = []
NO_VALUE = (
    NoValueError,
    ZeroDivisionError,
    OverflowError,
    ValueError,
    TypeError,
    RecursionError,
    *UNDEFINED,
)
"""What is raised where a tree has no value at a point, or none that can be calculated."""


@contextmanager
def calculator(digits: int = DIGITS) -> Iterator[Any]:
    """What calculates: mpmath's context or what stands for it, at so many digits."""
    maths = _mpmath()
    if maths is None:
        decimals = Decimals()
        with decimals.working(digits):
            yield decimals
        return
    with _LOCK, maths.workdps(digits):
        yield maths


def _mpmath() -> Any:
    """Mpmath's context; None if it is not installed."""
    if not _CONTEXT:
        try:
            from mpmath import MPContext
        except ImportError:
            return None
        _CONTEXT.append(MPContext())
    return _CONTEXT[0]


def is_complex(value: Any) -> bool:
    """Whether a value has an imaginary part."""
    return bool(getattr(value, "imag", 0))


_CONSTANTS = {"pi": "pi", "e": "e", "i": "j"}


def value_at(tree: Tree, point: dict[str, Any], maths: Any) -> Any:
    """The value of a tree where `point` says what its variables are; raises one of NO_VALUE."""
    head = tree[0]
    if head == "number":
        return maths.mpf(tree[1].numerator) / tree[1].denominator
    if head == "name":
        return point[tree[1]]
    if head in _CONSTANTS:
        return +getattr(maths, _CONSTANTS[head])
    if head in ("sum", "product"):
        return _series(tree, point, maths)
    if head == "call":
        return _unknown(tree[1], [value_at(part, point, maths) for part in tree[2:]], maths)
    values = [value_at(part, point, maths) for part in tree[1:]]
    return _bounded(_applied(head, values, maths), maths)


def _series(tree: Tree, point: dict[str, Any], maths: Any) -> Any:
    """A finite sum or product."""
    head, name, first, last, term = tree
    ends = [value_at(end, point, maths) for end in (first, last)]
    room = point.get("", _MOST_TERMS)  # less in a sum of sums
    if any(not maths.isint(end) for end in ends) or ends[1] - ends[0] >= room:
        raise NoValueError
    places = range(int(ends[0]), int(ends[1]) + 1)
    inside = {**point, "": room // max(1, len(places))}
    terms = [value_at(term, {**inside, name: maths.mpf(place)}, maths) for place in places]
    return _bounded(maths.fsum(terms) if head == "sum" else maths.fprod(terms), maths)


def _unknown(name: str, arguments: list[Any], maths: Any) -> Any:
    """A value for a function of which only the name is known: the same for the same arguments."""
    told = [maths.nstr(maths.mpmathify(value), 30) for value in arguments]
    return maths.mpf(random.Random(f"{name} {told}").uniform(0.1, 3))


def _applied(head: str, parts: list[Any], maths: Any) -> Any:
    if head in ("+", "-", "*", "/", "neg", "abs", "percent", "max", "min"):
        return OPERATIONS[head](*parts)
    if head == "^":
        return _real_power(parts[0], parts[1], maths)
    if head in _OWN:
        return _OWN[head](maths, *parts)
    if head in ("gcd", "lcm", "factorial2"):
        whole = [Fraction(int(part)) if maths.isint(part) else Fraction(1, 2) for part in parts]
        return maths.mpf(int(OPERATIONS[head](*whole)))
    if head in ("factorial", "binom") and any(abs(part) > MAX_FACTORIAL for part in parts):
        raise NoValueError
    if head in _TRIGONOMETRIC and abs(parts[0]) > 10**20:
        raise NoValueError
    return getattr(maths, _MPMATH.get(head, head))(*parts)


_OWN: dict[str, Any] = {
    "mod": lambda maths, a, b: a - b * maths.floor(a / b),
    "cis": lambda maths, angle: maths.expj(angle),
    "degree": lambda maths, angle: angle * maths.pi / 180,
}
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
    if not maths.isfinite(value) or maths.mag(value) > _MAX_BITS:
        raise NoValueError
    if isinstance(value, maths.mpc) and value.imag == 0:
        return value.real
    return value
