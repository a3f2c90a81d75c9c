"""Whatever ends a thread or a process of ours, everyone who waits for it is told, and why."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import pickle
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from mctsr_graph import (
    CheckpointError,
    MCTSrContext,
    ReplyError,
    ScoreError,
    ScriptedChatModel,
    SearchFailedError,
    SearchInterrupted,
    asolve,
    asolve_many,
    solve,
    solve_many,
)
from mctsr_graph import errors as errors_module
from mctsr_graph.benchmark import _worker_pool, finishing
from mctsr_graph.benchmark._worker_pool import Worker
from mctsr_graph.benchmark.plan import Plan, Task
from mctsr_graph.benchmark.problems import DataSet, Problem
from mctsr_graph.benchmark.run import Job, run, settings_of
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.benchmark.worker import MathsChecker
from mctsr_graph.calls import sync_async
from mctsr_graph.calls.journal import CallJournal, Slot
from mctsr_graph.calls.retry import with_retries
from mctsr_graph.calls.sync_async import BLOCKING, run_blocking
from mctsr_graph.errors import MCTSrError
from tests.conftest import keyed_reply

SECONDS = 60  # for what takes a few at most, and would else take for ever
WIDE = MCTSrContext(profile="paper", max_rollouts=8, width=4)


def outcomes(function: Callable[[], Any], waiters: int) -> list[Any]:
    """What each of several threads gets, a result or an error; fails if one gets none in time."""
    found: list[Any] = []

    def wait() -> None:
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(waiters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(found) == waiters
    return found


# --------------------------------------------------------------------------- the maths worker
WORKER = """
import json, sys
sys.stdin.readline()
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    print(json.dumps({"verdict": True, "retire": "2" in line}), flush=True)
"""
DEATHS = {
    "leaves": ("raise SystemExit(3)", "the last one ended with status 3"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "the last one was killed by signal 9"),
    "prints": ("print('Welcome!')", "the last one ended with status 0"),
    "prints json": ("print('[1]')", "the last one ended with status 0"),
    "hangs": ("import time; time.sleep(600)", r"did not say in 0\.5 s that it was ready"),
    "fails": (
        "import json; print(json.dumps({'failed': 'FutureWarning: old'}))",
        "cannot start: FutureWarning: old",
    ),
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts another program into the place of the worker's."""

    def put(source: str) -> None:
        (tmp_path / "program.py").write_text(source, "utf-8")
        monkeypatch.setattr(_worker_pool, "_PROGRAM", str(tmp_path / "program.py"))

    return put


