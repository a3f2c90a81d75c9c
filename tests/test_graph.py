"""The state machine as a whole, with scripted models."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partialmethod
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    Prompts,
    ScriptedChatModel,
    ScriptExhaustedError,
    create_mctsr,
)
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.graph.nodes import Nodes
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies.strategy import Strategy

from .conftest import as_json, keyed_reply
from .strategies import Drawing

Make = Callable[..., ScriptedChatModel]
PROBLEM = {"problem": "How many?"}
EVERYTHING = [*MCTSrState.__annotations__]
EVERYTHING.remove("remaining_steps")


def run(model: Any, strategy: Strategy | None = None, **settings: Any) -> dict[str, Any]:
    """The whole final state of a search."""
    graph = create_mctsr(model, strategy=strategy).compile(name="mctsr")
    context = MCTSrContext(**{"profile": "paper", **settings})
    state: dict[str, Any] = graph.invoke(PROBLEM, context=context, output_keys=EVERYTHING)
    return state


async def arun(model: Any, strategy: Strategy | None = None, **settings: Any) -> dict[str, Any]:
    graph = create_mctsr(model, strategy=strategy).compile(name="mctsr")
    context = MCTSrContext(**{"profile": "paper", **settings})
    state: dict[str, Any] = await graph.ainvoke(PROBLEM, context=context, output_keys=EVERYTHING)
    return state


def events(model: Any, **settings: Any) -> list[dict[str, Any]]:
    graph = create_mctsr(model).compile(name="mctsr")
    return list(
        graph.stream(
            PROBLEM, context=MCTSrContext(**{"profile": "paper", **settings}), stream_mode="custom"
        )
    )


# --------------------------------------------------------------------------- one search by hand
def test_three_rollouts_computed_by_hand(scripted: Make) -> None:
    #   0 [-40, -60]
    #   └─ 1 [20, 0]
    #      └─ 2 [10, 30]
    #         └─ 3 [50]
    # After rollout 1: q1 = 20, q0 = ((-60 - 50) / 2 + 20) / 2 = -17.5; uct1 = 21.5 wins
    # After rollout 2: q2 = 10, q1 = (5 + 10) / 2 = 7.5; uct2 = 10 + 1.4 sqrt(ln 3) = 11.5 wins
    # After rollout 3: q3 = 50, q2 = (15 + 50) / 2, q1 = (5 + 32.5) / 2, q0 = (-55 + 18.75) / 2
    model = scripted(
        {
            ("evaluate", 0, 0): "Score: -40",
            ("evaluate", 1, 0): "Score: 20",
            ("evaluate", 1, 1): "Score: -60",
            ("evaluate", 2, 0): "Score: 10",
            ("evaluate", 2, 1): "Score: 0",
            ("evaluate", 3, 0): "Score: 50",
            ("evaluate", 3, 1): "Score: 30",
        }
    )
    state = run(model, max_rollouts=3)
    tree = state["tree"]
    assert [node["parent"] for node in tree.values()] == [None, "0", "1", "2"]
    assert [node["rewards"] for node in tree.values()] == [[-40, -60], [20, 0], [10, 30], [50]]
    assert [node["q"] for node in tree.values()] == [-18.125, 18.75, 32.5, 50]
    assert tree["3"] == {
        "id": "3",
        "parent": "2",
        "children": [],
        "depth": 3,
        "rollout": 3,
        "dummy": False,
        "answer": "Answer of rollout 3: \\boxed{3}",
        "final_answer": "3",
        "answer_class": "3",
        "critique": "Flaw number 3.",
        "rewards": [50.0],
        "q": 50.0,
        "duplicate_of": None,
        "truncated": False,
        "suspicious": False,
    }
    assert (state["best"], state["final_answer"], state["rollouts"]) == ("3", "3", 3)
    assert state["answer"] == tree["3"]["answer"]
    assert state["stop_reason"] == "max_rollouts"
    calls = {role: cost["calls"] for role, cost in state["usage"].items()}
    assert calls == {"draft": 1, "critique": 3, "refine": 3, "evaluate": 7}


def test_the_output_holds_the_answer_and_not_the_tree(keyed: ScriptedChatModel) -> None:
    output = create_mctsr(keyed).compile().invoke(PROBLEM)
    assert set(output) == {"answer", "final_answer", "mctsr"}
    told = {"best", "choice", "rollouts", "usage", "stop_reason", "cost"}
    assert set(output["mctsr"]) == told


def test_official_makes_both_roots_and_3_plus_4n_calls(keyed: ScriptedChatModel) -> None:
    state = run(keyed, profile="official", max_rollouts=5)
    assert [node["dummy"] for node in state["tree"].values()][:2] == [False, True]
    assert len(keyed.calls) == 3 + 4 * 5


def test_official_refines_without_seeing_the_answer(keyed: ScriptedChatModel) -> None:
    run(keyed, profile="official", max_rollouts=1)
    run(keyed, profile="paper", max_rollouts=1)
    blind, sighted = [call for call in keyed.calls if call.role == "refine"]
    draft = "Answer of rollout 0"
    assert not any(draft in str(message.content) for message in blind.messages)
    assert any(draft in str(message.content) for message in sighted.messages)
    for call in (blind, sighted):
        sent = " ".join(str(message.content) for message in call.messages)
        assert "How many?" in sent
        assert "Flaw number 1." in sent


def test_official_merges_an_equal_text_into_the_node_it_has(scripted: Make) -> None:
    again = {("refine", n, 0): "Answer of rollout 0: \\boxed{0}" for n in (1, 2)}
    official = run(scripted(again), profile="official", init="answer", max_rollouts=2)
    assert list(official["tree"]) == ["0"]
    assert len(official["tree"]["0"]["rewards"]) == 1 + 2 * 2
    paper = run(scripted(again), profile="paper", max_rollouts=2)
    assert [node["duplicate_of"] for node in paper["tree"].values()] == [None, "0", "0"]


def test_a_dummy_root_is_never_the_answer_beside_a_worse_one(scripted: Make) -> None:
    model = scripted({("evaluate", 1, 0): "Score: -100", ("evaluate", 0, 0): "Score: 90"})
    state = run(model, init="dummy", max_rollouts=1)
    assert state["tree"]["0"]["dummy"]
    assert (state["best"], state["final_answer"]) == ("1", "1")


# --------------------------------------------------------------------------- sync, async, width
async def test_invoke_and_ainvoke_give_the_same_search(keyed: ScriptedChatModel) -> None:
    for settings in ({"width": 1}, {"width": 4, "reward_samples": 3}, {"profile": "official"}):
        here = run(keyed, max_rollouts=7, **settings)
        there = await arun(keyed, max_rollouts=7, **settings)
        for found in (here, there):
            found |= {"seconds": 0, "checksum": None}
        assert as_json(here) == as_json(there)


async def test_stream_and_astream_say_the_same(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile()
    context = MCTSrContext(profile="paper", max_rollouts=4, width=2)
    here = list(graph.stream(PROBLEM, context=context, stream_mode="custom"))
    there = [e async for e in graph.astream(PROBLEM, context=context, stream_mode="custom")]
    assert as_json(here) == as_json(there)


async def test_the_tree_does_not_depend_on_which_call_returns_first() -> None:
    def late(call: ScriptedCall) -> str:
        time.sleep(0.002 * ((call.rollout * 7 + call.sample) % 3))
        return keyed_reply(call)

    class Jittery(ScriptedChatModel):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            await asyncio.sleep(0.002 * (len(self.calls) * 5 % 4))
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    settings: Any = {"strategy": Drawing(), "max_rollouts": 12, "width": 4, "seed": 3}
    calm = run(ScriptedChatModel(replies=keyed_reply), **settings)["tree"]
    assert run(ScriptedChatModel(replies=late), **settings)["tree"] == calm
    assert (await arun(Jittery(replies=keyed_reply), **settings))["tree"] == calm


def test_another_seed_gives_another_search(keyed: ScriptedChatModel) -> None:
    settings: Any = {"strategy": Drawing(), "max_rollouts": 12}
    trees = [run(keyed, seed=seed, **settings)["tree"] for seed in (1, 1, 2)]
    assert trees[0] == trees[1] != trees[2]


def test_a_wave_is_expanded_at_once() -> None:
    together = threading.Barrier(4, timeout=10)

    def reply(call: ScriptedCall) -> str:
        return keyed_reply(call)

    class Meeting(ScriptedChatModel):
        def _reply(self, messages: Any, stop: Any, run_manager: Any, settings: Any) -> ChatResult:
            if run_manager.metadata["mctsr_role"] in ("critique", "refine"):
                together.wait()  # passes only if four calls are under way
            return super()._reply(messages, stop, run_manager, settings)

    state = run(Meeting(replies=reply), max_rollouts=4, width=4)
    assert [node["rollout"] for node in state["tree"].values()] == [0, 1, 2, 3, 4]


async def test_a_sync_only_model_does_not_block_the_event_loop() -> None:
    ticked = threading.Event()

    class Slow(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "slow"

        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            assert threading.current_thread() is not threading.main_thread()
            ticked.clear()
            assert ticked.wait(10)  # never, if the loop waits for this call
            return ChatResult(generations=[ChatGeneration(message=AIMessage("Score: 5"))])

    async def tick() -> None:
        while True:  # until it is cancelled
            await asyncio.sleep(0.002)
            ticked.set()

    ticking = asyncio.create_task(tick())
    state = await arun(Slow(), max_rollouts=2, width=2)
    ticking.cancel()
    assert (state["rollouts"], state["failures"]) == (2, [])


async def test_an_async_model_is_awaited_in_the_loop(keyed: ScriptedChatModel) -> None:
    threads = set()

    class Native(ScriptedChatModel):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            threads.add(threading.current_thread())
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    await arun(Native(replies=keyed_reply), max_rollouts=2, width=2)
    assert threads == {threading.main_thread()}


async def test_a_model_whose_async_half_is_a_stub_runs_in_a_thread() -> None:
    class Stub(ScriptedChatModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            raise NotImplementedError("async generation is not supported")

    state = await arun(Stub(replies=keyed_reply), max_rollouts=2)
    assert state["rollouts"] == 2
    assert not state["failures"]


def test_a_wrapped_model_works_and_gets_its_seed(keyed: ScriptedChatModel) -> None:
    run(keyed.bind(top_p=0.5).with_retry(), max_rollouts=1)
    assert all(call.settings["top_p"] == 0.5 for call in keyed.calls)
    assert len({call.settings["seed"] for call in keyed.calls}) == len(keyed.calls)


def test_a_role_has_its_own_temperature_and_token_limit(keyed: ScriptedChatModel) -> None:
    run(keyed, max_rollouts=1, critique_temperature=0.1, refine_max_tokens=77)
    settings = {str(call.role): call.settings for call in keyed.calls}
    assert settings["critique"]["temperature"] == 0.1
    assert settings["draft"]["temperature"] == 0.95
    assert settings["refine"]["max_tokens"] == 77
    assert "max_tokens" not in settings["draft"]


class Telling(ScriptedChatModel):
    """Knows its scores, as a local model does."""

    def score(self, messages: list[BaseMessage]) -> Any:
        number = len(str(messages[-1].content)) % 7 - 3.25
        return SimpleNamespace(expected=number, mass=0.9)

    async def ascore(self, messages: list[BaseMessage]) -> Any:
        return self.score(messages)


async def test_rewards_can_be_read_from_logits_where_the_model_can_tell() -> None:
    settings = {"max_rollouts": 3, "judge": "logits"}
    here = run(Telling(replies=keyed_reply), **settings)
    there = await arun(Telling(replies=keyed_reply), **settings)
    assert here["tree"] == there["tree"]
    assert all(r % 1 == 0.75 for node in here["tree"].values() for r in node["rewards"])
    assert here["usage"]["evaluate"]["calls"] == 7
    with pytest.warns(UserWarning, match="tells no log-probabilities"):
        sampled = run(ScriptedChatModel(replies=keyed_reply), **settings)
    assert sampled["tree"] == run(ScriptedChatModel(replies=keyed_reply), max_rollouts=3)["tree"]


# --------------------------------------------------------------------------- failures
def test_a_reply_without_a_score_is_asked_for_again(scripted: Make) -> None:
    asked: list[int] = []

    def reply(call: ScriptedCall) -> str:
        if (call.role, call.rollout, call.sample) == ("evaluate", 1, 0):
            asked.append(call.attempt)
            return "Score: 70" if call.attempt == 2 else "It is rather good."
        return keyed_reply(call)

    state = run(ScriptedChatModel(replies=reply), max_rollouts=1, max_retries=2)
    assert asked == [0, 1, 2]
    assert state["tree"]["1"]["rewards"] == [70.0]
    assert not state["failures"]


def test_a_score_that_never_comes_fails_that_rollout_alone(scripted: Make) -> None:
    model = scripted({("evaluate", 2, 0): "No number from me."})
    state = run(model, max_rollouts=3, max_retries=2)
    assert [node["rollout"] for node in state["tree"].values()] == [0, 1, 3]
    assert state["rollouts"] == 3
    [failure] = state["failures"]
    assert (failure["rollout"], failure["node"], failure["code"]) == (2, None, "missing")
    assert "No number from me." in failure["message"]
    lost = [c for c in model.calls if (c.role, c.rollout, c.sample) == ("evaluate", 2, 0)]
    assert len(lost) == 3
    # The rollout changed nothing: the node it refined got no further reward either
    rewards = {n: len(node["rewards"]) for n, node in state["tree"].items()}
    children = {n: len(node["children"]) for n, node in state["tree"].items()}
    assert all(rewards[n] == 1 + children[n] for n in rewards)


@pytest.mark.parametrize("role", ["critique", "refine", "evaluate"])
@pytest.mark.parametrize("width", [1, 3])
def test_a_model_that_raises_costs_that_leaf_only(scripted: Make, role: str, width: int) -> None:
    model = scripted({(role, 2, 0): TimeoutError("no answer in 60 s")})
    state = run(model, max_rollouts=3, width=width, max_attempts=1)
    assert [node["rollout"] for node in state["tree"].values()] == [0, 1, 3]
    [failure] = state["failures"]
    assert (failure["rollout"], failure["role"], failure["code"]) == (2, role, "unavailable")
    assert failure["message"] == "TimeoutError: no answer in 60 s"


def test_a_lost_second_look_at_the_parent_does_not_lose_the_child(scripted: Make) -> None:
    state = run(scripted({("evaluate", 1, 1): "..."}), max_rollouts=1)
    assert len(state["tree"]["0"]["rewards"]) == 1
    assert state["tree"]["1"]["rewards"] == [17.0]  # 37 * 1 + 11 * 0 - 20
    assert [failure["node"] for failure in state["failures"]] == ["0"]


def test_failures_in_a_row_end_the_search(scripted: Make) -> None:
    broken = {("critique", n, 0): OSError("down") for n in range(2, 20)}
    state = run(scripted(broken), max_rollouts=16, max_failures=3)
    assert (state["stop_reason"], state["rollouts"]) == ("failed", 4)
    assert state["best"] == "1"  # what was found is still returned


def test_a_draft_that_no_judge_scores_is_not_lost(scripted: Make) -> None:
    state = run(scripted({("evaluate", 0, 0): "?"}))
    assert (state["stop_reason"], state["rollouts"], state["tree"]) == ("failed", 0, {})
    assert state["answer"] == "Answer of rollout 0: \\boxed{0}"
    assert (state["final_answer"], state["best"]) == ("0", None)


def test_the_first_calls_raise_what_the_model_raises(scripted: Make) -> None:
    with pytest.raises(PermissionError, match="wrong key"):
        run(scripted({("draft", 0, 0): PermissionError("wrong key")}))


def test_a_script_that_ends_too_early_is_no_failed_rollout() -> None:
    with pytest.raises(ScriptExhaustedError, match="0 replies for critique"):
        run(ScriptedChatModel(replies={"draft": ["x"], "evaluate": ["Score: 1"]}))


def test_an_empty_reply_is_asked_for_again_and_reasoning_is_no_answer(scripted: Make) -> None:
    model = scripted(
        {
            ("refine", 1, 0): "<think>\\boxed{9} or so</think>It is \\boxed{8}.",
            ("refine", 2, 0): "<think>never closed",
        }
    )
    state = run(model, max_rollouts=2)
    assert (state["tree"]["1"]["answer"], state["tree"]["1"]["final_answer"]) == (
        "It is \\boxed{8}.",
        "8",
    )
    assert [failure["code"] for failure in state["failures"]] == ["empty"]


@pytest.mark.parametrize("problem", ["", " \n", None, 7])
def test_a_blank_problem_is_refused_before_any_call(keyed: ScriptedChatModel, problem: Any) -> None:
    with pytest.raises(ConfigError, match="problem is"):
        create_mctsr(keyed).compile().invoke({"problem": problem})
    assert not keyed.calls


# --------------------------------------------------------------------------- when it stops
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("limit", range(1, 24))
def test_the_budget_of_calls_is_never_exceeded(limit: int, width: int) -> None:
    def fussy(call: ScriptedCall) -> str:  # every third evaluation has to be asked for twice
        if call.role == "evaluate" and call.attempt == 0 and call.rollout % 3 == 0:
            return "hm"
        return keyed_reply(call)

    model = ScriptedChatModel(replies=fussy)
    state = run(model, max_calls=limit, width=width, max_rollouts=100)
    assert len(model.calls) <= limit
    assert state["stop_reason"] == "max_calls"
    assert sum(cost["calls"] for cost in state["usage"].values()) == len(model.calls)


def test_a_budget_of_tokens_is_exceeded_at_most_by_the_calls_in_flight(
    keyed: ScriptedChatModel,
) -> None:
    state = run(keyed, max_tokens=2000, max_rollouts=100)
    used = sum(c["input_tokens"] + c["output_tokens"] for c in state["usage"].values())
    assert state["stop_reason"] == "max_tokens"
    assert 2000 <= used < 2000 + 2 * 500  # evaluate has two calls in flight, each below 500


def test_a_budget_of_tokens_needs_a_model_that_counts_them() -> None:
    silent = ScriptedChatModel(replies=lambda call: AIMessage(keyed_reply(call)))
    with pytest.raises(ConfigError, match="reports no token usage"):
        run(silent, max_tokens=1000)
    state = run(silent, max_rollouts=1)
    counts = {"calls": 1, "unmetered_calls": 1, "unpriced_calls": 1}
    assert state["usage"]["draft"] == {**no_cost(), **counts}


def test_a_budget_of_seconds_stops_the_search(keyed: ScriptedChatModel) -> None:
    state = run(ScriptedChatModel(replies=keyed_reply, latency=0.01), max_seconds=0.2)
    assert state["stop_reason"] in ("max_seconds", "max_rollouts")
    state = run(ScriptedChatModel(replies=keyed_reply, latency=0.1), max_seconds=0.3)
    assert state["stop_reason"] == "max_seconds"
    assert state["rollouts"] == 1


def test_a_budget_of_seconds_is_not_spent_on_reading_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("mctsr_graph.calls.ask.time", clock)
    monkeypatch.setattr("mctsr_graph.calls.budget.time", clock)
    read: list[str] = []

    class Local(ScriptedChatModel):
        def load_weights(self) -> None:
            if not read:
                read.append("weights")
                now[0] += 60.0

        def _generate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            self.load_weights()
            return super()._generate(messages, stop, run_manager, **kwargs)

    state = run(Local(replies=keyed_reply), max_seconds=10.0, max_rollouts=3)
    assert (read, state["stop_reason"], state["rollouts"]) == (["weights"], "max_rollouts", 3)
    read.clear()
    state = run(Local(replies=keyed_reply), max_rollouts=3)  # at the first call, as ever
    assert read == ["weights"]
    assert state["seconds"] >= 60.0


def test_patience_ends_a_search_that_finds_nothing_better(scripted: Make) -> None:
    # Rollout 1 is better (17 points), 2 and 3 are worse, 4 would be better again
    worse = {("evaluate", n, 0): "Score: -90" for n in (2, 3)}
    state = run(scripted(worse), patience=2)
    assert (state["stop_reason"], state["rollouts"]) == ("patience", 3)


def test_patience_counts_repeated_answers_as_nothing_better(scripted: Make) -> None:
    same = {("refine", n, 0): "It is \\boxed{5}." for n in range(1, 9)}
    rising = {("evaluate", n, 0): f"Score: {10 * n}" for n in range(1, 9)}
    state = run(scripted({**same, **rising}), patience=3)
    assert (state["stop_reason"], state["rollouts"]) == ("patience", 4)


def test_a_tree_in_which_nothing_may_grow_ends_the_search(scripted: Make) -> None:
    # Depth 1 and one child a node: the root is full once its child is better
    state = run(scripted({("evaluate", 1, 0): "Score: 60"}), max_depth=1, max_children=1)
    assert (state["stop_reason"], state["rollouts"]) == ("exhausted", 1)


def test_a_short_recursion_limit_ends_the_search_with_an_answer(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile()
    output = graph.invoke(PROBLEM, {"recursion_limit": 25})
    assert output["mctsr"]["stop_reason"] == "recursion_limit"
    assert output["final_answer"] is not None
    assert 2 <= output["mctsr"]["rollouts"] < 8


# --------------------------------------------------------------------------- events
def test_one_event_for_the_start_each_rollout_and_the_stop(scripted: Make) -> None:
    model = scripted({("evaluate", 1, 0): "Score: 40", ("evaluate", 2, 0): "no score"})
    start, first, second, stop = events(model, max_rollouts=2)
    assert start == {
        "type": "mctsr.start",
        "version": 1,
        "problem": "How many?",
        "profile": "paper",
        "max_rollouts": 2,
        "width": 1,
    }
    chance = first["chance"]
    assert 0 < chance < 1
    best = {"node": "1", "q": 40.0, "final_answer": "1", "chance": chance}
    usage = first.pop("usage")
    assert (usage["calls"], usage["unmetered_calls"]) == (6, 0)
    assert first.pop("tokens") == usage["input_tokens"] + usage["output_tokens"]
    assert first.pop("seconds") >= 0.0
    assert first == {
        "type": "mctsr.rollout",
        "version": 1,
        "index": 1,
        "task": "refine",
        "node": "1",
        "parent": "0",
        "reward": 40.0,
        "q": 40.0,
        "final_answer": "1",
        "best": best,
        "failure": None,
        "rewards": [40.0],
        "parent_rewards": [28.0],
        # The root has -20 and 28: (-20 + 4) / 2 = -8 of its own, and (-8 + 40) / 2 with its child
        "values": {"0": 16.0},
        "leader": "1",
        "leader_q": 40.0,
        "chance": chance,
        "calls": 6,
        "price": None,
    }
    assert (second["node"], second["q"], second["reward"], second["best"]) == (
        None,
        None,
        None,
        best,
    )
    assert second["failure"]["code"] == "missing"
    assert (stop["type"], stop["stop_reason"], stop["rollouts"], stop["best"]) == (
        "mctsr.stop",
        "max_rollouts",
        2,
        best,
    )


def test_events_have_the_fields_of_their_types(keyed: ScriptedChatModel) -> None:
    from mctsr_graph.graph import events as types

    by_type = {
        "mctsr.start": types.StartEvent,
        "mctsr.rollout": types.RolloutEvent,
        "mctsr.stop": types.StopEvent,
    }
    seen = events(keyed, max_rollouts=2, width=2)
    assert [event["type"] for event in seen] == [
        "mctsr.start",
        "mctsr.rollout",
        "mctsr.rollout",
        "mctsr.stop",
    ]
    for event in seen:
        seldom = {"parents", "act", "values", "backed_up"}
        assert set(event) - seldom == set(by_type[event["type"]].__annotations__) - seldom
        assert len(as_json(event)) < 1000


# --------------------------------------------------------------------------- in other graphs
class Outer(TypedDict, total=False):
    problem: str
    final_answer: str


@dataclass
class OuterContext:
    max_rollouts: str = "not ours"
    mctsr: MCTSrContext | None = None


@pytest.mark.parametrize(
    ("context", "rollouts"),
    [
        (None, 3),
        (OuterContext(), 3),
        (OuterContext(mctsr=MCTSrContext(profile="paper", max_rollouts=5)), 5),
    ],
)
def test_a_parents_context_does_not_leak_in(
    keyed: ScriptedChatModel, context: OuterContext | None, rollouts: int
) -> None:
    search = create_mctsr(keyed, context=MCTSrContext(profile="paper", max_rollouts=3)).compile(
        name="mctsr"
    )
    outer = StateGraph(Outer, OuterContext)
    outer.add_node("search", search)
    outer.add_edge(START, "search")
    output = outer.compile().invoke({"problem": "How many?"}, context=context)
    assert output["final_answer"] is not None
    assert sum(call.role == "refine" for call in keyed.calls) == rollouts


def test_settings_may_come_as_a_dict_and_are_checked(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile()
    assert graph.invoke(PROBLEM, context={"max_rollouts": 2})["mctsr"]["rollouts"] == 2
    with pytest.raises(ConfigError, match="max_rollouts is 0, allowed 1 to 4096"):
        graph.invoke(PROBLEM, context={"max_rollouts": 0})


def test_a_second_problem_on_the_same_thread_starts_afresh(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    context = MCTSrContext(profile="paper", max_rollouts=2)
    graph.invoke(PROBLEM, config, context=context)
    graph.invoke({"problem": "How few?"}, config, context=context)
    values = graph.get_state(config).values
    assert (len(values["tree"]), values["rollouts"], values["problem"]) == (3, 2, "How few?")
    assert sum(cost["calls"] for cost in values["usage"].values()) == 2 + 4 * 2


def test_a_person_can_edit_a_critique_before_it_is_used(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile(checkpointer=InMemorySaver(), interrupt_before=["refine"])
    config: Any = {"configurable": {"thread_id": "1"}}
    context = MCTSrContext(profile="paper", max_rollouts=1)
    graph.invoke(PROBLEM, config, context=context)
    graph.update_state(config, {"wave": {"1": {"critique": "Think of zero."}}})
    graph.invoke(None, config, context=context)
    [refine] = [call for call in keyed.calls if call.role == "refine"]
    assert refine.messages[-2].content == "Think of zero."
    assert graph.get_state(config).values["tree"]["1"]["critique"] == "Think of zero."


def test_a_search_can_be_forked_at_an_earlier_rollout(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke(PROBLEM, config, context=MCTSrContext(profile="paper", max_rollouts=4))
    whole = graph.get_state(config).values["tree"]
    after_two = next(
        state
        for state in graph.get_state_history(config)
        if state.values.get("rollouts") == 2 and state.next == ("select",)
    )
    assert list(after_two.values["tree"]) == ["0", "1", "2"]
    graph.invoke(None, after_two.config, context=MCTSrContext(profile="paper", max_rollouts=3))
    forked = graph.get_state(config).values["tree"]
    assert list(forked) == ["0", "1", "2", "3"]
    assert {**forked["3"], "children": [], "rewards": [], "q": 0} == {
        **whole["3"],
        "children": [],
        "rewards": [],
        "q": 0,
    }


# --------------------------------------------------------------------------- prompts
def test_any_prompt_can_be_replaced(keyed: ScriptedChatModel) -> None:
    prompts = Prompts(
        system="Be brief.",
        draft="Q: {problem} (in {braces}, \\frac{1}{2})",
        critique="Judge <{answer}> for {problem}",
        evaluate="{answer}?",
        dummy_answer="No idea.",
    )
    context = MCTSrContext(profile="paper", max_rollouts=1, init="both")
    create_mctsr(keyed, prompts=prompts).compile().invoke(PROBLEM, context=context)
    sent = {str(call.role): [str(m.content) for m in call.messages] for call in keyed.calls}
    assert sent["draft"] == ["Be brief.", "Q: How many? (in {braces}, \\frac{1}{2})"]
    assert sent["critique"][-1].startswith("Judge <")
    assert sent["critique"][-1].endswith("> for How many?")
    assert any(call.messages[-1].content == "No idea.?" for call in keyed.calls)


def test_braces_in_a_problem_are_no_placeholders(keyed: ScriptedChatModel) -> None:
    create_mctsr(keyed).compile().invoke(
        {"problem": "What is {answer} + {critique}?"},
        context=MCTSrContext(profile="paper", max_rollouts=1),
    )
    for call in keyed.calls:
        assert "{answer} + {critique}" in str(call.messages[1].content)


def test_critique_and_refine_share_their_beginning(keyed: ScriptedChatModel) -> None:
    run(keyed, max_rollouts=1)
    draft, _, critique, refine, *_ = keyed.calls
    assert critique.messages[:2] == draft.messages
    assert refine.messages[: len(critique.messages)] == critique.messages
    assert refine.messages[len(critique.messages)].content == "Flaw number 1."


# --------------------------------------------------------------------------- steps of a leaf
@pytest.mark.parametrize("pipelined", [False, True])
def test_each_step_takes_a_leaf_once(
    pipelined: bool, keyed: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that is added need not know whether an earlier one has taken the leaf through it."""
    taken: dict[str, list[int]] = {}
    for name in ("_critique", "_refine", "_evaluate"):

        def step(
            nodes: Nodes, state: Any, leaves: Any, *how: Any, name: str = name, own: Any = None
        ) -> Any:
            taken.setdefault(name, []).extend(leaf["rollout"] for leaf in leaves)
            return own(nodes, state, leaves, *how)

        monkeypatch.setattr(Nodes, name, partialmethod(step, own=getattr(Nodes, name)))
    run(keyed, max_rollouts=4, width=2, pipelined=pipelined)
    assert [sorted(own) for own in taken.values()] == [[1, 2, 3, 4]] * 3


