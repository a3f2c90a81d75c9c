r"""Finds the final answer that a reply states, with what only a grader needs to see.

`extract_final_answer` finds one answer. Here several boxes side by side are one list, and a
statement in Chinese counts.
"""

from __future__ import annotations

import re

from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.thinking import strip_reasoning

_MAX_BOXES = 50
# What may stand between two boxes of one list: "and", commas, dollar signs, "y =".
_GAP = re.compile(
    r"""(?x)(?:[\s$,;&、]|\\[()\[\]\\,;:! ]|\\q?quad\b|\b(?:and|or)\b|和|或
        |\\text\s?\{\s{0,4}(?:and|or|,)?\s{0,4}\}|[A-Za-z](?:_\{?\w{1,3}\}?)?\s?=){0,20}"""
)
_LABEL = re.compile(r"([A-Za-z](?:_\{?\w{1,3}\}?)?\s?=)[\s$]*\Z")
_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,4}\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_CHINESE = re.compile(r"答案(?:应)?(?:是|为|：|:)[是为]?[:：]?\s{0,4}([^\n。；;]{1,200})")


def stated_answer(reply: str) -> str | None:
    r"""Finds the final answer that a reply states.

    Args:
        reply: A model's whole reply; its thinking is left out of account.

    Returns:
        What `extract_final_answer` finds, but all boxes of "\boxed{1} and \boxed{2}", joined by
        commas; None if nothing is stated.
    """
    text = strip_reasoning(reply)
    boxes = _last_boxes(text)
    if len(boxes) > 1:
        return ", ".join(boxes)
    if answer := extract_final_answer(reply):
        return answer
    found = _CHINESE.findall(text)
    return extract_final_answer(f"Answer: {found[-1]}") if found else None


def _last_boxes(text: str) -> list[str]:
    """The contents of the closed boxes that stand side by side at the end, in reading order."""
    spans: list[tuple[int, int, str]] = []
    for opening in list(_BOX.finditer(text))[-_MAX_BOXES:]:
        if (end := _closing(text, opening.end())) is None:
            return []
        spans.append((opening.start(), end, text[opening.end() : end - 1].strip()))
    found: list[str] = []
    start = -1
    for begin, end, content in reversed(spans):
        gap = text[end:start] if found else ""
        label = _LABEL.search(text[max(0, begin - 30) : begin])
        # What follows in a paragraph of its own is a correction, and no second answer.
        beside = len(gap) <= 100 and "\n\n" not in gap and _GAP.fullmatch(gap)
        if end > start >= 0 or not beside or not content:
            break
        found.append(f"{label[1]} {content}" if label else content)
        start = begin
    return found[::-1] if not any("\\boxed" in content for content in found) else []


def _closing(text: str, start: int) -> int | None:
    """The end of the brace that was opened before `start`; None if it stays open."""
    depth = 1
    for token in _BRACE.finditer(text, start, start + 2000):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return token.end()
    return None
