"""A run's trees as training data: JSONL that `datasets` and TRL read, in conversational form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from langchain_core.messages import convert_to_openai_messages

from mctsr_graph.prompts import Prompts, draft_messages

from .contents import Answer, Pair, Tree, chosen, pairs, step_labels, trees_of
from .records import Line
from .store import RunFolder, read_run

Row = dict[str, Any]


class Exported(NamedTuple):
    """Rows written."""

    rows: int
    """Of `sft.jsonl`."""
    pairs: int
    """Of `pairs.jsonl`."""
    steps: int
    """Of `steps.jsonl`."""
    contradicted: int
    """Rows and pairs that another tree contradicts."""


def export(
    run: str | Path,
    out: str | Path,
    *,
    gold: bool = False,
    same_answer: bool = False,
    steps: bool = False,
) -> Exported:
    """Write `sft.jsonl` and `pairs.jsonl` into a folder, and `steps.jsonl` if asked for.

    An SFT row is the answer that a search returned. A pair sets it against each other answer of
    its tree with lower rewards. With `gold`, rows are the right answers, and a pair sets the
    right answer with the highest rewards against each wrong one. Each row says in `chosen_by`
    what chose it, "rewards", "gold", or "votes" for an answer that was never judged. Margins are
    differences of mean rewards, points; under "gold" they may be negative, where the judge was
    mistaken, and are 0 where it was not asked.

    No row is written twice, whatever trees and seeds it comes from: `times` says how many, and
    reward and margin are means over them. What another tree of the same problem contradicts (the
    same pair the other way round; an example that is rejected elsewhere) is `contradicted`.
    Answers that were cut off, or hold what could be meant for the judge, are never examples to
    follow.

    Args:
        run: A run's folder.
        out: Where to write; made if need be.
        gold: Whether the truth may choose.
        same_answer: Whether a pair may have one final answer on both sides.
        steps: Whether to write graded answers step by step, for a process reward model. Their
            labels are by the truth (`contents.step_labels`).

    Raises:
        ConfigError: `run` holds no run.
    """
    settings, _ = read_run(run)
    prompts = Prompts(**settings.get("prompts", {}))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    names = ("sft", "pairs", "steps") if steps else ("sft", "pairs")
    counts = dict.fromkeys(("sft", "pairs", "steps"), 0)
    contradicted = 0
    with ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / f"{name}.jsonl").open("w", encoding="utf-8"))
            for name in names
        }
        for lines in RunFolder(run).by_problem():
            for name, row in _rows(lines, prompts, gold, same_answer):
                contradicted += row["contradicted"]
                _write(files[name], row)
                counts[name] += 1
            for row in _step_rows(lines, prompts) if steps else ():
                _write(files["steps"], row)
                counts["steps"] += 1
    return Exported(counts["sft"], counts["pairs"], counts["steps"], contradicted)


def _rows(
    lines: list[Line], prompts: Prompts, gold: bool, same_answer: bool
) -> Iterator[tuple[str, Row]]:
    """The rows and pairs of one problem, each once."""
    trees = list(trees_of(lines))
    examples: dict[str, list[tuple[Tree, Answer]]] = {}
    compared: dict[tuple[str, str], list[Pair]] = {}
    for tree in trees:
        for answer in chosen(tree, gold):
            examples.setdefault(answer.text, []).append((tree, answer))
        for pair in pairs(tree, gold, same_answer):
            compared.setdefault((pair.chosen.text, pair.rejected.text), []).append(pair)
    rejected = {text for _, text in compared}
    prompt = _prompt(prompts, lines[0]["problem"]) if lines else []
    for text, found in examples.items():
        rewards = [answer.reward for _, answer in found if answer.reward is not None]
        yield (
            "sft",
            {
                "messages": [*prompt, _said(text)],
                **_origin(found[0][0], "gold" if gold else "rewards" if rewards else "votes"),
                "reward": fmean(rewards) if rewards else None,
                "times": len(found),
                "contradicted": text in rejected,
            },
        )
    for (better, worse), same in compared.items():
        margins = [pair.margin for pair in same if pair.margin is not None]
        yield (
            "pairs",
            {
                "prompt": prompt,
                "chosen": [_said(better)],
                "rejected": [_said(worse)],
                "margin": fmean(margins) if margins else 0.0,
                **_origin(same[0].tree, "gold" if gold else "rewards"),
                "times": len(same),
                "contradicted": (worse, better) in compared,
            },
        )


def _step_rows(lines: list[Line], prompts: Prompts) -> Iterator[Row]:
    """Each graded answer of one problem once, in the form of TRL's stepwise supervision."""
    found: dict[str, tuple[Tree, Answer]] = {}
    for tree in trees_of(lines):
        for answer in tree.answers.values():
            found.setdefault(answer.text, (tree, answer))
    for answer, parts, labels in step_labels([answer for _, answer in found.values()]):
        tree = found[answer.text][0]
        yield {
            "prompt": str(draft_messages(prompts, tree.line["problem"])[-1].content),
            "completions": parts,
            **_origin(tree, "gold"),
            "labels": labels,
        }


def _write(file: Any, row: Row) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _prompt(prompts: Prompts, problem: str) -> list[Row]:
    made: Any = convert_to_openai_messages(draft_messages(prompts, problem))
    return list(made)


def _said(text: str) -> Row:
    return {"role": "assistant", "content": text}


def _origin(tree: Tree, by: str) -> Row:
    line = tree.line
    return {"id": line["id"], "seed": line["seed"], "method": tree.method, "chosen_by": by}
