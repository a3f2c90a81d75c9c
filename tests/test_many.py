"""Many problems under one budget of calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    SearchFailedError,
    Solution,
    asolve_many,
    solve,
    solve_many,
)
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.judges import SelfEvaluation
from mctsr_graph.run import solve_many as many
from mctsr_graph.run.learn_prior import learn_prior
from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.choose import weighted
from mctsr_graph.strategies.tuned.learn import groups

WORLD = World(skill=0.5, auc=0.7, seed=9)
PROBLEMS = [WORLD.problem(number) for number in range(30)]
TEXTS = [problem.text for problem in PROBLEMS]


# Here the judge is worth more than it is thought to be before anything is known of it
SHARP = World(skill=0.4, auc=0.9, noise=0.06, wrong_ratio=0.6, class_spread=0.03, seed=2)
SHARP_TEXTS = [SHARP.problem(number).text for number in range(32)]
ELEVEN = MCTSrContext(profile="tuned", max_calls=11)


def calls(solutions: list[Solution]) -> int:
    return sum(total_cost(solution.usage)["calls"] for solution in solutions)


def right(solutions: list[Solution]) -> int:
    return sum(s.final_answer == p.gold for s, p in zip(solutions, PROBLEMS, strict=True))


def test_a_shared_budget_is_worth_at_least_what_equal_shares_are() -> None:
    even = MCTSrContext(profile="tuned", max_calls=19)
    apart = [solve(text, WORLD.model(), context=even) for text in TEXTS]
    together = solve_many(TEXTS, WORLD.model(), max_calls=calls(apart), learn=False)
    assert calls(together) <= calls(apart)
    assert right(together) >= right(apart)
    spent = [calls([solution]) for solution in together]
    assert min(spent) < 12
    assert max(spent) > 19


@pytest.mark.parametrize("budget", [30, 100, 333])
def test_the_budget_is_never_exceeded(budget: int) -> None:
    model = WORLD.model()
    found = solve_many(TEXTS, model, max_calls=budget, learn=True)
    assert len(model.calls) == calls(found) <= budget
    assert [solution.problem for solution in found] == TEXTS


async def test_the_result_depends_on_neither_concurrency_nor_luck() -> None:
    texts, calls = TEXTS[:20], 220  # two groups
    one = await asolve_many(texts, WORLD.model(), max_calls=calls, concurrency=1)
    together = await asolve_many(texts, WORLD.model(latency=0.001), max_calls=calls, concurrency=20)
    assert one == together


def test_a_batch_is_learnt_from_whenever_it_has_doubled() -> None:
    assert [*groups(0)] == []
    assert [*groups(16)] == [range(16)]
    assert [*groups(70)] == [range(16), range(16, 32), range(32, 64), range(64, 70)]


def test_the_first_problems_help_those_after_them() -> None:
    def first_shares(learn: bool) -> list[Solution]:
        told: dict[int, Solution] = {}
        solve_many(
            SHARP_TEXTS, SHARP.model(), context=ELEVEN, learn=learn, on_solution=told.setdefault
        )
        return [told[number] for number in range(len(SHARP_TEXTS))]

    pairs = zip(first_shares(learn=False), first_shares(learn=True), strict=True)
    same = [alone.tree == found.tree for alone, found in pairs]
    assert all(same[:16])
    assert not all(same[16:])


def test_all_answers_are_chosen_under_what_was_learnt_last(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[Prior] = []

    def learning(*given: Any) -> Prior:
        learnt.append(learn_prior(*given))
        return learnt[-1]

    monkeypatch.setattr(many, "learn_prior", learning)
    told: dict[int, list[str | None]] = {}
    model, saver = SHARP.model(), InMemorySaver()
    found = solve_many(
        SHARP_TEXTS,
        model,
        context=ELEVEN,
        checkpointer=saver,
        on_solution=lambda n, solution: told.setdefault(n, []).append(solution.answer),
    )
    assert len(model.calls) == calls(found) <= 11 * len(SHARP_TEXTS)
    last = MCTSrContext(profile="tuned", max_calls=1, prior=learnt[-1])
    assert [solution.best for solution in found] == [weighted(s.tree, last) for s in found]
    assert any(len(set(answers)) > 1 for answers in told.values())
    assert [told[n][-1] for n in range(len(found))] == [solution.answer for solution in found]
    kept = [solve(t, model, context=last, checkpointer=saver) for t in SHARP_TEXTS]
    assert kept == found
    assert len(model.calls) == calls(found)


def test_what_a_batch_told_helps_single_searches() -> None:
    world = World(skill=0.3, auc=0.9, noise=0.06, wrong_ratio=0.5, class_spread=0.03, seed=2)
    batch = [world.problem(number).text for number in range(32)]
    prior = learn_prior(solve_many(batch, world.model(), max_calls=19 * len(batch)))
    others = [world.problem(number) for number in range(100, 140)]

    def right(context: MCTSrContext) -> int:
        found = [solve(other.text, world.model(), context=context) for other in others]
        return sum(s.final_answer == p.gold for s, p in zip(found, others, strict=True))

    assert right(ELEVEN.model_copy(update={"prior": prior})) >= right(ELEVEN) + 4


@dataclass(frozen=True)
class Dear(SelfEvaluation):
    """Says that a reward may take ten calls."""

    reward_calls: ClassVar = 10


def test_a_judge_that_takes_more_calls_than_a_round_is_asked_where_it_is_worth_it() -> None:
    knowing = MCTSrContext(profile="tuned", prior=Prior(discrimination=(0, 0, 0, 0, 0, 0, 1.0)))
    model, texts = SHARP.model(), SHARP_TEXTS[:8]
    solve_many(texts, model, judge=Dear(), context=knowing, max_calls=320, learn=False)
    assert len(model.calls) == 320
    assert any(call.role == "evaluate" for call in model.calls)


def test_what_failed_is_not_chosen_again() -> None:
    def reply(call: Any) -> str:
        if call.role != "draft" and "problem 2." in str(call.messages):
            raise ValueError("no")
        return SHARP.reply(call)

    told: list[int] = []
    found = solve_many(
        SHARP_TEXTS,
        ScriptedChatModel(replies=reply),
        context=ELEVEN.model_copy(update={"max_failures": 1}),
        on_solution=lambda n, solution: told.append(n),
    )
    assert [n for n, s in enumerate(found) if s.stop_reason == "failed"] == [2]
    assert found[2].tree
    assert told.count(2) == 1


def test_a_judge_that_gives_no_score_costs_no_more_than_in_a_search_alone() -> None:
    def reply(call: Any) -> str:
        if call.role == "evaluate":
            return "I cannot say."
        return f"Text {call.rollout}.{call.sample}: \\boxed{{{call.rollout % 3}}}"

    alone = ScriptedChatModel(replies=reply)
    with pytest.raises(SearchFailedError):
        solve(TEXTS[0], alone, context=ELEVEN.model_copy(update={"max_calls": 70}))
    model = ScriptedChatModel(replies=reply)
    solve_many(TEXTS[:1], model, context=ELEVEN, max_calls=70)
    assert len(model.calls) <= len(alone.calls)


def test_a_problem_that_fails_does_not_stop_the_others() -> None:
    def reply(call: Any) -> str:
        if "problem 2." in str(call.messages[-1].content):
            raise ValueError("no")
        return WORLD.reply(call)

    found = solve_many(TEXTS[:4], ScriptedChatModel(replies=reply))
    assert [s.stop_reason == "failed" for s in found] == [False, False, True, False]
    assert "ValueError: no" in found[2].failures[0]["message"]


def test_what_was_found_before_a_failure_is_kept_and_counted() -> None:
    class Breaking(InMemorySaver):
        broken = False

        async def aget_tuple(self, config: Any) -> Any:
            if self.broken:
                raise OSError("no disk")
            return await super().aget_tuple(config)

    def on_solution(number: int, solution: Solution) -> None:
        saver.broken = True

    saver, model = Breaking(), WORLD.model()
    found = solve_many(TEXTS[:4], model, checkpointer=saver, on_solution=on_solution)
    assert {solution.stop_reason for solution in found} == {"failed"}
    assert all(solution.answer for solution in found)
    assert all("OSError: no disk" in solution.failures[-1]["message"] for solution in found)
    assert len(model.calls) == calls(found)


def test_each_solution_is_told_as_it_comes() -> None:
    told: list[int] = []
    found = solve_many(TEXTS[:3], WORLD.model(), on_solution=lambda n, solution: told.append(n))
    assert told[:3] == [0, 1, 2]
    assert len(found) == 3


def test_equal_problems_share_a_search() -> None:
    told: list[int] = []
    model, texts = WORLD.model(), [TEXTS[0], TEXTS[1], TEXTS[0]]
    found = solve_many(texts, model, max_calls=30, on_solution=lambda n, _: told.append(n))
    assert [solution.problem for solution in found] == texts
    assert found[0] == found[2]
    assert len(model.calls) == calls(found[:2])
    assert told[:3] == [0, 2, 1]


def test_no_problem_is_no_work() -> None:
    assert solve_many([], WORLD.model()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_calls": 2}, "max_calls is 2, allowed 3 or more, one a problem"),
        ({"concurrency": 0}, "concurrency is 0, allowed 1 or more"),
        ({"concurrency": "3"}, "concurrency is '3', allowed 1 or more"),
        ({"jugde": "rubric"}, "jugde: no option of a batch"),
        ({"thread_id": "all"}, "thread_id: no option of a batch"),
    ],
)
def test_wrong_values_are_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        solve_many(TEXTS[:3], WORLD.model(), **given)


@pytest.mark.parametrize("given", ["2 + 2", b"2 + 2", None, 2, {"2 + 2": "4"}])
def test_what_is_no_list_of_problems_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"problems is .*, allowed a list"):
        solve_many(given, WORLD.model())


def test_problems_may_come_one_by_one() -> None:
    found = solve_many((text for text in TEXTS[:2]), WORLD.model(), max_calls=8)
    assert [one.problem for one in found] == TEXTS[:2]


@pytest.mark.parametrize("most", ["9", 9.5, True])
def test_calls_are_a_whole_number(most: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_calls is .*, allowed a whole number"):
        solve_many(TEXTS, WORLD.model(), max_calls=most)


async def test_in_a_running_loop_the_one_to_await_is_named() -> None:
    with pytest.raises(ConfigError, match="await asolve_many"):
        solve_many(TEXTS, WORLD.model())


async def test_a_wrong_problem_ends_the_searches_for_the_others() -> None:
    model = ScriptedChatModel(replies=[], latency=60)
    with pytest.raises(ConfigError, match="not blank"):
        await asolve_many(["How many?", " "], model)
    assert asyncio.all_tasks() == {asyncio.current_task()}
