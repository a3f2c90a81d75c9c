"""What a reply is asked to be, in a form of JSON, and how it is read, in that form or in words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from mctsr_graph.errors import ReplyError
from mctsr_graph.text.final_answer import LONGEST, clean_text, cut_long, extract_final_answer
from mctsr_graph.text.hostile import is_suspicious
from mctsr_graph.text.reward_scale import RANGE, at
from mctsr_graph.text.thinking import strip_reasoning

A_NUMBER = "a whole number" if isinstance(at(0.505), int) else "a number"
"""What a score is, in words."""
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


LONGEST_REPLY = 2 * LONGEST
"""Characters of a reply that are kept, thinking included; the middle of a longer one is cut out."""


def look_through(text: str) -> None:
    """Find in an answer what a search asks of it later: asked again, it is there at once."""
    extract_final_answer(text)
    is_suspicious(text)


def read_text(reply: str) -> str:
    """Read a draft, a critique or a refinement: the reply without its reasoning block.

    Of more than 1,000,000 characters the middle is cut out, with a mark in its place.

    Raises:
        ReplyError: nothing is left ("empty").
    """
    text = cut_long(strip_reasoning(clean_text(reply)))
    if not text:
        raise ReplyError("empty", "the reply has no text", reply)
    return text


def read_answer(reply: str) -> str:
    """Read a draft or a refinement: text, or JSON of `ANSWER_SCHEMA`, of which it makes text.

    Raises:
        ReplyError: nothing is left ("empty").
    """
    text = read_text(reply)
    with suppress(ValueError, RecursionError):
        found = json.loads(text) if text.startswith("{") else None
        if isinstance(found, dict) and found.keys() == ANSWER_SCHEMA["properties"].keys():
            working, final = (str(found[name]).strip() for name in ("working", "final_answer"))
            return clean_text(f"{working}\n\nThe final answer is \\boxed{{{final}}}.".strip())
    return text
