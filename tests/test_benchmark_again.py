"""A run of a messy model ends, and every figure of its report follows from its lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mctsr_graph.benchmark.store import RunFolder

from .conftest import of_processes
from .messy_model import FILTERED, TOO_LONG, WORLD
from .recomputed import differences
from .test_benchmark_ways import mctsr

MODEL = Path(__file__).with_name("messy_model.py")
METHODS = "cot,self-refine,self-consistency,best-of-n,paper,tuned"
LEVELS = ("1", "2", "3")


@of_processes
@pytest.mark.parametrize(("seeds", "count"), [("0", 14), ("0,1", 8)])
def test_every_figure_of_a_messy_run_follows_from_its_lines(
    tmp_path: Path, seeds: str, count: int
) -> None:
    problems, out, report = (tmp_path / name for name in ("problems.jsonl", "run", "report"))
    with problems.open("w", encoding="utf-8") as file:
        for number in range(count):
            one = WORLD.problem(number)
            about = {"level": LEVELS[number % 3], "subject": "sums" if number % 2 else "products"}
            file.write(json.dumps({"problem": one.text, "answer": one.gold, **about}) + "\n")
    options = ("-m", f"py:{MODEL}:model", "--methods", METHODS, "--rollouts", "0,2")
    run = mctsr("bench", "run", problems, *options, "--seed", seeds, "-o", out)
    assert run.exit_code == 0, run.output
    made = [*RunFolder(out).lines()]
    assert len(made) == count * len(seeds.split(","))
    lost = [line for line in made if line["methods"]["cot"]["points"][0]["selected"] is None]
    texts = {line["problem"] for line in lost}
    assert {WORLD.problem(number).text for number in (FILTERED, TOO_LONG)} <= texts
    costs = [one["points"][-1]["cost"] for line in made for one in line["methods"].values()]
    assert any(cost["unmetered_calls"] for cost in costs)
    told = mctsr("bench", "report", out, "--out", report)
    assert told.exit_code == 0, told.output
    checked, wrong = differences(out, report)
    assert wrong == []
    assert checked > 500
    # A figure that is off by its last digit is seen
    table = report / "tables" / "accuracy-1.csv"
    head, first, *rest = table.read_text("utf-8").split("\n")
    changed = re.sub(r"\d(?= \()", lambda digit: str((int(digit[0]) + 1) % 10), first, count=1)
    table.write_text("\n".join([head, changed, *rest]), "utf-8")
    assert len(differences(out, report)[1]) == 1
