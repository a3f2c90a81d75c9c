"""How often `extract_final_answer` finds what a whole reply states.

Usage: python -m benchmarks.stated_answers FILE

FILE holds one JSON object a line with `reply` (text), `final_answer` (text; null where the reply
states none) and perhaps `also_right` (a list of other texts that are right). Prints one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mctsr_graph.text.final_answer import extract_final_answer


def measure(file: Path) -> dict[str, Any]:
    """Reads every reply of a file.

    Args:
        file: JSON lines with `reply`, `final_answer` and perhaps `also_right`.

    Returns:
        `accuracy` (share of replies of which the text found is one of the right ones, letter for
        letter, 0 to 1), `n` (rows) and `wrong`, a list of {"row", "expected", "read"}.

    Raises:
        ValueError: the file holds no rows.
    """
    rows = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]
    if not rows:
        raise ValueError(f"{file} holds no rows")
    wrong = []
    for index, row in enumerate(rows):
        read = extract_final_answer(row["reply"])
        if read not in [row["final_answer"], *row.get("also_right", [])]:
            wrong.append({"row": index, "expected": row["final_answer"], "read": read})
    return {"accuracy": 1 - len(wrong) / len(rows), "n": len(rows), "wrong": wrong}


def main(arguments: list[str] | None = None) -> None:
    """Prints the result of `measure` for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Measure extract_final_answer on whole replies.")
    parser.add_argument("file", type=Path, help="JSON lines: reply, final_answer, also_right")
    print(json.dumps(measure(parser.parse_args(arguments).file)))


if __name__ == "__main__":
    main()
