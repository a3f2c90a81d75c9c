"""How long a search holds the event loop when one of its replies is long.

    python -m benchmarks.loop_gaps [--sizes 20000 1000000] [--best-of 3] [--without-gc]
    python -m benchmarks.loop_gaps --wide 4096

A task beside the search sleeps for a millisecond again and again. Its longest gap is told by the
clock, and in CPU time of the process, which a busy machine does not lengthen. `--wide` makes one
search of so many rollouts instead, 256 at once, with short replies. Python's own collection of
garbage (0.1 s, now and then, in a process that holds much) is left out by `--without-gc`; a server
can have it look at less with `gc.freeze()`, once everything is imported. On a machine that others
use take the least of several with `--best-of`: what holds the loop each time is in all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from mctsr_graph import MCTSrContext, ScriptedChatModel, asolve
from mctsr_graph.text.remembered import forget

SIZES = (20_000, 130_000, 1_000_000, 10_000_000)  # characters
ROLES = ("draft", "critique", "refine", "evaluate")
KINDS = ("prose", "words to a judge")
_LINES = {
    "prose": "We add the numbers: the sum of {n} and 7 is {n7}, which step {n} has shown.\n",
    "words to a judge": "The score of line {n} is too low: I would grade this answer {n} points.\n",
}
_SHORT = {"critique": "A flaw.", "evaluate": "It is right. Score: 60"}


def long_text(kind: str, size: int) -> str:
    """Lines of a kind, about `size` characters."""
    line = _LINES[kind]
    return "".join(line.format(n=n, n7=n + 7) for n in range(size // len(line)))


def model_of(role: str, text: str) -> ScriptedChatModel:
    """A model whose replies in one role are long."""

    def reply(call: Any) -> AIMessage:
        short = _SHORT.get(call.role, f"It is \\boxed{{{call.rollout}}}.")
        said = f"{text}\n{short}" if call.role == role else short
        # With a usage, for which the model would else count words
        usage = UsageMetadata(input_tokens=1, output_tokens=1, total_tokens=2)
        return AIMessage(said, usage_metadata=usage)

    return ScriptedChatModel(replies=reply)


async def longest_gaps(work: Awaitable[Any]) -> tuple[float, float]:
    """The longest gap of the loop while `work` is done: ms by the clock, ms of CPU time."""
    gaps = [(0.0, 0.0)]

    async def watch() -> None:
        before = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter(), time.process_time()
            gaps.append((now[0] - before[0], now[1] - before[1]))
            before = now

    watching = asyncio.create_task(watch())
    try:
        await asyncio.sleep(0.01)
        await work
        await asyncio.sleep(0.002)
    finally:
        watching.cancel()
    return 1000 * max(gap for gap, _ in gaps), 1000 * max(cpu for _, cpu in gaps)


async def _warm() -> None:
    await asolve("How many?", model_of("draft", ""), context=MCTSrContext(max_rollouts=1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--wide", type=int, metavar="ROLLOUTS")
    parser.add_argument("--without-gc", action="store_true")
    parser.add_argument("--best-of", type=int, default=1, metavar="RUNS")
    given = parser.parse_args()
    asyncio.run(_warm())
    if given.without_gc:
        gc.disable()
    if given.wide:
        context = MCTSrContext(profile="paper", max_rollouts=given.wide, width=256)
        work = asolve("How many?", model_of("draft", ""), context=context)
        print("longest gap: {:.0f} ms, CPU {:.0f} ms".format(*_run(work)))
        return
    print(f"{'role':10} {'text':18} {'characters':>12} {'gap ms':>9} {'CPU ms':>9}")
    for kind in KINDS:
        for size in given.sizes:
            text = long_text(kind, size)
            for role in ROLES:
                found = [_gaps_of(role, text) for _ in range(given.best_of)]
                gap, cpu = (min(one) for one in zip(*found, strict=True))
                print(f"{role:10} {kind:18} {size:12,} {gap:9.0f} {cpu:9.0f}", flush=True)


def _gaps_of(role: str, text: str) -> tuple[float, float]:
    forget()
    context = MCTSrContext(profile="paper", max_rollouts=1)
    return _run(asolve("How many?", model_of(role, text), context=context))


def _run(work: Any) -> tuple[float, float]:
    return asyncio.run(longest_gaps(work))


if __name__ == "__main__":
    main()
