"""Many problems of a CSV file, with a progress bar: run it again after a crash, and it goes on.

`python -m examples.batch_csv FILE MODEL` takes a file with a column "problem".
"""

import csv
import re
import sys
import tempfile
from pathlib import Path

from rich.progress import Progress

from examples.scripted import model_or
from mctsr_graph import MCTSrContext, Solution, solve_many
from mctsr_graph.models.scripted import ScriptedCall


def counting(call: ScriptedCall) -> str:
    """Count the divisors of a number; forget the number itself each third time."""
    number, turn = int(re.findall(r"does (\d+) have", str(call.messages))[0]), call.rollout
    last = number - ((turn + call.sample) % 3 == 2)
    found = [n for n in range(1, last + 1) if number % n == 0]
    return f"In attempt {turn}: {found}, so \\boxed{{{len(found)}}}."


def run(file: Path, name: str | None = None) -> int:
    """Write FILE with the answers beside it; return the calls that all searches have made."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    decided: set[int] = set()
    with Progress(disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("searching", total=len(rows))

        def show(number: int, solution: Solution) -> None:
            decided.add(number)
            bar.update(task, completed=len(decided), description=f"{solution.final_answer}")

        found = solve_many(
            [row["problem"] for row in rows],
            model_or(name, counting),
            context=MCTSrContext(max_calls=11),  # for each; what one leaves over goes to others
            checkpointer=file.with_suffix(".db"),  # what is kept is never asked for again
            on_solution=show,
        )
    with file.with_suffix(".answers.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow([*rows[0], "answer", "confidence", "why it stopped"])
        for row, one in zip(rows, found, strict=True):
            writer.writerow([*row.values(), one.final_answer, one.confidence, one.stop_reason])
    return sum(cost["calls"] for one in found for cost in one.usage.values())


def main(file: str | None = None, name: str | None = None) -> None:
    """Answer the file's problems; without one, three problems, and then once more."""
    if file is not None:
        print(run(Path(file), name), "calls in all")
        return
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder, "problems.csv")
        asked = [f"How many positive divisors does {number} have?" for number in (12, 60, 360)]
        problems.write_text("\n".join(["problem", *asked]) + "\n", encoding="utf-8")
        print(run(problems), "calls in all; after a second run still", run(problems))
        print(problems.with_suffix(".answers.csv").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*sys.argv[1:])
