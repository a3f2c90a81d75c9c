"""Search for a long time on a server that fails in many ways, in a process that is killed.

    python -m benchmarks.soak --minutes 60 --at-once 200 --kill-after 60 --latency 6

Searches of all profiles run at once over `ChatOpenAI`, kept in one file. Now and then their process
is killed (SIGKILL) and another goes on. Prints one line of JSON:
    searches     how many ended
    right        how many of them found the answer
    wrong        how many found another
    without      how many found none, by the reason
    stuck        how many had not ended long after the last had begun
    kills        how many processes were killed
    requests     what the server was asked
    faults       what of it went wrong, by the way
    megabytes    memory of a process in the middle of its life, and at its end
    growth       megabytes a minute that a process takes on in the second half of its life
    descriptors  open files of a process in the middle, and the most after that
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, mean
from typing import Any, NamedTuple

from benchmarks.faulty_server import FaultyServer
from mctsr_graph import MCTSrContext, SearchFailedError, asolve

_CONTEXTS = (
    MCTSrContext(profile="paper", max_rollouts=3),
    MCTSrContext(profile="official", max_rollouts=3, width=3),
    MCTSrContext(profile="tuned", max_calls=15, width=2, pipelined=True),
)
_ENOUGH = 20  # seconds of a process whose memory is looked at
_GRACE = 600  # seconds for the last searches


def serve(given: socket.socket, *how: Any) -> None:
    """Run the server in a process of its own."""
    asyncio.run(FaultyServer(*how).serve(given))


# In the process that is killed -------------------------------------------------------------------
def search(folder: Path, url: str, at_once: int, most: int) -> None:
    """Run searches until there are so many, or a file says to stop."""
    asyncio.run(_search(folder, url, at_once, most))


async def _search(folder: Path, url: str, at_once: int, most: int) -> None:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(base_url=url, api_key="none", model="m", max_retries=0, timeout=20)  # type: ignore[arg-type]
    ended = {json.loads(line)["number"] for line in _lines(folder / "ended")}
    begun = {int(line) for line in _lines(folder / "begun")}
    left = iter([*sorted(begun - ended), *(n for n in range(most) if n not in begun)])
    with (
        (folder / "ended").open("a", buffering=1) as ends,
        (folder / "begun").open("a", 1) as begins,
    ):

        async def one_by_one() -> None:
            for number in left:
                if number not in begun:
                    if (folder / "stop").exists():
                        return
                    begins.write(f"{number}\n")
                told = {"number": number, **await _outcome(number, model, folder / "searches.db")}
                ends.write(json.dumps(told) + "\n")

        await asyncio.gather(*(one_by_one() for _ in range(at_once)))


async def _outcome(number: int, model: Any, file: Path) -> dict[str, Any]:
    """What came of one search."""
    problem = f"What is the answer of case number {number}?"
    context = _CONTEXTS[number % len(_CONTEXTS)]
    try:
        found = await asolve(problem, model, context=context, checkpointer=file)
    except SearchFailedError as error:
        return {"answer": None, "why": f"failed: {error.__cause__ or error!s:.80}"}
    except Exception as error:
        return {"answer": None, "why": f"{type(error).__name__}: {error!s:.80}"}
    return {"answer": found.final_answer, "why": found.stop_reason}


def _lines(file: Path) -> list[str]:
    """The whole lines of a file; a killed process may have left a part of one."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


# In the process that kills it --------------------------------------------------------------------
class Sample(NamedTuple):
    """What a process holds at a moment."""

    minutes: float
    megabytes: float
    descriptors: int


class Soak:
    """Lets a process search, kills it, and begins another."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder, self._options = folder, options
        self._lives: list[list[Sample]] = []
        self.kills = 0

    def run(self, url: str) -> None:
        """Search as long as the options say, and then until the last search has ended."""
        end = time.monotonic() + 60 * self._options.minutes
        while time.monotonic() < end:
            if self._live(url, min(end, time.monotonic() + self._options.kill_after)):
                return
            self.kills += 1
        (self._folder / "stop").touch()
        self._live(url, time.monotonic() + _GRACE)
        self._lives.pop()  # it had ever less to do

    def _live(self, url: str, until: float) -> bool:
        """Let one process search, at most until then; whether it came to its end."""
        command = [sys.executable, "-m", "benchmarks.soak", "--search", str(self._folder), url]
        numbers = ["--at-once", str(self._options.at_once), "--searches"]
        process = subprocess.Popen([*command, *numbers, str(self._options.searches)])
        began, samples = time.monotonic(), list[Sample]()
        self._lives.append(samples)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(1)
            with suppress(OSError, IndexError):  # it has ended
                samples.append(_sample(process.pid, (time.monotonic() - began) / 60))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return False
        if process.returncode:
            raise SystemExit(f"the searching process ended with {process.returncode}")
        return True

    def told(self) -> dict[str, Any]:
        """What is printed."""
        ended = [json.loads(line) for line in _lines(self._folder / "ended")]
        begun = _lines(self._folder / "begun")
        right = [one for one in ended if one["answer"] == str(one["number"])]
        none = Counter(one["why"] for one in ended if one["answer"] is None)
        faults = Counter(_lines(self._folder / "faults"))
        return {
            "searches": len(ended),
            "right": len(right),
            "wrong": len(ended) - len(right) - none.total(),
            "without": dict(none),
            "stuck": len(begun) - len(ended),
            "kills": self.kills,
            "requests": faults.total(),
            "faults": {name: n for name, n in faults.most_common() if name != "none"},
            **_grown([life[len(life) // 2 :] for life in self._lives if len(life) >= _ENOUGH]),
        }


def _grown(lives: list[list[Sample]]) -> dict[str, Any]:
    """What processes hold, in their second half."""
    if not lives:
        return {}
    slopes = [
        linear_regression([s.minutes for s in life], [s.megabytes for s in life]).slope
        for life in lives
    ]
    most = max(sample.descriptors for life in lives for sample in life)
    return {
        "megabytes": [round(mean(life[i].megabytes for life in lives)) for i in (0, -1)],
        "growth": round(mean(slopes), 2),
        "descriptors": [round(mean(life[0].descriptors for life in lives)), most],
    }


def _sample(process: int, minutes: float) -> Sample:
    status = Path(f"/proc/{process}/status").read_text()
    kilobytes = int(status.split("VmRSS:")[1].split()[0])
    return Sample(minutes, kilobytes / 1024, len(os.listdir(f"/proc/{process}/fd")))


def main() -> None:
    """Read the options, run, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=5, help="(default 5)")
    parser.add_argument("--searches", type=int, default=10**6, help="at most (default 1,000,000)")
    parser.add_argument("--at-once", type=int, default=20, help="searches (default 20)")
    parser.add_argument("--faults", type=float, default=0.3, help="share of requests (default 0.3)")
    parser.add_argument("--latency", type=float, default=0, help="mean seconds (default 0)")
    parser.add_argument("--kill-after", type=float, default=120, help="seconds (default 120)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default 0)")
    parser.add_argument("--search", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        folder, url = options.search
        search(Path(folder), url, options.at_once, options.searches)
        return
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as given:
        soak = Soak(Path(name), options)
        told = (given, options.faults, options.seed, Path(name) / "faults", options.latency)
        server = multiprocessing.get_context("fork").Process(target=serve, args=told, daemon=True)
        server.start()
        soak.run(f"http://127.0.0.1:{given.getsockname()[1]}/v1")
        server.kill()
        print(json.dumps(soak.told()))


if __name__ == "__main__":
    main()
