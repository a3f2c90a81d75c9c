"""A run: every problem solved by every method, graded, and kept the moment it is done."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mctsr_graph import __version__
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.calls.sync_async import gathered
from mctsr_graph.errors import FingerprintMismatchError
from mctsr_graph.prompts import Prompts
from mctsr_graph.strategies.strategy import strategy_of

from .grading import Grader
from .plan import Plan, Task
from .problems import DataSet, Problem
from .records import FORMER, VERSION, Line, MethodRecord, RunSettings
from .solving import solve_task
from .stand_in import About
from .store import RunFolder
from .unfinished import Unfinished

Solve = Callable[[Task], Awaitable[dict[str, MethodRecord]]]
Engine = Callable[[RunFolder], AbstractAsyncContextManager[Solve]]
OnLine = Callable[[Line], None]

# Problems in a row that the model's server may fail before a run takes it for down
_MOST_FAILURES = 5


@dataclass(frozen=True)
class Job:
    """A problem to be solved with a seed."""

    problem: Problem
    seed: int


def settings_of(data: DataSet, model: str, about: About, plan: Plan) -> RunSettings:
    """Describe a run; its id is made of all that its lines depend on."""
    depends = [data.source, model, asdict(about), list(plan.methods), list(plan.rollouts)]
    depends += [] if tuple(plan.equal) == FORMER else [list(plan.equal)]
    prompts = asdict(Prompts())
    if not any("merge" in strategy_of(plan.context(one, 0)).kinds for one in plan.profiles):
        del prompts["merge"]  # so that other runs keep the id that they had
    text = json.dumps([VERSION, *depends, plan.settings, prompts], sort_keys=True)
    return RunSettings(
        version=VERSION,
        run=hashlib.sha256(text.encode()).hexdigest()[:16],
        dataset=data.name,
        source=data.source,
        model=model,
        label=about.label,
        takes_seed=about.takes_seed,
        tells_scores=about.tells_scores,
        methods=list(plan.methods),
        rollouts=list(plan.rollouts),
        settings=plan.settings,
        equal=list(plan.equal),
        package=__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def plan_of(settings: RunSettings) -> Plan:
    """The plan of a run that was begun."""
    equal = settings.get("equal", FORMER)
    return Plan(settings["methods"], settings["rollouts"], settings["settings"], equal)


def local(model: Model) -> Engine:
    """Solve problems in this process; calls of all of them reach the model together."""

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Solve]:
        with CallJournal(folder.calls) as journal:
            yield lambda task: solve_task(task, model, journal)

    return engine


async def run(
    folder: RunFolder,
    settings: RunSettings,
    jobs: Sequence[Job],
    engine: Engine,
    *,
    concurrency: int = 8,
    on_line: OnLine = lambda line: None,
) -> list[str]:
    """Solve the jobs that the folder has no line of, and add their lines.

    Args:
        folder: Where the run is kept; it may hold a part of it.
        settings: What is run.
        jobs: Problems with seeds, each once.
        engine: Where problems are solved.
        concurrency: Problems at once, 1 or more.
        on_line: Called with each line, old or new.

    Returns:
        The ids of problems that the model's server failed, to be run again.

    Raises:
        FingerprintMismatchError: the folder holds another run.
        SearchLockedError: another process is at work on it.
        Unfinished: the model's server failed several problems in a row.
        Exception: what the model raised for a wrong setting, key or name.
    """
    with folder.lease():
        _claim(folder, settings)
        done = set()
        for line in folder.lines():
            done.add((line["id"], line["seed"]))
            on_line(line)
        left = iter([job for job in jobs if (job.problem.id, job.seed) not in done])
        with Grader() as grader:
            finisher = _Finisher(folder, settings, grader, on_line)
            try:
                async with engine(folder) as solve:
                    await gathered([finisher.work(left, solve) for _ in range(concurrency)])
            finally:
                finisher.stop()
        return [job.problem.id for job in jobs if job in finisher.unfinished]


def _claim(folder: RunFolder, settings: RunSettings) -> None:
    found = folder.settings()
    if found is None:
        folder.write_settings(settings)
    elif found["run"] != settings["run"]:
        names = ("source", "model", "label", "methods", "rollouts", "settings", "equal")
        before = {"equal": list(FORMER), **found}
        differ = [n for n in names if before[n] != settings[n]]  # type: ignore[literal-required]
        raise FingerprintMismatchError(
            f"{str(folder.path)!r} holds another run ({', '.join(differ) or 'other prompts'} "
            "differ); take another --out"
        )


class _Finisher:
    """Takes jobs, has them solved, grades what came of them, and keeps it."""

    def __init__(
        self,
        folder: RunFolder,
        settings: RunSettings,
        grader: Grader,
        on_line: OnLine,
    ) -> None:
        self._folder, self._settings = folder, settings
        self._plan = plan_of(settings)
        self._grader, self._on_line = grader, on_line
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._stopped = False
        self.unfinished: set[Job] = set()

    async def work(self, jobs: Iterator[Job], solve: Solve) -> None:
        """Do jobs until none is left."""
        for job in jobs:
            try:
                methods = await solve(Task(job.problem.text, job.seed, self._plan))
            except Unfinished:
                self.unfinished.add(job)
                self._in_a_row += 1
                if self._in_a_row >= _MOST_FAILURES:
                    raise
            else:
                self._in_a_row = 0
                await asyncio.to_thread(self._finish, job, methods)

    def _finish(self, job: Job, methods: dict[str, MethodRecord]) -> None:
        problem, settings = job.problem, self._settings
        line = Line(
            version=VERSION,
            run=settings["run"],
            dataset=settings["dataset"],
            id=problem.id,
            problem=problem.text,
            gold=problem.gold,
            level=problem.level,
            subject=problem.subject,
            seed=job.seed,
            model=settings["model"],
            methods=methods,
        )
        grade_line(line, self._grader)
        with self._lock:
            if not self._stopped:
                self._folder.append(line)
                self._on_line(line)

    def stop(self) -> None:
        """Keep no more lines: a thread that still grades loses the grader, and so the verdicts."""
        with self._lock:
            self._stopped = True


def grade_line(line: Line, grader: Grader) -> None:
    """Write the verdicts into a line. Only here do answers meet the truth."""
    known: dict[str, Any] = {}
    for method in line["methods"].values():
        for attempt in method["attempts"]:
            text = attempt["text"]
            if attempt["dummy"]:
                continue
            if text not in known:
                known[text] = grader.grade(text or None, line["gold"]).value
            attempt["verdict"] = known[text]
