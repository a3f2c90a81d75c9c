"""How often `Grader` agrees with a person.

Usage: python -m benchmarks.grading [--peers] FILE

FILE holds one JSON object a line with `gold`, `prediction_text` (a whole reply) and `equal` (what
a person says; true or false), and may name a `category`. Prints one line of JSON. With --peers it
also has `peers`: the same counts for the other graders that are installed (`grading_peers`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.grading_peers import PEERS
from benchmarks.grading_peers import verdicts as peer_verdicts
from mctsr_graph.benchmark.grading import Grader, Verdict


def measure(file: Path) -> dict[str, Any]:
    """Grades every row of a file.

    Args:
        file: JSON lines with `gold`, `prediction_text`, `equal` and perhaps `category`.

    Returns:
        `accuracy` (share of rows judged as the person did, 0 to 1; an undecided row is not),
        `n`, `false_positives`, `false_negatives` and `undecided` (rows), `categories` (for each
        the rows judged otherwise and the rows), `seconds` for each row (mean) and `disagree`, a
        list of {"row", "verdict"}.

    Raises:
        ValueError: the file holds no rows.
    """
    rows = _rows(file)
    start = time.perf_counter()
    with Grader() as grader:
        verdicts = [grader.grade(row["prediction_text"], row["gold"]) for row in rows]
    seconds = (time.perf_counter() - start) / len(rows)
    counts = {"false_positives": 0, "false_negatives": 0, "undecided": 0}
    categories: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    disagree = []
    for index, (row, verdict) in enumerate(zip(rows, verdicts, strict=True)):
        kind = _disagreement(verdict, equal=row["equal"])
        category = categories[row.get("category", "")]
        category[1] += 1
        if kind:
            category[0] += 1
            counts[kind] += 1
            disagree.append({"row": index, "verdict": verdict})
    accuracy = 1 - len(disagree) / len(rows)
    result = {"accuracy": accuracy, "n": len(rows), **counts, "seconds": seconds}
    return result | {"categories": dict(sorted(categories.items())), "disagree": disagree}


def measure_peers(file: Path) -> dict[str, dict[str, Any]]:
    """Have every row graded by other graders.

    Returns:
        For each its `version`, and `accuracy`, `false_positives` and `false_negatives` as in
        `measure` (they know no undecided row); or only `missing`, why it could not be loaded.
    """
    rows = _rows(file)
    found: dict[str, dict[str, Any]] = {}
    for name in PEERS:
        version, verdicts = peer_verdicts(name, rows)
        pairs = [(right, row["equal"]) for right, row in zip(verdicts, rows, strict=False)]
        found[name] = (
            {"missing": version}
            if not pairs
            else {
                "version": version,
                "accuracy": sum(right == equal for right, equal in pairs) / len(rows),
                "false_positives": sum(right and not equal for right, equal in pairs),
                "false_negatives": sum(equal and not right for right, equal in pairs),
            }
        )
    return found


def _rows(file: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]
    if not rows:
        raise ValueError(f"{file} holds no rows")
    return rows


def _disagreement(verdict: Verdict, *, equal: bool) -> str:
    """Names the way in which a verdict differs from the person's; "" if it does not."""
    if verdict == Verdict.UNDECIDED:
        return "undecided"
    right = verdict == Verdict.RIGHT
    return "" if right == equal else "false_positives" if right else "false_negatives"


def main(arguments: list[str] | None = None) -> None:
    """Prints the result of `measure` for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Measure the grader on a file of pairs.")
    parser.add_argument("file", type=Path, help="JSON lines: gold, prediction_text, equal")
    parser.add_argument("--peers", action="store_true", help="measure other graders, too")
    options = parser.parse_args(arguments)
    peers = {"peers": measure_peers(options.file)} if options.peers else {}
    print(json.dumps(measure(options.file) | peers))


if __name__ == "__main__":
    main()
