"""A run: every problem solved by every method, graded, and kept the moment it is done."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mctsr_graph import __version__
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.calls.sync_async import gathered
from mctsr_graph.errors import FingerprintMismatchError
from mctsr_graph.prompts import Prompts
from mctsr_graph.strategies.strategy import strategy_of

from .finishing import Finisher, Job, OnLine, Solve
from .grading import Grader
from .plan import Plan
from .problems import DataSet
from .records import FORMER, VERSION, Environment, Planned, RunSettings, all_planned, lost_to_server
from .solving import solve_task
from .stand_in import About
from .store import RunFolder

__all__ = ["Engine", "Job", "OnLine", "Solve", "local", "plan_of", "run", "settings_of"]

Engine = Callable[[RunFolder], AbstractAsyncContextManager[Solve]]


def settings_of(data: DataSet, model: str, about: About, plan: Plan) -> RunSettings:
    """Describe a run; its id is made of all that its lines depend on."""
    told = asdict(about)
    del told["tells_logprobs"]  # it goes with the label, and earlier runs did not know it
    depends = [data.source, model, told, list(plan.methods), list(plan.rollouts)]
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
        tells_logprobs=about.tells_logprobs,
        methods=list(plan.methods),
        rollouts=list(plan.rollouts),
        settings=plan.settings,
        equal=list(plan.equal),
        prompts=asdict(Prompts()),
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
    planned: Sequence[Job] | None = None,
    environment: Environment | None = None,
    concurrency: int = 8,
    max_failed: float = 1.0,
    retry_failed: bool = False,
    on_line: OnLine = lambda line: None,
) -> list[str]:
    """Solve the jobs that the folder has no line of, and add their lines.

    A problem that the server refuses, that is too long for it, or that three starts of the run
    could not finish, has a line that says so: it has failed.

    Args:
        folder: Where the run is kept; it may hold a part of it.
        settings: What is run.
        jobs: Problems with seeds, each once.
        engine: Where problems are solved.
        planned: All that the run is to solve, if the jobs are a part of it.
        environment: What they are solved with, if that is to be kept.
        concurrency: Problems at once, 1 or more.
        max_failed: Share of the jobs that may fail, in [0, 1].
        retry_failed: Whether to solve anew what has failed before.
        on_line: Called with each line, old or new.

    Returns:
        The ids of problems that the model's server failed, to be run again.

    Raises:
        FingerprintMismatchError: the folder holds another run.
        SearchLockedError: another process is at work on it.
        TooManyFailedError: more than `max_failed` have failed.
        Unfinished: the model's server failed several problems in a row.
        Exception: what the model raised for a wrong setting, key or name.
    """
    with folder.lease():
        settings = _begun(folder, settings, planned or jobs, environment)
        if retry_failed:
            folder.forget({(ln["id"], ln["seed"]) for ln in folder.lines() if lost_to_server(ln)})
        with Grader() as grader:
            finisher = Finisher(folder, settings, plan_of(settings), grader, on_line)
            finisher.most_failed = max_failed * len(jobs)
            if environment is not None:
                finisher.environment = settings["environments"].index(environment)
            left = iter(finisher.left(jobs))
            try:
                async with engine(folder) as solve:
                    await gathered([finisher.work(left, solve) for _ in range(concurrency)])
            finally:
                finisher.stop()
        return [job.problem.id for job in jobs if job in finisher.unfinished]


def _begun(
    folder: RunFolder, settings: RunSettings, jobs: Sequence[Job], environment: Environment | None
) -> RunSettings:
    """The settings that the folder then has: those of its run, with all that it is to solve.

    Warns where lines were made with another environment.

    Raises:
        FingerprintMismatchError: the folder holds another run.
    """
    found = folder.settings()
    if found is not None and found["run"] != settings["run"]:
        names = ("source", "model", "label", "methods", "rollouts", "settings", "equal")
        before = {"equal": list(FORMER), **found}
        differ = [n for n in names if before[n] != settings[n]]  # type: ignore[literal-required]
        raise FingerprintMismatchError(
            f"{str(folder.path)!r} holds another run ({', '.join(differ) or 'other prompts'} "
            "differ); take another --out"
        )
    begun: RunSettings = {**(found or settings)}
    new: dict[int, list[str]] = {}
    for job in jobs:
        new.setdefault(job.seed, []).append(job.problem.id)
    wanted: RunSettings = {**begun, "planned": [Planned(seed=s, ids=i) for s, i in new.items()]}
    begun["planned"] = all_planned([begun, wanted])
    known = begun.get("environments", [])
    if environment is not None and environment not in known:
        if found is not None:
            earlier: Any = known[-1] if known else {}
            told = f"the run goes on with something else ({_changes(earlier, environment)})"
            warnings.warn(told, UserWarning, stacklevel=3)
        begun["environments"] = [*known, environment]
    if begun != found:
        folder.write_settings(begun)
    return begun


def _changes(before: Any, now: Any) -> str:
    """What differs between two environments, in words."""
    if not isinstance(before.get("packages"), dict):
        return "an earlier version did not say with what"
    packages = [
        f"{name} {before['packages'].get(name)} -> {now['packages'].get(name)}"
        for name in sorted({*before["packages"], *now["packages"]})
        if before["packages"].get(name) != now["packages"].get(name)
    ]
    others = [
        f"{name} {before[name]} -> {now[name]}"
        for name in now
        if name != "packages" and before.get(name) != now[name]
    ]
    return ", ".join([*others, *packages])
