"""The processes of a `worker.MathsChecker`: how one is started, asked, replaced and ended."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mctsr_graph.errors import MCTSrError, MissingExtraError
from mctsr_graph.text.packages import install_line

_PROGRAM = str(Path(__file__).with_name("_worker_main.py"))
_MEMORY = 1_000_000_000  # bytes of address space for one worker
_START_SECONDS = 60.0  # half a second, or three on a busy machine, are usual
# Seconds that a worker may be kept from the processor for each second that it may calculate
_PATIENCE = 60.0
_END_SECONDS = 2.0  # in which the system lets go of a process that was killed
_MAX_REPLY = 1000  # bytes
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME")  # some interpreters do not start without
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # sympy orders some terms by hash: the same question, the same verdict
    "SYMPY_GROUND_TYPES": "python",  # GMP aborts the process where Python raises MemoryError
    "MPMATH_NOGMPY": "1",
}


class WorkerGoneError(Exception):
    """A worker ended before it got the question, which thus cannot be the reason; says how."""


class Worker:
    """One process and the pipes to it, used by one thread at a time but for `kill`."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=_ENVIRONMENT | kept,
            start_new_session=True,  # Ctrl-C is for the application
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._started = False
        self.usable = False  # between a question and its answer it is not
        # math-verify may be in a folder that only this process knows, such as a user's own.
        path = [folder for folder in sys.path if os.path.isabs(folder) and folder != os.getcwd()]
        with contextlib.suppress(BrokenPipeError):
            self._send({"path": path, "memory": _MEMORY})

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def compare(self, gold: str, prediction: str, seconds: float) -> bool | None:
        """Ask; unless the answer comes in `seconds` of CPU time, the worker is left unusable.

        Raises:
            WorkerGoneError: The process had ended before it got the question.
            MissingExtraError: math-verify is not installed.
            MCTSrError: math-verify cannot be used.
        """
        self._wait_for_start()
        self.usable = False
        try:
            self._send({"gold": gold, "prediction": prediction, "seconds": seconds})
        except BrokenPipeError:
            raise WorkerGoneError(self._end()) from None
        reply = self._receive(_START_SECONDS + _PATIENCE * seconds)
        if reply is None:
            return None
        self.usable = not reply["retire"]
        verdict: bool | None = reply["verdict"]
        return verdict

    def _wait_for_start(self) -> None:
        if self._started:
            return
        reply = self._receive(_START_SECONDS)
        if reply is None:
            raise WorkerGoneError(self._end())
        if "failed" in reply:
            raise MCTSrError(f"a maths worker cannot start: {reply['failed']}")
        if "missing" in reply:
            raise MissingExtraError(
                f"comparing answers needs math-verify ({reply['missing']}): {install_line('bench')}"
            )
        self._started = True

    def _end(self) -> str:
        """How the process has ended, in words."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"did not say in {_START_SECONDS:g} s that it was ready"
        return f"ended with status {status}" if status >= 0 else f"was killed by signal {-status}"

    def _send(self, message: dict[str, Any]) -> None:
        # ASCII without raw line ends, whatever the texts hold. 24 kB at most, so that it fits
        # into the pipe and never waits.
        self._stdin.write(json.dumps(message).encode("ascii") + b"\n")

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """Read one reply; None if there is none in time, it is no reply or the process ends."""
        deadline = time.monotonic() + seconds
        poll = select.poll()  # unlike select.select it takes descriptors above 1023
        poll.register(self._stdout, select.POLLIN)
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(math.ceil(left * 1000)):
                return None
            chunk = self._stdout.read(_MAX_REPLY)
            if not chunk or len(line) > _MAX_REPLY:
                return None
            line += chunk
        with contextlib.suppress(ValueError):
            reply = json.loads(line)
            if isinstance(reply, dict):
                return reply
        return None

    def kill(self) -> None:
        """Kill the process; another thread may be waiting for its reply."""
        self._process.kill()

    def stop(self) -> None:
        """Kill the process, wait until it is gone and close the pipes."""
        self.usable = False
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._stdin.close()
        self._stdout.close()

    def disown(self) -> None:
        """Let go of a process that belongs to the process this one was forked from."""
        self._process.returncode = 0  # else its destructor complains
        self._stdin.close()
        self._stdout.close()


class Pool:
    """The workers of one checker: at most `size` busy, and as many spares as were ever busy."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._closed = False
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[Worker] = []  # used ones first, then spares, oldest first
        self._busy: set[Worker] = set()
        self._threads: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def lend(self) -> Iterator[Worker]:
        """Lend a worker; one that is unusable afterwards is killed and replaced."""
        worker = self._take()
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _take(self) -> Worker:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._busy) < self._size)
            self._must_be_open()
            try:
                worker = self._pop_alive() or Worker()
            except OSError as error:
                raise MCTSrError(f"no maths worker can be started: {error}") from error
            while len(self._idle) <= len(self._busy) and self._add_spare():
                pass
            self._busy.add(worker)  # last: nobody else would give back its place
            return worker

    def _must_be_open(self) -> None:
        if self._closed:
            raise MCTSrError("the maths checker is closed")

    def _pop_alive(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop(0)
            if worker.is_alive():
                return worker
            worker.stop()
        return None

    def _add_spare(self) -> bool:
        """Start a spare; it matters only to the next check whether that works."""
        try:
            self._idle.append(Worker())
        except Exception:
            return False
        return True

    def _give_back(self, worker: Worker) -> None:
        try:
            if not worker.usable:
                worker.stop()
        finally:
            self._free(worker)

    def _free(self, worker: Worker) -> None:
        with self._changed:
            self._busy.discard(worker)
            self._changed.notify_all()  # first, whatever happens then
            if self._closed:
                worker.stop()
            elif worker.usable:
                self._idle.insert(0, worker)
            else:
                self._add_spare()

    def threads(self) -> ThreadPoolExecutor:
        """The threads that wait for `acheck`, so that none of the application's do."""
        with self._changed:
            self._must_be_open()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="maths-check")
            return self._threads

    def pids(self) -> tuple[int, ...]:
        with self._changed:
            return tuple(worker.pid for worker in [*self._busy, *self._idle])

    def close(self) -> None:
        """End all processes; a second call does nothing."""
        with self._changed:
            self._closed = True
            for worker in self._busy:
                worker.kill()  # the thread that waits for it does the rest
            while self._idle:
                self._idle.pop().stop()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, timeout=5.0)
            threads = self._threads
        if threads is not None:
            threads.shutdown(wait=False)  # whoever still waits for one is told by `_take`

    def forget(self) -> None:
        """Start anew in a forked process: two processes must not ask the same worker."""
        for worker in [*self._busy, *self._idle]:
            worker.disown()
        self._reset()


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_workers() -> None:
    for pool in list(_POOLS):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)
