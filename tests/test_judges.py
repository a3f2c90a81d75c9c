"""Judges: each by itself, and behind the one seam inside a search."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from langchain_core.messages import HumanMessage

from mctsr_graph import (
    CallJournal,
    ConfigError,
    FingerprintMismatchError,
    MCTSrContext,
    ScriptedChatModel,
    SearchFailedError,
    asolve,
    create_mctsr,
    solve,
    ways,
)
from mctsr_graph.calls import Request
from mctsr_graph.judges import Case, Clerk, Verifier
from mctsr_graph.judges.court import NAMED
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.scores import parse_score

from .conftest import keyed_reply

Make = Callable[..., ScriptedChatModel]
ONE, THREE = MCTSrContext(max_rollouts=1), MCTSrContext(max_rollouts=3)


def rewards(solution: Any) -> list[list[float]]:
    return [node["rewards"] for node in solution.tree.values()]


# --------------------------------------------------------------------------- which judge
def test_every_name_that_a_setting_may_take_is_a_judge() -> None:
    assert get_args(MCTSrContext.model_fields["judge"].annotation) == tuple(NAMED)
    for name, judge in NAMED.items():
        assert judge.name == name  # type: ignore[attr-defined]


@pytest.mark.parametrize("judge", ["harsh", 7, Verifier, ScriptedChatModel(replies=[])])
def test_what_is_no_judge_is_told_what_is(judge: Any, keyed: ScriptedChatModel) -> None:
    with pytest.raises(ConfigError, match=r"judge is .*, allowed 'self', .*judge_model"):
        create_mctsr(keyed, judge=judge)
    with pytest.raises(ConfigError, match="judge is "):
        solve("How many?", keyed, judge=judge)
    assert not keyed.calls


def test_a_judge_that_is_given_goes_before_the_setting(keyed: ScriptedChatModel) -> None:
    context = MCTSrContext(max_rollouts=1, judge="logits")
    solution = solve("How many?", keyed, judge=lambda problem, answer: 7, context=context)
    assert rewards(solution) == [[7.0, 7.0], [7.0]]
    graph = create_mctsr(keyed, judge="self").compile()
    assert graph.invoke({"problem": "How many?"}, context=context)["rollouts"] == 1


# --------------------------------------------------------------------------- a function
def length(problem: str, answer: str) -> float:
    return len(problem) - len(answer)


async def length_later(problem: str, answer: str) -> float:
    await asyncio.sleep(0.001)
    return length(problem, answer)


class Length:
    """A function that keeps something, as a client of a proof checker would."""

    async def __call__(self, problem: str, answer: str) -> float:
        return await length_later(problem, answer)


@pytest.mark.parametrize("judge", [length, length_later, Length()])
async def test_a_function_judges_under_invoke_and_ainvoke(
    judge: Any, keyed: ScriptedChatModel
) -> None:
    context = MCTSrContext(max_rollouts=3, width=3)
    here = solve("How many?", keyed, judge=judge, context=context)  # in a running event loop
    there = await asolve("How many?", keyed, judge=judge, context=context)
    # "How many?" has 9 characters, "Answer of rollout 0: \boxed{0}" 30
    assert rewards(here) == rewards(there) == [[-21.0] * 4, [-21.0], [-21.0], [-21.0]]
    assert here.usage["evaluate"]["calls"] == 0
    assert {call.role for call in keyed.calls} == {"draft", "critique", "refine"}


async def test_a_slow_function_does_not_block_the_event_loop(keyed: ScriptedChatModel) -> None:
    threads = set()

    def check(problem: str, answer: str) -> bool:
        threads.add(threading.current_thread())
        return True

    await asolve("How many?", keyed, judge=check, context=ONE)
    assert threading.main_thread() not in threads


class Scalar:
    """As NumPy and PyTorch have them."""

    def __init__(self, value: Any) -> None:
        self.item = lambda: value


@pytest.mark.parametrize(
    ("said", "points"),
    [(True, 100), (False, -100), (100, 100), (-0.5, -0.5), (Scalar(True), 100), (Scalar(3), 3)],
)
@pytest.mark.parametrize("profile", ["paper", "official"])
def test_what_a_function_says_is_not_suppressed(
    said: Any, points: float, profile: Any, keyed: ScriptedChatModel
) -> None:
    context = MCTSrContext(profile=profile, init="answer", max_rollouts=1)
    solution = solve("How many?", keyed, judge=lambda p, a: said, context=context)
    assert rewards(solution) == [[points, points], [points]]
    assert all(type(reward) is float for own in rewards(solution) for reward in own)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (100.5, "out_of_range"),
        (-250, "out_of_range"),
        (float("nan"), "not_finite"),
        (None, "not_finite"),
        ("85", "not_finite"),
        (KeyError("x"), "judge_error"),
        (StopIteration(), "judge_error"),
        (TimeoutError("no prover"), "judge_error"),
    ],
)
async def test_a_function_that_fails_costs_one_reward(
    said: Any, code: str, keyed: ScriptedChatModel
) -> None:
    def check(problem: str, answer: str) -> Any:
        if "rollout 2" not in answer:
            return 10
        if isinstance(said, Exception):
            raise said
        return said

    for solution in (
        solve("How many?", keyed, judge=check, context=THREE),
        await asolve("How many?", keyed, judge=check, context=THREE),
    ):
        assert [node["rollout"] for node in solution.tree.values()] == [0, 1, 3]
        [failure] = solution.failures
        assert (failure["rollout"], failure["role"], failure["code"]) == (2, "evaluate", code)
        name = "tests.test_judges.test_a_function_that_fails_costs_one_reward.<locals>.check"
        assert failure["message"].startswith(f"{name} r")
        if not isinstance(said, Exception):
            assert failure["message"] == f"{name} returned {said!r}, allowed -100 to 100 points"
        elif not isinstance(said, StopIteration):
            assert failure["message"] == f"{name} raised {type(said).__name__}: {said}"


def test_a_function_that_always_fails_ends_the_search_by_name(keyed: ScriptedChatModel) -> None:
    def check(problem: str, answer: str) -> float:
        raise ZeroDivisionError("by zero")

    with pytest.raises(SearchFailedError, match=r"check raised ZeroDivisionError: by zero") as told:
        solve("How many?", keyed, judge=check)
    assert told.value.solution.answer == "Answer of rollout 0: \\boxed{0}"


async def test_an_async_function_that_hangs_is_ended(keyed: ScriptedChatModel) -> None:
    async def check(problem: str, answer: str) -> float:
        await asyncio.sleep(60 if "rollout 1" in answer else 0)
        return 1

    context = MCTSrContext(max_rollouts=2, call_seconds=0.2)
    solution = await asolve("How many?", keyed, judge=check, context=context)
    assert [failure["code"] for failure in solution.failures] == ["judge_error"]
    assert "no reply within 0.2 s" in solution.failures[0]["message"]


# --------------------------------------------------------------------------- a second model
def test_a_second_model_judges_and_the_first_writes(scripted: Make) -> None:
    writer, teacher = scripted({}), ScriptedChatModel(replies=lambda call: "Score: 33")
    solution = solve("How many?", writer, judge_model=teacher, context=ONE)
    assert rewards(solution) == [[33.0, 33.0], [33.0]]
    assert [call.role for call in writer.calls] == ["draft", "critique", "refine"]
    assert [call.role for call in teacher.calls] == ["evaluate"] * 3
    assert {role: cost["calls"] for role, cost in solution.usage.items()} == {
        "draft": 1,
        "critique": 1,
        "refine": 1,
        "evaluate": 3,
    }


def test_the_judges_calls_are_in_the_same_budget(keyed: ScriptedChatModel) -> None:
    teacher = ScriptedChatModel(replies=lambda call: "Score: 33")
    context = MCTSrContext(max_rollouts=99, max_calls=11)
    solution = solve("How many?", keyed, judge_model=teacher, context=context)
    assert (solution.stop_reason, solution.rollouts) == ("max_calls", 2)
    assert len(keyed.calls) + len(teacher.calls) == 2 + 4 * 2


def test_a_wrong_key_of_the_judges_model_is_raised_at_once(keyed: ScriptedChatModel) -> None:
    locked = ScriptedChatModel(replies=lambda call: PermissionError("wrong key"))
    with pytest.raises(PermissionError, match="wrong key"):
        solve("How many?", keyed, judge_model=locked)
    assert [call.role for call in keyed.calls] == ["draft"]


class Other(ScriptedChatModel):
    """A model of another name."""


def test_another_judge_is_another_search(keyed: ScriptedChatModel, tmp_path: Path) -> None:
    def search(**who: Any) -> Any:
        file, name = tmp_path / "search.db", "1"
        return solve("How many?", keyed, context=ONE, checkpointer=file, thread_id=name, **who)

    search(judge=length)
    made = len(keyed.calls)
    search(judge=length)
    assert len(keyed.calls) == made
    others: list[dict[str, Any]] = [
        {},
        {"judge": length_later},
        {"judge": "logits"},
        {"judge": length, "judge_model": Other(replies=[])},
    ]
    for who in others:
        with pytest.raises(FingerprintMismatchError):
            search(**who)


# --------------------------------------------------------------------------- a judge of one's own
def score_request(text: str) -> Request:
    return Request("evaluate", [HumanMessage(text)], parse_score, lambda: [HumanMessage("?")])


@dataclass(frozen=True)
class Twice:
    """Asks for two scores at once and then for a third; takes the mean."""

    weight: float = 1.0

    async def reward(self, case: Case, clerk: Clerk) -> float:
        two = await clerk.ask_all([score_request("a" + case.answer), score_request("b")])
        return self.weight * (sum(two) + await clerk.ask(score_request("c"))) / 3


def thirds(call: ScriptedCall) -> str:
    if call.role != "evaluate":
        return keyed_reply(call)
    return {"a": "Score: 10", "b": "Score: 20", "c": "Score: 60"}[str(call.messages[0].content)[0]]


async def test_a_judge_of_ones_own_asks_as_often_as_it_likes(tmp_path: Path) -> None:
    context = MCTSrContext(max_rollouts=4, width=4, reward_samples=2)
    with CallJournal(tmp_path / "calls.db") as journal:
        model = ScriptedChatModel(replies=thirds)
        here = solve("How many?", model, judge=Twice(), context=context, journal=journal)
        assert rewards(here) == [[30.0] * 6] + [[30.0] * 2] * 4  # (10 + 20 + 60) / 3
        assert here.usage["evaluate"]["calls"] == 3 * (2 + 4 * 3)
        assert journal.count() == len(model.calls)  # no two of them share a slot
        silent = ScriptedChatModel(replies=[])
        again = await asolve("How many?", silent, judge=Twice(), context=context, journal=journal)
        assert (again.tree, again.usage) == (here.tree, here.usage)
    there = await asolve("How many?", model, judge=Twice(), context=context)
    assert there.tree == here.tree
    seeds = {call.settings["seed"] for call in model.calls[: len(model.calls) // 2]}
    assert len(seeds) == len(model.calls) // 2


def test_the_fields_of_a_judge_are_part_of_the_search(tmp_path: Path) -> None:
    model, file = ScriptedChatModel(replies=thirds), tmp_path / "search.db"
    solve("How many?", model, judge=Twice(), context=ONE, checkpointer=file, thread_id="1")
    with pytest.raises(FingerprintMismatchError):
        solve("How many?", model, judge=Twice(0.5), context=ONE, checkpointer=file, thread_id="1")


def test_a_judge_that_asks_in_vain_loses_that_reward_and_pays_for_it() -> None:
    def reply(call: ScriptedCall) -> str:
        return "hm" if call.rollout == 1 and call.sample >= 1000 else thirds(call)

    model = ScriptedChatModel(replies=reply)
    context = MCTSrContext(max_rollouts=1, max_retries=1)
    solution = solve("How many?", model, judge=Twice(), context=context)
    assert [failure["code"] for failure in solution.failures] == ["missing", "missing"]
    assert sum(cost["calls"] for cost in solution.usage.values()) == len(model.calls)


def test_jobs_inside_jobs_never_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "_MOST_THREADS", 2)
    ways._threads.cache_clear()
    context = MCTSrContext(max_rollouts=8, width=8)
    model = ScriptedChatModel(replies=thirds, latency=0.001)
    assert solve("How many?", model, judge=Twice(), context=context).rollouts == 8
    ways._threads.cache_clear()


def test_a_case_knows_the_other_answers_but_no_dummy(keyed: ScriptedChatModel) -> None:
    seen: dict[tuple[int, int], list[str]] = {}

    class Curious:
        async def reward(self, case: Case, clerk: Clerk) -> float:
            seen[case.rollout, case.sample] = [other[:19] for other in case.others]
            return 0.0

    context = MCTSrContext(max_rollouts=2, width=2, init="both")
    solve("How many?", keyed, judge=Curious(), context=context)
    roots = {(0, 0): [], (0, 1): ["Answer of rollout 0"]}
    first, second, root = (f"Answer of rollout {n}" for n in (1, 2, 0))
    assert {place: seen[place] for place in roots} == roots
    assert seen[1, 0] == [root, second]
    assert seen[2, 0] == [root, first]
