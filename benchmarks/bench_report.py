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

_ALL = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
METHODS = ("cot", "self-consistency", "best-of-n", "paper")
SOLVED = 16


def _cpu() -> float:
    """Seconds of CPU of this process and of those that read for it."""
    used = [resource.getrusage(who) for who in _ALL]
    return sum(one.ru_utime + one.ru_stime for one in used)


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
    originals = [json.dumps({**line, "id": "#"}) for line in made.lines()]
    with (large / "lines.jsonl").open("w") as file:
        for number in range(lines):
            text = originals[number % len(originals)]
            file.write(text.replace('"id": "#"', f'"id": "p{number}"') + "\n")
    began, used = time.perf_counter(), _cpu()
    measured = measure_runs([large])
    measuring, cpu = time.perf_counter() - began, _cpu() - used
    write_report(measured, folder / "report")
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in _ALL]
    found = {
        "lines": lines,
        "megabytes_of_lines": round((large / "lines.jsonl").stat().st_size / 1e6),
        "seconds_a_problem_solved": round(solving / SOLVED, 3),
        "seconds_of_measuring": round(measuring, 1),
        "cpu_seconds_of_measuring": round(cpu, 1),
        "seconds_of_the_report": round(time.perf_counter() - began, 1),
        "cpu_seconds_of_the_report": round(_cpu() - used, 1),
        "megabytes_of_memory": round(peaks[0]),
        "megabytes_of_the_largest_reader": round(peaks[1]),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    if len(sys.argv) > 2:
        main(count, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(count, Path(temporary))
