"""How many problems a second a run gets through when the model takes no time.

    python -m benchmarks.bench_throughput [PROBLEMS]

Prints one line of JSON: `problems`, `seconds`, `problems_per_second` (a draft each, graded and
kept), `searches_per_second` (profile paper at 0 rollouts, a tenth of the problems), the CPU time
of each, ms, which neighbours change less, and the memory of the process, MB, after a tenth of the
problems and at the end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from mctsr_graph import ScriptedChatModel
from mctsr_graph.benchmark.plan import Plan
from mctsr_graph.benchmark.problems import DataSet, Problem
from mctsr_graph.benchmark.records import Line
from mctsr_graph.benchmark.run import Job, local, run, settings_of
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.models.scripted import ScriptedCall


class _Forgetful(ScriptedChatModel):
    """Keeps no record of its calls, which would grow with the run."""

    @property
    def calls(self) -> list[ScriptedCall]:
        return []

    def _reply(self, *args: object) -> object:  # type: ignore[override]
        made = super()._reply(*args)  # type: ignore[arg-type]
        self._calls.clear()
        return made


def _model() -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> str:
        return "Score: 40" if call.role == "evaluate" else "It is so. The answer is \\boxed{7}."

    return _Forgetful(replies=reply)


def _measure(methods: list[str], count: int) -> tuple[float, float, list[float]]:
    """Seconds, CPU time of a problem in ms, and memory in MB along the way."""
    problems = [Problem(str(i), f"What is {i} mod 10?", str(i % 10)) for i in range(count)]
    model, plan = _model(), Plan(methods, [0])
    settings = settings_of(DataSet("throughput", "made here", problems), "none", about(model), plan)
    memory: list[float] = []

    def on_line(line: Line) -> None:
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.monotonic(), time.process_time()
        jobs = [Job(problem, 0) for problem in problems]
        out = RunFolder(Path(folder))
        asyncio.run(run(out, settings, jobs, local(model), concurrency=8, on_line=on_line))
        cpu = time.process_time() - cpu
        return time.monotonic() - began, round(1e3 * cpu / count, 2), memory


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds, cpu, memory = _measure(["cot"], count)
    few = max(1, count // 10)
    searches, search_cpu, _ = _measure(["paper"], few)
    figures = {
        "problems": count,
        "seconds": round(seconds, 2),
        "problems_per_second": round(count / seconds, 1),
        "searches_per_second": round(few / searches, 1),
        "cpu_ms": cpu,
        "cpu_ms_of_a_search": search_cpu,
        "memory_mb_early": round(memory[few - 1]),
        "memory_mb": round(memory[-1]),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
