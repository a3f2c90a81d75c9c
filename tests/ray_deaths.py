"""A run whose model's actor dies at each start, and one whose journal dies. Prints JSON.

python -m tests.ray_deaths FOLDER

A process of its own, as `tests.ray_cluster`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError

from mctsr_graph import ScriptedChatModel
from mctsr_graph.benchmark import finishing, ray_engine, run
from mctsr_graph.benchmark.plan import Plan
from mctsr_graph.benchmark.problems import DataSet, Problem
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.cluster import connect
from mctsr_graph.cluster.journal import JournalKeeper, RemoteJournal


def die() -> Any:
    with Path(os.environ["STARTS"]).open("a") as file:
        file.write("x")
    os._exit(1)


def refuse() -> Any:
    raise OSError("no such weights")


def outcome(folder: Path, make: Any) -> str:
    problems = [Problem(f"p{i}", f"What is {i} + {i}?", "0") for i in range(2)]
    data, model = DataSet("sums", "here", problems), ScriptedChatModel(replies=[])
    settings = run.settings_of(data, "scripted", about(model), Plan(["cot"], [0]))
    jobs = [run.Job(problem, 0) for problem in problems]
    engine = ray_engine.on_ray(make, hosted=True)
    try:
        found = asyncio.run(run.run(RunFolder(folder), settings, jobs, engine))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return str(found)


def of_a_dead_keeper(file: Path) -> str:
    keeper = ray.remote(JournalKeeper).remote(str(file))
    ray.get(keeper.get.remote(("s", 0, "draft", 0, 0), "hash"))
    ray.kill(keeper)
    with suppress(ActorDiedError):  # it dies in its own time
        while True:
            with suppress(ActorUnavailableError):
                ray.get(keeper.holds.remote("s"))
    journal: CallJournal = RemoteJournal(keeper)
    try:
        journal.put_all([])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "kept"


def main(folder: Path) -> None:
    folder.mkdir()
    starts = folder / "starts"
    os.environ["STARTS"] = str(starts)
    connect.MOST_LOSSES, finishing._MOST_IN_A_ROW = 1, 2  # a start takes seconds
    ray.init("local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    found = {
        "dies": outcome(folder / "dies", die),
        "starts": len(starts.read_text()),
        "refuses": outcome(folder / "refuses", refuse),
        "keeper": of_a_dead_keeper(folder / "calls.db"),
    }
    ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
