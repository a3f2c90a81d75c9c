"""Figures as people read them, the same wherever they are shown."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_HUGE = 1e15  # points that no scale has, but profile "official" takes any number that is stated


def points(q: float | None) -> str:
    """A q or a reward, rounded as a page does; what was never judged has none."""
    if q is None:
        return "-"
    if abs(q) >= _HUGE:
        return f"{q:.1f}"
    return str(Decimal(q).quantize(Decimal("0.1"), ROUND_HALF_UP))


def percent(chance: float) -> str:
    """A chance, 0 to 1, in whole percent; none that is not certain is called 0 % or 100 %."""
    if 0.995 <= chance < 1:
        return "over 99 %"
    if 0 < chance < 0.005:
        return "under 1 %"
    return f"{int(100 * chance + 0.5)} %"


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: "1 call", "1,200 calls"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def price_in_words(price: float | None) -> str:
    """A price to 6 decimals."""
    return "not known" if price is None else f"{price:.6f}".rstrip("0").rstrip(".")
