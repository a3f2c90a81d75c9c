"""How each method looks and is called in every plot.

Colours are from Okabe and Ito's palette, which colour-blind readers can tell apart; each method
also has a marker of its own, and lines are named where they end instead of in a legend.
"""

from __future__ import annotations

from itertools import cycle

from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.outcomes import Key

from . import words
from .drawing import Look

BLUE, ORANGE = "#0072B2", "#D55E00"
_SEARCHES = [Look(BLUE, "o"), Look(ORANGE, "s"), Look("#009E73", "D"), Look("#B0578D", "P")]
_BASELINES = {
    "cot": Look("#595959", "v"),
    "self-refine": Look("#9A6B00", "^"),
    "self-consistency": Look("#3A9BD1", "X"),
    "best-of-n": Look("#8E6C8A", "p"),
}
_LONGEST = 32  # characters of a name; longer ones would leave no room for the drawing


def looks_of(run: RunMetrics) -> dict[str, Look]:
    """The look of each method of a run."""
    searches = dict.fromkeys(key.method for key in run.methods if key.searches)
    return {**_BASELINES, **dict(zip(searches, cycle(_SEARCHES), strict=False))}


def name_of(method: str) -> str:
    """A method's name, short enough for a plot."""
    name = words.method_name(Key(method, "own", 0, None))
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
