"""What a search earns with the embedded model, on problems that it has not seen.

    python -m benchmarks.embedded_model [--problems 100] [--calls 35] [--temperature 1.0 ...]
                                        [--model huggingface:FOLDER]

At each temperature the same problems of the data set "arithmetic" are answered by one draft, by a
majority of as many drafts as a search has calls (self-consistency), by profile "tuned" alone, in a
batch (`solve_many`), and having learnt a prior from half as many other problems. `--model` takes
another size of the model, as `python -m training train` writes it. Prints one line of JSON a
temperature: percent right, calls made a problem, and the difference of each to
self-consistency in points with an interval of 95 %, paired by problem.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mctsr_graph import MCTSrContext, Solution, asolve, asolve_many, learn_prior, load_model
from mctsr_graph.benchmark.data_sets import load_problems
from mctsr_graph.benchmark.paired import Paired
from mctsr_graph.benchmark.problems import Problem
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.prompts import Prompts, draft_messages
from mctsr_graph.text.final_answer import extract_final_answer

_AT_ONCE = 16  # problems


async def votes(model: Any, problems: Sequence[Problem], calls: int) -> list[tuple[float, bool]]:
    """Of each problem: the share of `calls` drafts that are right, and whether most say so."""

    async def one(problem: Problem) -> tuple[float, bool]:
        messages = draft_messages(Prompts(), problem.text)
        replies = await asyncio.gather(
            *(model.ainvoke(messages, seed=seed) for seed in range(calls))
        )
        answers = [extract_final_answer(reply.text) for reply in replies]
        counted = Counter(answer for answer in answers if answer is not None)
        most = counted.most_common(1)[0][0] if counted else None
        right = sum(answer == problem.gold for answer in answers)
        return right / calls, most == problem.gold

    return [await one(problem) for problem in problems]


async def searches(
    model: Any, problems: Sequence[Problem], context: MCTSrContext
) -> list[Solution]:
    """One search a problem, some at once."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(problem: Problem) -> Solution:
        async with room:
            return await asolve(problem.text, model, context=context)

    return list(await asyncio.gather(*map(one, problems)))


async def measure(
    name: str, count: int, calls: int, temperature: float, seed: int
) -> dict[str, Any]:
    """One line: what each way comes to at one temperature."""
    every = load_problems("arithmetic").problems
    problems, others = every[:count], every[count : count + count // 2]
    model = load_model(name, temperature=temperature)
    context = MCTSrContext(max_calls=calls, judge="logits", seed=seed)
    voted = await votes(model, problems, calls)
    alone = await searches(model, problems, context)
    batch = await asolve_many(
        [one.text for one in problems],
        model,
        max_calls=calls * count,
        concurrency=_AT_ONCE,
        context=MCTSrContext(judge="logits", seed=seed),
    )
    prior = learn_prior(await searches(model, others, context))
    learnt = await searches(
        model, problems, MCTSrContext(max_calls=calls, judge="logits", seed=seed, prior=prior)
    )
    majority = [pair[1] for pair in voted]
    found: dict[str, Any] = {
        "temperature": temperature,
        "problems": count,
        "calls": calls,
        "one draft": _percent([pair[0] for pair in voted]),
        "self-consistency": _percent(majority),
    }
    for name, solutions in (("alone", alone), ("batch", batch), ("learnt", learnt)):
        right = [
            solution.final_answer == problem.gold
            for problem, solution in zip(problems, solutions, strict=True)
        ]
        oracle = [
            any(
                extract_final_answer(node["answer"]) == problem.gold
                for node in solution.tree.values()
            )
            for problem, solution in zip(problems, solutions, strict=True)
        ]
        spent = sum(total_cost(solution.usage)["calls"] for solution in solutions)
        found[f"tuned {name}"] = {
            "right": _percent(right),
            "any node": _percent(oracle),
            "calls": round(spent / count, 1),
            "against self-consistency": _difference(right, majority),
        }
    return found


def _percent(right: Sequence[float]) -> float:
    return round(100 * sum(right) / len(right), 1)


def _difference(right: Sequence[bool], other: Sequence[bool]) -> list[float]:
    """The mean difference and its interval, points."""
    each = Paired([int(a) - int(b) for a, b in zip(right, other, strict=True)]).interval(0.95)
    return [round(100 * value, 1) for value in (each.value, each.low, each.high)]


def main() -> None:
    """Read the command line and print a line a temperature."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded_model")
    parser.add_argument("--model", default="embedded", help="(default embedded)")
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--calls", type=int, default=35)
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.7, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for temperature in given.temperature:
        line = asyncio.run(
            measure(given.model, given.problems, given.calls, temperature, given.seed)
        )
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
