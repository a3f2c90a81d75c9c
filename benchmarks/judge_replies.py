"""How often `parse_score` reads a judge's reply as a person does.

Usage: python -m benchmarks.judge_replies FILE

FILE holds one JSON object a line with `reply` (text) and `score` (points, -100 to 100; null where
the reply holds no score, so that a ScoreError is the right answer). Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mctsr_graph.errors import ScoreError
from mctsr_graph.text.score import parse_score


def measure(file: Path) -> dict[str, Any]:
    """Reads every reply of a file.

    Args:
        file: JSON lines with `reply` and `score`.

    Returns:
        `accuracy` (share read right, 0 to 1), `n` (rows) and `wrong`, a list of
        {"row", "expected", "read"}; `read` is "error: CODE" where a ScoreError was raised.

    Raises:
        ValueError: the file holds no rows.
    """
    rows = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]
    if not rows:
        raise ValueError(f"{file} holds no rows")
    wrong = []
    for index, row in enumerate(rows):
        read: float | str
        try:
            read = parse_score(row["reply"])
        except ScoreError as error:
            read = f"error: {error.code}"
        right = isinstance(read, str) if row["score"] is None else read == row["score"]
        if not right:
            wrong.append({"row": index, "expected": row["score"], "read": read})
    return {"accuracy": 1 - len(wrong) / len(rows), "n": len(rows), "wrong": wrong}


def main(arguments: list[str] | None = None) -> None:
    """Prints the result of `measure` for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Measure parse_score on a file of judge replies.")
    parser.add_argument("file", type=Path, help="JSON lines with `reply` and `score`")
    print(json.dumps(measure(parser.parse_args(arguments).file)))


if __name__ == "__main__":
    main()
