"""What the machinery around the model calls costs, and how well it keeps the model busy.

    python -m benchmarks.overhead [--quick] [--only NAME ...] [--repeats N]

The model is a plain Runnable that does nothing but wait: 0, 20, or 5 to 60 ms a call. Its answers
have 2 KB, its critiques 1 KB. Every row is one search; of the repeats, the fastest.

    paper        profile "paper" at width 1, 4, 8, 16: all four calls of a rollout are made
    paper-chat   the same with a model of LangChain's class BaseChatModel, whose own work counts
    paper-sync   as paper, under `invoke` instead of `ainvoke`
    sqlite       as paper, with LangGraph's SqliteSaver, durability "sync"
    pipelined    with and without `pipelined`, latency 20 ms, and 5 to 60 ms
    bare         as paper, beside a LangGraph loop of five nodes that makes the same calls and does
                 nothing else (`bare_loop.py`), by turns: what a search costs as a multiple of that.
                 CPU time at width 1 without latency, wall time at width 16 and 20 ms; for a plain
                 model, a BaseChatModel, and SqliteSaver with durability "sync"
    steps        functions entered a rollout, Python's alone and with those in C, by a search and by
                 the bare loop: the same on a busy machine. How a search begins and ends is left out
    tuned        profile "tuned", where a rollout is one draft, one refinement or one reward; also
                 with LangGraph's SqliteSaver
    growth       CPU time a rollout while 64 answers are added to a tree of a size, for profile
                 "paper" and "tuned"
    official     the order of calls of the authors' code, 4 a rollout one after another, and
                 nothing around them
    treequest    StandardMCTS and ABMCTSA of the package treequest, 2 calls an answer, in batches

Prints a line of JSON on the machine, and one a row: cpu_ms and wall_ms a rollout (for treequest: an
answer kept), concurrency (seconds that calls waited, by seconds of wall time), calls, discarded
answers, KB written a rollout, and the machine's load of 1 minute. Where that is above the number of
cores wall times tell of the neighbours: idle_cpu_ms, idle_wall_ms and idle_concurrency are of the
same search by a clock that adds the process's CPU time to the time that it would wait for the
model, without waiting: as on a machine with an idle core, and one that is not cold after each wait.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import os
import platform
import random
import selectors
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks.bare_loop import PROBLEM, bare_loop
from benchmarks.growth import file_bytes
from mctsr_graph import MCTSrContext, create_mctsr

WIDTHS = (1, 4, 8, 16)
ROLLOUTS = (8, 64, 256, 1024)
LATENCIES = (0.0, 20.0)
JITTER = (5.0, 60.0)
SIZES, WINDOW = (64, 256, 1024), 64
MOST_OF_TUNED = MOST_OF_TREEQUEST = 256
PACKAGES = ("mctsr-graph", "langgraph", "langgraph-checkpoint-sqlite", "langchain-core")
Row = dict[str, Any]


class IdleClock(selectors.DefaultSelector):
    """Does not wait for time to pass, but moves an event loop's clock to where it waits for.

    What a loop then takes by its own clock is the CPU time of the process and the time that it
    waited for the model: the wall time on a machine where it need not wait for a core.
    """

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Look for what has happened, and else let time pass."""
        if timeout is None:  # a thread that writes to disk is waited for, as it really takes
            began = time.perf_counter()
            ready = super().select(None)
            self.skipped += time.perf_counter() - began
            return ready
        ready = super().select(0)
        self.skipped += 0 if ready else max(0.0, timeout)
        return ready

    def now(self) -> float:
        """Seconds since any fixed moment."""
        return time.process_time() + self.skipped


def idle_loop() -> asyncio.AbstractEventLoop:
    """An event loop with such a clock."""
    clock = IdleClock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = clock.now  # type: ignore[method-assign]
    return loop


