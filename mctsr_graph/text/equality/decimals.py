"""What `values` needs of mpmath, by the standard library's decimals: real numbers, no angles.

With mpmath more can be calculated; what both can calculate is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, DecimalException, localcontext

_PI = (
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482"
    "5342117067982148086513282306647093844609550582231725359408128481117450284102701938521105559644"
)
UNDEFINED = (DecimalException, AttributeError)
"""What is raised where there is no value, or none that can be calculated here."""


class mpc:  # noqa: N801 - mpmath's name
    """A complex number, of which there is none here."""


class Decimals:
    """The part of mpmath's context that `values` uses."""

    mpc = mpc
    pi = Decimal(_PI)
    inf = Decimal("inf")

    @staticmethod
    @contextmanager
    def working(digits: int) -> Iterator[None]:
        """Calculate with so many digits in this thread."""
        with localcontext(prec=digits, Emax=10**6, Emin=-(10**6)):
            yield

    @property
    def e(self) -> Decimal:
        """Euler's number."""
        return Decimal(1).exp()

    mpf = mpmathify = staticmethod(Decimal)
    sqrt = staticmethod(Decimal.sqrt)
    exp = staticmethod(Decimal.exp)
    ln = staticmethod(Decimal.ln)
    log10 = staticmethod(Decimal.log10)
    fprod = staticmethod(math.prod)
    isfinite = staticmethod(Decimal.is_finite)

    @staticmethod
    def fsum(terms: Iterable[Decimal]) -> Decimal:
        """The sum."""
        return sum(terms, Decimal(0))

    @staticmethod
    def floor(value: Decimal) -> Decimal:
        """The next lower whole number."""
        return Decimal(math.floor(value))

    @staticmethod
    def ceil(value: Decimal) -> Decimal:
        """The next higher whole number."""
        return Decimal(math.ceil(value))

    @staticmethod
    def mag(value: Decimal) -> float:
        """About how many binary digits stand before the point."""
        return value.adjusted() * math.log2(10)

    @staticmethod
    def isint(value: Decimal) -> bool:
        """Whether a number is whole."""
        return value == value.to_integral_value()

    @staticmethod
    def re(value: Decimal) -> Decimal:
        """The real part."""
        return value

    @staticmethod
    def im(value: Decimal) -> Decimal:
        """The imaginary part."""
        return Decimal(0)

    @staticmethod
    def nstr(value: Decimal, digits: int) -> str:
        """The number in so many digits."""
        return f"{Decimal(value):.{digits - 1}e}"

    @staticmethod
    def factorial(value: Decimal) -> Decimal:
        """The product of the whole numbers up to one."""
        return Decimal(math.factorial(_whole(value)))

    @staticmethod
    def binomial(top: Decimal, bottom: Decimal) -> Decimal:
        """How many choices there are."""
        return Decimal(math.comb(_whole(top), _whole(bottom)))


def _whole(value: Decimal) -> int:
    if not Decimals.isint(value):
        raise DecimalException
    return int(value)
