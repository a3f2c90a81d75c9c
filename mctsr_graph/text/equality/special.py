r"""Reads the forms that few answers have: ratios, remainders, cases, arrows, lists with \dots."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from .exact import exact
from .expressions import read_expression
from .forms import Form, Ratio, Read, Residues, Structure
from .quantities import Quantity
from .series import written_out
from .splitting import split
from .times import read_clock
from .trees import with_numbers
from .words import Words

DOTS = Words("...", False)
"""What stands for the items of a list that are not written."""
_ARROW = re.compile(r"\\(?:to|mapsto)(?![a-z])|->|=>")
_RESIDUES = re.compile(
    r"(?:(?:\\?[a-z]{1,6}|[A-Z]) ?(?:\\equiv|≡|=) ?)?(-?[0-9]+) ?\(?\\mod ?\{?(-?[0-9]+)\}?\)?"
)
_WHEN = re.compile(
    r",? ?\\text ?\{ *,? *(?:for|if|when|where|with|whenever|on|provided)\b(?: that)? *\}"
)
_ROWS = re.compile(
    r"\\?\{? ?\\begin ?\{"
    r"(aligned|align\*?|alignedat|gathered|split|cases|array|eqnarray\*?)\} ?"
    r"(?:\{[lcr| ]*\})?(.*?)\\end ?\{\1\}[. ]*\Z"
)
_CONDITION = re.compile(
    r"\\text ?\{ *(?:if|for|when|where|,)? *(otherwise|else)? *\}|\b(?:if|for|when)\b"
)
_BUILDER = re.compile(r"\\\{ ?([^|:]{1,60}?) ?[|:] ?(.{1,300}?) ?\\\}\Z")


def read_ratio(text: str, read: Read) -> Form | None:
    """Reads "1:2:3", "3 to 5", and times of day, which may look like ratios."""
    clock = read_clock(text)
    bare = re.sub(r" ?\\colon(?![a-z]) ?", ":", text)
    bare = re.sub(r"\A([0-9]+) ?(?:\\text ?\{ *to *\}|to) ?([0-9]+)\Z", r"\1:\2", bare)
    parts = split(bare, re.compile(":"))
    trees = tuple(read_expression(part) for part in parts)
    if 2 <= len(trees) <= 8 and all(trees) and bare.count(":") == len(trees) - 1:
        return Ratio(trees, clock)  # type: ignore[arg-type]
    return Ratio((), clock) if clock else None


def read_residues(text: str, read: Read) -> Form | None:
    r"""Reads "x \equiv 3 \pmod 7"."""
    found = _RESIDUES.fullmatch(text)
    if not found or not int(found[2]):
        return None
    modulus = abs(int(found[2]))
    is_value = re.search(r"\\equiv|≡|=", text) is None
    return Residues(int(found[1]) % modulus, modulus, is_value)


def residues_of(form: Quantity) -> Residues | None:
    """The remainders that the values of "7k + 3" leave; None if a form is no such family."""
    found = [exact(with_numbers(form.tree, Fraction(number))) for number in range(3)]
    values = [int(value) for value in found if isinstance(value, Fraction) and value == int(value)]
    if len(values) != len(found) or values[2] - values[1] != values[1] - values[0]:
        return None
    step = abs(values[1] - values[0])
    return Residues(values[0] % step, step) if step else None


def read_arrow(text: str, read: Read) -> Form | None:
    r"""Reads "p \to q"."""
    sides = split(text, _ARROW)
    if len(sides) < 2 or len(sides) > 6:
        return None
    return Structure("to", tuple(read(side) for side in sides))


def read_when(text: str, read: Read) -> Form | None:
    """Reads "x^2 for x > 0": a value, and when it is one."""
    sides = split(text, _WHEN)
    if len(sides) != 2:
        return None
    return Structure("when", tuple(read(side) for side in sides))


def read_rows(text: str, read: Read) -> Form | None:
    """Reads rows: of a definition by cases, or of equations, which are read as a list."""
    if not (found := _ROWS.match(text)) or "\\begin" in found[2]:
        return None
    rows = [[cell.strip() for cell in row.split("&")] for row in found[2].split("\\\\")]
    rows = [row for row in rows if any(row)]
    cases = [
        row
        for row in rows
        if len(row) == 2 and row[0] and not re.match(r"[=<>]|\\[gln]e(?![a-z])", row[1])
    ]
    if found[1] in ("cases", "array") and len(cases) == len(rows):
        return Structure("cases", tuple(_case(row, read) for row in rows))
    if found[1] == "array" and "=" not in found[2]:
        return None
    joined = [re.sub(r"[,.; ]+\Z", "", " ".join(row)) for row in rows]
    return read(", ".join(joined)) if joined else None


def _case(row: list[str], read: Read) -> Form:
    value, condition = row
    when = _CONDITION.sub(lambda found: "otherwise" if found[1] else " ", condition)
    return Structure("when", (read(value.rstrip(", ")), read(when.strip(" ,."))))


def read_builder(text: str, read: Read) -> Form | None:
    r"""Reads "\{(x, y) : y = x^2\}"."""
    found = _BUILDER.match(text)
    if not found or "\\{" in found[1]:
        return None
    return Structure("such that", (read(found[1]), read(found[2])))


def with_dots(items: list[Form]) -> list[Form]:
    r"""The items of a list with \dots: all if they can be written out, else the fewest."""
    if DOTS not in items or items.count(DOTS) > 1:
        return items
    place = items.index(DOTS)
    first, rest = items[:place], items[place + 1 :]
    values = [item.value if isinstance(item, Quantity) else None for item in [*first, *rest]]
    numbers = [value for value in values if value is not None]
    if not first or len(numbers) < len(first):
        return items
    if rest and len(numbers) == len(items) - 1:
        out = written_out(numbers[:place], numbers[place])
        if out is not None:
            return [Quantity(str(n), ("number", n)) for n in out] + rest[1:]
    return [*_shortest(first, numbers[:place]), DOTS, *rest]


def _shortest(first: list[Form], numbers: list[Fraction]) -> list[Form]:
    """The items that tell the rule of a progression: two, or three where they grow by factors."""
    steps = {b - a for a, b in pairwise(numbers)}
    if len(steps) == 1:
        return first[:2]
    ratios = {b / a for a, b in pairwise(numbers) if a}
    return first[:3] if len(ratios) == 1 and len(numbers) > 3 else first
