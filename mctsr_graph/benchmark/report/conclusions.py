"""What a run has shown, in sentences made from its figures: the same in all forms of the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mctsr_graph.benchmark import refining
from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.calibration import Calibration
from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.metrics import Metrics, RunMetrics
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.text.figures import percent

from . import words

FINDING_SIGNS = {"better": "▲", "worse": "▼", "not shown": "○", "exploratory": ""}
SIGNS = ", ".join(f"{FINDING_SIGNS[name]} {name}" for name in ("better", "worse", "not shown"))
_OTHER = "·"


class Conclusion(NamedTuple):
    """A sentence."""

    about: str
    """"part", "finding", "cost", "choice", "confidence" or "refining"."""
    sign: str
    """One character: ▲ better, ▼ worse, ○ not shown, ! a warning; · for all others."""
    text: str


def conclusions(run: RunMetrics) -> list[Conclusion]:
    """Say what was found: first the primary comparisons, then what explains them."""
    primary = [one for one in run.comparisons if one.primary]
    found = [*_parts(run), *(finding(one) for one in primary)]
    if not primary:
        found.append(_no_question(run))
    for one in primary:
        found += _cost(run, one)
    searches = [key for key in run.at_most() if key.searches]
    found += [
        _choice(run.methods[key]) for key in searches if run.methods[key].selection_loss.value
    ]
    found += [_confidence(key, one) for key, one in run.calibrations.items()]
    found += [Conclusion("refining", _OTHER, f"{one}.") for one in refining.told(run.refining)]
    return found


def across_conclusions(found: Sequence[AcrossRuns]) -> list[Conclusion]:
    """Say what a comparison of runs has found: of searches, where there are any."""
    searches = [one for one in found if one.comparison.first.searches] or found
    told = []
    for one in searches:
        method = words.brief_name(one.comparison.first)
        told.append(finding(one.comparison, (f"By {method},", one.this, one.that)))
    left_out = {one.this: one.comparison.left_out for one in found}
    for name, ids in left_out.items():
        if ids:
            text = f"{name}: {_count(len(ids))} {'is' if len(ids) == 1 else 'are'} in one run only"
            told.append(Conclusion("part", "!", f"{text} ({', '.join(ids[:5])})."))
    return told


def across_sure(found: Sequence[AcrossRuns]) -> str:
    """Say what the intervals of a comparison of runs are."""
    if len(found) == 1:
        return "The interval of this comparison holds with 95 %."
    return f"The intervals of these {len(found)} comparisons hold together with 95 %."


def how_sure(run: RunMetrics) -> str:
    """Say what the intervals of the first sentences are."""
    count = sum(one.primary for one in run.comparisons)
    if not count:
        return "Intervals hold alone with 95 %."
    if count == 1:
        first = "One comparison is primary; its interval holds with 95 %."
    else:
        first = f"{count} comparisons are primary; their intervals hold together with 95 %."
    rest = len(run.comparisons) - count
    return f"{first} The other {rest} are exploratory." if rest else first


def _parts(run: RunMetrics) -> Iterator[Conclusion]:
    if run.missing:
        text = f"{words.progress(run)} problems: these figures are of those that are done."
        yield Conclusion("part", "!", text)
    if run.failed:
        text = f"The server failed {_count(len(run.failed))}, which count as not right."
        yield Conclusion("part", "!", text)


def finding(one: Comparison, names: tuple[str, str, str] | None = None) -> Conclusion:
    """Say what a primary comparison has shown.

    Args:
        one: The comparison.
        names: What is the same for both, and what they are called; by default their cost, and
            the names of their methods.
    """
    place, first, second = names or (
        *(_place(one), words.plain_name(one.first), words.plain_name(one.second)),
    )
    verb = {"better": "beats", "worse": "loses to", "not shown": "is not shown to beat"}
    difference = words.points(one.difference).replace(" (", " points (", 1)
    text = f"{place} {first} {verb[one.finding]} {second}: {difference}"
    count = _count(one.distinct)
    text += f"; with {count} {_power(one)}." if one.finding == "not shown" else f" on {count}."
    return Conclusion("finding", FINDING_SIGNS[one.finding], text)


def _place(one: Comparison) -> str:
    """At which cost two methods were compared."""
    first, second = one.first, one.second
    if second.against is not None and second.against in (first.method, first.against):
        same = second.against == first.method
        return f"At equal {second.budget}" if same else f"At the {words.budget_name(second)}"
    if second.budget in ("calls", "rollouts"):
        return f"At {words.budget_name(second)}"
    return "At its own cost" if first == second else "At unequal cost"


def _power(one: Comparison) -> str:
    needed = math.ceil(100 * one.shows)
    return f"{f'a difference of {needed} points' if needed < 100 else 'no difference'} would show"


def _cost(run: RunMetrics, one: Comparison) -> Iterator[Conclusion]:
    """What both sides of a comparison have taken, and what stands in the way of it."""
    ours, theirs = run.methods[one.first], run.methods[one.second]
    both = ours.problems == theirs.problems
    text = f"{words.plain_name(one.first)} was right on {_right(ours, both)}, "
    text += f"{words.plain_name(one.second)} on {_right(theirs, both)}."
    yield Conclusion("cost", _OTHER, text)
    if theirs.capped:
        text = f"{words.plain_name(one.second)} had too few drafts on {_count(theirs.capped)}"
        yield Conclusion("cost", "!", f"{text}, and took less than its budget there.")
    if one.left_out:
        tell = "tells no tokens, and is" if len(one.left_out) == 1 else "tell no tokens, and are"
        text = f"{_count(len(one.left_out))} {tell} left out of that comparison."
        yield Conclusion("cost", "!", text)


def _right(one: Metrics, both: bool) -> str:
    """Accuracy and costs, and of how many problems where that is not the same for both sides."""
    share = words.percent(one.selected).replace(" (", " % (", 1)
    share += "" if both else f" of {_count(one.problems)}"
    tokens = "" if one.tokens is None else f"{words.count(one.tokens.mean)} tokens and "
    return f"{share} for {tokens}{words.count(one.calls.mean, 1)} calls a problem"


def _no_question(run: RunMetrics) -> Conclusion:
    if not run.comparisons:
        return Conclusion("finding", _OTHER, "Nothing was compared: the run has one method only.")
    count = len(run.comparisons)
    which = f"all {count} comparisons are" if count > 1 else "its 1 comparison is"
    text = f"No search was run, and no baseline is named, so that {which} exploratory."
    return Conclusion("finding", _OTHER, text)


def _choice(one: Metrics) -> Conclusion:
    lost = round(one.selection_loss.value * one.problems)
    text = f"{words.plain_name(one.key)} had a right answer in its tree and returned another in "
    return Conclusion("choice", _OTHER, f"{text}{lost} of {words.count(one.problems)} searches.")


def _confidence(key: Key, one: Calibration) -> Conclusion:
    right = words.percent(one.right).replace(" (", " % (", 1)
    text = f"{words.plain_name(key)} was {percent(one.confidence)} sure on average"
    if one.right.holds(one.confidence):
        verdict = "no bias is shown"
    else:
        verdict = "it was too sure" if one.confidence > one.right.high else "it was not sure enough"
    return Conclusion("confidence", _OTHER, f"{text}, and right on {right}: {verdict}.")


def _count(number: int) -> str:
    return f"{words.count(number)} problem{'' if number == 1 else 's'}"