class Waiting(Runnable[Any, AIMessage]):
    """A model that waits, and then says something that depends on role and rollout only."""

    def __init__(
        self,
        shortest: float = 0.0,
        longest: float = 0.0,
        on_call: Callable[[str, int], None] = lambda role, rollout: None,
    ) -> None:
        self._shortest, self._longest, self._on_call = shortest, longest, on_call
        self.calls = 0
        self.waited = 0.0
        """Seconds, over all calls."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> AIMessage:
        """Wait, then reply."""
        told = (config or {}).get("metadata", {})
        time.sleep(self.wait(told))
        return self.reply(told)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> AIMessage:
        """As `invoke`, awaited."""
        told = (config or {}).get("metadata", {})
        await asyncio.sleep(self.wait(told))
        return self.reply(told)

    def wait(self, told: Row) -> float:
        """Seconds that a call takes."""
        rng = random.Random(str(sorted(told.items()))) if self._longest > self._shortest else None
        more = rng.uniform(0, self._longest - self._shortest) if rng is not None else 0.0
        seconds = (self._shortest + more) / 1e3
        self.calls += 1
        self.waited += seconds
        return seconds

    def reply(self, told: Row) -> AIMessage:
        """An answer of 2 KB, a critique of 1 KB, or a score."""
        role, rollout = told.get("mctsr_role", "draft"), told.get("mctsr_rollout", 0)
        number = 7919 * (rollout + 31 * told.get("mctsr_sample", 0)) % 997
        self._on_call(role, rollout)
        if role == "critique":
            return AIMessage(f"{number} ".ljust(1000, "c"))
        if role == "evaluate":
            return AIMessage(f"Score: {number % 190 - 100}")
        return AIMessage(f"{rollout} ".ljust(1980, "a") + f" \\boxed{{{number % 8}}}")


class ChatWaiting(BaseChatModel):
    """The same inside LangChain's class of chat models, whose own work comes on top."""

    inner: Any

    @property
    def _llm_type(self) -> str:
        return "waiting"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        message = self.inner.invoke(messages, {"metadata": run_manager.metadata})
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        message = await self.inner.ainvoke(messages, {"metadata": run_manager.metadata})
        return ChatResult(generations=[ChatGeneration(message=message)])


def search(
    model: Waiting,
    context: MCTSrContext,
    awaited: bool = True,
    saved: bool = False,
    chat: bool = False,
) -> Row:
    """Run one search; return what a rollout has cost."""
    builder = create_mctsr(ChatWaiting(inner=model) if chat else model)
    return run_graph(builder, model, {"problem": PROBLEM}, awaited, saved, context=context)


def run_graph(
    builder: Any, model: Waiting, given: Any, awaited: bool = True, saved: bool = False, **how: Any
) -> Row:
    """Run a graph that tells how many rollouts it has made; return what one has cost."""
    config: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 10**6}
    how |= {"durability": "sync"} if saved else {}

    async def awaiting(path: Path) -> int:
        if not saved:
            return made(await builder.compile().ainvoke(given, config, **how))
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            graph = builder.compile(checkpointer=saver)
            return made(await graph.ainvoke(given, config, **how))

    def blocking(path: Path) -> int:
        if not saved:
            return made(builder.compile().invoke(given, config, **how))
        with SqliteSaver.from_conn_string(str(path)) as saver:
            graph = builder.compile(checkpointer=saver)
            return made(graph.invoke(given, config, **how))

    with tempfile.TemporaryDirectory() as folder:
        path, again = Path(folder) / "search.db", Path(folder) / "again.db"
        row = measured(lambda: asyncio.run(awaiting(path)) if awaited else blocking(path), model)
        if saved:
            row["kb"] = round(size_of(path) / 1e3 / row["rollouts"], 1)
        if awaited and model.waited:
            row |= idle(awaiting(again), model)
    return row


def made(found: Any) -> int:
    """The rollouts that a search, or the bare loop, tells of."""
    return int(found.get("mctsr", found)["rollouts"])


