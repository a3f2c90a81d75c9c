r"""The forms that an answer may have.

A form keeps what matters to equality: whether order counts, which ends belong to an interval, which
unit a number has. What fits no form is `Opaque`, and left to math-verify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .quantities import Quantity
from .times import Clock
from .trees import Tree
from .words import Words


@dataclass(frozen=True)
class Opaque:
    """A text that fits no other form."""

    text: str


@dataclass(frozen=True)
class Infinite:
    """Plus or minus infinity."""

    sign: int


@dataclass(frozen=True)
class Choice:
    """The letter of an option, and the option's own text if it is given, too."""

    letter: str
    option: Form | None = None
    is_marked: bool = False
    """Whether it stands in brackets or the like, so that it can be no variable."""


@dataclass(frozen=True)
class Either:
    r"""One value in several ways, the first being the most exact: 2\sqrt2 and about 2.83."""

    options: tuple[Form, ...]


@dataclass(frozen=True)
class Group:
    """Several answers. `brackets` is "" for a list, else such as "()", "[)" or "{}"."""

    brackets: str
    items: tuple[Form, ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of the same length."""

    rows: tuple[tuple[Form, ...], ...]


@dataclass(frozen=True)
class Ratio:
    """Parts that only their ratios matter of; "3:45" may as well be a time of day."""

    parts: tuple[Tree, ...]
    clock: Clock | None = None


@dataclass(frozen=True)
class Residues:
    """The whole numbers that leave a remainder: x = 3 (mod 7)."""

    remainder: int
    modulus: int
    is_value: bool = field(default=False, compare=False)
    """Whether it may as well be the remainder alone: "17 mod 5"."""


@dataclass(frozen=True)
class Structure:
    r"""Parts in an order that matters, joined by what `kind` names: p \to q, a value and when."""

    kind: str
    parts: tuple[Form, ...]


@dataclass(frozen=True)
class Order:
    """Formulas in ascending order, such as a < b <= 2c."""

    sides: tuple[Tree, ...]
    strict: tuple[bool, ...]
    region: Form | None = None
    """The same as a set of values of one variable, if it can be read so."""


@dataclass(frozen=True)
class Piece:
    """An interval, or a point where both ends are the same."""

    low: Form
    high: Form
    closed: tuple[bool, bool]


@dataclass(frozen=True)
class Region:
    """A union of intervals and points, of the variable `name` if it is not ""."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Named:
    """A value with its name: "x = 5", "f(x) = x + 1"; `names` has more for "x = y = 5"."""

    names: tuple[str, ...]
    value: Form
    sides: tuple[Tree | None, Tree | None]


@dataclass(frozen=True)
class Equation:
    """An equation that gives no single name a value: "5x + y = -3"."""

    left: Tree | None
    right: Tree | None
    value: Form


Form = (
    Opaque
    | Infinite
    | Choice
    | Either
    | Group
    | Matrix
    | Region
    | Ratio
    | Residues
    | Structure
    | Order
    | Named
    | Equation
    | Quantity
    | Words
)
Read = Callable[[str], Form]
"""Reads a part of an answer."""


def as_piece(form: Form) -> Piece | None:
    """The interval that a pair in round or square brackets may be."""
    if not isinstance(form, Group) or len(form.items) != 2 or form.brackets in ("", "{}"):
        return None
    return Piece(*form.items, (form.brackets[0] == "[", form.brackets[1] == "]"))
