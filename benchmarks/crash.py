"""Kill a search with SIGKILL, go on in a new process, and compare with the uninterrupted run.

    python -m benchmarks.crash --points [--width W] [--rollouts N] [--pipelined]
    python -m benchmarks.crash --kills N [--width W] [--rollouts N] [--seed S]

With --points the process kills itself at each durable boundary in turn: before and after a model
call, before and after a reply is in the journal, when a node returns, before and after the
checkpointer's put and put_writes. With --kills another process kills it at random moments until
the search is done.

Prints one line of JSON:
    kills      how many times a process was killed
    lost       rollouts that a step had seen finished and that were gone afterwards
    repeated   model calls made again although their reply had been kept
    in_flight  the most calls, after one kill, that were under way or not yet kept and made again
    wrong      final trees or costs that differ from the uninterrupted run's
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr, solve
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.graph.step import Step
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.sqlite_saver import SqliteFileSaver, open_file

PROBLEM = "How many?"


def scripted_reply(call: ScriptedCall) -> str:
    """A reply that depends on what is asked, not on when."""
    if call.role == "evaluate":
        return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
    if call.role == "critique":
        return f"Flaw number {call.rollout}."
    return f"Answer of rollout {call.rollout}: \\boxed{{{call.rollout}}}"


class Log:
    """Lines that survive the process that writes them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def __call__(self, *words: object) -> None:
        """Write one line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class Bomb:
    """Kills the process at the n-th durable boundary; n = 0 only counts them."""

    def __init__(self, at: int) -> None:
        self.at, self.passed = at, 0

    def tick(self) -> None:
        """Pass one boundary."""
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, after: Callable[..., None] | None = None) -> None:
        """Put a boundary before and after a method."""
        usual = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = usual(*args, **kwargs)
            if after is not None:
                after(*args)
            self.tick()
            return result

        setattr(owner, name, wrapped)


def instrument(bomb: Bomb, log: Log) -> None:
    """Put the boundaries into this process, and write down what happens at them."""

    def kept(journal: Any, rows: Any) -> None:
        for _search, *slot, _request, _reply in rows:
            log("kept", *slot)

    bomb.around(CallJournal, "_write", kept)
    bomb.around(SqliteFileSaver, "put")
    bomb.around(SqliteFileSaver, "put_writes")
    usual: Any = Step.invoke

    def invoke(self: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        log("seen", state.get("rollouts", 0))
        update = usual(self, state, *args, **kwargs)
        bomb.tick()
        return update

    Step.invoke = invoke  # type: ignore[assignment,method-assign]


def search(file: Path, bomb: Bomb, log: Log, options: argparse.Namespace) -> dict[str, Any]:
    """Run, or go on with, the search in `file`; return its tree and its cost."""

    def reply(call: ScriptedCall) -> str:
        bomb.tick()
        log("start", call.rollout, call.role, call.sample, call.attempt)
        bomb.tick()
        return scripted_reply(call)

    model = ScriptedChatModel(replies=reply, latency=0.003 if options.kills else 0)
    context = MCTSrContext(
        profile="paper",
        max_rollouts=options.rollouts,
        width=options.width,
        pipelined=options.pipelined,
    )
    if options.durability is None:
        solution = solve(PROBLEM, model, context=context, checkpointer=file)
        return {"tree": solution.tree, "usage": solution.usage}
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    with open_file(file) as saver, CallJournal(file) as journal:
        graph = create_mctsr(model, journal=journal).compile(checkpointer=saver)
        begun = bool(graph.get_state(config).values.get("tree"))
        task: Any = None if begun else {"problem": PROBLEM}
        graph.invoke(task, config, context=context, durability=options.durability)
        values = graph.get_state(config).values
        return {"tree": values["tree"], "usage": values["usage"]}


def in_child(job: Callable[[], None]) -> int:
    """Run a job in a forked process; return the process's id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            job()
            status = 0
        finally:
            os._exit(status)
    return child


