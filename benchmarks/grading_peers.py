"""The graders that `benchmarks.grading --peers` measures beside ours, as their users call them.

Each takes a whole reply and a reference answer. One that is not installed, or does not load, is
named with the reason and left out. They run in a process of their own for each, which is given a
time for every row: some stop themselves by signals, and some never.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SECONDS = 10.0
"""Wall time for a row; what takes longer counts as wrong."""
Judge = Callable[[str, str], bool]


def _math_verify() -> Judge:
    from math_verify import parse, verify

    def judge(reply: str, gold: str) -> bool:
        reference = gold if "$" in gold else f"${gold}$"
        return bool(verify(parse(reference), parse(reply)))

    return judge


def _inspect_ai() -> Judge:
    scorer_module = importlib.import_module("inspect_ai.scorer")
    model = importlib.import_module("inspect_ai.model")
    solver = importlib.import_module("inspect_ai.solver")
    score = scorer_module.math(timeout=SECONDS / 2)
    loop = asyncio.new_event_loop()

    def judge(reply: str, gold: str) -> bool:
        state = solver.TaskState(
            model="none",
            sample_id=1,
            epoch=1,
            input="",
            messages=[],
            output=model.ModelOutput.from_content("none", reply),
        )
        result = loop.run_until_complete(score(state, scorer_module.Target(gold)))
        return bool(result.value == scorer_module.CORRECT)

    return judge


def _prm800k() -> Judge:
    grader = importlib.import_module("verl.utils.reward_score.prime_math")

    def judge(reply: str, gold: str) -> bool:
        _, answer = grader.match_answer(reply)
        return bool(grader.grade_answer(answer, gold))

    return judge


PEERS: dict[str, tuple[str, Callable[[], Judge]]] = {
    "math-verify": ("math-verify", _math_verify),
    "inspect_ai math()": ("inspect_ai", _inspect_ai),
    "PRM800K (verl)": ("verl", _prm800k),
}
"""By name: the distribution that holds the grader, and what loads it."""


def verdicts(name: str, rows: Sequence[dict[str, Any]]) -> tuple[str, list[bool]]:
    """What a peer says of each row.

    Returns:
        The peer's version and its verdicts; where it cannot be loaded, the reason and none.
    """
    found: list[bool] = []
    version = ""
    while len(found) < len(rows):
        with _process(name) as process:
            version = str(_answer(process))
            if not version.startswith("version "):
                return version, []
            for row in rows[len(found) :]:
                told = _ask(process, row)
                found.append(told is True)
                if told is None:  # it took too long, or ended
                    break
    return version.removeprefix("version "), found


@contextlib.contextmanager
def _process(name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.grading_peers", name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
    with process:  # closes the pipes and waits
        try:
            yield process
        finally:
            process.kill()


def _ask(process: subprocess.Popen[str], row: dict[str, Any]) -> Any:
    assert process.stdin is not None
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    try:
        process.stdin.write(json.dumps([row["prediction_text"], row["gold"]]) + "\n")
        process.stdin.flush()
        return _answer(process)
    except BrokenPipeError:
        return None
    finally:
        timer.cancel()


def _answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    return json.loads(line) if line else None


def _serve(name: str) -> None:
    """Judge rows from standard input, one JSON line each."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a grader prints is no verdict

    def say(value: object) -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    distribution, load = PEERS[name]
    try:
        judge = load()
        say(f"version {importlib.metadata.version(distribution)}")
    except Exception as error:
        say(f"{type(error).__name__}: {error}")
        return
    for line in sys.stdin:
        reply, gold = json.loads(line)
        try:
            say(judge(reply, gold))
        except Exception:
            say(False)


if __name__ == "__main__":
    _serve(sys.argv[1])
