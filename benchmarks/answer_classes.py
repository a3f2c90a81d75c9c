"""How often right spellings of one answer share a class, and wrong ones do.

Usage: python -m benchmarks.answer_classes FILE

FILE holds one JSON object a line with `gold`, `prediction_text` (a whole reply) and `equal` (what
a person says; true or false), as for `benchmarks.grading`. Each pair stands for a search that has
found these two answers. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from mctsr_graph.text.equality.classes import classes_of
from mctsr_graph.text.final_answer import extract_final_answer


def measure(file: Path) -> dict[str, Any]:
    """Put the two answers of every row into classes.

    Args:
        file: JSON lines with `gold`, `prediction_text` and `equal`. Rows whose reply states no
            final answer are left out.

    Returns:
        `together` (share of the equal pairs in one class, 0 to 1), `equal` and `different` (pairs),
        `false_merges` (different pairs in one class), `cpu_ms` (of a pair, mean and `most`) and
        `disagree`, a list of {"row", "gold", "answer"}.

    Raises:
        ValueError: The file holds no equal pairs.
    """
    rows = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]
    classes_of([r"\sqrt{2}", "x+1"])  # the first one loads mpmath
    counts = {True: 0, False: 0}
    disagree: list[dict[str, Any]] = []
    spent = []
    for index, row in enumerate(rows):
        answer = extract_final_answer(row["prediction_text"])
        if answer is None:
            continue
        start = time.process_time()
        classes = classes_of([row["gold"], answer])
        spent.append(time.process_time() - start)
        counts[row["equal"]] += 1
        if (len(set(classes.values())) == 1) != row["equal"]:
            disagree.append({"row": index, "gold": row["gold"], "answer": answer})
    if not counts[True]:
        raise ValueError(f"{file} holds no equal pairs")
    apart = sum(rows[one["row"]]["equal"] for one in disagree)
    return {
        "together": 1 - apart / counts[True],
        "equal": counts[True],
        "different": counts[False],
        "false_merges": len(disagree) - apart,
        "cpu_ms": {"mean": 1000 * sum(spent) / len(spent), "most": 1000 * max(spent)},
        "disagree": disagree,
    }


def main(arguments: list[str] | None = None) -> None:
    """Prints the result of `measure` for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Measure the classes of answers on pairs.")
    parser.add_argument("file", type=Path, help="JSON lines: gold, prediction_text, equal")
    print(json.dumps(measure(parser.parse_args(arguments).file)))


if __name__ == "__main__":
    main()
