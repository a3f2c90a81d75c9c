"""Kill searches with SIGKILL, go on in new processes, and compare with runs never killed.

    python -m benchmarks.kills --kills 500 [--seed S] [--way solve_many] ...
    python -m benchmarks.kills --points [--width W] [--pipelined] [--then N] ...
    python -m benchmarks.kills --points --way solve_many [--problems P] [--max-calls M] ...

With --kills, runs of `solve`, `asolve` (three searches at once), `solve_many` and the tool in an
agent, with every width, profile and way to take a wave, are killed at random moments and begun
again until they end. With --points one search kills itself at each durable boundary in turn: before
and after a model call, before and after a reply is in the journal, when a node returns, before and
after the checkpointer's put and put_writes. With --then it is killed so often once more each time,
at boundaries drawn by --seed: what one kill has left may be harmful only after another. With
--way solve_many it is a batch; with --concurrency 1 its boundaries come in the same order always.

Prints one line of JSON:
    kills      how many times a process was killed
    searches   how many searches were brought to their end
    lost       rollouts that had been reported and were gone after a kill
    wrong      runs that found something else than the one never killed, or cost something else
    failed     processes that ended with an error, the first of which goes to stderr
    stuck      processes that were not done after a quarter of an hour
    calls      calls made to the model
    repeated   calls made again although their reply had been kept
    in_flight  the most calls, after one kill, that were under way or not yet kept and made again
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks.killed_runs import DURABILITIES, WAYS, Case, Log, Run, found_by, scripted_model
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.errors import CheckpointError
from mctsr_graph.graph.step import Step
from mctsr_graph.run.sqlite_saver import SqliteFileSaver
from mctsr_graph.run.stored import stored_searches

_PATIENCE = 900  # seconds for what takes one or two on an idle machine
_KILLS_OF_A_RUN = 5
_LATENCY = 0.01  # seconds of a model call
_PROFILES = ("paper", "official", "tuned")
_WIDTHS = (1, 3, 16)
_COUNTS = ("kills", "searches", "lost", "wrong", "failed", "stuck", "calls", "repeated")


class Bomb:
    """Kills the process at the n-th durable boundary; n = 0 only counts them."""

    def __init__(self, at: int) -> None:
        self.at, self.passed = at, 0

    def tick(self) -> None:
        """Pass one boundary."""
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, *, before: bool = True) -> None:
        """Put a boundary before and after a method."""
        usual = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before:
                self.tick()
            result = usual(*args, **kwargs)
            self.tick()
            return result

        setattr(owner, name, wrapped)

    def everywhere(self) -> None:
        """Put all boundaries into this process."""
        self.around(CallJournal, "_write")
        self.around(SqliteFileSaver, "put")
        self.around(SqliteFileSaver, "put_writes")
        self.around(Step, "invoke", before=False)


class Trial:
    """One run that is killed and taken up again until it is done."""

    def __init__(self, folder: Path, case: Case, options: argparse.Namespace) -> None:
        folder.mkdir()
        self._folder, self._case, self._options = folder, case, options
        self._file, self._log, self._out = (folder / n for n in ("search.db", "log", "out"))
        self._read, self._kept, self._started = 0, set[str](), set[str]()
        self._seen: dict[str, int] = {}
        self.counts, self.in_flight = Counter[str](), 0
        self.found: Any = None
        self.passed, self.repeated = 0, list[str]()

    def start(self, at: int) -> int:
        """Begin or go on in a child process that dies at boundary `at`; return its id."""
        child = os.fork()
        if child:
            return child
        try:
            bomb, log = Bomb(at), Log(self._log)
            if self._options.points:
                bomb.everywhere()
            if self._options.no_journal:
                CallJournal.get = lambda *_: None  # type: ignore[method-assign]
            model = scripted_model(log, bomb.tick, 0 if self._options.points else _LATENCY)
            found = found_by(Run(self._case, self._file, model, log))
            self._out.write_text(json.dumps({"found": found, "passed": bomb.passed}), "utf-8")
            os._exit(0)
        except BaseException:
            self._out.write_text(traceback.format_exc(), "utf-8")
        finally:
            os._exit(1)

    def finish(self, child: int, within: float = _PATIENCE) -> bool:
        """Wait for a child, or kill it after so many seconds; whether it came to its end."""
        end = time.monotonic() + within
        while not (done := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                self.counts["stuck"] += within == _PATIENCE
                done = os.waitpid(child, 0)
                break
            time.sleep(0.001)
        self._count_calls()
        if os.WIFSIGNALED(done[1]):
            self.counts["kills"] += 1
            self._look()
            return False
        text = self._out.read_text("utf-8")
        if done[1]:
            if not self.counts["failed"]:
                sys.stderr.write(f"{self._case}\n{text}")
            self.counts["failed"] += 1
            return True
        told = json.loads(text)
        self.found, self.passed = told["found"], told["passed"]
        self.counts["searches"] = len(self.found)
        return True

    def _count_calls(self) -> None:
        """Count what the last process asked of the model, by its log."""
        lines = self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        told = [line.split(maxsplit=1) for line in lines[self._read :]]
        self._read = len(lines)
        started = [rest for word, rest in told if word == "start"]
        for rollouts, problem in (rest.split(maxsplit=1) for word, rest in told if word == "seen"):
            self._seen[problem] = max(int(rollouts), self._seen.get(problem, 0))
        again = [digest for digest in started if digest in self._started]
        self.counts["calls"] += len(started)
        kept = [digest for digest in again if digest in self._kept]
        self.counts["repeated"] += len(kept)
        self.repeated += kept
        self.in_flight = max(self.in_flight, sum(digest not in self._kept for digest in again))
        self._started |= set(started)

    def again(self) -> str:
        """Where the calls that were made again are kept."""
        rows = "SELECT search, rollout, role, sample, attempt FROM mctsr_calls WHERE reply LIKE ?"
        with closing(sqlite3.connect(self._file)) as connection:
            found = [connection.execute(rows, (f"%[{one}]%",)).fetchall() for one in self.repeated]
        return "\n".join(map(str, found))

    def _look(self) -> None:
        """Look at what a kill has left: the calls that are kept, and the rollouts.

        In a copy, so that the next process finds the file as the kill has left it.
        """
        copy, stored, replies = self._folder / "copy.db", {}, list[Any]()
        for end in ("", "-wal"):
            file, to = (Path(f"{path}{end}") for path in (self._file, copy))
            to.unlink(missing_ok=True)
            if file.exists():
                shutil.copyfile(file, to)
        no_table = suppress(sqlite3.OperationalError)
        with closing(sqlite3.connect(copy)) as connection, no_table:
            replies = connection.execute("SELECT reply FROM mctsr_calls").fetchall()
        with suppress(CheckpointError):  # no search yet
            stored = {one.problem: one.rollouts for one in stored_searches(copy)}
        self._kept = set(re.findall(r"\[([a-p]{16})\]", str(replies)))
        self.counts["lost"] += sum(
            max(0, seen - stored.get(problem, 0)) for problem, seen in self._seen.items()
        )


class Trials:
    """All runs, and what came of them."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder, self._options = folder, options
        self._number = itertools.count()
        self._whole: dict[Case, tuple[Trial, float]] = {}
        self.totals, self.in_flight = Counter[str](dict.fromkeys(_COUNTS, 0)), 0

    def at_points(self, case: Case, then: int, seed: int) -> None:
        """Kill a run at every durable boundary, and each so often again at one of what is left."""
        rng, last = random.Random(seed), self._whole_of(case)[0].passed
        for point in range(1, last + 1):
            trial = self._trial(case)
            later = [rng.randint(1, last - point + 1) for _ in range(then)]
            if not any(trial.finish(trial.start(at)) for at in (point, *later)):
                trial.finish(trial.start(0))
            self._add(case, trial)

    def at_random(self, cases: list[Case], kills: int, seed: int) -> None:
        """Kill runs at random moments, so many times in all."""
        rng = random.Random(seed)
        for case in itertools.cycle(rng.sample(cases, len(cases))):
            left = kills - self.totals["kills"]
            if not left:
                return
            trial, seconds = self._trial(case), self._whole_of(case)[1]
            for _ in range(min(_KILLS_OF_A_RUN, left)):
                if trial.finish(trial.start(0), within=rng.uniform(0, seconds)):
                    break
            else:
                trial.finish(trial.start(0))
            self._add(case, trial)

    def _trial(self, case: Case) -> Trial:
        return Trial(self._folder / str(next(self._number)), case, self._options)

    def _whole_of(self, case: Case) -> tuple[Trial, float]:
        """A run of this case that is never killed, and its seconds."""
        if case not in self._whole:
            trial, began = self._trial(case), time.monotonic()
            if not trial.finish(trial.start(0)) or trial.found is None:
                raise SystemExit(f"{case} does not end by itself")
            self._whole[case] = trial, time.monotonic() - began
        return self._whole[case]

    def _add(self, case: Case, trial: Trial) -> None:
        self.totals.update(trial.counts)
        wrong = trial.found is not None and trial.found != self._whole_of(case)[0].found
        if wrong and not self.totals["wrong"]:
            differ = _first_difference(trial.found, self._whole_of(case)[0].found)
            sys.stderr.write(f"the first wrong run: {case}\n{differ}\n")
        self.totals["wrong"] += wrong
        if trial.counts["repeated"] and not self.totals["repeated"] - trial.counts["repeated"]:
            sys.stderr.write(f"the first run with calls made again: {case}\n{trial.again()}\n")
        self.in_flight = max(self.in_flight, trial.in_flight)