def idle(work: Coroutine[Any, Any, int], model: Waiting) -> Row:
    """What a search would take on a machine where it never waits for a core."""
    loop, waited = idle_loop(), model.waited
    gc.collect()
    began, cpu = loop.time(), time.process_time()
    done = loop.run_until_complete(work)
    seconds, cpu = loop.time() - began, time.process_time() - cpu
    loop.close()
    concurrency = (model.waited - waited) / seconds
    return {
        "idle_cpu_ms": round(1e3 * cpu / done, 2),
        "idle_wall_ms": round(1e3 * seconds / done, 2),
        "idle_concurrency": round(concurrency, 1),
    }


def size_of(path: Path) -> int:
    """Bytes that an SQLite file holds."""
    with closing(sqlite3.connect(path)) as connection:
        return file_bytes(connection)


def measured(work: Callable[[], int], model: Waiting) -> Row:
    """Run something that returns how many rollouts it has made."""
    gc.collect()
    calls, waited = model.calls, model.waited
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "rollouts": done,
        "cpu_ms": round(1e3 * cpu / done, 2),
        "wall_ms": round(1e3 * wall / done, 2),
        "concurrency": round((model.waited - waited) / wall, 1),
        "calls": model.calls - calls,
    }


def settings(rollouts: int, width: int, **more: Any) -> MCTSrContext:
    """Settings of a search that only its number of rollouts ends."""
    if more.get("profile") == "tuned":
        more |= {"lead": None, "confidence": None, "max_calls": None}
    return MCTSrContext(**{"profile": "paper", "max_rollouts": rollouts, "width": width, **more})


def ours(name: str, options: argparse.Namespace) -> Iterator[Row]:
    """Rows of one of our ways to run."""
    how = {"awaited": name != "paper-sync", "saved": name == "sqlite", "chat": name == "paper-chat"}
    latencies = [20.0] if name == "paper-sync" else LATENCIES
    for latency, rollouts, width in itertools.product(latencies, options.rollouts, options.widths):
        model, context = Waiting(latency), settings(rollouts, width)
        found = best_of(options.repeats, partial(search, model, context, **how))
        yield {"width": width, "latency_ms": latency, **found}


def tuned(options: argparse.Namespace) -> Iterator[Row]:
    """Profile "tuned" with and without `pipelined`."""
    sizes = [n for n in options.rollouts if n <= MOST_OF_TUNED]
    for rollouts, width, on in itertools.product(sizes, options.widths, (False, True)):
        model, context = Waiting(20.0), settings(rollouts, width, profile="tuned", pipelined=on)
        found = best_of(options.repeats, partial(search, model, context))
        yield {"width": width, "latency_ms": 20.0, "pipelined": on, **found}
    for rollouts in sizes:
        model, context = Waiting(), settings(rollouts, 1, profile="tuned")
        found = best_of(options.repeats, partial(search, model, context, saved=True))
        yield {"width": 1, "latency_ms": 0.0, "saver": "sqlite", **found}


def bare(options: argparse.Namespace) -> Iterator[Row]:
    """A search beside the bare loop: their costs, and how many times the loop's the search's is."""
    for kind, (width, latency, by) in itertools.product(
        ({}, {"chat": True}, {"saved": True}), ((1, 0.0, "cpu_ms"), (16, 20.0, "wall_ms"))
    ):
        pairs = [_beside(width, latency, **kind) for _ in range(max(2, options.repeats))]
        ours, loop = (min((pair[i] for pair in pairs), key=lambda row: row[by]) for i in (0, 1))
        yield {
            **{"width": width, "latency_ms": latency, **kind, "rollouts": ours["rollouts"]},
            **{"ours": ours, "bare": loop, f"{by}_ratio": round(ours[by] / loop[by], 2)},
        } | (
            {"idle_wall_ms_ratio": round(ours["idle_wall_ms"] / loop["idle_wall_ms"], 2)}
            if latency
            else {}
        )


