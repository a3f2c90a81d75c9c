"""What the report shows of a single problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mctsr_graph.benchmark.outcomes import Key, Outcome, outcomes, points_of
from mctsr_graph.benchmark.records import Line, MethodRecord, Point, tree_of
from mctsr_graph.calls.usage import no_cost, price_told

from . import words
from .order import at_equal_tokens

VERDICT_SIGNS = {"right": "✓", "wrong": "✗", "no_answer": "–", "undecided": "?", "failed": "!"}


@dataclass(frozen=True)
class Ending:
    """How a method ended on a problem."""

    key: Key
    outcome: Outcome
    final_answer: str | None
    """What it returned, or None."""
    tree: dict[str, Any] | None
    """The fields of a `Solution` for a viewer, and verdicts; None for a method without a search."""
    short_name: str
    """The method in a word, and whose tokens it had where there are several searches."""

    @property
    def sign(self) -> str:
        """The verdict as one character, for those who see no colours."""
        return VERDICT_SIGNS[self.outcome.verdict]


@dataclass(frozen=True)
class Problem:
    """A problem with all that was made of it at the largest budget."""

    line: Line
    endings: Sequence[Ending]

    @property
    def kinds(self) -> str:
        """Words to filter by."""
        rights = [ending.outcome.verdict == "right" for ending in self.endings]
        lost = any(one.key.searches and _is_lost(one.outcome) for one in self.endings)
        unclear = any(one.outcome.verdict in ("failed", "undecided") for one in self.endings)
        kinds = {
            "all-right": all(rights),
            "none-right": not any(rights),
            "mixed": any(rights) and not all(rights),
            "lost": lost,
            "unclear": unclear,
        }
        return " ".join(word for word, holds in kinds.items() if holds)


def problems(lines: Iterable[Line], keys: Sequence[Key]) -> Iterator[Problem]:
    """Yield each problem with its endings at some budgets.

    Those at equal calls are left out where the same method has some at equal tokens.
    """
    shown = at_equal_tokens(keys)
    several = len({key.against for key in shown if key.against is not None}) > 1
    names = [
        words.short_name(key) + (f" = {key.against}" if several and key.against else "")
        for key in shown
    ]
    for line in lines:
        points = points_of(line)
        found = zip(shown, names, outcomes(line, shown, points), strict=True)
        endings = [_ending(line, key, name, own, points.get(key)) for key, name, own in found]
        yield Problem(line, endings)


def _is_lost(outcome: Outcome) -> bool:
    return outcome.oracle and outcome.verdict != "right"


def _ending(line: Line, key: Key, name: str, outcome: Outcome, point: Point | None) -> Ending:
    method = line["methods"].get(key.method)
    if method is None:
        return Ending(key, outcome, None, None, name)
    selected = None if point is None else point["selected"]
    answer = None if selected is None else method["attempts"][selected]["final_answer"]
    if not key.searches or not method["attempts"]:
        return Ending(key, outcome, answer, None, name)
    return Ending(key, outcome, answer, _solution(line, key.method, method), name)


def _solution(line: Line, profile: str, method: MethodRecord) -> dict[str, Any]:
    """The whole search, as `Solution.to_json` would give it, and the verdict on each node."""
    last = method["points"][-1] if method["points"] else None
    selected = None if last is None else last["selected"]
    best = None if selected is None else method["attempts"][selected]
    verdicts = [attempt["verdict"] for attempt in method["attempts"]]
    nodes = zip(tree_of(method).items(), verdicts, strict=True)
    return {
        "problem": line["problem"],
        "answer": best and best["text"],
        "final_answer": best and best["final_answer"],
        "best": None if selected is None else str(selected),
        "rollouts": 0 if last is None else last["rollouts_made"],
        "usage": {"search": no_cost() if last is None else last["cost"]},
        "stop_reason": method["stop_reason"],
        "tree": {name: {**node, "verdict": verdict} for (name, node), verdict in nodes},
        "failures": method["failures"],
        "choice": method.get("choice"),
        "record": method.get("record", []),
        "seconds": None if last is None else last["seconds"],
        "cost": None if last is None else price_told({"search": last["cost"]}),
        "made_with": {"model": line["model"], "profile": profile, "seed": line["seed"]},
    }
