"""Short ways to write a run's lines by hand."""

from __future__ import annotations

from typing import Any, cast

from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.benchmark.records import Attempt, Line, MethodRecord, Point, RunSettings
from mctsr_graph.calls.usage import Cost, no_cost

COT = Key("cot", "own", 0, None)
PAPER = Key("paper", "rollouts", 2, None)
VOTE = Key("self-consistency", "calls", 2, None)


def cost(calls: int, input_tokens: int = 0, output_tokens: int = 0) -> Cost:
    counts = {"calls": calls, "input_tokens": input_tokens, "output_tokens": output_tokens}
    return cast(Cost, {**no_cost(), **counts})


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


def cot(verdict: str, **more: Any) -> MethodRecord:
    return method([attempt(verdict, **more)], [point("own", 0, 1, 0)])


def vote(*verdicts: str, majority: int = 0) -> MethodRecord:
    drafts = [attempt(verdict) for verdict in verdicts]
    calls = point("calls", 2, len(drafts), majority, majority=majority)
    return method(drafts, [calls])


def golden() -> list[Line]:
    """Four problems, each searched for two rollouts.

    problem  tree (verdict, rewards)                              selected  majority  weighted
    sum-0    0 wrong 10,20 - 1 right 60 - 2 right 80              2 right   1 right   1 right
    sum-1    0 right 50,30 - 1 wrong 70;  0 - 2 no answer -20     1 wrong   0 right   1 wrong
    sum-2    dummy -90;  1 wrong 5 - 2 undecided 5                2         1 wrong   1 wrong
    sum-3    the model never answered                             failed    failed    failed
    """
    first = method(
        [
            attempt("wrong", 10.0, 20.0),
            attempt("right", 60.0, parent=0),
            attempt("right", 80.0, parent=1),
        ],
        [
            point(
                "rollouts",
                2,
                3,
                2,
                visits=[2, 1, 1],
                majority=1,
                weighted=1,
                cost=cost(11, 1000, 100),
            )
        ],
    )
    second = method(
        [
            attempt("right", 50.0, 30.0),
            attempt("wrong", 70.0, parent=0, truncated=True),
            attempt("no_answer", -20.0, parent=0, final_answer=None),
        ],
        [
            point(
                "rollouts",
                2,
                3,
                1,
                visits=[2, 1, 1],
                majority=0,
                weighted=1,
                cost=cost(11, 2000, 200),
            )
        ],
    )
    third = method(
        [
            attempt(None, -90.0, dummy=True),
            attempt("wrong", 5.0),
            attempt("undecided", 5.0, parent=1),
        ],
        [
            point(
                "rollouts",
                2,
                3,
                2,
                visits=[1, 1, 1],
                majority=1,
                weighted=1,
                rollouts_made=1,
                cost=cost(9, 500, 50),
                seconds=None,
            )
        ],
    )
    failure: Any = {"role": "draft", "rollout": 0, "code": "timeout", "message": "timed out"}
    fourth = method([], [], failures=[failure], error="draft: timed out")
    return [
        line(
            0,
            {
                "cot": cot("wrong"),
                "self-consistency": vote("wrong", "right", "right", majority=1),
                "paper": first,
            },
            level="1",
        ),
        line(
            1,
            {
                "cot": cot("right"),
                "self-consistency": vote("right", "wrong", "right", majority=0),
                "paper": second,
            },
            level="1",
        ),
        line(
            2,
            {
                "cot": cot("wrong"),
                "self-consistency": vote("wrong", "wrong", "wrong"),
                "paper": third,
            },
            level="2",
        ),
        line(
            3,
            {
                "cot": cot("right", truncated=True),
                "self-consistency": vote("right", "right", "right"),
                "paper": fourth,
            },
            level="2",
        ),
    ]
