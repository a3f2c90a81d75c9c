"""Joins the intervals of a set where they touch."""

from __future__ import annotations

from fractions import Fraction

from .forms import Form, Infinite, Piece
from .quantities import Quantity


def _place(end: Form) -> float | Fraction | None:
    if isinstance(end, Infinite):
        return end.sign * float("inf")
    return end.value if isinstance(end, Quantity) else None


def merged(pieces: tuple[Piece, ...]) -> list[Piece]:
    """Joins intervals that touch or overlap, if all their ends are rational or infinite."""
    ends = [(_place(piece.low), _place(piece.high)) for piece in pieces]
    if any(low is None or high is None for low, high in ends):
        return list(pieces)
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (_place(p.low), not p.closed[0])):
        if found and _touch(found[-1], piece):
            last = found.pop()
            later = max(last, piece, key=lambda p: (_place(p.high), p.closed[1]))
            piece = Piece(last.low, later.high, (last.closed[0], later.closed[1]))
        found.append(piece)
    return found


def _touch(first: Piece, second: Piece) -> bool:
    end, start = _place(first.high), _place(second.low)
    assert end is not None
    assert start is not None
    return start < end or (start == end and (first.closed[1] or second.closed[0]))