def _first_difference(found: Any, expected: Any, place: str = "") -> str:
    """Where two JSON values differ first."""
    if isinstance(found, list) and isinstance(expected, list):
        found, expected = (dict(enumerate(one)) for one in (found, expected))
    if isinstance(found, dict) and isinstance(expected, dict) and [*found] == [*expected]:
        key = next(key for key in found if found[key] != expected[key])
        return _first_difference(found[key], expected[key], f"{place}/{key}")
    return f"{place} is {found!r:.300}, and not {expected!r:.300}"


def warm_up() -> None:
    """Load here what each child would else load for itself."""
    solve(
        "One?",
        ScriptedChatModel(replies=lambda call: "Score: 1"),
        context=MCTSrContext(max_rollouts=1),
    )


def main() -> None:
    """Read the options, run, print the totals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--points", action="store_true", help="kill at every durable boundary")
    parser.add_argument("--kills", type=int, default=0, help="kill so often at random moments")
    parser.add_argument("--rollouts", type=int, default=8, help="of a search (default 8)")
    parser.add_argument("--then", type=int, default=0, help="kill so often again at random points")
    parser.add_argument("--problems", type=int, default=6, help="of a batch (default 6)")
    parser.add_argument("--concurrency", type=int, default=3, help="of a batch (default 3)")
    parser.add_argument("--max-calls", type=int, help="of a batch, in all")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (default 0)")
    parser.add_argument(
        "--way",
        choices=[*WAYS, *DURABILITIES],
        help="only this; a durability: the graph",
    )
    parser.add_argument("--width", type=int, help="only this many leaves at once")
    parser.add_argument("--profile", choices=_PROFILES, help="only this profile")
    parser.add_argument("--pipelined", action="store_true", help="only leaves that do not wait")
    parser.add_argument("--no-journal", action="store_true", help="do not use what it holds")
    options = parser.parse_args()
    if options.points == bool(options.kills):
        parser.error("give one of --points and --kills")
    batch = (options.problems, options.concurrency, options.max_calls)
    cases = [
        Case(way, width, profile, pipelined, options.rollouts, *batch)
        for way, width, profile, pipelined in itertools.product(
            [options.way] if options.way else WAYS,
            [options.width] if options.width else _WIDTHS,
            [options.profile] if options.profile else _PROFILES,
            [True] if options.pipelined else [False, True],
        )
    ]
    warm_up()
    # In memory where there is such a folder: a killed process loses nothing there either
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        trials = Trials(Path(folder), options)
        if options.points:
            trials.at_points(cases[0], options.then, options.seed)
        else:
            trials.at_random(cases, options.kills, options.seed)
    print(json.dumps({**trials.totals, "in_flight": trials.in_flight}))


if __name__ == "__main__":
    main()