class Trial:
    """One search that is killed and taken up again until it is done."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._options = options
        self.file, self._log, self._out = (folder / n for n in ("search.db", "log", "out"))
        self.lines: list[list[str]] = []
        self.kills = 0

    def start(self, at: int) -> int:
        """Begin or go on in a child process that dies at boundary `at`; return its id."""

        def job() -> None:
            bomb, log = Bomb(at), Log(self._log)
            if self._options.no_journal:
                CallJournal.get = lambda *_: None  # type: ignore[method-assign]
            instrument(bomb, log)
            found = search(self.file, bomb, log, self._options)
            self._out.write_text(json.dumps({**found, "passed": bomb.passed}), encoding="utf-8")

        Log(self._log)("process")
        return in_child(job)

    def finish(self, child: int) -> bool:
        """Wait for a child; whether it came to its end."""
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            self.kills += 1
            return False
        if status:
            raise RuntimeError("the search failed instead of being killed")
        self.lines = [line.split() for line in self._log.read_text().splitlines()]
        return True

    @property
    def found(self) -> dict[str, Any]:
        """What the finished search found."""
        found: dict[str, Any] = json.loads(self._out.read_text(encoding="utf-8"))
        return found

    def counts(self) -> tuple[int, int, int]:
        """Rollouts lost, kept calls repeated, and the most others repeated after one kill."""
        kept: set[tuple[str, ...]] = set()
        started: set[tuple[str, ...]] = set()
        seen = lost = repeated = again = most = 0
        first = True
        for word, *rest in self.lines:
            key = tuple(rest)
            if word == "process":
                most, again, first = max(most, again), 0, True
            elif word == "seen":
                lost += max(0, seen - int(key[0])) if first else 0
                seen, first = int(key[0]), False
            elif word == "kept":
                kept.add(key)
            else:
                repeated += key in kept
                again += key in started and key not in kept
                started.add(key)
        return lost, repeated, max(most, again)


def run_trials(options: argparse.Namespace) -> dict[str, int]:
    """Run what the options ask for and add everything up."""
    totals = {"kills": 0, "lost": 0, "repeated": 0, "in_flight": 0, "wrong": 0}
    # In memory where there is such a folder: a killed process loses nothing there either
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        whole = new_trial(Path(folder), "whole", options)
        whole.finish(whole.start(0))
        rng = random.Random(options.seed)
        number = 0
        while totals["kills"] < options.kills if options.kills else number < whole.found["passed"]:
            number += 1
            trial = new_trial(Path(folder), str(number), options)
            if options.kills:
                kill_at_random(trial, rng, options.kills - totals["kills"])
            else:
                trial.finish(trial.start(number))
                trial.finish(trial.start(0))
            add_up(totals, trial, whole)
    return totals


def new_trial(folder: Path, name: str, options: argparse.Namespace) -> Trial:
    """A trial in a folder of its own."""
    (folder / name).mkdir()
    return Trial(folder / name, options)


def kill_at_random(trial: Trial, rng: random.Random, most: int) -> None:
    """Kill a trial's processes at random moments, at most `most` of them, then let it finish."""
    for _ in range(most):
        child = trial.start(0)
        time.sleep(rng.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        if trial.finish(child):
            return
    trial.finish(trial.start(0))


def add_up(totals: dict[str, int], trial: Trial, whole: Trial) -> None:
    """Add one finished trial to the totals."""
    lost, repeated, in_flight = trial.counts()
    same = all(trial.found[key] == whole.found[key] for key in ("tree", "usage"))
    totals["kills"] += trial.kills
    totals["lost"] += lost
    totals["repeated"] += repeated
    totals["in_flight"] = max(totals["in_flight"], in_flight)
    totals["wrong"] += not same


def main() -> None:
    """Read the options, run, print the totals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--points", action="store_true", help="kill at every durable boundary")
    parser.add_argument("--kills", type=int, default=0, help="kill so often at random moments")
    parser.add_argument("--rollouts", type=int, default=3, help="of a search (default 3)")
    parser.add_argument("--width", type=int, default=1, help="leaves at once (default 1)")
    parser.add_argument("--pipelined", action="store_true", help="leaves do not wait for others")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (default 0)")
    parser.add_argument(
        "--durability",
        choices=["sync", "async", "exit"],
        help="run the bare graph as an embedding one would (default: solve, which uses sync)",
    )
    parser.add_argument("--no-journal", action="store_true", help="do not use what it holds")
    options = parser.parse_args()
    if options.points == bool(options.kills):
        parser.error("give one of --points and --kills")
    print(json.dumps(run_trials(options)))


if __name__ == "__main__":
    main()