# --------------------------------------------------------------------------- what is kept
def test_a_checkpoint_tells_no_version_of_what_no_step_has_changed(
    keyed: ScriptedChatModel,
) -> None:
    saver = InMemorySaver()
    graph = create_mctsr(keyed).compile(checkpointer=saver, interrupt_before=["finalize"])
    config: Any = {"configurable": {"thread_id": "1"}}
    found = graph.invoke(PROBLEM, config, context=MCTSrContext(profile="paper", max_rollouts=2))
    assert found == {"answer": None, "final_answer": None, "mctsr": None}
    kept = next(saver.list(config)).checkpoint
    state = {name for name in kept["channel_versions"] if not name.startswith(("branch:", "__"))}
    assert state == {
        *("problem", "tree", "record", "wave", "usage", "best", "rollouts", "idle_rollouts"),
        *("seconds", "checksum", "stop_reason", "mctsr"),
    }
    assert not {"tree", "record", "usage"} & kept["channel_values"].keys()
    values = graph.get_state(config).values
    assert (values["answer"], values["choice"], values["mctsr"]) == (None, None, None)
    assert {role: cost["calls"] for role, cost in values["usage"].items()} == {
        **{"draft": 1, "critique": 2, "refine": 2, "evaluate": 5}
    }
    assert all(cost.keys() == no_cost().keys() for cost in values["usage"].values())


