"""The maths checker: verdicts that a person gave, and texts that would stop or take over others."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import runpy
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.hostile import CHECKER_MB, MemoryWatch
from benchmarks.hostile_catalogue import maths_texts
from mctsr_graph.benchmark import _worker_pool
from mctsr_graph.benchmark._worker_pool import Worker
from mctsr_graph.benchmark.worker import MathsChecker
from mctsr_graph.errors import ConfigError, MCTSrError, MissingExtraError

MATH_VERIFY = importlib.util.find_spec("math_verify") is not None
needs_math_verify = pytest.mark.skipif(
    not MATH_VERIFY,
    reason='math-verify is not installed: pip install "mctsr-graph[bench]"',
)
PROGRAM = Path(_worker_pool.__file__).with_name("_worker_main.py")
TOWER = "9^{9^{9^{9}}}"
LIMIT = 1.0  # seconds for a hostile text
DEADLINE = 20.0  # seconds for what takes one or two, and would else take minutes or for ever
# Each of these takes a worker's whole time, and is like another that is tried
SLOW_TWINS = {
    "tower in a fraction",
    "tower minus itself",
    "factorials of factorials",
    "root of a power",
    "wide nested fractions",
    "nested absolute values",
    "product",
    "sum of towers",
    "double integral",
    "power of powers",
    "nested logarithms",
    "inequalities",
    "implicit product",
}
NAMES = sorted(set(maths_texts(Path("marker"))) - SLOW_TWINS)

EQUAL = [
    (r"\frac{1}{2}", "0.5"),
    ("1/2", r"\dfrac{2}{4}"),
    ("14/3", r"\frac{14}{3}"),
    (r"-\frac{1}{4}", "-0.25"),
    (r"\frac{9}{2}", r"4\frac{1}{2}"),
    ("1234", "1,234"),
    ("1234567", r"1{,}234{,}567"),
    ("73", "073"),
    ("100", "100.0"),
    ("18", r"\$18"),
    ("18", "$18"),
    ("50", r"50\%"),  # math-verify's choice
    ("90", r"90^\circ"),
    ("5", r"5\text{ cm}"),
    ("5", "x=5"),
    ("k = 1", "k=1"),
    ("2n-2", "2(n-1)"),
    ("x^2-8x+7", "(x-1)(x-7)"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    (r"\frac{\sqrt{6}-\sqrt{2}}{2}", r"\sqrt{2-\sqrt{3}}"),
    ("10^{4}", "10000"),
    (r"\frac{\pi+2}{8}", r"\frac{\pi}{8}+\frac{1}{4}"),
    (r"\sec^2(y)", r"1+\tan^2(y)"),
    ("1+274i", "274i+1"),
    (r"\{1,3,5\}", r"\{5,1,3\}"),
    ("1,3,5", "5,3,1"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    ("(1,8,19)", "(1, 8, 19)"),
    (r"(-\infty,0)\cup\{1\}", r"(-\infty, 0) \cup \{1\}"),
    (r"x \in [-2,7]", "[-2,7]"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    (r"\boxed{\frac{1}{3}}", "$1/3$"),
    ("\n7\n", " 7"),
    ("Tuesday", r"\text{Tuesday}"),
]
DIFFERENT = [
    (r"\frac{1}{2}", "0.6"),
    (r"-\frac{1}{4}", r"\frac{1}{4}"),
    (r"\frac{40}{243}", r"\frac{243}{40}"),
    ("50", "0.5"),
    ("1234", "1.234"),
    ("12", "1,2"),
    ("10112369", "10112368"),
    ("100!", "101!"),
    ("10^{100}", "10^{99}"),
    ("x=5", "6"),
    ("p-q", "q-p"),
    ("x+2n+1", "x+1"),
    ("1+274i", "1-274i"),
    ("(3,5)", "[3,5]"),
    (r"\left(3,\frac{\pi}{2}\right)", r"(\frac{\pi}{2},3)"),
    ("10", r"10 \text{ or } 12"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    ("5", "I don't know"),
    ("Tuesday", "Friday"),
]
UNDECIDED = {
    "nothing": "",
    "blanks": " \n\t ",
    "2,001 characters": "1+" * 1000 + "1",
    "65 brackets": "(" * 65 + "1" + ")" * 65,
    "401 digits": "7" * 401,
    "thousands apart": "1 234",
    "numbers with a thin space": r"1\,234",
    "mixed number in one line": "3 1/4",
}


class Outcome(NamedTuple):
    verdict: bool | None
    seconds: float


class Hostile(NamedTuple):
    outcomes: dict[str, Outcome]
    peak_mb: float
    marker: Path
    works_afterwards: bool | None


@pytest.fixture(scope="module")
def checker() -> Iterator[MathsChecker]:
    with MathsChecker(workers=4) as made:
        # As many spares as four checks at once leave: a start may take longer than LIMIT
        if MATH_VERIFY:
            benign_checks_at_once(made, 4)
        yield made


@pytest.fixture(scope="module")
def hostile(checker: MathsChecker, tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """The whole catalogue, two texts at a time."""
    marker = tmp_path_factory.mktemp("hostile") / "marker"
    texts = maths_texts(marker)

    def ask(name: str) -> Outcome:
        start = time.monotonic()
        verdict = checker.check("2", texts[name], seconds=LIMIT)
        return Outcome(verdict, time.monotonic() - start)

    with MemoryWatch(checker) as watch, ThreadPoolExecutor(2) as threads:
        outcomes = dict(zip(NAMES, threads.map(ask, NAMES), strict=True))
    afterwards = checker.check("1/2", "0.5", seconds=30)
    return Hostile(outcomes, watch.peak_mb, marker, afterwards)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a worker has been sent a question."""
    event, receive = threading.Event(), Worker._receive

    def receiving(worker: Worker, seconds: float) -> Any:
        if worker._started:
            event.set()
        return receive(worker, seconds)

    monkeypatch.setattr(Worker, "_receive", receiving)
    return event


