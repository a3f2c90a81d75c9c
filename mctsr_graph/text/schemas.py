"""The forms that structured output may be asked for, and what a reply of such a form says."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from mctsr_graph.text.reward_scale import A_NUMBER, RANGE

ANSWER_SCHEMA: dict[str, Any] = {
    "title": "Solution",
    "description": "A worked solution",
    "type": "object",
    "properties": {
        "working": {"type": "string", "description": "the steps in full"},
        "final_answer": {"type": "string", "description": "the final answer alone, in LaTeX"},
    },
    "required": ["working", "final_answer"],
    "additionalProperties": False,
}
"""What a draft or a refinement may be asked for in place of text."""
SCORE_SCHEMA: dict[str, Any] = {
    "title": "Judgement",
    "description": "A judgement of a solution",
    "type": "object",
    "properties": {
        "flaws": {
            "type": "array",
            "items": {"type": "string"},
            "description": "each flaw in a sentence",
        },
        "score": {"type": "number", "description": f"{A_NUMBER} from {RANGE}"},
    },
    "required": ["flaws", "score"],
    "additionalProperties": False,
}
"""What a judge may be asked for in place of text."""


def as_text(reply: str) -> str:
    """A solution of `ANSWER_SCHEMA` as a text that states its answer; another reply as it is."""
    with suppress(ValueError, RecursionError):
        found = json.loads(reply) if reply.startswith("{") else None
        if isinstance(found, dict) and found.keys() == ANSWER_SCHEMA["properties"].keys():
            working, final = (str(found[name]).strip() for name in ("working", "final_answer"))
            return f"{working}\n\nThe final answer is \\boxed{{{final}}}.".strip()
    return reply
