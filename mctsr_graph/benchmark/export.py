"""A run's trees as training data: JSONL that `datasets` and TRL read, in conversational form."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.messages import convert_to_openai_messages

from mctsr_graph.prompts import Prompts, draft_messages

from .records import SIMPLE_METHODS, Attempt, Line, MethodRecord
from .store import read_run

Row = dict[str, Any]


def export(run: str | Path, out: str | Path, *, gold: bool = False) -> tuple[int, int]:
    """Write `sft.jsonl` and `pairs.jsonl` into a folder.

    An SFT row is the answer that a search returned. A pair sets it against each other answer of
    its tree with lower rewards. With `gold`, rows are the right answers, and a pair sets the
    right answer with the highest rewards against each wrong one. Each row says in `labels` what
    chose it, "rewards" or "gold". Margins are differences of mean rewards, points; under "gold"
    they may be negative, where the judge was mistaken, or null, where it was not asked.

    Answers that were cut off, or hold what could be meant for the judge, are never examples to
    follow.

    Args:
        run: A run's folder.
        out: Where to write; made if need be.
        gold: Whether the truth may choose.

    Returns:
        The numbers of SFT rows and of pairs.

    Raises:
        ConfigError: `run` holds no run.
    """
    _, lines = read_run(run)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    sft = pairs = 0
    with (
        (folder / "sft.jsonl").open("w", encoding="utf-8") as rows_file,
        (folder / "pairs.jsonl").open("w", encoding="utf-8") as pairs_file,
    ):
        for line in lines:
            for row in _sft_rows(line, gold):
                rows_file.write(json.dumps(row, ensure_ascii=False) + "\n")
                sft += 1
            for row in _pairs(line, gold):
                pairs_file.write(json.dumps(row, ensure_ascii=False) + "\n")
                pairs += 1
    return sft, pairs


def _sft_rows(line: Line, gold: bool) -> Iterator[Row]:
    for name, method in _searches(line):
        chosen = _right(method) if gold else _returned(method)
        for attempt in chosen:
            yield {
                "messages": [*_prompt(line), _said(attempt)],
                **_origin(line, name, gold),
                "reward": _reward(attempt),
            }


def _pairs(line: Line, gold: bool) -> Iterator[Row]:
    for name, method in _searches(line):
        chosen = _right(method) if gold else _returned(method)
        if not chosen:
            continue
        best = max(chosen, key=_merit)
        for other in _firsts(method):
            margin = _margin(best, other)
            if other["verdict"] == "wrong" if gold else margin is not None and margin > 0:
                yield {
                    "prompt": _prompt(line),
                    "chosen": [_said(best)],
                    "rejected": [_said(other)],
                    "margin": margin,
                    **_origin(line, name, gold),
                }


def _searches(line: Line) -> Iterator[tuple[str, MethodRecord]]:
    return ((n, method) for n, method in line["methods"].items() if n not in SIMPLE_METHODS)


def _firsts(method: MethodRecord) -> list[Attempt]:
    """The answers of a tree, each text once."""
    return [a for a in method["attempts"] if not a["dummy"] and a["duplicate_of"] is None]


def _right(method: MethodRecord) -> list[Attempt]:
    return [a for a in _firsts(method) if a["verdict"] == "right" and _is_example(a)]


def _returned(method: MethodRecord) -> list[Attempt]:
    selected = method["points"][-1]["selected"]
    found = [] if selected is None else [method["attempts"][selected]]
    return [attempt for attempt in found if _is_example(attempt)]


def _is_example(attempt: Attempt) -> bool:
    whole = attempt["final_answer"] is not None and not attempt["truncated"]
    return whole and not attempt["dummy"] and not attempt["suspicious"]


def _reward(attempt: Attempt) -> float | None:
    return statistics.fmean(attempt["rewards"]) if attempt["rewards"] else None


def _merit(attempt: Attempt) -> float:
    reward = _reward(attempt)
    return -math.inf if reward is None else reward


def _margin(better: Attempt, worse: Attempt) -> float | None:
    rewards = _reward(better), _reward(worse)
    return None if rewards[0] is None or rewards[1] is None else rewards[0] - rewards[1]


def _prompt(line: Line) -> list[Row]:
    made: Any = convert_to_openai_messages(draft_messages(Prompts(), line["problem"]))
    return list(made)


def _said(attempt: Attempt) -> Row:
    return {"role": "assistant", "content": attempt["text"]}


def _origin(line: Line, method: str, gold: bool) -> Row:
    labels = "gold" if gold else "rewards"
    return {"id": line["id"], "seed": line["seed"], "method": method, "labels": labels}
