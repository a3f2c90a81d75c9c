"""What becomes of each problem of a run: it is solved, graded and kept, or it is told why not."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mctsr_graph.calls.error_kinds import classify
from mctsr_graph.calls.request import Failure
from mctsr_graph.errors import MCTSrError

from .grading import Grader
from .plan import Plan, Task
from .problems import Problem
from .records import VERSION, Attempted, Line, MethodRecord, RunSettings, lost_to_server
from .store import RunFolder
from .unfinished import TooManyFailedError, Unfinished

Solve = Callable[[Task], Awaitable[dict[str, MethodRecord]]]
OnLine = Callable[[Line], None]

# Problems in a row that the model's server may fail before a run takes it for down
_MOST_IN_A_ROW = 5
# Starts of a run that may fail a problem before it has failed
_MOST_STARTS = 3


@dataclass(frozen=True)
class Job:
    """A problem to be solved with a seed."""

    problem: Problem
    seed: int


class Finisher:
    """Takes jobs, has them solved, grades what came of them, and keeps it."""

    def __init__(
        self,
        folder: RunFolder,
        settings: RunSettings,
        plan: Plan,
        grader: Grader,
        on_line: OnLine,
    ) -> None:
        self._folder, self._settings, self._plan = folder, settings, plan
        self._grader, self._on_line = grader, on_line
        self._lock = threading.Lock()
        self._in_a_row = self._failed = 0
        self._stopped = self._has_answered = False
        self._starts = folder.unfinished()
        self.unfinished: set[Job] = set()
        self.most_failed = float("inf")
        """Problems that may fail."""
        self.environment: int | None = None
        """Index in the run's environments."""

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that have no line yet, those that could not be finished before at the end."""
        wanted = {(job.problem.id, job.seed): job for job in jobs}
        for line in self._folder.lines():
            if wanted.pop((line["id"], line["seed"]), None) is not None:
                self._take(line)
            self._has_answered = self._has_answered or lost_to_server(line) is None
        left = list(wanted.values())
        return sorted(left, key=lambda job: len(self._starts.get((job.problem.id, job.seed), ())))

    async def work(self, jobs: Iterator[Job], solve: Solve) -> None:
        """Do jobs until none is left."""
        self._check()
        for job in jobs:
            task = Task(job.problem.text, job.seed, self._plan, self._has_answered)
            try:
                methods = await solve(task)
            except Exception as error:
                if not _is_of_item(error):
                    raise
                await self._left(job, error)
                self._in_a_row += 1
                if self._in_a_row >= _MOST_IN_A_ROW:
                    raise
            else:
                self._in_a_row = 0
                await asyncio.to_thread(self._finish, job, methods)
            self._check()

    def _check(self) -> None:
        if self._failed > self.most_failed:
            raise TooManyFailedError(
                f"{self._failed} problems have failed, allowed {self.most_failed:g}; what is done "
                "is kept"
            )

    async def _left(self, job: Job, error: Exception) -> None:
        """Leave a job to the next start, unless it was left to too many."""
        why = str(error) if isinstance(error, Unfinished) else f"{type(error).__name__}: {error}"
        key = (job.problem.id, job.seed)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._folder.note(Attempted(id=key[0], seed=key[1], why=why, when=when))
        starts = self._starts.setdefault(key, [])
        starts.append(why)
        if len(starts) < _MOST_STARTS:
            self.unfinished.add(job)
        else:
            await asyncio.to_thread(self._finish, job, failed_methods(self._plan, why))

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
        if self.environment is not None:
            line["environment"] = self.environment
        grade_line(line, self._grader)
        with self._lock:
            if not self._stopped:
                self._folder.append(line)
                self._take(line)

    def _take(self, line: Line) -> None:
        lost = lost_to_server(line) is not None
        self._failed += lost
        self._has_answered = self._has_answered or not lost
        self._on_line(line)

    def stop(self) -> None:
        """Keep no more lines: a thread that still grades loses the grader, and so the verdicts."""
        with self._lock:
            self._stopped = True


def _is_of_item(error: Exception) -> bool:
    """Whether an error speaks of one problem: not of a setting, a disk or the run."""
    if isinstance(error, MCTSrError):
        return isinstance(error, Unfinished)
    kind = classify(error)
    return kind == "transient" or not (
        kind == "configuration" or isinstance(error, OSError | MemoryError | sqlite3.Error)
    )


def failed_methods(plan: Plan, why: str) -> dict[str, MethodRecord]:
    """What the methods made of a problem that could not be finished: nothing."""
    failed = Failure(rollout=0, node=None, role="draft", code="unfinished", message=why)
    return {
        name: MethodRecord(
            attempts=[],
            points=[],
            stop_reason="failed" if name in plan.profiles else None,
            failures=[failed],
            error=why,
        )
        for name in plan.methods
    }


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
