"""A batch on a Ray cluster of two nodes, one of which is killed in the middle. Prints JSON.

python -m tests.ray_batch FOLDER

A process of its own, as `tests.ray_cluster`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, solve_many
from mctsr_graph.calls.usage import total_cost
from tests.ray_cluster import two_nodes

PROBLEMS = [f"What is {n} + {n}?" for n in range(8)]
BUDGET = 150
CONTEXT = MCTSrContext(profile="tuned")


def reply(call: Any) -> str:
    """It depends on what is asked only; the call and its node are written down."""
    asked = repr([m.content for m in call.messages] + [sorted(call.settings.items())])
    digest = hashlib.sha256(asked.encode()).hexdigest()
    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
    with Path(os.environ["CALLS_MADE"]).open("a") as file:
        file.write(f"{node} {digest}\n")
    number = int(digest, 16)
    if call.role == "evaluate":
        return f"Score: {number % 90 - 20}"
    return f"Text {call.rollout} of {number}: \\boxed{{{number % 3}}}"


def make_model() -> Any:
    return ScriptedChatModel(replies=reply, latency=0.1)


def make_silent_model() -> Any:
    """A model that is called the same, and says nothing."""
    return ScriptedChatModel(replies=reply, latency=1000)


def batch(file: Path | None, model: Any = make_model, **options: Any) -> list[Solution]:
    given: dict[str, Any] = {"engine": "ray", "context": CONTEXT, "max_calls": BUDGET, **options}
    return solve_many(PROBLEMS, model, checkpointer=file, **given)


def refusal(**options: Any) -> str:
    try:
        batch(None, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def calls_made() -> list[str]:
    path = Path(os.environ["CALLS_MADE"])
    return path.read_text().splitlines() if path.exists() else []


def lose_node(cluster: Any, second: Any, head: str) -> None:
    """Kill the second node when it has made some calls."""
    while sum(line.split()[0] != head for line in calls_made()) < 20:
        time.sleep(0.01)
    cluster.remove_node(second, allow_graceful=False)


def die() -> Any:
    os._exit(1)


def fail() -> Any:
    raise OSError("no such weights")


def remembering() -> Any:
    """A judge that nobody can tell from others."""
    seen: list[str] = []

    def judge(problem: str, answer: str) -> float:
        seen.append(answer)
        return float(len(seen))

    return judge


def main(folder: Path) -> None:
    folder.mkdir()
    os.environ["CALLS_MADE"] = str(folder / "calls_made")
    cluster, second, head = two_nodes()
    killer = threading.Thread(target=lose_node, args=(cluster, second, head))
    killer.start()
    told: list[int] = []
    spread = batch(folder / "ray.db", on_solution=lambda number, found: told.append(number))
    killer.join()
    made = [line.split() for line in calls_made()]
    in_memory = batch(None)
    before = len(calls_made())
    again = batch(folder / "ray.db", engine="local", model=make_silent_model())
    found: dict[str, Any] = {
        "calls_made": len(made),
        "calls_elsewhere": sum(node != head for node, _ in made),
        "repeated": len(made) - len({digest for _, digest in made}),
        "counted": sum(total_cost(one.usage)["calls"] for one in spread),
        "told": sorted({*told}),
        "same_in_memory": in_memory == spread,
        "same_again": again == spread,
        "calls_again": len(calls_made()) - before,
    }
    found["same_as_here"] = spread == batch(folder / "local.db", engine="local", model=make_model())
    lock = threading.Lock()
    found["refused"] = {
        "cannot_be_sent": refusal(model=ScriptedChatModel(replies=lambda call: str(lock))),
        "cannot_be_made": refusal(model=fail),
        "opaque": refusal(judge=remembering()),
        "dies": refusal(model=die),
        "unknown": refusal(model="openia:gpt"),
        "heard": refusal(on_event=print),
    }
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
