"""Compares ratios, and formulas in order of size."""

from __future__ import annotations

from .expressions import read_expression
from .forms import Order, Ratio, Region
from .logic import all_of
from .quantities import Quantity
from .times import same_clock
from .trees import names
from .values import has_same_sign, same_value


def same_ratio(a: Ratio, b: Ratio) -> bool | None:
    """Whether two ratios, or times of day, are equal."""
    if a.clock and b.clock:
        return same_clock(a.clock, b.clock)
    if len(a.parts) != len(b.parts) or not a.parts:
        return False
    pairs = list(zip(a.parts, b.parts, strict=True))
    (first, start), *rest = pairs
    return all_of([same_value(("*", first, y), ("*", x, start)) for x, y in rest])


def half_line(region: Region) -> Order | None:
    """A region with one end as an order between that end and its variable."""
    if len(region.pieces) != 1 or not region.name:
        return None
    piece, variable = region.pieces[0], read_expression(region.name)
    sides = [end.tree if isinstance(end, Quantity) else None for end in (piece.low, piece.high)]
    if variable is None or (sides[0] is None) == (sides[1] is None):
        return None
    if sides[0] is not None:
        return Order((sides[0], variable), (not piece.closed[0],))
    return Order((variable, sides[1]), (not piece.closed[1],))  # type: ignore[arg-type]


def same_order(a: Order, b: Order) -> bool | None:
    """Whether two chains of inequalities say the same."""
    if a.strict != b.strict:
        return False
    if len(a.sides) == 2:
        left, right = ("-", a.sides[1], a.sides[0]), ("-", b.sides[1], b.sides[0])
        return names(left) == names(right) and has_same_sign(left, right)
    return all_of([same_value(x, y) for x, y in zip(a.sides, b.sides, strict=True)])