def test_a_second_problem_on_a_thread_is_searched_as_on_a_new_one() -> None:
    def reply(call: ScriptedCall) -> str:
        if call.role == "critique" and "first" in str(call.messages):
            raise OSError("no reply")  # so that each rollout of the first problem fails
        return keyed_reply(call)

    graph = create_mctsr(ScriptedChatModel(replies=reply)).compile(checkpointer=InMemorySaver())
    found = {}
    picture = {"type": "image", "url": "https://example.org/1.png"}
    problems = {
        "used": [[{"type": "text", "text": "the first one?"}, picture], "How many?"],
        "new": ["How many?"],
    }
    for thread, own in problems.items():
        config: Any = {"configurable": {"thread_id": thread}}
        for problem in own:
            context = MCTSrContext(profile="paper", max_rollouts=4, max_attempts=1, max_failures=3)
            graph.invoke({"problem": problem}, config, context=context)
            found[thread, str(problem)] = graph.get_state(config).values
    before, again, new = found.values()
    assert (before["stop_reason"], before["failed_rollouts"]) == ("failed", 3)
    assert before["attachments"]
    assert before["failures"]
    assert again["stop_reason"] == "max_rollouts"
    nothing = {"search": "", "failed_rollouts": 0, "lost_rollouts": 0, "drafted": None}
    different = ("seconds", "checksum", "record")
    assert {**nothing, **without(again, *different)} == {**nothing, **without(new, *different)}
    assert [{**row, "seconds": 0} for row in again["record"]] == [
        {**row, "seconds": 0} for row in new["record"]
    ]


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
