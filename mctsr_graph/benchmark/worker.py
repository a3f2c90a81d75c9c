"""Compares two final answers with math-verify, in processes that can be killed.

math-verify needs seconds, hours or all memory for some short texts, stops itself by signals that
work in the main thread only, and blocks an event loop. So it runs in processes of its own, which
hold no secret, run nothing they read, and are killed when their time is up. POSIX systems only.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import weakref
from types import TracebackType

from mctsr_graph.errors import ConfigError, MCTSrError

from ._worker_pool import Pool, WorkerGoneError

_MAX_LENGTH = 2000  # characters
_MAX_DEPTH = 64  # brackets inside each other
_MANY_DIGITS = re.compile(r"\d{401}")
# Two numbers with only space between: math-verify adds them up, so that "1 234" is 235.
_NUMBERS_APART = re.compile(r"\d(?:\s|~|\\[ ,;:!]|\\q?quad(?![A-Za-z]))+\d")
_MAX_SECONDS = 600.0
_MAX_WORKERS = 64
_STARTS = 3  # workers that may end by themselves before a check gives up


class MathsChecker:
    """Decides whether two final answers are mathematically equal.

    Safe to use from any thread and from asyncio. A context manager; without `close`, its
    processes end with it or with the interpreter, however that ends.

    Args:
        workers: Checks at the same time, 1 to 64; further ones wait. There are up to twice as
            many processes of about 60 MB: each has a spare that is ready when it is killed.

    Raises:
        ConfigError: `workers` is out of range.
        MCTSrError: This is no POSIX system.
    """

    def __init__(self, *, workers: int = 2) -> None:
        if not 1 <= workers <= _MAX_WORKERS:
            raise ConfigError(f"workers is {workers!r}, but must be 1 to {_MAX_WORKERS}")
        if os.name != "posix":
            raise MCTSrError("the maths checker needs a POSIX system")
        self._pool = Pool(workers)
        # Runs at the interpreter's exit, too. It must not refer to self.
        self._close = weakref.finalize(self, self._pool.close)

    def check(self, gold: str, prediction: str, *, seconds: float = 3.0) -> bool | None:
        """Compare two final answers, plain or in LaTeX, not whole solutions.

        Args:
            gold: The reference answer. The order matters: the prediction may be an equation
                or a relation where this is a value or a set.
            prediction: The answer in question. Nothing in either is ever executed.
            seconds: CPU time for the comparison, above 0, at most 600, so that a verdict does not
                depend on the load. A process that gets no processor at all is given up after a
                minute and 60 times that.

        Returns:
            None is undecided: time or memory ran out, the process crashed, sympy would have to
            run code made from an answer (as for some infinite sums), or nothing can read `gold`.
            Also an answer that is blank, has over 2,000 characters, 64 nested brackets or 400
            digits in a row, or numbers with only space between ("3 1/4", "1 234"), which
            math-verify misreads. Texts that are equal are True without any of this.

        Raises:
            ConfigError: `seconds` is out of range.
            MissingExtraError: math-verify is not installed.
            MCTSrError: The checker is closed, or no worker can be started; says why.
        """
        if not 0 < seconds <= _MAX_SECONDS:
            raise ConfigError(f"seconds is {seconds!r}, but must be above 0, at most 600")
        if gold.strip() == prediction.strip():
            return True if gold.strip() else None
        if _is_unfit(gold) or _is_unfit(prediction):
            return None
        end = ""
        for _ in range(_STARTS):
            try:
                with self._pool.lend() as worker:
                    return worker.compare(gold, prediction, seconds)
            except WorkerGoneError as error:
                end = str(error)
        raise MCTSrError(
            f"{_STARTS} maths workers in a row ended before they could be asked; the last one {end}"
        )

    async def acheck(self, gold: str, prediction: str, *, seconds: float = 3.0) -> bool | None:
        """Do the same as `check` without blocking the event loop.

        A cancelled check frees its worker when its time is up, at the latest.
        """
        ask = functools.partial(self.check, gold, prediction, seconds=seconds)
        try:
            check = asyncio.get_running_loop().run_in_executor(self._pool.threads(), ask)
        except RuntimeError as error:
            raise MCTSrError(f"no thread can wait for a maths worker: {error}") from error
        return await check

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the processes that exist now, for a monitor."""
        return self._pool.pids()

    def close(self) -> None:
        """End all processes. Checks under way are undecided; later ones raise MCTSrError."""
        self._close()

    def __enter__(self) -> MathsChecker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_unfit(answer: str) -> bool:
    """Whether an answer is blank, or of a form that math-verify misreads or takes for ever for."""
    if len(answer) > _MAX_LENGTH or not answer.strip():
        return True
    if _MANY_DIGITS.search(answer) or _NUMBERS_APART.search(answer):
        return True
    depth = 0
    for character in answer:
        if character in "([{":
            depth += 1
            if depth > _MAX_DEPTH:
                return True
        elif character in ")]}":
            depth = max(depth - 1, 0)
    return False
