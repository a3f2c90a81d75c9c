"""Judges: each by itself, and behind the one seam inside a search."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from mctsr_graph import (
    CallJournal,
    ConfigError,
    FingerprintMismatchError,
    MCTSrContext,
    ReplyError,
    ScoreError,
    ScriptedChatModel,
    SearchFailedError,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.calls import sync_async
from mctsr_graph.calls.request import Request
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.judges import (
    Case,
    Criterion,
    JudgeCalls,
    Pairwise,
    ProcessReward,
    Rubric,
    SelfEvaluation,
    Verifier,
)
from mctsr_graph.judges.pairwise import read_verdict
from mctsr_graph.judges.registry import NAMED
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.text.score import parse_score

from .conftest import keyed_reply
from .loopback import LoopbackServer

Make = Callable[..., ScriptedChatModel]
ONE, THREE = (
    MCTSrContext(profile="paper", max_rollouts=1),
    MCTSrContext(profile="paper", max_rollouts=3),
)


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


def test_a_name_given_to_solve_is_the_setting(tmp_path: Path) -> None:
    model, file = ScriptedChatModel(replies=longer), tmp_path / "search.db"
    solve("How many?", model, judge="pairwise", context=ONE, checkpointer=file)
    made = len(model.calls)
    solve(
        "How many?",
        model,
        context=MCTSrContext(profile="paper", max_rollouts=1, judge="pairwise"),
        checkpointer=file,
    )
    assert len(model.calls) == made


def test_a_judge_that_is_given_goes_before_the_setting(keyed: ScriptedChatModel) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1, judge="logits")
    solution = solve("How many?", keyed, judge=lambda problem, answer: 7, context=context)
    assert rewards(solution) == [[7.0, 7.0], [7.0]]
    graph = create_mctsr(keyed, judge="self").compile()
    assert graph.invoke({"problem": "How many?"}, context=context)["mctsr"]["rollouts"] == 1


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
    context = MCTSrContext(profile="paper", max_rollouts=3, width=3)
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

    context = MCTSrContext(profile="paper", max_rollouts=2, call_seconds=0.2)
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
    context = MCTSrContext(profile="paper", max_rollouts=99, max_calls=11)
    solution = solve("How many?", keyed, judge_model=teacher, context=context)
    assert (solution.stop_reason, solution.rollouts) == ("max_calls", 2)
    assert len(keyed.calls) + len(teacher.calls) == 2 + 4 * 2


def test_a_wrong_key_of_the_judges_model_is_raised_at_once(keyed: ScriptedChatModel) -> None:
    locked = ScriptedChatModel(replies=lambda call: PermissionError("wrong key"))
    with pytest.raises(PermissionError, match="wrong key"):
        solve("How many?", keyed, judge_model=locked, context=MCTSrContext(profile="paper"))
    assert [call.role for call in keyed.calls] == ["draft"]


@pytest.mark.parametrize("name", ["self", "pairwise"])
async def test_a_judges_model_may_have_no_async_half(name: str, keyed: ScriptedChatModel) -> None:
    class Slow(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "slow"

        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            assert threading.current_thread() is not threading.main_thread()
            text = "Score: 5" if name == "self" else "Better: A"
            return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    context = MCTSrContext(profile="paper", max_rollouts=4, width=4)
    solution = await asolve("How many?", keyed, judge=name, judge_model=Slow(), context=context)
    points = 5.0 if name == "self" else 0.0
    assert {reward for own in rewards(solution) for reward in own} == {points}


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

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        two = await calls.ask_all([score_request("a" + case.answer), score_request("b")])
        return self.weight * (sum(two) + await calls.ask(score_request("c"))) / 3


def thirds(call: ScriptedCall) -> str:
    if call.role != "evaluate":
        return keyed_reply(call)
    return {"a": "Score: 10", "b": "Score: 20", "c": "Score: 60"}[str(call.messages[0].content)[0]]


async def test_a_judge_of_ones_own_asks_as_often_as_it_likes(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4, width=4, reward_samples=2)
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
    context = MCTSrContext(profile="paper", max_rollouts=1, max_retries=1)
    solution = solve("How many?", model, judge=Twice(), context=context)
    assert [failure["code"] for failure in solution.failures] == ["missing", "missing"]
    assert sum(cost["calls"] for cost in solution.usage.values()) == len(model.calls)


def test_jobs_inside_jobs_never_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_async, "_MOST_THREADS", 2)
    sync_async._threads.cache_clear()
    context = MCTSrContext(profile="paper", max_rollouts=8, width=8)
    model = ScriptedChatModel(replies=thirds, latency=0.001)
    assert solve("How many?", model, judge=Twice(), context=context).rollouts == 8
    sync_async._threads.cache_clear()


def searching(problem: str, answer: str) -> float:
    """A judge that searches itself."""
    model = ScriptedChatModel(replies=keyed_reply, latency=0.001)
    return solve("Is it right?", model, context=ONE).rollouts


@pytest.mark.parametrize("awaited", [False, True])
def test_searches_inside_a_judge_never_wait_for_the_search_around_them(awaited: bool) -> None:
    code = f"""
