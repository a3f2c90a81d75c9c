"""How long a benchmark's report takes, and how much memory.

    python -m benchmarks.bench_report [LINES] [FOLDER]

Lines are those of a simulated run of all methods, repeated under other ids. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from mctsr_graph.benchmark.data_sets import load_problems
from mctsr_graph.benchmark.plan import Plan
from mctsr_graph.benchmark.report.write import measure_runs, write_report
from mctsr_graph.benchmark.run import Job, local, run, settings_of
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder

METHODS = ("cot", "self-consistency", "best-of-n", "paper")
SOLVED = 16


def main(lines: int, folder: Path) -> None:
    """Make lines, and report them."""
    data, model = load_problems(f"simulated:{SOLVED}"), World(skill=0.4, auc=0.7).model()
    settings = settings_of(data, "simulated:", about(model), Plan(METHODS, [0, 4]))
    made, large = RunFolder(folder / "made"), folder / "large"
    began = time.perf_counter()
    jobs = [Job(problem, 0) for problem in data.problems]
    asyncio.run(run(made, settings, jobs, local(model)))
    solving = time.perf_counter() - began
    large.mkdir()
    (large / "run.json").write_text(json.dumps(settings))
    originals = list(made.lines())
    with (large / "lines.jsonl").open("w") as file:
        for number in range(lines):
            line = originals[number % len(originals)]
            file.write(json.dumps({**line, "id": f"p{number}"}) + "\n")
    began, used = time.perf_counter(), time.process_time()
    measured = measure_runs([large])
    measuring, cpu = time.perf_counter() - began, time.process_time() - used
    write_report(measured, folder / "report")
    found = {
        "lines": lines,
        "megabytes_of_lines": round((large / "lines.jsonl").stat().st_size / 1e6),
        "seconds_a_problem_solved": round(solving / SOLVED, 3),
        "seconds_of_measuring": round(measuring, 1),
        "cpu_seconds_of_measuring": round(cpu, 1),
        "seconds_of_the_report": round(time.perf_counter() - began, 1),
        "cpu_seconds_of_the_report": round(time.process_time() - used, 1),
        "megabytes_of_memory": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    if len(sys.argv) > 2:
        main(count, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(count, Path(temporary))
