"""How each method looks and is called in every plot.

Searches have colours of Okabe and Ito's palette, which colour-blind readers can tell apart; what is
compared with them is dark, brown or grey. Each method also has a marker of its own and its name.
"""

from __future__ import annotations

from itertools import cycle

from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.outcomes import Key

from . import words
from .drawing import Look

BLUE, ORANGE = "#0072B2", "#D55E00"
_SEARCHES = [Look(BLUE, "o"), Look(ORANGE, "s"), Look("#009E73", "D"), Look("#B0578D", "P")]
_GREY = "#66717D"
_BASELINES = {
    "self-consistency": Look("#1F2933", "X"),
    "best-of-n": Look("#8A6D00", "p"),
    "cot": Look(_GREY, "v"),
    "self-refine": Look(_GREY, "^"),
    "adaptive-consistency": Look(_GREY, "h"),
    "cisc": Look(_GREY, "d"),
    "self-certainty": Look(_GREY, "*"),
    "deepconf": Look(_GREY, "8"),
    "tournament": Look(_GREY, "<"),
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
