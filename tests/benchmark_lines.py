"""Short ways to write a run's lines by hand."""

from __future__ import annotations

from typing import Any

from mctsr_graph.benchmark.records import Attempt, Line, MethodRecord, Point, RunSettings
from mctsr_graph.usage import Cost


def cost(calls: int, input_tokens: int = 0, output_tokens: int = 0) -> Cost:
    return Cost(
        calls=calls, input_tokens=input_tokens, output_tokens=output_tokens, unmetered_calls=0
    )


def attempt(
    verdict: str | None, *rewards: float, parent: int | None = None, **more: Any
) -> Attempt:
    fields: dict[str, Any] = {
        "text": "It is \\boxed{4}.",
        "final_answer": "4",
        "parent": parent,
        "critique": None if parent is None else "Check the sum.",
        "rollout": 0,
        "rewards": list(rewards),
        "q": None,
        "dummy": False,
        "truncated": False,
        "suspicious": False,
        "duplicate_of": None,
        "cost": cost(1),
        "verdict": verdict,
    }
    return Attempt(**{**fields, **more})  # type: ignore[typeddict-item]


def point(budget: str, rollouts: int, attempts: int, selected: int | None, **more: Any) -> Point:
    fields: dict[str, Any] = {
        "rollouts": rollouts,
        "budget": budget,
        "against": None,
        "limit": None,
        "attempts": attempts,
        "capped": False,
        "rollouts_made": rollouts,
        "visits": [0] * attempts,
        "selected": selected,
        "majority": None,
        "weighted": None,
        "cost": cost(attempts, 100 * attempts, 10 * attempts),
        "seconds": float(attempts),
    }
    return Point(**{**fields, **more})  # type: ignore[typeddict-item]


def method(attempts: list[Attempt], points: list[Point], **more: Any) -> MethodRecord:
    fields: dict[str, Any] = {"stop_reason": None, "failures": [], "error": None}
    return MethodRecord(attempts=attempts, points=points, **{**fields, **more})


def line(number: int, methods: dict[str, MethodRecord], **more: Any) -> Line:
    fields: dict[str, Any] = {
        "version": 1,
        "run": "0123456789abcdef",
        "dataset": "sums",
        "id": f"sum-{number}",
        "problem": "2 + 2?",
        "gold": "4",
        "level": None,
        "subject": None,
        "seed": 0,
        "model": "scripted",
        "methods": methods,
    }
    return Line(**{**fields, **more})  # type: ignore[typeddict-item]


def settings(*methods: str, **more: Any) -> RunSettings:
    fields: dict[str, Any] = {
        "version": 1,
        "run": "0123456789abcdef",
        "dataset": "sums",
        "source": "sums.jsonl, sha256 0000",
        "model": "scripted",
        "label": "ScriptedChatModel",
        "takes_seed": True,
        "methods": list(methods),
        "rollouts": [1],
        "settings": {},
        "package": "0.1.0",
        "started": "2026-01-02T03:04:05Z",
    }
    return RunSettings(**{**fields, **more})  # type: ignore[typeddict-item]
