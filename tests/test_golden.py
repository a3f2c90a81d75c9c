"""Searches whose every call, node and answer is known: a change of structure must not change them.

The figures are in golden/searches.json. Where a change of behaviour is meant, write them anew and
say why: `python -m tests.test_golden`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, asolve, solve
from mctsr_graph.models.scripted import ScriptedCall
from tests.conftest import PAPER, timeless

GOLDEN = Path(__file__).parent / "golden" / "searches.json"
PROBLEM = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left?"
NODE = (
    *("id", "parent", "children", "depth", "rollout", "dummy", "answer", "final_answer"),
    *("critique", "rewards", "q", "duplicate_of", "truncated", "suspicious", "uct"),
)

SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"profile": "paper", "max_rollouts": 12},
    "the default": {},
    "paper, own temperature": PAPER,
    "paper, width 4": {"profile": "paper", "max_rollouts": 16, "width": 4},
    "paper, width 4, pipelined": {
        **{"profile": "paper", "max_rollouts": 16, "width": 4},
        "pipelined": True,
    },
    "paper, limited": {"profile": "paper", "max_calls": 23, "drafts": 3, "reward_samples": 2},
    "paper, both roots": {"profile": "paper", "max_rollouts": 6, "init": "both", "max_children": 2},
    "paper, majority": {"profile": "paper", "max_rollouts": 10, "select": "majority"},
    "official": {"profile": "official", "max_rollouts": 12},
    "official, width 3": {"profile": "official", "max_rollouts": 12, "width": 3},
    "tuned": {"profile": "tuned"},
    "tuned, low": {"profile": "tuned", "effort": "low", "seed": 3},
    "tuned, width 4": {"profile": "tuned", "width": 4, "confidence": None, "max_calls": 60},
    "tuned, rubric": {"profile": "tuned", "judge": "rubric", "confidence": None, "max_calls": 50},
    "tuned, agree": {"profile": "tuned", "drafts": 3, "agree": 3},
    "paper, pairwise": {"profile": "paper", "judge": "pairwise", "max_rollouts": 5},
    "paper, patience": {"profile": "paper", "max_rollouts": 30, "patience": 4},
}


def reply(call: ScriptedCall) -> str:
    """A reply that depends on what the call is for, now and then unusable."""
    rng = random.Random(f"{call.role}/{call.rollout}/{call.sample}/{call.attempt}")
    if rng.random() < 0.08:
        return "" if call.role != "evaluate" else "I cannot say."
    asked = str(call.messages[-1].content)
    if call.role == "evaluate" and "better" in asked.lower() and "solution_a" in asked.lower():
        return rng.choice(["Better: A", "Better: B", "Better: equal"])
    if call.role == "evaluate":
        points = {"Understanding": 10, "Reasoning": 30, "Calculation": 20, "Answer": 40}
        if "Understanding" in asked:
            return "\n".join(f"{name}: {rng.randrange(most)}" for name, most in points.items())
        return f"Score: {rng.randrange(-60, 101)}"
    if call.role == "critique":
        return f"Line {rng.randrange(9)} is not proven; check the product."
    return f"Step {call.rollout}.{call.sample}: so it is \\boxed{{{rng.choice([26, 26, 17, 96])}}}."


def told(model: ScriptedChatModel, events: list[Any], found: Any) -> dict[str, Any]:
    """What a search did: digests of its calls, tree and events, and what it answered."""
    calls = sorted(
        json.dumps(
            [
                *(call.role, call.rollout, call.sample, call.attempt),
                *([m.type, m.content] for m in call.messages),
                call.settings,
            ],
            sort_keys=True,
        )
        for call in model.calls
    )
    tree = [[node.get(name) for name in NODE] for node in found.tree.values()]
    choice = found.choice or {}
    return {
        "calls": [len(calls), digest(calls)],
        "tree": [len(tree), digest(tree)],
        "events": [len(events), digest(timeless(events))],
        "best": found.best,
        "final_answer": found.final_answer,
        "stop_reason": found.stop_reason,
        "rollouts": found.rollouts,
        "failures": len(found.failures),
        "confidence": round(choice["confidence"], 9) if choice.get("confidence") else None,
    }


def digest(value: Any) -> str:
    """16 hexadecimal digits of a JSON value; numbers to 12 places, as processors may differ."""

    def rounded(part: Any) -> Any:
        if isinstance(part, float):
            return float(f"{part:.12g}")
        if isinstance(part, list | tuple):
            return [rounded(one) for one in part]
        return {k: rounded(v) for k, v in part.items()} if isinstance(part, dict) else part

    return hashlib.sha256(json.dumps(rounded(value), sort_keys=True).encode()).hexdigest()[:16]


def searched(settings: dict[str, Any]) -> dict[str, Any]:
    """Search as the settings say, and tell what was done."""
    model, events = ScriptedChatModel(replies=reply), []
    found = solve(PROBLEM, model, context=MCTSrContext(**settings), on_event=events.append)
    return told(model, events, found)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_search_is_as_it_was(name: str) -> None:
    assert searched(SETTINGS[name]) == json.loads(GOLDEN.read_text("utf-8"))[name]


@pytest.mark.parametrize("name", ["paper, width 4", "official", "tuned, width 4"])
async def test_an_awaited_search_is_as_it_was(name: str) -> None:
    model, events = ScriptedChatModel(replies=reply), []
    context = MCTSrContext(**SETTINGS[name])
    found = await asolve(PROBLEM, model, context=context, on_event=events.append)
    assert told(model, events, found) == json.loads(GOLDEN.read_text("utf-8"))[name]


def _all() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, settings in SETTINGS.items():
        yield name, searched(settings)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(dict(_all()), indent=1) + "\n", encoding="utf-8")
