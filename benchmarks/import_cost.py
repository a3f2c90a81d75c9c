"""What `import mctsr_graph` costs, beside what any program with LangGraph and a chat model pays.

    python -m benchmarks.import_cost [PAIRS]

Starts PAIRS (default 15) pairs of interpreters, one of each kind in turn, and prints one line of
JSON: CPU seconds of both (medians), the median ratio of the pairs, and the same for a program
that also builds a tool and an agent. The aim is a ratio of at most 1.3.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

BASE = "import langgraph.graph, langchain_core.language_models"
OURS = "import mctsr_graph"
ALL = "from mctsr_graph import create_mctsr_agent, create_mctsr_tool"


def cpu_seconds(code: str) -> float:
    """CPU seconds of an interpreter that runs `code` and ends."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{code!r} failed")
    return used.ru_utime + used.ru_stime


def measure(pairs: int) -> dict[str, float]:
    """Medians over `pairs` pairs, seconds and ratios."""
    for code in (BASE, OURS, ALL):
        cpu_seconds(code)  # compiles what was never imported, and fills the disk cache
    rows = [tuple(map(cpu_seconds, (BASE, OURS, ALL))) for _ in range(pairs)]
    return {
        "base_seconds": statistics.median(base for base, _, _ in rows),
        "import_seconds": statistics.median(ours for _, ours, _ in rows),
        "ratio": statistics.median(ours / base for base, ours, _ in rows),
        "ratio_with_tool_and_agent": statistics.median(late / base for base, _, late in rows),
    }


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(json.dumps({name: round(value, 3) for name, value in measure(pairs).items()}))


if __name__ == "__main__":
    main()
