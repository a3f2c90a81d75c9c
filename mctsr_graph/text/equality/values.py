"""Compares two expression trees by their values: exactly, else at 60 digits.

Rational values are exact. Others are calculated to 60 digits: two constants that agree to 50 of
them are held equal, and so are two formulas that agree at a dozen points. Where a difference may
be what rounding has left of 0, it is calculated again to 150 digits: it gets smaller, or is real.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

from .calculator import DIGITS, NO_VALUE, calculator, is_complex, value_at
from .exact import equal_numbers, exact
from .trees import Tree, heads, names, parts, renamed

_MORE_DIGITS = 150
_SURE = 20  # digits after the point in which a difference that rounding left is 0
_POINTS = 4  # with whole numbers
_ENOUGH = 3  # points at which both sides must have a value


def same_value(left: Tree, right: Tree) -> bool | None:
    """Compares two expressions.

    Returns:
        None if that cannot be told: a part is too large or unknown, or the sides agree at some
        points only.
    """
    return left == right or _same_value(frozenset((left, right)))


@lru_cache(maxsize=4096)  # whoever asks for both orders gets the second for nothing
def _same_value(sides: frozenset[Tree]) -> bool | None:
    left, right = sorted(sides, key=repr)
    a, b = exact(left), exact(right)
    if a is not None and b is not None:
        return equal_numbers(a, b)
    if ("log" in heads(left)) != ("log" in heads(right)):  # the base may be e or 10
        readings = [[_read_log(side, head) for side in (left, right)] for head in ("ln", "lg")]
        unequal = [_same_at_points(*sides) is False for sides in readings]
        return False if all(unequal) else None
    same = _same_at_points(left, right)
    return True if not same and same_but_constants(left, right) else same


CONSTANT = re.compile(r"[CcKk](?:_\w+)?|[ABD](?:_\w+)?|c'")
COUNTER = re.compile(r"[kmnl]")
_MOST_RENAMED = 3


def same_but_constants(left: Tree, right: Tree) -> bool:
    """Whether two formulas differ only in what they call their constants: x + C and x + c.

    A counter has a name of its own, too, where multiples of pi are counted.
    """
    one, two = names(left) - names(right), names(right) - names(left)
    if not one or len(one) != len(two) or len(one) > _MOST_RENAMED:
        return False
    constants = all(CONSTANT.fullmatch(name) for name in one | two)
    counters = all(COUNTER.fullmatch(name) for name in one | two) and "pi" in heads(left)
    if not (counters or (constants and names(left) & names(right))):
        return False
    found = (dict(zip(sorted(one), order, strict=True)) for order in permutations(sorted(two)))
    return any(_same_at_points(renamed(left, new), right) for new in found)


def is_polynomial(tree: Tree) -> bool:
    """Whether a formula is a polynomial in its variables, with numbers in it."""
    if tree[0] in ("number", "name"):
        return True
    if tree[0] == "^":
        return tree[2][0] == "number" and tree[2][1].denominator == 1 and is_polynomial(tree[1])
    if tree[0] == "/":
        return tree[2][0] == "number" and is_polynomial(tree[1])
    return tree[0] in ("+", "-", "*", "neg") and all(is_polynomial(part) for part in parts(tree))


def _read_log(tree: Tree, head: str) -> Tree:
    read = (_read_log(part, head) if isinstance(part, tuple) else part for part in tree[1:])
    return (head if tree[0] == "log" else tree[0], *read)


def rounds_to(tree: Tree, value: Fraction, decimals: int) -> bool:
    """Whether a constant is within one unit in the last of so many decimals of `value`.

    One unit and not half: the last digit that a computer prints need not be the nearest.
    """
    for sample in [] if names(tree) else _samples(tree, tree):
        with calculator():
            difference = abs(sample.left * value.denominator - value.numerator)
            return bool(difference * 10**decimals <= value.denominator)
    return False


def proportional(left: Tree, right: Tree) -> bool:
    """Whether one formula is the other times a number that is not 0."""
    return left == right or _are_proportional(frozenset((left, right)))


@lru_cache(maxsize=4096)
def _are_proportional(sides: frozenset[Tree]) -> bool:
    return bool(_ratio(*sorted(sides, key=repr)))


def has_same_sign(left: Tree, right: Tree) -> bool:
    """Whether one formula is the other times a positive number."""
    ratio = _ratio(left, right)
    return not is_complex(ratio) and bool(ratio > 0)


def _ratio(left: Tree, right: Tree) -> Any:
    """The number that one formula is of the other; 0 if there is none."""
    with calculator():
        samples = _samples(left, right)
        ratios = [sample.right / sample.left for sample in samples if sample.left != 0]
        enough = len(ratios) >= _ENOUGH or (ratios and not names(left) | names(right))
        return ratios[0] if enough and all(_close(ratios[0], ratio) for ratio in ratios) else 0


class _Sample(NamedTuple):
    """The values of two formulas at one point."""

    left: Any
    right: Any
    point: dict[str, Any]
    whole: bool
    """Whether the point consists of whole positive numbers."""

    @property
    def is_real(self) -> bool:
        return not (is_complex(self.left) or is_complex(self.right))


def _same_at_points(left: Tree, right: Tree) -> bool | None:
    constant = not names(left) | names(right)
    samples = _samples(left, right)
    if "i" not in heads(left) | heads(right):
        # Where a side has no real value, nothing is meant: \\ln(xy) and \\ln x + \\ln y are equal.
        samples = [sample for sample in samples if sample.is_real] or samples
    if len(samples) < (1 if constant else _ENOUGH):
        return None
    apart = [sample for sample in samples if not _same(sample, left, right)]
    # What is meant for whole numbers, such as (-1)^{2n}, may differ elsewhere; what is meant for
    # positive ones, such as \\sqrt{x^2}, may differ at negative ones.
    return (None if not any(sample.whole for sample in apart) else False) if apart else True


def _samples(left: Tree, right: Tree) -> list[_Sample]:
    """Values of both sides at whole, positive and negative points, where both have one."""
    samples = []
    with calculator() as maths:
        for place, point in enumerate(_points(maths, sorted(names(left) | names(right)))):
            try:
                values = value_at(left, point, maths), value_at(right, point, maths)
            except NO_VALUE:
                continue
            samples.append(_Sample(*values, point, whole=place < _POINTS))
    return samples


def _same(sample: _Sample, left: Tree, right: Tree) -> bool:
    """Whether two values are equal, or differ by what rounding has left of 0."""
    if _close(sample.left, sample.right):
        return True
    with calculator(_MORE_DIGITS) as maths:
        apart = abs(sample.left - sample.right)
        if apart > maths.mpf(10) ** -_SURE:
            return False
        try:
            a, b = (value_at(side, sample.point, maths) for side in (left, right))
        except NO_VALUE:
            return False
        # What is really 0 has got smaller; else both must agree to the usual digits
        smaller = maths.mpf(10) ** -(_MORE_DIGITS - DIGITS - _SURE)
        zeros = [abs(x) <= abs(y) * smaller for x, y in ((a, sample.left), (b, sample.right))]
        return all(zeros) or bool(abs(a - b) <= maths.mpf(10) ** -DIGITS * max(abs(a), abs(b)))


def _points(maths: Any, variables: list[str]) -> list[dict[str, Any]]:
    if not variables:
        return [{}]
    draw = random.Random(0)  # the same points for everybody
    # Odd and even numbers, in each combination for two variables
    whole = [
        {v: maths.mpf(2 * draw.randint(1, 6) + (n >> k % 2 & 1)) for k, v in enumerate(variables)}
        for n in range(_POINTS)
    ]
    real = [{v: maths.mpf(draw.uniform(0.1, 3)) for v in variables} for _ in range(_ENOUGH)]
    signed = [{v: maths.mpf(draw.uniform(-3, 3)) for v in variables} for _ in range(_ENOUGH)]
    return whole + real + [{v: -abs(x) for v, x in signed[0].items()}] + signed


def _close(a: Any, b: Any) -> bool:
    with calculator() as maths:
        return bool(abs(a - b) <= maths.mpf(10) ** (10 - DIGITS) * max(abs(a), abs(b)))
