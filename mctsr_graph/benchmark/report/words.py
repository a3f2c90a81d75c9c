"""How methods, budgets and numbers are written, in every form of the report."""

from __future__ import annotations

from mctsr_graph.benchmark.metrics import Metrics, RunMetrics, Spread
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.benchmark.records import RunSettings
from mctsr_graph.benchmark.statistics import Interval

NONE = "–"
_NAMES = {
    "cot": "zero-shot CoT",
    "self-refine": "one-turn self-refine",
    "self-consistency": "self-consistency",
    "best-of-n": "best-of-N",
    "adaptive-consistency": "adaptive consistency",
    "cisc": "CISC",
    "self-certainty": "self-certainty",
    "deepconf": "DeepConf",
    "tournament": "tournament",
    "rsa": "recursive self-aggregation",
}


def method_name(key: Key) -> str:
    """Name a method in words."""
    return _NAMES.get(key.method, f"MCTSr {key.method}")


def plain_name(key: Key) -> str:
    """Name a method in a sentence: a search by its profile alone."""
    return _NAMES.get(key.method, key.method)


def short_name(key: Key) -> str:
    """Name a method in one word."""
    names = {
        **{"cot": "CoT", "self-refine": "refine", "self-consistency": "vote", "best-of-n": "best"},
        **{"adaptive-consistency": "adaptive", "self-certainty": "certainty"},
    }
    return names.get(key.method, key.method)


def budget_name(key: Key) -> str:
    """Say what bounds a method; the number of rollouts stands beside it."""
    if key.against is not None:
        return f"{key.budget} of MCTSr {key.against}"
    return {
        "own": "its own",
        "rollouts": f"{key.rollouts} rollout{'' if key.rollouts == 1 else 's'}",
        "calls": f"{3 + 4 * key.rollouts} calls",
        "tokens": "",
    }[key.budget]


def full_name(key: Key) -> str:
    """Name a method and its budget."""
    return method_name(key) if key.budget == "own" else f"{method_name(key)}, {budget_name(key)}"


def brief_name(key: Key) -> str:
    """Name a method and its budget in a narrow table: "self-consistency, tokens of tuned"."""
    if key.budget == "own":
        return plain_name(key)
    budget = budget_name(key) if key.against is None else f"{key.budget} of {key.against}"
    return f"{plain_name(key)}, {budget}" if budget else plain_name(key)


def progress(run: RunMetrics) -> str:
    """Say how many problems have a line: "5 of 12, unfinished"; with several seeds, of all."""
    done = run.problems if run.planned is None else run.planned - len(run.missing)
    if not run.missing:
        return count(run.problems)
    return f"{count(done)} of {count(run.planned)}, unfinished"


def is_simulation(settings: RunSettings) -> bool:
    """Whether no language model was asked."""
    return settings["model"].startswith("simulated:")


def percent(interval: Interval | None) -> str:
    """Write a share with its interval: 61.7 (52.8 to 69.9)."""
    if interval is None:
        return NONE
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def points(interval: Interval) -> str:
    """Write a difference of shares, with signs: +4.2 (−1.0 to +9.1)."""
    numbers = (100 * number for number in (interval.value, interval.low, interval.high))
    value, low, high = (signed(number) for number in numbers)
    return f"{value} ({low} to {high})"


def signed(number: float) -> str:
    """Write a number with one decimal and a sign, zero without one."""
    text = f"{number:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def share(interval: Interval | None) -> str:
    """Write a number in [0, 1] with its interval: 0.68 (0.61 to 0.74)."""
    if interval is None:
        return NONE
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def spread(values: Spread | None, digits: int = 0) -> str:
    """Write a mean, a median and a 95th percentile."""
    if values is None:
        return NONE
    return " / ".join(count(value, digits) for value in values)


def count(number: float | None, digits: int = 0) -> str:
    """Write a number with a thin space between thousands."""
    return NONE if number is None else f"{number:,.{digits}f}".replace(",", "\u202f")


def share_of(part: int, whole: int) -> str:
    """Write a share in percent without an interval."""
    return f"{100 * part / whole:.0f} %" if whole else NONE


def money(metrics: Metrics) -> str:
    """Write what a problem has cost on average; nothing where the price of a call is not known."""
    if metrics.cost["unpriced_calls"]:
        return NONE
    return f"{metrics.cost['price'] / metrics.problems:.4g}"


def p_value(p: float) -> str:
    """Write a probability; a tiny one only by its bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


SIMULATION = (
    "Simulation: no language model was asked. It compares ways to search, and says nothing about "
    "any model."
)