def steps(options: argparse.Namespace) -> Iterator[Row]:
    """Functions entered a rollout, by a search and by the bare loop."""
    for chat, width in itertools.product((False, True), (1, 16)):
        asked: Any = ChatWaiting(inner=Waiting()) if chat else Waiting()

        async def ours(count: int, asked: Any = asked, width: int = width) -> None:
            graph: Any = create_mctsr(asked).compile()
            given, limit = {"problem": PROBLEM}, {"recursion_limit": 10**6}
            await graph.ainvoke(given, limit, context=settings(count, width))

        async def bare(count: int, asked: Any = asked, width: int = width) -> None:
            graph: Any = bare_loop(asked, count, width).compile()
            given = {"rollouts": 0, "wave": []}
            await graph.ainvoke(given, {"recursion_limit": 10**6})

        found = {"ours": _entered(ours), "bare": _entered(bare)}
        yield {"width": width, "chat": chat, **found}


def _entered(search: Callable[[int], Coroutine[Any, Any, None]]) -> dict[str, int]:
    """Functions entered a rollout, as the difference of a long and a short search."""
    few, many = 64, 256
    asyncio.run(search(few))  # whatever is done once
    told: list[Counter[str]] = []
    for count in (few, many):
        entered: Counter[str] = Counter()

        def note(frame: Any, event: str, _: Any, entered: Counter[str] = entered) -> None:
            entered[event] += 1

        sys.setprofile(note)
        try:
            asyncio.run(search(count))
        finally:
            sys.setprofile(None)
        told.append(entered)
    python, c = ((told[1][one] - told[0][one]) / (many - few) for one in ("call", "c_call"))
    return {"python": round(python), "with_c": round(python + c)}


def _beside(width: int, latency: float, chat: bool = False, saved: bool = False) -> tuple[Row, Row]:
    """A search and the bare loop, one after the other."""
    model, rollouts = Waiting(latency), 256
    found = search(model, settings(rollouts, width), chat=chat, saved=saved)
    loop = bare_loop(ChatWaiting(inner=model) if chat else model, rollouts, width)
    return found, run_graph(loop, model, {"rollouts": 0, "wave": []}, saved=saved)


def pipelined(options: argparse.Namespace) -> Iterator[Row]:
    """With and without `pipelined`, where calls take unequally long."""
    for width, latency, on in itertools.product(
        options.widths[1:], [(20.0, 20.0), JITTER], (False, True)
    ):
        model = Waiting(*latency)
        context = settings(256, width, pipelined=on)
        found = best_of(options.repeats, partial(search, model, context))
        yield {"width": width, "latency_ms": latency, "pipelined": on, **found}


def growth(options: argparse.Namespace) -> Iterator[Row]:
    """CPU time a rollout as the tree grows, the least of the repeats."""
    for profile, width in itertools.product(("paper", "tuned"), options.widths):
        told: dict[int, float] = {}
        for _ in range(max(2, options.repeats)):
            marks = Marks()
            # Here nearly every rollout of "tuned" drafts an answer, too; few have one judged
            context = settings(max(SIZES) + 2 * WINDOW, width, profile=profile)
            search(Waiting(on_call=marks), context)
            for size in SIZES:
                spent = marks.cpu_ms(size, size + WINDOW)
                told[size] = min(spent, told.get(size, spent))
        yield {
            "profile": profile,
            "width": width,
            "cpu_ms": {str(size): round(value, 2) for size, value in told.items()},
            "growth": round(told[max(SIZES)] / told[min(SIZES)], 2),
        }


class Marks:
    """CPU time and rollouts by the number of answers that were asked for."""

    def __init__(self) -> None:
        self._answers = 0
        self._at: dict[int, tuple[float, int]] = {}

    def __call__(self, role: str, rollout: int) -> None:
        """Note a call."""
        if role in ("draft", "refine"):
            self._answers += 1
            self._at[self._answers] = time.process_time(), rollout

    def cpu_ms(self, first: int, last: int) -> float:
        """CPU time a rollout between two numbers of answers."""
        (began, before), (ended, after) = self._at[first], self._at[last]
        return 1e3 * (ended - began) / (after - before)


def _run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    return asyncio.run(work())