@pytest.mark.parametrize("death", DEATHS)
def test_workers_that_never_start_are_an_error_for_each_check(
    death: str, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    popen = _worker_pool.subprocess.Popen

    def counted(*args: Any, **kwargs: Any) -> Any:
        started.append(1)
        return popen(*args, **kwargs)

    source, told = DEATHS[death]
    program(source)
    if death == "hangs":
        monkeypatch.setattr(_worker_pool, "_START_SECONDS", 0.5)
        monkeypatch.setattr(_worker_pool, "_END_SECONDS", 0.1)
    monkeypatch.setattr(_worker_pool.subprocess, "Popen", counted)
    with MathsChecker(workers=2) as checker:
        found = outcomes(lambda: checker.check("1", "2"), 5)
        for error in found:
            with pytest.raises(MCTSrError, match=told):
                raise error
        assert len(started) <= 5 * 3 * 4  # three tries a check, each with its worker and spares
        assert len(checker.pids) <= 4


def test_an_error_while_a_worker_imports_is_told(program: Callable[[str], None]) -> None:
    source, line = Path(_worker_pool._PROGRAM).read_text("utf-8"), "    sys.setrecursionlimit("
    assert line in source
    program(source.replace(line, f"    raise FutureWarning('old')\n{line}"))
    with MathsChecker() as checker, pytest.raises(MCTSrError, match="FutureWarning: old"):
        checker.check("1", "2")


@pytest.mark.parametrize("error", [OSError("no room"), MemoryError(), RuntimeError("odd")])
@pytest.mark.parametrize("gold", ["1", "2"], ids=["kept", "retired"])
def test_a_spare_that_cannot_be_started_costs_no_check(
    error: Exception, gold: str, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(WORKER)
    made = threading.Lock()
    count = [0]

    class Rare(Worker):
        def __init__(self) -> None:
            with made:
                count[0] += 1
                if count[0] % 2 == 0:
                    raise error
            super().__init__()

    monkeypatch.setattr(_worker_pool, "Worker", Rare)
    with MathsChecker(workers=1) as checker:
        found = outcomes(lambda: checker.check(gold, "3", seconds=SECONDS), 6)
        # Where there is no worker at all the check says so; no other waits for its place
        assert {type(one) for one in found} <= {bool, MCTSrError, type(error)}
        assert True in found
        assert not checker._pool._busy


def test_no_process_at_all_is_an_error_for_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(_worker_pool.subprocess, "Popen", refuse)
    with MathsChecker(workers=1) as checker:
        for error in outcomes(lambda: checker.check("1", "2"), 4):
            with pytest.raises(MCTSrError, match=r"can be started: .* temporarily unavailable"):
                raise error


def test_a_worker_that_cannot_be_ended_gives_its_place_back(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(WORKER)
    stop = Worker.stop

    def fail(worker: Worker) -> None:
        stop(worker)
        raise OSError("not allowed")

    with MathsChecker(workers=1) as checker:
        monkeypatch.setattr(Worker, "stop", fail)
        found = outcomes(lambda: checker.check("2", "3", seconds=SECONDS), 3)
        assert [str(error) for error in found] == ["not allowed"] * 3
        monkeypatch.setattr(Worker, "stop", stop)
        assert checker.check("1", "3", seconds=SECONDS) is True


async def test_close_tells_each_check_that_waits_its_turn(program: Callable[[str], None]) -> None:
    program(WORKER.replace("for line in sys.stdin:", "for line in iter(input, '!'):\n    continue"))
    with MathsChecker(workers=1) as checker:
        checks = [asyncio.ensure_future(checker.acheck("1", "2", seconds=600)) for _ in range(5)]
        async with asyncio.timeout(SECONDS):
            while not checker._pool._busy:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(checker.close)
        async with asyncio.timeout(SECONDS):
            found = await asyncio.gather(*checks, return_exceptions=True)
    assert sum(isinstance(one, MCTSrError) and "closed" in str(one) for one in found) >= 4
    assert all(one is None or isinstance(one, MCTSrError) for one in found)


async def test_no_thread_to_wait_for_a_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with MathsChecker() as checker, pytest.raises(MCTSrError, match="can't start new thread"):
        await checker.acheck("1", "2")


def no_thread(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# --------------------------------------------------------------------------- the journal
def failing(journal: CallJournal, after: int) -> list[int]:
    """Let a journal write so many times, and then find the disk broken."""
    write, times = journal._write, [0]

    def broken(*taken: Any) -> None:
        times[0] += 1
        if times[0] > after:
            raise sqlite3.OperationalError("disk I/O error")
        write(*taken)

    journal._write = broken  # type: ignore[method-assign]
    return times


@pytest.mark.parametrize("awaited", [True, False])
def test_a_journal_that_breaks_ends_the_search_and_names_itself(
    awaited: bool, tmp_path: Path, keyed: ScriptedChatModel
) -> None:
    file = tmp_path / "calls.db"
    told = pytest.raises(CheckpointError, match=r"could not be .* calls\.db' .* disk I/O error")
    with contextlib.suppress(CheckpointError), CallJournal(file) as journal:
        failing(journal, after=9)
        with told:
            if awaited:
                asyncio.run(asolve("How many?", keyed, context=WIDE, journal=journal))
            else:
                solve("How many?", keyed, context=WIDE, journal=journal)
    assert len(keyed.calls) <= 9 + 2 * WIDE.width  # none of those was asked for again
    assert not [call for call in keyed.calls if call.attempt]


def test_each_thread_is_told_of_a_broken_journal_and_nothing_is_lost(tmp_path: Path) -> None:
    file, slot = tmp_path / "calls.db", Slot("search", 1, "draft", 0, 0)
    with CallJournal(file) as journal:
        journal.put(slot, "hash", AIMessage("first"))
        write = journal._write
        failing(journal, after=0)
        with pytest.raises(CheckpointError, match="disk I/O error"):
            journal.put(slot._replace(sample=1), "hash", AIMessage("second"))
        for error in outcomes(lambda: journal.get(slot, "hash"), 8):
            with pytest.raises(CheckpointError, match="disk I/O error"):
                raise error
        journal._write = write  # type: ignore[method-assign]
    for error in outcomes(lambda: journal.get(slot, "hash"), 3):
        with pytest.raises(CheckpointError, match="closed database"):
            raise error
    with CallJournal(file) as journal:
        assert journal.count() == 2


# --------------------------------------------------------------------------- the retry loop
def test_an_error_that_cannot_be_looked_at_ends_the_retries() -> None:
    class OddError(ConnectionError):
        @property
        def response(self) -> Any:
            raise RuntimeError("no response yet")

    async def call() -> None:
        raise OddError("down")

    def ask() -> None:
        run_blocking(
            with_retries(
                call, attempts=9**9, deadline=9e9, sleep=BLOCKING.sleep, rng=random.Random(0)
            )
        )

    [error] = outcomes(ask, 1)
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__context__, OddError)


# --------------------------------------------------------------------------- threads
@pytest.mark.parametrize("error", [MemoryError("full"), SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("rollout", [1, 4], ids=["in a thread", "in this thread"])
def test_what_ends_one_of_several_calls_ends_the_search(
    error: BaseException, rollout: int, scripted: Callable[..., ScriptedChatModel]
) -> None:
    model = scripted({("refine", rollout, 0): error})
    [found] = outcomes(lambda: solve("How many?", model, context=WIDE), 1)
    if isinstance(error, Exception):  # of one call: it costs this rollout
        assert "MemoryError: full" in found.failures[0]["message"]
    else:
        assert isinstance(found, SearchInterrupted | SystemExit)


def test_no_further_thread_ends_the_search(
    keyed: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_async, "_threads", lambda depth: Threadless())
    [found] = outcomes(lambda: solve("How many?", keyed, context=WIDE), 1)
    assert isinstance(found, SearchFailedError | RuntimeError)
    assert "can't start new thread" in str(found)


class Threadless(ThreadPoolExecutor):
    def submit(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("can't start new thread")


class Stub(BaseChatModel):
    """Its async half is only a stub, and its other half hangs after the first answer."""

    end: Any

    @property
    def _llm_type(self) -> str:
        return "stub"

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if run_manager.metadata["mctsr_rollout"] > 0:
            self.end.wait(SECONDS)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Score: 5"))])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError


async def test_calls_that_hang_hold_no_thread_that_a_search_needs(tmp_path: Path) -> None:
    end, file = threading.Event(), tmp_path / "search.db"
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
    context = MCTSrContext(
        profile="paper", call_seconds=0.5, max_attempts=1, max_failures=20, max_rollouts=12, width=4
    )
    try:
        async with asyncio.timeout(SECONDS / 2):
            with pytest.raises(SearchFailedError, match=r"no reply within 0\.5 s"):
                await asolve("How many?", Stub(end=end), context=context, checkpointer=file)
    finally:
        end.set()


# --------------------------------------------------------------------------- several problems
@pytest.mark.parametrize("error", [MemoryError("full"), SystemExit(1)])
def test_a_batch_is_told_what_ends_a_search(error: BaseException) -> None:
    def reply(call: Any) -> Any:
        return error if "second" in str(call.messages) else keyed_reply(call)

    problems, model = ["The first?", "The second?", "The third?"], ScriptedChatModel(replies=reply)
    context = MCTSrContext(profile="paper", max_rollouts=2)
    [found] = outcomes(lambda: solve_many(problems, model, context=context, max_calls=30), 1)
    if isinstance(error, SystemExit):
        assert found is error
    else:
        first, second, third = found
        assert "MemoryError: full" in second.failures[-1]["message"]
        assert first.answer
        assert third.answer


async def test_a_batch_whose_listener_fails_ends(keyed: ScriptedChatModel) -> None:
    def listen(number: int, solution: Any) -> None:
        raise ZeroDivisionError("mine")

    context = MCTSrContext(profile="paper", max_rollouts=2)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(
            asolve_many(["One?", "Two?"], keyed, context=context, on_solution=listen), SECONDS
        )


@pytest.mark.parametrize("place", ["solve", "grade", "append", "on_line"])
@pytest.mark.parametrize("error", [MemoryError("full"), OSError("no space left on device")])
def test_a_run_ends_by_whatever_ends_one_of_its_problems(
    place: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Any]:
        async def solve_it(task: Task) -> Any:
            if place == "solve" and "3" in task.problem:
                fail()
            return {}

        yield solve_it

    if place == "grade":
        monkeypatch.setattr(finishing, "grade_line", fail)
    if place == "append":
        monkeypatch.setattr(RunFolder, "append", fail)
    problems = [Problem(f"p{i}", f"What is {i} + 1?", "1") for i in range(8)]
    data = DataSet("sums", "here", problems)
    settings = settings_of(data, "none", about(ScriptedChatModel(replies=[])), Plan(["cot"], [0]))
    on_line = fail if place == "on_line" else lambda line: None
    jobs = [Job(problem, 0) for problem in problems]
    making = run(RunFolder(tmp_path), settings, jobs, engine, concurrency=4, on_line=on_line)
    [found] = outcomes(lambda: asyncio.run(making), 1)
    assert found is error
    with RunFolder(tmp_path).lease():  # which the run has given back
        pass


# --------------------------------------------------------------------------- leases
@pytest.mark.parametrize("error", [MemoryError("full"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_ends_a_runner_frees_its_search(
    error: BaseException, tmp_path: Path, scripted: Callable[..., ScriptedChatModel]
) -> None:
    file, context = (
        tmp_path / "search.db",
        MCTSrContext(profile="paper", max_rollouts=3, max_failures=1),
    )
    model = scripted({("refine", 2, 0): error})
    [found] = outcomes(lambda: solve("How many?", model, context=context, checkpointer=file), 1)
    assert isinstance(found, SearchFailedError | SearchInterrupted | SystemExit)
    after = solve("How many?", scripted({}), context=context, checkpointer=file)
    assert after.rollouts == 3


# --------------------------------------------------------------------------- other processes
def every_error() -> list[BaseException]:
    solution = solve(
        "p",
        ScriptedChatModel(replies=keyed_reply),
        context=MCTSrContext(profile="paper", max_rollouts=1),
    )
    given: dict[type[BaseException], tuple[Any, ...]] = {
        ReplyError: ("empty", "nothing was said", " "),
        ScoreError: ("missing", "no score", "Well."),
        SearchFailedError: ("the search gave up", solution),
        SearchInterrupted: (solution,),
    }
    classes = [
        kind
        for kind in vars(errors_module).values()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    ]
    return [kind(*given.get(kind, ("why",))) for kind in classes]


def raise_error(number: int) -> None:
    raise every_error()[number]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: BaseException) -> None:
    error.add_note("transient error after 3 of 3 attempts")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_an_error_of_a_search_comes_out_of_a_pool_of_processes() -> None:
    every = every_error()
    wanted = [
        i for i, error in enumerate(every) if isinstance(error, ReplyError | SearchFailedError)
    ]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for i in wanted:
            with pytest.raises(type(every[i])) as caught:
                pool.apply_async(raise_error, (i,)).get(SECONDS)
            assert str(caught.value) == str(every[i])