def benign_checks_at_once(checker: MathsChecker, number: int) -> list[bool | None]:
    with ThreadPoolExecutor(number) as threads:
        return list(
            threads.map(
                lambda n: checker.check(rf"\frac{{{n}}}{{7}}", f"{n}/7", seconds=30),
                range(1, 4 * number + 1),
            )
        )


def exists(pid: int) -> bool:
    """Whether a process is there and is no zombie that its new parent has yet to reap."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc, or gone in between
        return Path("/proc/self").exists() is False


def wait_until_gone(pids: tuple[int, ...], seconds: float) -> list[int]:
    """The processes that are still there after that time."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if exists(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    head = "from mctsr_graph.benchmark.worker import MathsChecker\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parent.parent,
    )


@needs_math_verify
@pytest.mark.parametrize(("gold", "prediction"), EQUAL)
def test_equal_answers_are_equal(checker: MathsChecker, gold: str, prediction: str) -> None:
    assert checker.check(gold, prediction, seconds=30) is True


@needs_math_verify
@pytest.mark.parametrize(("gold", "prediction"), DIFFERENT)
def test_different_answers_differ(checker: MathsChecker, gold: str, prediction: str) -> None:
    assert checker.check(gold, prediction, seconds=30) is False


@pytest.mark.parametrize("answer", UNDECIDED.values(), ids=UNDECIDED.keys())
def test_unfit_answers_are_undecided_without_a_process(answer: str) -> None:
    with MathsChecker() as fresh:
        assert fresh.check("7", answer) is None
        assert fresh.check(answer, "7") is None
        assert fresh.pids == ()


def test_the_same_text_is_equal_without_a_process() -> None:
    with MathsChecker() as fresh:
        assert fresh.check(TOWER, f" {TOWER}\n") is True
        assert fresh.check("{" * 5000, "{" * 5000) is True
        assert fresh.check(" ", "") is None
        assert fresh.pids == ()


@needs_math_verify
def test_a_reference_that_nobody_can_read_is_undecided(checker: MathsChecker) -> None:
    assert checker.check(r"\left(\left(", "7", seconds=30) is None


def test_the_catalogue_is_long_enough() -> None:
    assert len(NAMES) >= 30


@needs_math_verify
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_text_ends_in_time_and_is_never_equal(hostile: Hostile, name: str) -> None:
    verdict, seconds = hostile.outcomes[name]
    assert verdict is not True
    assert seconds <= DEADLINE


@needs_math_verify
def test_hostile_texts_run_nothing_and_leave_a_working_checker(hostile: Hostile) -> None:
    assert not hostile.marker.exists()
    assert hostile.peak_mb <= CHECKER_MB
    assert hostile.works_afterwards is True


@needs_math_verify
def test_the_time_limit_is_of_cpu_time_so_that_no_load_changes_a_verdict(
    asked: threading.Event,
) -> None:
    with MathsChecker() as fresh, ThreadPoolExecutor(1) as threads:
        assert fresh.check("1/2", "0.5", seconds=30) is True
        pid = fresh.pids[0]
        os.kill(pid, signal.SIGSTOP)  # as if others had all processors
        check = threads.submit(fresh.check, "2/3", "4/6", seconds=0.5)
        time.sleep(1.5)
        assert not check.done()
        os.kill(pid, signal.SIGCONT)
        assert check.result(DEADLINE) is True


