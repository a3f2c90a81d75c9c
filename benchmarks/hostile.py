"""Measure what hostile texts cost the readers of replies and the maths checker.

    python -m benchmarks.hostile [SECONDS]

SECONDS is the time limit of one comparison of the maths checker, 3 by default. Prints one JSON
object with a part for each reader: {"texts": how many, "worst_seconds": the longest that one
took (CPU time for the parsers), "worst_text": its name, "peak_mb": the most memory in use,
"wrong": [...]}. For the parsers memory is what Python allocated for them, for the checker that of
its largest process (Linux only, else 0). Wrong is a text that took longer than promised, got an
answer that it must not get or raised an unexpected error; a made marker file; a checker that no
longer works afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypedDict

from benchmarks.hostile_catalogue import LONGEST_REPLY, maths_texts, not_scores, reply_texts
from mctsr_graph.benchmark.worker import MathsChecker
from mctsr_graph.errors import ScoreError
from mctsr_graph.text.final_answer import answer_key, extract_final_answer
from mctsr_graph.text.hostile import defuse_control_tokens, hide_scores
from mctsr_graph.text.remembered import forget
from mctsr_graph.text.score import parse_score

PARSER_SECONDS = 0.5
CHECKER_GRACE = 1.0  # seconds beyond its limit that a comparison may take
CHECKER_MB = 1000


class Part(TypedDict):
    """What the texts cost one reader; `benchmarks.hostile` says what the fields are."""

    texts: int
    worst_seconds: float
    worst_text: str
    peak_mb: float
    wrong: list[str]


class Outcome(NamedTuple):
    """What became of one text: seconds, and "" or what is wrong."""

    name: str
    seconds: float
    fault: str


class MemoryWatch:
    """Watches the processes of a checker from a thread of its own; `peak_mb` is the most in MB."""

    def __init__(self, checker: MathsChecker) -> None:
        self.peak_mb = 0.0
        self._checker = checker
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            for pid in self._checker.pids:
                self.peak_mb = max(self.peak_mb, resident_mb(pid))


def resident_mb(pid: int) -> float:
    """The most memory that a process has had, MB; 0 if it has gone or the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def score_fault(reply: str) -> str:
    """Tell what is wrong with the way that a reply's score is read, or ""."""
    try:
        score = parse_score(reply)
    except ScoreError:
        return ""
    return "" if -100 <= score <= 100 else f"score {score}"


def no_score_fault(reply: str) -> str:
    """Tell what score is read where there is none, or ""."""
    try:
        return f"score {parse_score(reply)}"
    except ScoreError:
        return ""


def extractor_fault(reply: str) -> str:
    """Tell what is wrong with a final answer, or ""."""
    return "blank answer" if extract_final_answer(reply) == "" else ""


def key_fault(answer: str) -> str:
    """Tell what is wrong with an answer's key, or ""."""
    key = answer_key(answer)
    return "" if answer_key(key) == key else "the key of the key is another"


def defused_fault(text: str) -> str:
    """Tell what is wrong with a text whose control tokens are broken, or ""."""
    defused = defuse_control_tokens(text)
    return "" if defused.replace("\u200b", "") == text.replace("\u200b", "") else "text is lost"


def shown_fault(answer: str) -> str:
    """Tell what is wrong with what a judge is shown of an answer, or ""."""
    shown = hide_scores(answer)
    return "" if shown.hidden or shown.text == answer else "another text, and nothing hidden"


def try_parser(texts: dict[str, str], fault_of: Callable[[str], str]) -> Part:
    """Give every text to a parser, once for the time and once for the memory."""
    outcomes = [
        timed(name, PARSER_SECONDS, functools.partial(fault_of, text), time.thread_time)
        for name, text in texts.items()
    ]
    tracemalloc.start()
    for text in texts.values():
        forget()
        with contextlib.suppress(Exception):  # counted above
            fault_of(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return part(outcomes, peak / 1e6)


def timed(
    name: str,
    limit: float,
    find_fault: Callable[[], str],
    clock: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Run one text; an exception or more than `limit` seconds is a fault."""
    forget()
    start = clock()
    try:
        fault = find_fault()
    except Exception as error:
        fault = repr(error)[:200]
    seconds = clock() - start
    return Outcome(name, seconds, fault or ("too slow" if seconds > limit else ""))


def part(outcomes: list[Outcome], peak_mb: float) -> Part:
    """Sum up."""
    worst = max(outcomes, key=lambda outcome: outcome.seconds)
    return {
        "texts": len(outcomes),
        "worst_seconds": round(worst.seconds, 3),
        "worst_text": worst.name,
        "peak_mb": round(peak_mb, 1),
        "wrong": [f"{outcome.name}: {outcome.fault}" for outcome in outcomes if outcome.fault],
    }


def try_checker(seconds: float) -> Part:
    """Compare every text with "2" in both orders, two at a time."""
    with tempfile.TemporaryDirectory() as folder, MathsChecker(workers=2) as checker:
        marker = Path(folder) / "marker"
        pairs = dict(_pairs(maths_texts(marker)))

        def ask(name: str) -> Outcome:
            gold, prediction = pairs[name]

            def fault() -> str:
                verdict = checker.check(gold, prediction, seconds=seconds)
                return "taken for equal" if verdict else ""

            return timed(name, seconds + CHECKER_GRACE, fault)

        checker.check("1/2", "0.5", seconds=60)  # the first check waits for a process to start
        with MemoryWatch(checker) as watch, ThreadPoolExecutor(2) as threads:
            result = part(list(threads.map(ask, pairs)), 0)
        result["peak_mb"] = round(watch.peak_mb, 1)
        faults = {
            "the marker file was made": marker.exists(),
            "too much memory": watch.peak_mb > CHECKER_MB,
            "does not work afterwards": checker.check("1/2", "0.5", seconds=60) is not True,
        }
        result["wrong"] += [fault for fault, found in faults.items() if found]
    return result


def _pairs(texts: dict[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give the comparisons by name: reference answer and prediction."""
    for name, text in texts.items():
        yield name, ("2", text)
        yield f"{name}, as the reference", (text, "2")


def run(seconds: float) -> dict[str, Part]:
    """Run every part."""
    maths = maths_texts(Path("marker-that-nothing-makes"))
    texts = reply_texts() | {name: text[:LONGEST_REPLY] for name, text in maths.items()}
    return {
        "parse_score": try_parser(texts, score_fault),
        "parse_score, no score": try_parser(not_scores(), no_score_fault),
        "extract_final_answer": try_parser(texts, extractor_fault),
        "answer_key": try_parser(texts, key_fault),
        "defuse_control_tokens": try_parser(texts, defused_fault),
        "hide_scores": try_parser(texts, shown_fault),
        "maths checker": try_checker(seconds),
    }


def main() -> None:
    """Print the figures of every part."""
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) == 2 else 3.0)))


if __name__ == "__main__":
    main()
