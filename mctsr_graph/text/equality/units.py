r"""Reads units of measurement: "cm", "square feet", "km/h", "apples".

A unit is a factor and what it measures, so that 5 km and 5000 m are equal and 5 km and 5 m are not.
A word that is in no table measures itself: apples are not dollars.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_TABLE = """
length m meter metre | 1
length mm millimeter millimetre | 1/1000
length cm centimeter centimetre | 1/100
length km kilometer kilometre | 1000
length in inch inches | 127/5000
length ft foot feet | 381/1250
length yd yard | 1143/1250
length mi mile | 201168/125
mass kg kilogram | 1
mass g gram gm | 1/1000
mass mg milligram | 1/1000000
mass lb lbs pound | 45359237/100000000
mass oz ounce | 45359237/1600000000
time s sec second | 1
time ms millisecond | 1/1000
time min minute | 60
time h hr hour | 3600
time d day | 86400
time w wk week | 604800
months mo month | 1
months yr year | 12
months decade | 120
months century centuries | 1200
volume l liter litre | 1/1000
volume ml milliliter millilitre | 1/1000000
volume gal gallon | 473176473/125000000000
volume qt quart | 473176473/500000000000
volume pt pint | 473176473/1000000000000
money dollar usd buck us$ \\$ | 1
money cent ¢ | 1/100
euro euro eur € | 1
sterling £ gbp | 1
yen yen jpy ¥ | 1
yuan yuan rmb cny 元 | 1
rupee rupee rs ₹ inr | 1
angle rad radian | 1
count hundred | 100
count thousand | 1000
count million | 1000000
count billion | 1000000000
count trillion | 1000000000000
count dozen | 12
count unit sq.unit | 1
length nm nanometer nanometre | 1/1000000000
mass tonne | 1000
mass ton | 1000
area acre | 316160658/78125
area ha hectare | 10000
volume cup | 473176473/2000000000000
volume cc | 1/1000000
force newton | 1
energy joule | 1
energy kj kilojoule | 1000
energy cal calorie | 523/125
energy kwh | 3600000
power watt | 1
power kw kilowatt | 1000
frequency hz hertz | 1
frequency khz kilohertz | 1000
pressure pascal | 1
pressure kpa kilopascal | 1000
voltage volt | 1
voltage kv kilovolt | 1000
current ampere amp | 1
resistance ohm Ω | 1
resistance kohm kiloohm | 1000
resistance Mohm megaohm | 1000000
charge coulomb | 1
kelvin kelvin kelvins | 1
temperature celsius °c | 1
fahrenheit fahrenheit °f | 1
pixel px pixel | 1
bit bit | 1
bit byte | 8
"""
# Where a letter's size matters; the others are read in any
_EXACT = {
    "N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere", "K": "kelvin",
    "Pa": "pascal", "C": "coulomb", "h": "hour", "L": "liter",
}  # fmt: skip
_PREFIXED = {
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
}
_PREFIXED |= {"c": Fraction(1, 100), "µ": Fraction(1, 10**6), "μ": Fraction(1, 10**6)}
# What is made of others
_MADE_OF = {
    "volume": {"length": 3},
    "area": {"length": 2},
    "force": {"mass": 1, "length": 1, "time": -2},
    "energy": {"mass": 1, "length": 2, "time": -2},
    "power": {"mass": 1, "length": 2, "time": -3},
    "pressure": {"mass": 1, "length": -1, "time": -2},
    "frequency": {"time": -1},
}
_SYMBOLS_ONLY = frozenset(
    ["m", "g", "s", "h", "l", "d", "w", "n", "j", "in", "min"]
)  # too short to be read after "5x"
_NO_UNIT = frozenset(
    re.findall(
        "[a-z]+",
        "not no or and times plus minus more less than to over divided mod by at least most if up "
        "is are was with without where when for",
    )
)
_MAX_WORDS = 4
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_RAISED = {"squared": 2, "cubed": 3}
_PREFIXES = ("\\$", "$", "€", "£", "¥", "₹")
_CODES = re.compile(r"(?:\\text ?\{ *)?(USD|EUR|GBP|INR|CNY|JPY|Rs\.?)(?: *\})? ?(?=-?[0-9])")
_MAX_LENGTH = 60
_PART = re.compile(
    r"(?P<word>[^\W\d_]+|[€£¥₹¢°]|°[CF]|\\\$)(?: ?\^ ?\{? ?(?P<power>-?[1-4]) ?\}?)?"
)
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")


class Unit(NamedTuple):
    """What a number counts."""

    factor: Fraction
    """How many base units one of this is."""
    measures: tuple[tuple[str, int], ...]
    """Kinds of quantity and their powers, sorted: (("length", 1), ("time", -1)) is a speed."""
    known: bool
    """Whether every word is in the table."""

    @property
    def is_multiplier(self) -> bool:
        """Whether it only says how many: a dozen, a million."""
        return not self.measures and self.factor != 1


def _read_table() -> dict[str, tuple[str, Fraction]]:
    table = {}
    for line in _TABLE.strip().splitlines():
        words, _, factor = line.partition("|")
        kind, *spellings = words.split()
        for word in spellings:
            table[word] = (kind, Fraction(factor.strip()))
            if len(word) > 2:
                table.setdefault(word + "s", (kind, Fraction(factor.strip())))
    return table


_UNITS = _read_table()
_UNITS |= {"hrs": _UNITS["hr"], "mins": _UNITS["min"], "secs": _UNITS["sec"]}
_UNITS |= {"yrs": _UNITS["yr"], "€": _UNITS["€"], "yds": _UNITS["yd"]}
# One that is written as a product or a quotient.
_WRITTEN_OUT = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "mps": "m/s"}


def read_unit(text: str) -> Unit | None:
    """Reads a unit; None if the text is too long or is none."""
    words = re.sub(r"\b(sq|cu)\. ?", r"\1 ", _TEXT.sub(r" \1 ", text)).strip().strip(".").strip()
    if not words or len(words) > _MAX_LENGTH or any(c in words for c in "=<>,;{}()+"):
        words = re.sub(r"(\^) ?\{ ?(-?[1-4]) ?\}", r"\1\2", words)
        if not words or len(words) > _MAX_LENGTH or any(c in words for c in "=<>,;{}()+"):
            return None
    factor, measures, known = Fraction(1), dict[str, int](), True
    words = re.sub(r"(?i)\b(kph|kmh|mph|mps)\b", lambda m: _WRITTEN_OUT[m[0].lower()], words)
    for place, piece in enumerate(re.split(r"/|\bper\b|\ban? (?=hour|day|week|year)", words)):
        parts = _parts(piece)
        if parts is None:
            return None
        for word, power in parts:
            kind, size = _look_up(word)
            known &= word.lower() in _UNITS or word in _UNITS or _exact_unit(word) is not None
            power = -power if place else power
            factor *= size**power
            for base, exponent in _MADE_OF.get(kind, {kind: 1}).items():
                measures[base] = measures.get(base, 0) + exponent * power
    found = tuple(sorted((kind, power) for kind, power in measures.items() if power))
    return Unit(factor, tuple(pair for pair in found if pair[0] != "count"), known)


def is_known(word: str) -> bool:
    """Whether a word stands in the table and is long enough to be no product of variables."""
    lower = word.lower()
    known = lower in _UNITS or lower in _WRITTEN_OUT or lower in _POWERS
    return known and lower not in _SYMBOLS_ONLY


def is_prefix(text: str) -> str:
    """The sign of a currency that a text starts with, or ""."""
    if code := _CODES.match(text):
        return code[0]
    return next((sign for sign in _PREFIXES if text.startswith(sign)), "")


def _parts(piece: str) -> list[tuple[str, int]] | None:
    """Splits "square cm" or "kg m^2" into words and powers."""
    piece = piece.strip().replace("*", " ").replace("-", " ")
    piece = re.sub(r"\b(?:of|the|in total|in all|total|altogether|each|degrees)\b", " ", piece)
    piece = re.sub(r"\b(sq|cu)\. ?", r"\1 ", piece).strip()
    if not piece or _PART.sub("", piece).strip():
        return None
    found: list[tuple[str, int]] = []
    power = 1
    for match in _PART.finditer(piece):
        word = match["word"]
        if word.lower() in _POWERS:
            power = _POWERS[word.lower()]
        elif word.lower() in _RAISED and found:
            found[-1] = (found[-1][0], _RAISED[word.lower()])
        else:
            found.append((word, int(match["power"] or power)))
            power = 1
    words = [word.lower() for word, _ in found]
    last = words[-1] if words and words[-1] not in ("more", "times") else ""  # "30 more"
    return found if 0 < len(words) <= _MAX_WORDS and not _NO_UNIT & {*words[:-1], last} else None


def _exact_unit(word: str) -> tuple[str, Fraction] | None:
    """Reads "N", "kW" and "mV", but not "n" or "KW"."""
    if word in _EXACT:
        return _UNITS[_EXACT[word]]
    base, prefix = _EXACT.get(word[1:]), _PREFIXED.get(word[:1])
    if base is None or prefix is None or word[1:] in ("h", "C", "K"):
        return None
    kind, size = _UNITS[base]
    return kind, size * prefix


def _look_up(word: str) -> tuple[str, Fraction]:
    if exact := _exact_unit(word):
        return exact
    lower = word.lower()
    if lower in _UNITS:
        return _UNITS[lower]
    if lower.endswith("ies"):
        return lower[:-3] + "y", Fraction(1)
    for ending in ("shes", "ches", "xes", "sses"):
        if lower.endswith(ending):
            return lower[:-2], Fraction(1)
    return (lower[:-1] if lower.endswith("s") and len(lower) > 3 else lower), Fraction(1)
