"""How each method looks and is called in every plot.

Eyes of every kind tell the colours apart, and they can be read as text; what is rarely run shares a
grey. Each method also has a marker of its own, and its name beside it. report.css has the same
colours for a dark page.
"""

from __future__ import annotations

from itertools import cycle

from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.text.printable import printable

from . import words
from .drawing import Look

BLUE, ORANGE = "#3375c8", "#cb4a0d"
_SEARCHES = [Look(BLUE, "o"), Look(ORANGE, "s"), Look("#2e2fb8", "D"), Look("#6a3a6c", "P")]
_GREY = "#7e6b77"
_BASELINES = {
    "self-consistency": Look("#1f2933", "X"),
    "best-of-n": Look("#97250d", "p"),
    "cot": Look(_GREY, "v"),
    "self-refine": Look(_GREY, "^"),
    "adaptive-consistency": Look(_GREY, "d"),
    "cisc": Look(_GREY, ">"),
    "self-certainty": Look(_GREY, "*"),
    "deepconf": Look(_GREY, "8"),
    "tournament": Look(_GREY, "<"),
}
_LONGEST, _LONGEST_OF_TWO = 32, 22  # characters; longer names would leave no room for the drawing


def looks_of(run: RunMetrics) -> dict[str, Look]:
    """The look of each method of a run."""
    searches = dict.fromkeys(key.method for key in run.methods if key.searches)
    return {**_BASELINES, **dict(zip(searches, cycle(_SEARCHES), strict=False))}


def name_of(method: str) -> str:
    """A method's name, short enough for a plot."""
    return _cut(words.method_name(Key(method, "own", 0, None)), _LONGEST)


def plain_of(key: Key) -> str:
    """A method's name as in a sentence, short enough to stand beside another one."""
    return _cut(words.plain_name(key), _LONGEST_OF_TWO)


def cut_name(name: str) -> str:
    """Any other name, as short as that of a method beside another one."""
    return _cut(name, _LONGEST_OF_TWO)


def _cut(name: str, longest: int) -> str:
    flat = " ".join(printable(name).split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