@needs_math_verify
@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="the system has no /proc")
def test_a_worker_has_limits_and_an_empty_environment(
    checker: MathsChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "password")
    with MathsChecker() as fresh:
        assert fresh.check("1", "2", seconds=30) is False
        proc = Path(f"/proc/{fresh.pids[0]}")
        rows = [line.split() for line in (proc / "limits").read_text("ascii").splitlines()]
        limits = {" ".join(row[1:-3]): row[-3:-1] for row in rows}
        variables = (proc / "environ").read_bytes()
    assert limits["address space"] == ["1000000000", "1000000000"]
    assert limits["file size"] == ["0", "0"]
    assert b"password" not in variables
    assert b"PATH=" not in variables.replace(b"_PATH=", b"")


@pytest.mark.parametrize(
    "attempt",
    [
        "__import__('os').system('touch MARKER')",
        "__import__('subprocess').run(['touch', 'MARKER'])",
        "open('MARKER', 'w')",
        "__import__('os').fork()",
        "__import__('socket').socket()",
        "eval('1+1')",
        "exec('x = 1')",
        "compile('1', 'x.py', 'eval')",
    ],
)
def test_the_second_wall_ends_a_process_that_would_run_something(
    attempt: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    # The attempt is compiled before the wall stands, as code that got in would be
    script = (
        f"import os, runpy, socket, subprocess, sys; wall = runpy.run_path({str(PROGRAM)!r})\n"
        f"sys.addaudithook(wall['guard']); {attempt.replace('MARKER', str(marker))}; os._exit(7)"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    assert ended.returncode == 1
    assert not marker.exists()


def test_the_second_wall_lets_sympy_make_numbers() -> None:
    may_be_compiled = runpy.run_path(str(PROGRAM))["_may_be_compiled"]
    assert may_be_compiled(b"Integer (72 )", "<string>")
    assert may_be_compiled(b"Float ('0.5' )", "<string>")
    assert may_be_compiled(b"def monomial_mul(A, B):\n    (a0, a1,) = A\n", "<string>")
    assert not may_be_compiled(b"Integer (72 );print(1)", "<string>")
    assert not may_be_compiled(b"def monomial_mul(A, B):\n    (a0, print,) = A\n", "<string>")


def test_answers_are_read_as_latex_of_one_line() -> None:
    as_latex = runpy.run_path(str(PROGRAM))["as_latex"]
    assert as_latex("x\n= 5") == "$x = 5$"
    assert as_latex("$5") == "$5$"
    assert as_latex(r"\$5") == r"$\$5$"
    assert as_latex("$5$ and $6$") == "$5$ and $6$"
    assert as_latex(r"\[5\]") == r"\[5\]"
    assert as_latex(r"\boxed{5}") == r"\boxed{5}"


@needs_math_verify
def test_several_threads_share_a_checker(checker: MathsChecker) -> None:
    assert benign_checks_at_once(checker, 6) == [True] * 24


@needs_math_verify
def test_a_hostile_text_does_not_hold_up_another_thread(asked: threading.Event) -> None:
    with MathsChecker() as fresh, ThreadPoolExecutor(1) as threads:
        tower = threads.submit(fresh.check, "2", TOWER, seconds=600)
        assert asked.wait(60)
        assert fresh.check("1/2", "0.5", seconds=30) is True
        assert not tower.done()
        fresh.close()
        assert tower.result(DEADLINE) is None


@needs_math_verify
async def test_the_event_loop_goes_on_ticking(asked: threading.Event) -> None:
    with MathsChecker() as fresh:
        check = asyncio.ensure_future(fresh.acheck("2", TOWER, seconds=600))
        assert await asyncio.to_thread(asked.wait, 60)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert await fresh.acheck("1/2", "0.5", seconds=30) is True
        assert not check.done()  # as it would be, if the loop had waited for it
        fresh.close()
        assert await asyncio.wait_for(check, DEADLINE) is None


@needs_math_verify
async def test_a_cancelled_check_leaves_a_working_checker(checker: MathsChecker) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(checker.acheck("2", TOWER, seconds=LIMIT), 0.1)
    assert await checker.acheck("1/2", "0.5", seconds=30) is True


@needs_math_verify
@pytest.mark.timeout(method="thread")  # the other one needs the alarm, too
def test_the_alarm_of_the_application_rings(checker: MathsChecker) -> None:
    inside: list[bool] = []  # the check, whenever it rings

    def ring(number: int, frame: Any) -> None:
        codes = {inner.f_code for inner, _ in traceback.walk_stack(frame)}
        inside.append(MathsChecker.check.__code__ in codes)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        assert checker.check("2", TOWER, seconds=LIMIT) is None
        assert any(inside)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@needs_math_verify
def test_workers_killed_from_outside_are_replaced() -> None:
    with MathsChecker(workers=1) as fresh:
        assert fresh.check("1/2", "0.5", seconds=30) is True
        first = fresh.pids
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        assert wait_until_gone(first, DEADLINE) == []
        assert fresh.check("1/2", "0.5", seconds=30) is True
        assert not set(first) & set(fresh.pids)


@needs_math_verify
def test_a_worker_killed_at_work_leaves_its_check_undecided(asked: threading.Event) -> None:
    with MathsChecker(workers=1) as fresh, ThreadPoolExecutor(1) as threads:
        tower = threads.submit(fresh.check, "2", TOWER, seconds=600)
        assert asked.wait(60)
        os.kill(fresh.pids[0], signal.SIGKILL)
        assert tower.result(DEADLINE) is None
        assert fresh.check("1/2", "0.5", seconds=30) is True


@needs_math_verify
def test_close_leaves_no_process_and_ends_checks_under_way(asked: threading.Event) -> None:
    fresh = MathsChecker(workers=2)
    with ThreadPoolExecutor(1) as threads:
        tower = threads.submit(fresh.check, "2", TOWER, seconds=600)
        assert asked.wait(60)
        pids = fresh.pids
        fresh.close()
        assert tower.result(DEADLINE) is None
    assert len(pids) >= 2
    for pid in pids:
        with pytest.raises(ChildProcessError):  # reaped: not even a zombie
            os.waitpid(pid, os.WNOHANG)
    fresh.close()
    with pytest.raises(MCTSrError, match="closed"):
        fresh.check("1", "2")
    with pytest.raises(MCTSrError, match="closed"):
        asyncio.run(fresh.acheck("1", "2"))


@needs_math_verify
def test_the_interpreter_ends_at_once_without_close() -> None:
    ended = run_script(
        """
        import asyncio
        checker = MathsChecker()
        assert checker.check("1/2", "0.5", seconds=30)
        assert asyncio.run(checker.acheck("1/2", "0.5", seconds=30))
        print(*checker.pids)
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert wait_until_gone(tuple(map(int, ended.stdout.split())), DEADLINE) == []


@needs_math_verify
def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    ended = run_script(
        f"""
        import functools, os, signal, threading, time
        checker = MathsChecker()
        assert checker.check("1/2", "0.5", seconds=30)
        check = functools.partial(checker.check, "2", "{TOWER}", seconds=1)
        threading.Thread(target=check).start()
        time.sleep(0.3)
        print(*checker.pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    pids = tuple(map(int, ended.stdout.split()))
    assert len(pids) >= 2
    assert wait_until_gone(pids, DEADLINE) == []


@needs_math_verify
def test_a_forked_process_has_workers_of_its_own() -> None:
    ended = run_script(
        """
        import os
        checker = MathsChecker()
        assert checker.check("1/2", "0.5", seconds=30)
        before = checker.pids
        if (child := os.fork()) == 0:
            assert checker.pids == ()
            assert checker.check("1/3", "2/6", seconds=30)
            assert not set(before) & set(checker.pids)
            checker.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert checker.check("1/4", "2/8", seconds=30)
        assert checker.pids == before
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text('print(\'{"missing": "No module named math_verify"}\')', "utf-8")
    monkeypatch.setattr(_worker_pool, "_PROGRAM", str(program))
    with (
        MathsChecker() as fresh,
        pytest.raises(MissingExtraError, match=r'"math-verify>=.* .the extra "bench"'),
    ):
        fresh.check("1", "2")


def test_a_program_that_cannot_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker_pool, "_PROGRAM", str(tmp_path / "nothing.py"))
    with MathsChecker() as fresh, pytest.raises(MCTSrError, match="in a row"):
        fresh.check("1", "2")


@pytest.mark.parametrize("seconds", [0, -1, 601, float("nan"), float("inf")])
def test_a_limit_out_of_range_is_refused(seconds: float) -> None:
    with MathsChecker() as fresh, pytest.raises(ConfigError, match="seconds is"):
        fresh.check("1", "2", seconds=seconds)


@pytest.mark.parametrize("workers", [0, 65])
def test_a_number_of_workers_out_of_range_is_refused(workers: int) -> None:
    with pytest.raises(ConfigError, match="workers is"):
        MathsChecker(workers=workers)


def test_the_application_never_imports_sympy() -> None:
    ended = run_script(
        """
        import sys
        assert not {"sympy", "math_verify"} & set(sys.modules)
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")
