"""A batch that is called again, was killed, or gets a larger budget, is the same batch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, solve, solve_many
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls import retry
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.models.scripted import ScriptedCall

from .conftest import as_json

WORLD = World(skill=0.4, auc=0.8, noise=20.0, seed=5)
TEXTS = [WORLD.problem(number).text for number in range(6)]
MANY = [WORLD.problem(number).text for number in range(20)]  # two groups
TUNED = MCTSrContext(profile="tuned", max_attempts=1)


def told(solutions: Sequence[Solution]) -> str:
    return as_json([asdict(solution) for solution in solutions])


def calls(solutions: Sequence[Solution]) -> int:
    return sum(total_cost(solution.usage)["calls"] for solution in solutions)


@pytest.mark.parametrize("learn", [True, False])
@pytest.mark.parametrize("budget", [120, 61])
def test_called_again_a_batch_makes_no_call_and_finds_the_same(
    budget: int, learn: bool, tmp_path: Path
) -> None:
    given: Any = {"context": TUNED, "max_calls": budget, "learn": learn}
    for checkpointer in (InMemorySaver(), tmp_path / "batch.db"):
        model = WORLD.model()
        once = solve_many(TEXTS, model, checkpointer=checkpointer, **given)
        assert len(model.calls) == calls(once) <= budget
        for _ in range(2):
            again = solve_many(TEXTS, model, checkpointer=checkpointer, **given)
            assert told(again) == told(once)
        assert len(model.calls) == calls(once)


class Killed(KeyboardInterrupt):
    """Ends everything, as Ctrl-C would."""


@pytest.mark.parametrize(("width", "breaks"), [(1, (40, 259)), (4, (1, 215))])
def test_broken_off_after_any_number_of_calls_a_batch_ends_the_same(
    width: int, breaks: tuple[int, ...], tmp_path: Path
) -> None:
    context = TUNED.model_copy(update={"width": width})
    given: Any = {"context": context, "max_calls": 260}
    whole = told(solve_many(MANY, WORLD.model(), **given))
    for first in breaks:
        file, left = tmp_path / f"{first}.db", [first]

        def reply(call: ScriptedCall, left: list[int] = left) -> str:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return WORLD.reply(call)

        model = ScriptedChatModel(replies=reply)
        with pytest.raises(KeyboardInterrupt):
            solve_many(MANY, model, checkpointer=file, concurrency=3, **given)
        assert told(solve_many(MANY, model, checkpointer=file, **given)) == whole


@pytest.mark.parametrize("budgets", [(66, 80, 120), (70, 71, 95)])
def test_a_larger_budget_later_is_a_larger_budget_at_once(budgets: tuple[int, ...]) -> None:
    saver, model = InMemorySaver(), WORLD.model()
    for budget in budgets:
        given: Any = {"context": TUNED, "max_calls": budget}
        at_once = solve_many(TEXTS, WORLD.model(), **given)
        assert told(solve_many(TEXTS, model, checkpointer=saver, **given)) == told(at_once)
        assert calls(at_once) <= budget
    smaller: Any = {"context": TUNED, "max_calls": budgets[0]}
    made = len(model.calls)
    again = solve_many(TEXTS, model, checkpointer=saver, **smaller)
    assert told(again) == told(solve_many(TEXTS, WORLD.model(), **smaller))
    assert len(model.calls) == made


def test_a_search_that_was_made_before_goes_on() -> None:
    saver, model = InMemorySaver(), WORLD.model()
    before = solve(TEXTS[0], model, context=TUNED, checkpointer=saver)
    made = len(model.calls)
    found = solve_many(TEXTS, model, context=TUNED, max_calls=66, checkpointer=saver)
    assert found[0].tree == before.tree
    assert len(model.calls) == made + calls(found[1:])
    again = solve_many(TEXTS, model, context=TUNED, max_calls=66, checkpointer=saver)
    assert told(again) == told(found)


class ServerAwayError(Exception):
    """What a client raises while its server is away."""

    status_code = 503


class Away(ScriptedChatModel):
    """Its server is away for the first calls about problem 2, from the draft or later on."""

    times: int
    later: bool = False

    def __init__(self, **given: Any) -> None:
        super().__init__(replies=self.answer, **given)

    def answer(self, call: ScriptedCall) -> Any:
        concerned = "problem 2." in str(call.messages) and (call.rollout > 0) == self.later
        if concerned and self.times > 0:
            self.times -= 1
            return ServerAwayError("away")
        return WORLD.reply(call)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)


@pytest.mark.parametrize("later", [False, True])
def test_what_failed_since_the_server_was_away_is_tried_again_at_the_end(later: bool) -> None:
    saver, model, heard = InMemorySaver(), Away(times=2 if not later else 5, later=later), []

    def on_solution(number: int, solution: Solution) -> None:
        heard.append((number, solution.stop_reason == "failed"))

    given: Any = {"context": TUNED, "max_calls": 100, "checkpointer": saver}
    found = solve_many(TEXTS, model, on_solution=on_solution, **given)
    assert (2, True) in heard
    assert heard.index((2, True)) < heard.index((2, False))
    assert found[2].answer is not None
    assert {failure["code"] for failure in found[2].failures} == {"unavailable"}
    assert calls(found) <= 100
    made = len(model.calls)
    assert told(solve_many(TEXTS, model, **given)) == told(found)
    assert len(model.calls) == made


@pytest.mark.parametrize("later", [False, True])
def test_what_fails_again_is_tried_once_more_by_the_next_call_only(later: bool) -> None:
    saver, model = InMemorySaver(), Away(times=10**6, later=later)
    given: Any = {"context": TUNED, "max_calls": 100, "checkpointer": saver}
    found = solve_many(TEXTS, model, **given)
    assert [s.stop_reason == "failed" for s in found] == [n == 2 for n in range(6)]
    made = len(model.calls)
    assert told(solve_many(TEXTS, model, **given)) == told(found)
    assert {"problem 2." in str(call.messages) for call in model.calls[made:]} == {True}
    model.times = 0
    mended = solve_many(TEXTS, model, **given)
    assert mended[2].answer is not None
    assert calls(mended) <= 100


@pytest.mark.parametrize("profile", ["tuned", "paper", "rsa"])
@pytest.mark.parametrize("most", [6, 8, 20])
def test_a_batch_whose_replies_cannot_be_used_makes_no_call_too_many(
    profile: str, most: int
) -> None:
    model = ScriptedChatModel(
        replies=lambda call: "" if "problem 1." in str(call.messages) else WORLD.reply(call)
    )
    solve_many(TEXTS, model, context=MCTSrContext(profile=profile), max_calls=most)
    assert len(model.calls) <= most


def main(file: str, budget: int, slowness: float) -> None:
    """Run the batch in a process of its own, to be killed."""
    model = WORLD.model(latency=slowness)
    found = solve_many(MANY, model, context=TUNED, max_calls=budget, checkpointer=file)
    print(told(found))


def killed_again_and_again(file: Path, budget: int, kills: int, seed: int) -> tuple[str, int]:
    """What the batch finds at last, and how many times it was killed."""
    rng, killed = random.Random(seed), 0
    command = [sys.executable, "-m", "tests.test_many_again", str(file), str(budget), "0.02"]
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            began = time.monotonic()
            if killed < kills:
                while not file.exists() and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(rng.uniform(0, 1.2))
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
            output = process.stdout.read()
        if process.returncode == 0:
            return output.strip(), killed
        assert process.returncode == -signal.SIGKILL, time.monotonic() - began
        killed += 1


def test_killed_at_random_moments_a_batch_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = told(solve_many(MANY, WORLD.model(), context=TUNED, max_calls=300))
    output, killed = killed_again_and_again(tmp_path / "batch.db", 300, kills=10, seed=1)
    assert killed > 3
    assert output == whole


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
