"""A run on a Ray cluster of two nodes, one of which is killed in the middle. Prints JSON.

python -m tests.ray_cluster FOLDER

A process of its own: Ray leaves threads, sockets and signal handlers behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from mctsr_graph import ScriptedChatModel
from mctsr_graph.benchmark.plan import Plan
from mctsr_graph.benchmark.problems import DataSet, Problem
from mctsr_graph.benchmark.ray_engine import on_ray
from mctsr_graph.benchmark.records import Line
from mctsr_graph.benchmark.run import Job, run, settings_of
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder

PROBLEMS = [Problem(f"p{i}", f"What is {i} + {i}?", str(i % 3)) for i in range(8)]


def make_model() -> Any:
    def reply(call: Any) -> str:
        with Path(os.environ["CALLS_MADE"]).open("a") as file:
            file.write(f"{ray.get_runtime_context().get_node_id()}\n")
        if call.role == "evaluate":
            return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
        return f"Text {call.rollout}: \\boxed{{{call.rollout}}}"

    return ScriptedChatModel(replies=reply, latency=0.15)


def plain(line: Line) -> Line:
    for method in line["methods"].values():
        for point in method["points"]:
            point["seconds"] = None
        for row in method.get("record") or ():
            row["seconds"] = None
    return line


def two_nodes() -> tuple[Cluster, Any, str]:
    """A cluster of two nodes of one CPU each, its second node, and the id of its first."""
    small = {"object_store_memory": 80_000_000, "include_dashboard": False}
    # A dead node is to be missed in one second instead of fifteen
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
    head_node = {"num_cpus": 1, "_system_config": quick, **small}
    cluster = Cluster(initialize_head=True, head_node_args=head_node)
    second = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False)
    return cluster, second, ray.get_runtime_context().get_node_id()


def main(folder: Path) -> None:
    folder.mkdir()
    os.environ["CALLS_MADE"] = str(folder / "calls_made")
    cluster, second, head = two_nodes()
    plan = Plan(["paper"], [0, 2])
    settings = settings_of(DataSet("sums", "here", PROBLEMS), "scripted", about(make_model()), plan)
    killed: list[str] = []

    def on_line(line: Line) -> None:
        if not killed:
            killed.append(line["id"])
            cluster.remove_node(second, allow_graceful=False)

    jobs = [Job(problem, 0) for problem in PROBLEMS]
    out = RunFolder(folder / "run")
    unfinished = asyncio.run(
        run(out, settings, jobs, on_ray(make_model), concurrency=4, on_line=on_line)
    )
    nodes = (folder / "calls_made").read_text().split()
    held = RunFolder(folder / "hosted")
    asyncio.run(run(held, settings, jobs[:2], on_ray(make_model, hosted=True)))
    found = {
        "unfinished": unfinished,
        "ids": [line["id"] for line in out.lines()],
        "hosted": [plain(line) for line in held.lines()],
        "made_here": [plain(line) for line in out.lines() if line["id"] in ("p0", "p1")],
        "calls_made": len(nodes),
        "calls_elsewhere": sum(node != head for node in nodes),
        "killed_after": killed,
    }
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