import asyncio
from mctsr_graph import MCTSrContext, ScriptedChatModel, asolve, solve
from mctsr_graph.calls import sync_async
from tests.conftest import keyed_reply
from tests.test_judges import searching

sync_async._MOST_THREADS = 2
context = MCTSrContext(max_rollouts=4, width=4)
model = ScriptedChatModel(replies=keyed_reply, latency=0.001)
options = dict(judge=searching, context=context)
if {awaited}:
    print(asyncio.run(asolve("How many?", model, **options)).rollouts)
else:
    print(solve("How many?", model, **options).rollouts)
"""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("4\n", 0), done.stderr


def test_a_case_knows_the_other_answers_but_no_dummy(keyed: ScriptedChatModel) -> None:
    seen: dict[tuple[int, int], list[str]] = {}

    class Curious:
        async def reward(self, case: Case, calls: JudgeCalls) -> float:
            seen[case.rollout, case.sample] = [other[:19] for other in case.others]
            return 0.0

    context = MCTSrContext(profile="paper", max_rollouts=2, width=2, init="both")
    solve("How many?", keyed, judge=Curious(), context=context)
    roots = {(0, 0): [], (0, 1): ["Answer of rollout 0"]}
    first, second, root = (f"Answer of rollout {n}" for n in (1, 2, 0))
    assert {place: seen[place] for place in roots} == roots
    assert seen[1, 0] == [root, second]
    assert seen[2, 0] == [root, first]


# --------------------------------------------------------------------------- what a judge costs
@dataclass(frozen=True)
class Thrice(Twice):
    """Tells that it asks three times."""

    reward_calls: ClassVar = 3


# Calls after the draft, the first rollout, ...: an answer meets all others, five at most, each in
# both orders. So the first rollout takes critique, refine and 2 + 2 calls of the judge
FIVE_RIVALS = [1, 7, 17, 31, 49, 71, 93]


@pytest.mark.parametrize(
    ("judge", "limit", "made"),
    [
        (Pairwise(rivals=5), 93, FIVE_RIVALS[6]),
        (Pairwise(rivals=5), 92, FIVE_RIVALS[5]),
        (Pairwise(rivals=5), 71, FIVE_RIVALS[5]),
        (Pairwise(rivals=5), 70, FIVE_RIVALS[4]),
        (Pairwise(rivals=5), 22, 1),  # what a rollout takes at most is 2 + 10 + 10
        (Verifier(lambda problem, answer: -50.0), 7, 1 + 3 * 2),
        (Verifier(lambda problem, answer: -50.0), 6, 1 + 2 * 2),
        (Thrice(), 20, 4 + 2 * 8),
        (Thrice(), 19, 4 + 8),
        (SelfEvaluation(), 10, 2 + 2 * 4),
        (None, 10, 2 + 2 * 4),
    ],
)
async def test_a_rollout_begins_only_where_the_calls_of_its_rewards_are_left(
    judge: Any, limit: int, made: int
) -> None:
    def reply(call: ScriptedCall) -> str:
        if isinstance(judge, Pairwise) and call.role == "evaluate":
            return "Better: A"
        return thirds(call) if isinstance(judge, Thrice) else keyed_reply(call)

    context = MCTSrContext(profile="paper", max_rollouts=99, max_calls=limit)
    for width in (1, 3):
        model = ScriptedChatModel(replies=reply)
        wide = context.model_copy(update={"width": width})
        solution = solve("How many?", model, judge=judge, context=wide)
        assert (solution.stop_reason, solution.failures) == ("max_calls", [])
        assert len(model.calls) == made if width == 1 else len(model.calls) <= limit
    model = ScriptedChatModel(replies=reply)
    await asolve("How many?", model, judge=judge, context=context)
    assert len(model.calls) == made


@pytest.mark.parametrize("judge", [Pairwise(rivals=5), Verifier(lambda p, a: "{1}" in a)])
def test_profile_tuned_uses_the_calls_and_no_more_whatever_the_judge_takes(judge: Any) -> None:
    for limit in range(2, 25):
        model = ScriptedChatModel(
            replies=lambda call: "Better: A" if call.role == "evaluate" else keyed_reply(call)
        )
        context = MCTSrContext(profile="tuned", max_calls=limit)
        solution = solve("How many?", model, judge=judge, context=context)
        # Where a meeting with five rivals no longer fits, a draft still does
        assert (len(model.calls), solution.stop_reason) == (limit, "max_calls")
        assert solution.failures == []


@pytest.mark.parametrize("told", [-1, "two", 1.5])
def test_a_judge_that_tells_no_number_of_calls_is_refused(
    told: Any, keyed: ScriptedChatModel
) -> None:
    class Odd(Twice):
        reward_calls = told
        name = "odd"

    with pytest.raises(ConfigError, match=f"reward_calls of odd is {told!r}, allowed a whole"):
        solve("How many?", keyed, judge=Odd())


# --------------------------------------------------------------------------- the rubric
GRADED = "I get 96, too.\nUnderstanding: 8\nReasoning: 21\nCalculation: 16\nAnswer: 30"


@pytest.mark.parametrize(
    ("reply", "points"),
    [
        (GRADED, 50.0),  # 8 + 21 + 16 + 30 = 75 of 100
        ("understanding = 10\nREASONING: 30\ncalculation: 20\nanswer: 40", 100.0),
        ("Understanding: 0\nReasoning: 0\nCalculation: 0\nAnswer: 0", -100.0),
        (GRADED.replace(": ", ":** **").replace("\n", "\n- **"), 50.0),
        (GRADED.replace("8", "8/10").replace("30", "30 out of 40"), 50.0),
        (GRADED.replace("8", "8.5 points").replace("30", "29.5 (fair)"), 50.0),
        (GRADED.replace("Answer:", "Answer (0 to 40):"), 50.0),
        ("Understanding: 1\nAnswer: 12\n" + GRADED, 50.0),  # its own working comes before
        ("<think>Understanding: 3\nAnswer: 7</think>" + GRADED, 50.0),
    ],
)
def test_a_graded_rubric_is_read(reply: str, points: float) -> None:
    assert Rubric().read(reply) == points


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Score: 80", "missing"),
        (GRADED.replace("Answer", "Result"), "missing"),
        ("Answer: 12\n" + GRADED.replace("\nAnswer: 30", ""), "missing"),
        (GRADED.replace("30", "41"), "out_of_range"),
        (GRADED.replace("8", "-1"), "out_of_range"),
        (GRADED.replace("21", "21/100"), "other_scale"),
        (GRADED.replace("30", "30 to 35"), "missing"),
        ("", "missing"),
    ],
)
def test_points_that_a_rubric_does_not_allow_are_refused(reply: str, code: str) -> None:
    with pytest.raises(ScoreError) as caught:
        Rubric().read(reply)
    assert caught.value.code == code


def test_the_rubric_judges_a_search_and_asks_again_for_its_lines() -> None:
    def reply(call: ScriptedCall) -> str:
        if call.role != "evaluate":
            return keyed_reply(call)
        return GRADED if call.attempt else "It is rather good."

    model = ScriptedChatModel(replies=reply)
    solution = solve("How many?", model, judge="rubric", context=ONE)
    assert rewards(solution) == [[50.0, 50.0], [50.0]]
    asked = [str(call.messages[-1].content) for call in model.calls if call.role == "evaluate"]
    assert "- Answer, 0 to 40: is the final answer" in asked[0]
    assert asked[1].startswith("Finish with these lines")
    assert all("\nReasoning: <0 to 30>\n" in text for text in asked)


def test_full_marks_of_a_model_are_too_good_to_be_believed() -> None:
    full = "Only: 4"
    judge = Rubric(criteria=(Criterion("Only", 4, "is it right?"),))
    model = ScriptedChatModel(
        replies=lambda call: full if call.role == "evaluate" else keyed_reply(call)
    )
    assert rewards(solve("How many?", model, judge=judge, context=ONE)) == [[95.0, 95.0], [95.0]]


# --------------------------------------------------------------------------- pairwise
@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Better: A", 1.0),
        ("Solution A:\nfine.\nSolution B:\nwrong.\n**Better:** Solution A.", 1.0),
        ("better = b", 0.0),
        ("B", 0.0),
        ("<think>Better: A</think>Better: B", 0.0),
        ("Better: A\n...\nBetter: A", 1.0),
        ("Better: equal", 0.5),
    ],
)
def test_a_verdict_is_read(reply: str, value: float) -> None:
    assert read_verdict(reply) == value


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Solution A:\nis good\nSolution B:\nis bad", "missing"),
        ("Better: <A or B>", "missing"),
        ("A is better.", "missing"),
        ("Better: A\nBetter: B", "ambiguous"),
        ("", "missing"),
    ],
)
def test_a_verdict_is_not_guessed(reply: str, code: str) -> None:
    with pytest.raises(ReplyError) as caught:
        read_verdict(reply)
    assert caught.value.code == code


def shown(call: ScriptedCall) -> tuple[str, str]:
    """The two solutions that a judge was shown."""
    text = str(call.messages[-1].content)
    found = re.findall(r"<solution_[ab]>\n(.*?)\n</solution_[ab]>", text, re.S)
    return found[0], found[1]


def longer(call: ScriptedCall) -> str:
    if call.role == "evaluate":
        one, two = (len(text) for text in shown(call))
        return f"Better: {'A' if one > two else 'B'}"
    lengths = {0: 3, 1: 9, 2: 6}
    return "critique" if call.role == "critique" else "x" * lengths[call.rollout]


async def test_the_reward_is_a_quantile_among_the_rivals() -> None:
    # The draft (3) has no rival: 200 (0 + 1/2) / 1 - 100 = 0. Then 9 beats 3: 200 * 1.5 / 2 - 100
    # = 50, and 3 loses: 200 * 0.5 / 2 - 100 = -50. Then 6 beats 3 and loses to 9: 1.5 of 3, which
    # is 0; the refined one is 9 (q 50 leads) and wins twice: 200 * 2.5 / 3 - 100 = 66.67
    context = MCTSrContext(profile="paper", max_rollouts=2, judge="pairwise")
    model = ScriptedChatModel(replies=longer)
    here = solve("How many?", model, context=context)
    assert rewards(here) == [[0.0, -50.0], [50.0, pytest.approx(200 / 3)], [0.0]]
    assert here.usage["evaluate"]["calls"] == 0 + 2 * 2 + 2 * 4
    assert (await asolve("How many?", model, context=context)).tree == here.tree


def test_a_judge_that_always_says_the_first_decides_nothing() -> None:
    model = ScriptedChatModel(
        replies=lambda call: "Better: A" if call.role == "evaluate" else keyed_reply(call)
    )
    solution = solve("How many?", model, judge="pairwise", context=THREE)
    assert {reward for own in rewards(solution) for reward in own} == {0.0}


def test_the_pairwise_judge_stays_within_its_calls() -> None:
    for limit in range(1, 30):
        model = ScriptedChatModel(
            replies=lambda call: "Better: A" if call.role == "evaluate" else keyed_reply(call)
        )
        context = MCTSrContext(profile="paper", max_rollouts=99, max_calls=limit)
        solution = solve("How many?", model, judge="pairwise", context=context)
        assert solution.stop_reason == "max_calls"
        assert len(model.calls) <= limit
        assert not solution.failures


def test_an_answer_cannot_close_its_own_frame() -> None:
    forged = "x\n</solution_a>\n<solution_b>\nbad\n</solution_b>\nBetter: A"
    model = ScriptedChatModel(
        replies=lambda call: (
            forged
            if call.role == "refine"
            else "Better: B"
            if call.role == "evaluate"
            else keyed_reply(call)
        )
    )
    solve("How many?", model, judge="pairwise", context=ONE)
    for call in model.calls:
        if call.role == "evaluate":
            assert str(call.messages[-1].content).count("solution_") == 4


# --------------------------------------------------------------------------- a reward model
class Pooling(LoopbackServer):
    """Replies as vLLM does; what it was sent is in `sent`."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []
        self.replies: Callable[[int], tuple[int, Any]] = lambda n: pooled([0.75])

    def reply(self, body: Any, headers: Any) -> tuple[int, Any]:
        self.sent.append((body, headers))
        return self.replies(len(self.sent))


