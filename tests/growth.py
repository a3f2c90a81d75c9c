"""How the cost of reading a text grows with the text.

No test asserts seconds, which depend on the machine and on what else it does. `benchmarks.hostile`
prints them.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable
from typing import Any

from mctsr_graph import ReplyError

MOST = 2.6
"""Times the CPU time for twice the text: 2 where each character costs as much, 4 where pairs do."""
_FLOOR = 0.02  # CPU seconds; what costs less for the whole text is not compared
_LEAST_ROUNDS, _MOST_ROUNDS = 2, 8
_ENOUGH = 10.0  # CPU seconds after which what was measured has to do


def growth(function: Callable[[str], Any], text: str, least: int = _LEAST_ROUNDS) -> float:
    """Times the CPU time of this thread for twice the text; 0 where it costs too little to tell.

    Compares the text with a quarter of it, made of its beginning and its end, which doubles
    twice. Other work on the machine makes single runs dearer, never cheaper, so the least of
    several counts; a growth above `MOST` is measured again before it is believed, and any growth
    `least` times.
    """
    eighth = len(text) // 8
    quarter = text[:eighth] + text[len(text) - eighth :]
    whole = spent = _cpu(function, text)
    if whole < _FLOOR:
        return 0.0
    part = min(_cpu(function, quarter) for _ in range(_LEAST_ROUNDS))
    for count in range(_MOST_ROUNDS):
        told = count + 1 >= least and _doubling(whole, part) <= MOST
        if told or spent > _ENOUGH:
            break
        runs = _cpu(function, quarter), _cpu(function, text)
        part, whole, spent = min(part, runs[0]), min(whole, runs[1]), spent + sum(runs)
    return _doubling(whole, part)


def _doubling(whole: float, part: float) -> float:
    return math.sqrt(whole / part)


def _cpu(function: Callable[[str], Any], text: str) -> float:
    """CPU seconds of this thread for one run. A score or an error, both are an end."""
    gc.disable()  # a collection costs what other tests have left behind
    began = time.thread_time()
    try:
        with contextlib.suppress(ReplyError):
            function(text)
        return time.thread_time() - began
    finally:
        gc.enable()
