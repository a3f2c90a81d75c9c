r"""What an ellipsis stands for where its neighbours tell: 1 + 2 + \dots + n, 1, 2, \dots, 9."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from .exact import exact
from .trees import Tree

_ONE: Tree = ("number", Fraction(1))
_MOST = 200  # terms of a list that are written out


def closed_form(terms: Sequence[Tree], last: Tree) -> Tree | None:
    r"""The value of "a + b + \dots + z"; None if the terms follow no rule that is easy to see."""
    powers = _bases([*terms, last])
    if powers is not None:
        *bases, end, exponent = powers
        if _step(bases) == 1:
            return ("sum", "_k", bases[0], end, ("^", ("name", "_k"), exponent))
    values = [exact(term) for term in terms]
    step = _step(terms)
    if step:
        by = ("number", step)
        count = ("+", ("/", ("-", last, terms[0]), by), _ONE)
        return ("/", ("*", count, ("+", terms[0], last)), ("number", Fraction(2)))
    numbers = [value for value in values if isinstance(value, Fraction) and value]
    ratios = {b / a for a, b in pairwise(numbers)}
    if 2 < len(numbers) == len(values) and len(ratios) == 1 and (ratio := ratios.pop()) != 1:
        grown = ("-", ("*", last, ("number", ratio)), terms[0])
        return ("/", grown, ("number", ratio - 1))
    return None


def product_form(terms: Sequence[Tree], last: Tree) -> Tree | None:
    r"""The value of "1 \cdot 2 \cdots n"; None for other products."""
    return ("factorial", last) if exact(terms[0]) == 1 and _step(terms) == 1 else None


def written_out(first: Sequence[Fraction], last: Fraction) -> list[Fraction] | None:
    r"""All numbers of "1, 3, \dots, 9"; None if they are no arithmetic progression, or many."""
    if len(first) < 2:
        step = Fraction(1)
    else:
        step = first[1] - first[0]
        if step == 0 or any(b - a != step for a, b in pairwise(first)):
            return None
    count = (last - first[0]) / step + 1
    if count.denominator != 1 or not len(first) < count <= _MOST:
        return None
    return [first[0] + n * step for n in range(int(count))]


def _bases(trees: Sequence[Tree]) -> list[Tree] | None:
    """The bases of powers with one exponent, and that exponent; a 1 counts as a power."""
    found = next((tree[2] for tree in trees if tree[0] == "^"), None)
    if found is None or any(tree[0] != "^" and tree != _ONE for tree in trees):
        return None
    if any(tree[0] == "^" and tree[2] != found for tree in trees):
        return None
    return [*(tree[1] if tree[0] == "^" else tree for tree in trees), found]


def _step(terms: Sequence[Tree]) -> Fraction | None:
    """The difference between neighbours, 1 for a single term; None if it is not the same."""
    found = [exact(term) for term in terms]
    values = [value for value in found if isinstance(value, Fraction)]
    if len(values) != len(found):
        return None
    steps = {b - a for a, b in pairwise(values)}
    return Fraction(1) if not steps else steps.pop() if len(steps) == 1 else None