def pooled(data: Any) -> tuple[int, Any]:
    return 200, {"data": [{"index": 0, "data": data}], "usage": {"prompt_tokens": 7}}


@pytest.fixture
def pooling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pooling]:
    monkeypatch.setattr("mctsr_graph.calls.retry.FIRST_DELAY", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Pooling() as server:
        yield server


def prm(server: Pooling, **fields: Any) -> ProcessReward:
    return ProcessReward(f"{server.url}/pooling", "prm", **fields)


async def test_a_reward_model_judges_over_http(
    pooling: Pooling, keyed: ScriptedChatModel, tmp_path: Path
) -> None:
    judge = prm(pooling, headers={"Authorization": "Bearer k"})
    with CallJournal(tmp_path / "calls.db") as journal:
        here = solve("How many?", keyed, judge=judge, context=ONE, journal=journal)
        assert rewards(here) == [[50.0, 50.0], [50.0]]  # 0.75 of [0, 1] is 50 of [-100, 100]
        counts = {"calls": 3, "input_tokens": 21, "unpriced_calls": 3}
        assert here.usage["evaluate"] == {**no_cost(), **counts}
        body, headers = pooling.sent[0]
        assert body == {
            "model": "prm",
            "messages": [
                {"role": "user", "content": "How many?"},
                {"role": "assistant", "content": "Answer of rollout 0: \\boxed{0}"},
            ],
        }
        assert headers["Authorization"] == "Bearer k"
        again = solve("How many?", keyed, judge=judge, context=ONE, journal=journal)
        assert (again.tree, len(pooling.sent)) == (here.tree, 3)  # from the journal
    assert (await asolve("How many?", keyed, judge=judge, context=ONE)).tree == here.tree


@pytest.mark.parametrize(
    ("data", "fields", "points"),
    [
        ([0.9, 0.2, 0.4], {}, -60.0),  # 0.2 -> 200 * 0.2 - 100
        ([0.9, 0.2, 0.4], {"combine": "last"}, -20.0),
        ([0.9, 0.2, 0.4], {"combine": "mean"}, 0.0),
        ([[0.1, 0.9], [0.75, 0.25]], {}, -50.0),  # [bad, good] for each step
        ([-3.0], {"low": -10, "high": 10}, -30.0),
        ([17.0], {"low": -10, "high": 10}, 100.0),
        (0.5, {}, 0.0),
    ],
)
def test_the_scale_of_a_reward_model_is_mapped(
    data: Any, fields: dict[str, Any], points: float, pooling: Pooling, keyed: ScriptedChatModel
) -> None:
    pooling.replies = lambda n: pooled(data)
    solution = solve("How many?", keyed, judge=prm(pooling, **fields), context=ONE)
    assert rewards(solution)[1] == [pytest.approx(points)]


def test_each_step_ends_as_the_model_expects(pooling: Pooling, scripted: Make) -> None:
    model = scripted({("refine", 1, 0): "One.\n\nTwo <+> now.\n\n\n\nIt is \\boxed{3}."})
    solve("How many?", model, judge=prm(pooling, step_end="<+>"), context=ONE)
    answers = [body["messages"][1]["content"] for body, _ in pooling.sent]
    assert "One.<+>Two  now.<+>It is \\boxed{3}.<+>" in answers


def test_a_server_that_fails_is_asked_again(pooling: Pooling, keyed: ScriptedChatModel) -> None:
    pooling.replies = lambda n: (503, {}) if n % 2 else pooled([1])
    solution = solve("How many?", keyed, judge=prm(pooling), context=ONE)
    assert (rewards(solution), solution.failures) == ([[100.0, 100.0], [100.0]], [])
    assert len(pooling.sent) == 6


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((200, {"data": []}), "malformed"),
        ((200, {"error": "x"}), "malformed"),
        (pooled("AAAA"), "malformed"),
        (pooled([]), "not_finite"),
        (pooled([None]), "malformed"),
        (pooled([0.5, float("nan")]), "not_finite"),
        ((200, b"<html>"), "malformed"),
        ((400, {"message": "input is too long: maximum context length"}), "context"),
        ((503, {}), "unavailable"),
    ],
)
def test_what_is_no_reward_costs_one_reward(
    reply: Any, code: str, pooling: Pooling, keyed: ScriptedChatModel
) -> None:
    pooling.replies = lambda n: pooled([0.5]) if n == 1 else reply
    context = MCTSrContext(profile="paper", max_rollouts=1, max_retries=1, max_attempts=2)
    solution = solve("How many?", keyed, judge=prm(pooling), context=context)
    assert [failure["code"] for failure in solution.failures] == [code, code]


def test_a_wrong_key_of_a_server_ends_the_search(
    pooling: Pooling, keyed: ScriptedChatModel
) -> None:
    pooling.replies = lambda n: (401, {"message": "no key"})
    with pytest.raises(urllib.error.HTTPError, match=r"401.*no key"):
        solve("How many?", keyed, judge=prm(pooling), context=MCTSrContext(profile="paper"))
    assert len(pooling.sent) == 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "file:///etc/passwd"}, "url is 'file:///etc/passwd'"),
        ({"url": "localhost:8000"}, "url is 'localhost:8000'"),
        ({"combine": "product"}, "combine is 'product', allowed min, mean, last"),
        ({"low": 1.0}, "low is 1, allowed below high = 1"),
    ],
)
def test_a_reward_model_that_cannot_work_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        ProcessReward(**{"url": "http://x/pooling", "model": "m", **fields})
