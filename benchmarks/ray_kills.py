"""Kill a benchmark run over two Ray nodes with SIGKILL, and compare it with one never killed.

    python -m benchmarks.ray_kills [--kills 10] [--seed 0]

In turn the command itself is killed and given again, and a worker process. Prints one line of JSON:
    kills     how many processes were killed
    lost      lines that were there and were gone after a kill, and problems without one
    twice     lines for a problem that had one
    wrong     lines that differ from those of the local engine, seconds apart
    same      whether the tables of the report are the same, that of cost apart
    calls     calls made to the model
    repeated  those that were made again, since their reply had not arrived before a kill
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mctsr_graph import ScriptedChatModel
from mctsr_graph.benchmark.simulation import World

_PROBLEMS = 16
_LATENCY = 0.1  # seconds of a call
_PATIENCE = 900  # seconds for some calls of a cluster that has to begin
_WORLD = World(skill=0.5, auc=0.8)
_LOG = "MCTSR_CALLS_MADE"  # the environment's name of the file that lists them


def model() -> ScriptedChatModel:
    """Make the model; each of its calls is logged, and its reply depends on what is asked only."""

    def reply(call: Any) -> str:
        asked = [str(message.content) for message in call.messages], sorted(call.settings.items())
        digest = hashlib.sha256(repr(asked).encode()).hexdigest()
        with Path(os.environ[_LOG]).open("a") as file:
            file.write(f"{digest}\n")
        return _WORLD.reply(call)

    return ScriptedChatModel(replies=reply, latency=_LATENCY)


def _run(out: Path, *more: str) -> subprocess.Popen[str]:
    methods = ["--methods", "cot,self-consistency,best-of-n,paper,tuned", "--rollouts", "0,2"]
    command = [sys.executable, "-m", "mctsr_graph", "bench", "run", f"simulated:{_PROBLEMS}"]
    command += ["-m", f"py:{Path(__file__).resolve()}:model", *methods, "-o", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _lines(out: Path) -> list[Any]:
    """The whole lines of a run, without what the clock tells."""
    file = out / "lines.jsonl"
    lines = [json.loads(one) for one in file.read_text().split("\n")[:-1]] if file.exists() else []
    for line in lines:
        for method in line["methods"].values():
            for part in [*method["points"], *(method.get("record") or ())]:
                part["seconds"] = None
    return lines


def _ended(process: subprocess.Popen[str]) -> None:
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}: {told[-2000:]}")


class Kills:
    """A run that is killed."""

    def __init__(self, out: Path, cluster: Any, calls: Path, seed: int) -> None:
        self._out, self._cluster, self._calls = out, cluster, calls
        self._rng = random.Random(seed)
        self.kills = self.lost = 0

    def run(self, kills: int) -> None:
        """Run to the end, and kill so often on the way."""
        process = self._start()
        while self.kills < kills and self._wait(process):
            before = {line["id"] for line in _lines(self._out)}
            if self.kills % 2 == 0:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                process = self._start()
            elif (worker := self._worker()) is not None:
                os.kill(worker, signal.SIGKILL)
            else:
                continue
            self.kills += 1
            self.lost += len(before - {line["id"] for line in _lines(self._out)})
        _ended(process)

    def _start(self) -> subprocess.Popen[str]:
        return _run(self._out, "--engine", "ray", "--ray-address", self._cluster.address)

    def made(self) -> list[str]:
        """The calls."""
        return self._calls.read_text().split() if self._calls.exists() else []

    def _wait(self, process: subprocess.Popen[str]) -> bool:
        """Wait for some more calls; whether the run still goes on."""
        wanted = len(self.made()) + self._rng.randint(4, 24)
        end = time.monotonic() + _PATIENCE
        while len(self.made()) < wanted and process.poll() is None:
            if time.monotonic() > end:
                raise SystemExit("the run made no call")
            time.sleep(0.02)
        return process.poll() is None

    def _worker(self) -> int | None:
        """A process of this cluster that solves a problem."""
        raylets = {
            one.process.pid
            for node in self._cluster.list_all_nodes()
            for one in node.all_processes["raylet"]
        }
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((place / "stat").read_text().rsplit(") ", 1)[1].split()[1])
                does = (place / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue  # it has ended
            if parent in raylets and b"_solve_here" in does:
                found.append(int(place.name))
        return self._rng.choice(sorted(found)) if found else None


def _tables(out: Path, to: Path) -> dict[str, str]:
    """The tables of a report, but for the one with seconds."""
    command = [sys.executable, "-m", "mctsr_graph", "bench", "report", str(out), "--out", str(to)]
    subprocess.run(command, check=True, capture_output=True)
    files = (to / "tables").glob("*.csv")
    return {file.name: file.read_text("utf-8") for file in files if "cost" not in file.name}


def main() -> None:
    """Read the options, run, print what came of it."""
    from ray.cluster_utils import Cluster

    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=10, help="(default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[_LOG] = str(folder / "calls")
        small = {"num_cpus": 1, "object_store_memory": 80_000_000}
        head = {**small, "include_dashboard": False}
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(**small)
        killed = Kills(folder / "killed", cluster, folder / "calls", options.seed)
        killed.run(options.kills)
        cluster.shutdown()
        made = killed.made()
        _ended(_run(folder / "whole"))
        lines, whole = (_lines(folder / run) for run in ("killed", "whole"))
        by_id = {line["id"]: line for line in lines}
        found = {
            "kills": killed.kills,
            "lost": killed.lost + _PROBLEMS - len(by_id),
            "twice": len(lines) - len(by_id),
            "wrong": sum(by_id.get(line["id"]) != line for line in whole),
            "same": _tables(folder / "killed", folder / "a")
            == _tables(folder / "whole", folder / "b"),
            "calls": len(made),
            "repeated": len(made) - len(set(made)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
