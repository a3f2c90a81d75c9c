"""Reads a value and its unit: "5", "3 1/4", "62.5%", "$18.50" or "20 square centimetres"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .exact import Huge, exact
from .expressions import FUNCTIONS, read_expression
from .number_words import NUMBERS
from .trees import Tree, heads, names
from .units import Unit, is_known, is_prefix, read_unit


@dataclass(frozen=True)
class Quantity:
    """A value, perhaps with a unit."""

    text: str
    """The value as it is written, without the unit."""
    tree: Tree
    unit: Unit | None = None
    mark: str = ""
    """"%" for percent, "°" for degrees, "_4" for base 4, else ""."""
    whole: Tree | None = None
    """The text with its unit read as variables: in "2 m", m may be one."""

    @property
    def value(self) -> Fraction | None:
        """The exact value if it is rational and not huge, in the unit given."""
        found = exact(self.tree)
        return None if isinstance(found, Huge) else found

    @property
    def decimals(self) -> int | None:
        """How many digits stand behind the point; None if this is no plain number."""
        found = re.fullmatch(
            r"-? ?(?:[0-9]+(?:\.([0-9]*))?|\.([0-9]+))(?:e([-+]?[0-9]+))?", self.text
        )
        if not found:
            return None
        return max(0, len(found[1] or found[2] or "") - int(found[3] or 0))


_PERCENT = re.compile(
    r"(?i) ?(?:%|\\text ?\{ *(?:%|per ?cent|pct)[a-z ]*\}|per ?cent(?:age)?|pct)\Z"
)
_DEGREES = re.compile(r"(?i) ?(?:°|\\text ?\{ *deg(?:ree)?s? *\}|deg(?:ree)?s?)\Z")
_TEXT_UNIT = re.compile(r" ?\\text ?\{")
_PLAIN_UNIT = re.compile(r"(?<=[0-9)}!]) ?-?(?=(?:[A-Za-z€£¥¢₹元]|°[CF]\Z))")
_ARC = re.compile(r"([0-9]+) ?° ?([0-9]+(?:\.[0-9]+)?) ?'(?: ?([0-9]+(?:\.[0-9]+)?) ?'')?")
_FEET = re.compile(r"([0-9]+) ?' ?([0-9]+) ?(?:\"|'')")
_SIZE = re.compile(
    r"[0-9]+ ?(?:\*|x|by) ?[0-9]+ ?(?:[*x] ?[0-9]+)? ?-?(?:\\text ?\{ *)?"
    r"(?:matri|grid|board|rectang|table|array|square|block|tile|box|cube|identity)"
)
_BASE = re.compile(
    r"\(?([0-9A-F]+)\)?_ ?\{? ?(?:\\text ?\{ ?)?"
    r"([0-9]{1,2}|two|three|four|five|six|seven|eight|nine|ten) ?\}?(?: ?\})?"
)
_ITEM = re.compile(
    r"([0-9]+(?:\.[0-9]+)?(?: [0-9]+/[0-9]+)?) ?([A-Za-z$\\€£]+)(?:,? and |, | |\Z|(?=[0-9]))"
)


def read_quantity(text: str) -> Quantity | None:
    """Reads a value with or without a unit; None if it is none."""
    text = text.strip()
    if found := _FEET.fullmatch(text):
        return read_sum(f"{found[1]} ft {found[2]} in")
    if found := _ARC.fullmatch(text):
        degrees = [Fraction(part or 0) / 60**n for n, part in enumerate(found.groups())]
        return Quantity(text, ("number", sum(degrees)), mark="°")
    if found := _BASE.fullmatch(text):
        return _in_base(found[1], NUMBERS.get(found[2]) or int(found[2]))
    if _SIZE.match(text):
        return None  # a 2 x 3 matrix is no 3 x 2 matrix
    for pattern, mark in ((_PERCENT, "%"), (_DEGREES, "°")):
        if (found := pattern.search(text)) and (tree := _marked(text[: found.start()])):
            return Quantity(text[: found.start()], tree, mark=mark)
    return read_sum(text) or _with_prefix(text) or _with_unit(text) or _bare(text)


def _in_base(digits: str, base: int) -> Quantity | None:
    """Reads a number in base 2 to 36, such as 312_4."""
    try:
        return Quantity(digits, ("number", Fraction(int(digits, base))), mark=f"_{base}")
    except ValueError:
        return None


def _marked(text: str) -> Tree | None:
    """Reads what a sign for percent or degrees stands behind; in "sin 30°" it belongs to 30."""
    tree = read_expression(text)
    return None if tree is None or heads(tree) & FUNCTIONS else tree


def _bare(text: str) -> Quantity | None:
    tree = read_expression(text)
    return Quantity(text, tree) if tree else None


def _with_prefix(text: str) -> Quantity | None:
    """Reads "$18.50", "-$5" and "US$ 7"."""
    body = re.sub(r"\A(-? ?)(?:US|USD|CAD) ?(?=\\?\$)", r"\1", text)
    sign = "-" if body.startswith("-") else ""
    body = body.removeprefix("-").strip()
    prefix = is_prefix(body)
    if not prefix:
        return None
    rest = sign + body.removeprefix(prefix).strip()
    inner = _with_unit(rest)
    if inner and inner.unit and not inner.unit.measures:  # $1.5 million
        return Quantity(
            inner.text, ("*", inner.tree, ("number", inner.unit.factor)), read_unit(prefix)
        )
    if inner:  # $15 per hour, $5 dollars
        return Quantity(inner.text, inner.tree, read_unit(prefix))
    tree = read_expression(rest)
    return Quantity(rest, tree, read_unit(prefix)) if tree else None


def _with_unit(text: str) -> Quantity | None:
    """Reads a value that a unit follows."""
    if found := _TEXT_UNIT.search(text):
        value, unit = text[: found.start()].strip(), read_unit(text[found.start() :])
        tree = read_expression(value)
        return Quantity(value, tree, unit) if tree and unit else None
    for found in _PLAIN_UNIT.finditer(text):
        value, words = text[: found.start()].strip(), text[found.end() :].strip()
        tree = read_expression(value)
        if tree is None or names(tree) or not _says_unit(found[0], words):
            continue
        if unit := read_unit(words):
            return Quantity(value, tree, unit, whole=read_expression(text))
    return None


def _says_unit(gap: str, words: str) -> bool:
    """Whether letters after a number are a unit and not variables."""
    first = re.match(r"[A-Za-z]*", words)
    word = first[0] if first else ""
    if is_known(word) or not word or words.startswith("of "):
        return True
    return bool(gap) and (len(word) > 2 or _is_unit(word))


def _is_unit(word: str) -> bool:
    """Whether a word is a unit of the table."""
    unit = read_unit(word)
    return unit is not None and unit.known


def read_sum(text: str) -> Quantity | None:
    """Reads "5 feet 3 inches" and "18 dollars and 50 cents"."""
    bare = re.sub(r"\\text ?\{([^{}]*)\}", r" \1 ", text)
    bare = " ".join(bare.split())
    items = _ITEM.findall(bare)
    if not 2 <= len(items) <= 4 or _ITEM.sub("", bare).strip():
        return None
    units = [read_unit(word) for _, word in items]
    if not all(unit and unit.known for unit in units) or len({u.measures for u in units if u}) > 1:
        return None
    value = Fraction(0)
    for (number, _), unit in zip(items, units, strict=True):
        tree = read_expression(number)
        amount = exact(tree) if tree else None
        if unit is None or not isinstance(amount, Fraction):
            return None
        value += amount * unit.factor
    first = units[0]
    assert first is not None
    return Quantity(bare, ("number", value / first.factor), first)
