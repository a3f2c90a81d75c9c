"""What a rollout costs as the tree grows: CPU time and checkpoint bytes.

    python -m benchmarks.growth [--repeats N] [--seed S]

One search of profile "paper" with a scripted model of no latency (2 KB answers, 1 KB critiques)
is run past 1024 nodes without a saver, with InMemorySaver, with SqliteSaver (durability "sync"),
and with what `solve(checkpointer=PATH)` uses: its own saver and the call journal in one file.
Each figure is taken over the 32 rollouts after the tree has reached the size named; CPU time is
the process's, the lowest of the repeats.

Prints one JSON object: store -> {"cpu_ms": {size: ms a rollout}, "kb": {size: KB a rollout},
"cpu_growth": most / least of the sizes, "kb_growth": likewise}.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.sqlite_saver import open_file

SIZES = (8, 64, 256, 1024)
WINDOW = 32

Saver = BaseCheckpointSaver[Any]


def scripted_model(
    seed: int, on_size: Callable[[int], None] = lambda size: None
) -> ScriptedChatModel:
    """A model with 2 KB answers, 1 KB critiques and rewards drawn evenly from -100 to 90.

    `on_size` is called at the beginning of each rollout with the nodes that the tree then has.
    """

    def reply(call: ScriptedCall) -> str:
        if call.role == "critique":
            on_size(call.rollout)  # after n - 1 rollouts the tree has n nodes
        rng = random.Random(f"{seed}:{call.role}:{call.rollout}:{call.sample}")
        if call.role == "evaluate":
            return f"Score: {rng.randint(-100, 90)}"
        if call.role == "critique":
            return f"{call.rollout} ".ljust(1000, "c")
        return f"{call.rollout} ".ljust(1980, "a") + f" \\boxed{{{call.rollout}}}"

    return ScriptedChatModel(replies=reply)


def memory_bytes(saver: InMemorySaver) -> int:
    """Bytes of everything an InMemorySaver holds."""
    checkpoints = sum(
        len(part[1])
        for spaces in saver.storage.values()
        for stored in spaces.values()
        for entry in stored.values()
        for part in entry[:2]
    )
    blobs = sum(len(blob[1]) for blob in saver.blobs.values())
    writes = sum(len(w[2][1]) for ws in saver.writes.values() for w in ws.values())
    return checkpoints + blobs + writes


class Store(NamedTuple):
    """Where a search is kept, and how many bytes that holds."""

    saver: Saver | None
    journal: CallJournal | None
    held: Callable[[], int]


@contextmanager
def open_store(name: str) -> Iterator[Store]:
    """A store by name."""
    if name == "none":
        yield Store(None, None, lambda: 0)
        return
    if name == "memory":
        memory = InMemorySaver()
        yield Store(memory, None, lambda: memory_bytes(memory))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "search.db"
        if name == "sqlite":
            with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
                yield Store(SqliteSaver(connection), None, lambda: file_bytes(connection))
        else:
            with open_file(path) as saver, CallJournal(path) as journal:
                yield Store(saver, journal, lambda: file_bytes(saver.conn))


def file_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of an SQLite file."""
    pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    return int(connection.execute(pages).fetchone()[0])


def run(name: str, seed: int) -> tuple[dict[int, float], dict[int, float]]:
    """CPU ms and KB a rollout by size of the tree, in one search."""
    context = MCTSrContext(profile="paper", max_rollouts=max(SIZES) + WINDOW, seed=seed)
    marks: dict[int, tuple[float, int]] = {}
    edges = {size + offset for size in SIZES for offset in (0, WINDOW)}
    with open_store(name) as store:

        def mark(size: int) -> None:
            if size in edges:
                marks[size] = (time.process_time(), store.held())

        builder = create_mctsr(scripted_model(seed, mark), journal=store.journal)
        graph = builder.compile(checkpointer=store.saver, name="mctsr")
        options: dict[str, Any] = {"durability": "sync"} if store.saver is not None else {}
        gc.collect()
        graph.invoke(
            {"problem": "What is the largest of these numbers?"},
            {"configurable": {"thread_id": "growth"}, "recursion_limit": 10**6},
            context=context,
            **options,
        )
    cpu = {n: 1e3 * (marks[n + WINDOW][0] - marks[n][0]) / WINDOW for n in SIZES}
    kilobytes = {n: (marks[n + WINDOW][1] - marks[n][1]) / 1e3 / WINDOW for n in SIZES}
    return cpu, kilobytes


def measure(name: str, repeats: int, seed: int) -> dict[str, Any]:
    """The figures of one saver."""
    runs = [run(name, seed) for _ in range(repeats)]
    cpu = {n: min(cpu[n] for cpu, _ in runs) for n in SIZES}
    kilobytes = runs[0][1]
    figures: dict[str, Any] = {
        "cpu_ms": {str(n): round(value, 2) for n, value in cpu.items()},
        "cpu_growth": round(max(cpu.values()) / min(cpu.values()), 2),
    }
    if name != "none":
        figures["kb"] = {str(n): round(value, 1) for n, value in kilobytes.items()}
        figures["kb_growth"] = round(max(kilobytes.values()) / min(kilobytes.values()), 2)
    return figures


def main() -> None:
    """Measure every saver and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeats", type=int, default=3, help="searches a saver (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the scripted rewards (default 0)")
    args = parser.parse_args()
    names = ("none", "memory", "sqlite", "file")
    print(json.dumps({name: measure(name, args.repeats, args.seed) for name in names}, indent=1))


if __name__ == "__main__":
    main()