def official(options: argparse.Namespace) -> Iterator[Row]:
    """Evaluate the selected answer, criticise, refine and evaluate, one after the other."""
    for latency, chat in itertools.product(LATENCIES, (False, True)):
        model = Waiting(latency)
        asked: Runnable[Any, AIMessage] = ChatWaiting(inner=model) if chat else model

        async def loop(asked: Runnable[Any, AIMessage] = asked) -> int:
            for _ in range(64):
                for _ in ("evaluate", "critique", "refine", "evaluate"):
                    await asked.ainvoke([HumanMessage(PROBLEM)])
            return 64

        found = best_of(options.repeats, partial(measured, partial(_run, loop), model))
        yield {"width": 1, "latency_ms": latency, "chat": chat, **found}


def treequest(options: argparse.Namespace) -> Iterator[Row]:
    """A batch of trials at once, each an answer and then its score."""
    import treequest as peer

    algorithms: dict[str, Callable[[], Any]] = {
        "StandardMCTS": lambda: peer.StandardMCTS(),
        "ABMCTSA": lambda: peer.ABMCTSA(),
    }
    logging.getLogger("treequest").setLevel(logging.ERROR)  # it warns of each discarded answer
    sizes = [n for n in options.rollouts if n <= MOST_OF_TREEQUEST]
    for (name, make), latency, batch, rollouts in itertools.product(
        algorithms.items(), LATENCIES, (1, 5, 16), sizes
    ):
        model, told = Waiting(latency), {"discarded": 0}

        def work(
            make: Callable[[], Any] = make,
            model: Waiting = model,
            rollouts: int = rollouts,
            batch: int = batch,
            told: Row = told,
        ) -> int:
            made, kept = asyncio.run(_batches(make(), model, rollouts, batch))
            told["discarded"] = made - kept
            return kept

        found = best_of(options.repeats, partial(measured, work, model))
        yield {"algorithm": name, "width": batch, "latency_ms": latency, **found, **told}


async def _batches(algorithm: Any, model: Waiting, rollouts: int, batch: int) -> tuple[int, int]:
    """Answers made and answers kept."""
    tree, made, rng = algorithm.init_tree(), 0, random.Random(0)

    async def generate() -> tuple[str, float]:
        answer = await model.ainvoke([HumanMessage(PROBLEM)])
        await model.ainvoke([HumanMessage(str(answer.text))])
        return str(answer.text), rng.random()

    while len(algorithm.get_state_score_pairs(tree)) < rollouts:
        tree, trials = algorithm.ask_batch(tree, batch, ["refine"])
        results = await asyncio.gather(*(generate() for _ in trials))
        made += len(results)
        for trial, result in zip(trials, results, strict=True):
            tree = algorithm.tell(tree, trial.trial_id, result)
    return made, len(algorithm.get_state_score_pairs(tree))


def best_of(repeats: int, run: Callable[[], Row]) -> Row:
    """The run with the least wall time."""
    return min((run() for _ in range(repeats)), key=lambda row: float(row["wall_ms"]))


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    **{name: partial(ours, name) for name in ("paper", "paper-chat", "paper-sync", "sqlite")},
    "bare": bare,
    "steps": steps,
    "tuned": tuned,
    "pipelined": pipelined,
    "growth": growth,
    "official": official,
    "treequest": treequest,
}


def about() -> Row:
    """The machine and what runs on it."""
    told = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(": ")[2] for line in told.splitlines() if "model name" in line]
    return {
        "name": "about",
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(row: Row) -> None:
    """Print a row, and the load under which it was measured."""
    print(json.dumps({**row, "load": round(os.getloadavg()[0], 1)}), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="at most 256 rollouts, one repeat")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    options.widths = WIDTHS
    options.rollouts = (64, 256) if options.quick else ROLLOUTS
    options.repeats = 1 if options.quick else options.repeats
    show(about())
    search(Waiting(), settings(32, 4))  # whatever is done once
    for name in options.only:
        for row in PARTS[name](options):
            show({"name": name, **row})


if __name__ == "__main__":
    main()
