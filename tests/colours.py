"""Contrast, and how far apart colours are for eyes of each kind."""

from __future__ import annotations

import math
import re

Vector = list[float]

# Machado, Oliveira and Fernandes 2009: what is left of linear RGB where one kind of cone is missing
EYES: dict[str, list[Vector]] = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
_LMS_BACK = [
    [1, 0.3963377774, 0.2158037573],
    [1, -0.1055613458, -0.0638541728],
    [1, -0.0894841775, -1.2914855480],
]
_RGB_BACK = [
    [4.0767416621, -3.3077115913, 0.2309699292],
    [-1.2684380046, 2.6097574011, -0.3413193965],
    [-0.0041960863, -0.7034186147, 1.7076147010],
]


def linear(colour: str) -> Vector:
    """Linear RGB of "#rrggbb"."""
    if re.fullmatch("#[0-9a-f]{3}", colour):
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(first: str, second: str) -> float:
    """Contrast of two colours as WCAG 2.2 has it, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def distance(first: str, second: str, eyes: str) -> float:
    """How far apart two colours are in OKLab for "normal", "protan", "deutan" or "tritan" eyes.

    Black and white are 1 apart; what is 0.06 apart can be told apart side by side.
    """
    seen = [
        [min(1.0, max(0.0, c)) for c in _times(EYES[eyes], linear(one))] for one in (first, second)
    ]
    return math.dist(*(oklab(one) for one in seen))


def oklab(rgb: Vector) -> Vector:
    """OKLab of linear RGB."""
    return _times(_LAB, [c ** (1 / 3) for c in _times(_LMS, rgb)])


def mixed(first: str, second: str, share: float) -> str:
    """A colour between two, as CSS mixes in oklab: `share` of the second."""
    labs = zip(oklab(linear(first)), oklab(linear(second)), strict=True)
    lab = [a * (1 - share) + b * share for a, b in labs]
    rgb = _times(_RGB_BACK, [c**3 for c in _times(_LMS_BACK, lab)])
    shown = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in rgb]
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, c))):02x}" for c in shown)


def themes(css: str) -> dict[str, dict[str, str]]:
    """The colours that a style sheet names, in "light", "dark" and "print"."""
    found: dict[str, dict[str, str]] = {}
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", css[: css.index("@media")]))
    found["light"] = light
    for name, query in {"dark": "(prefers-color-scheme: dark)", "print": "print"}.items():
        block = css[css.index(f"@media {query} {{") :]
        block = block[: block.index("}")]
        found[name] = {**light, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", block))}
    return found


def _luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _times(matrix: list[Vector], vector: Vector) -> Vector:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
