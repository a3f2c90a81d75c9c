"""What a search owes to LangGraph and to who calls it: keys, streams, events, settings."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Mapping
from operator import add
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    Solution,
    asolve,
    asolve_many,
    create_mctsr,
    create_mctsr_agent,
    errors,
    solve,
)
from mctsr_graph.run import session
from mctsr_graph.settings.prior import Prior

TWO = MCTSrContext(profile="paper", max_rollouts=2)
THREAD: Any = {"configurable": {"thread_id": "t"}}


# --------------------------------------------------------------------------- errors
EXAMPLES = [
    errors.MCTSrError("a"),
    errors.ConfigError("a"),
    errors.PauseError("a"),
    errors.ClusterError("a"),
    errors.UnknownModelError("a"),
    errors.MissingExtraError("a", name="numpy"),
    errors.DataUnavailableError("a"),
    errors.ReplyError("empty", "why", "reply"),
    errors.ScoreError("missing", "why", "reply"),
    errors.ScriptExhaustedError("a"),
    errors.CheckpointError("a"),
    errors.SearchLockedError("a"),
    errors.FingerprintMismatchError("a"),
    errors.JournalMismatchError("a"),
    errors.SearchFailedError("a", {"answer": "7"}),
    errors.SearchInterrupted({"answer": "7"}),
]


def test_every_error_has_an_example() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    own = {kind for kind in kinds if kind.__module__ == errors.__name__}
    assert {type(example) for example in EXAMPLES} == own


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_pickle_and_copy(error: BaseException) -> None:
    error.add_note("told on the way")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
        assert vars(again) == vars(error)


# --------------------------------------------------------------------------- keys
class Course(TypedDict, total=False):
    """A parent whose keys have the names that a search has for its own."""

    problem: str
    final_answer: str | None
    usage: Annotated[int, add]
    best: str
    rollouts: int
    choice: list[str]
    tree: list[str]
    stop_reason: str


@pytest.mark.parametrize("saver", [None, InMemorySaver])
def test_a_parent_keeps_its_own_keys(keyed: ScriptedChatModel, saver: Any) -> None:
    parent = StateGraph(Course)
    parent.add_node("search", create_mctsr(keyed, context=TWO).compile(name="mctsr"))
    parent.add_edge(START, "search")
    own: Any = {"usage": 3, "best": "mine", "rollouts": 9, "choice": [], "tree": ["oak"]}
    graph = parent.compile(checkpointer=saver and saver())
    output = graph.invoke({"problem": "How many?", **own}, THREAD)
    assert output == {"problem": "How many?", **own, "final_answer": "2"}


def test_what_else_is_known_has_one_name(keyed: ScriptedChatModel) -> None:
    class Told(TypedDict, total=False):
        problem: str
        mctsr: dict[str, Any]

    parent = StateGraph(Told)
    parent.add_node("search", create_mctsr(keyed, context=TWO).compile(name="mctsr"))
    parent.add_edge(START, "search")
    told = parent.compile().invoke({"problem": "How many?"})["mctsr"]
    found = solve("How many?", keyed, context=TWO)
    names = ("best", "rollouts", "usage", "cost", "stop_reason", "choice")
    assert told == {name: getattr(found, name) for name in names}


@pytest.mark.parametrize("mode", ["values", "updates", "tasks", "debug", "custom", "checkpoints"])
@pytest.mark.parametrize("profile", ["paper", "official", "tuned"])
def test_every_part_of_a_stream_is_json(keyed: ScriptedChatModel, mode: Any, profile: str) -> None:
    context = MCTSrContext(profile=profile, max_rollouts=3, width=2)
    graph = create_mctsr(keyed, context=context).compile(checkpointer=InMemorySaver())
    parts = list(graph.stream({"problem": "How many?"}, THREAD, stream_mode=mode))
    assert len(parts) > 3
    assert json.loads(json.dumps(parts)) is not None


# --------------------------------------------------------------------------- problems
@pytest.mark.parametrize(
    "given", [{}, {"problem": None}, {"problem": ""}, {"problem": "\u200b\u2060 \ufeff"},
              {"problem": "\u3164"}, {"problem": "\u2800"}, {"problem": "\x00\x1b"},
              {"problem": "\u0301"}]
)  # fmt: skip
def test_a_problem_that_nobody_can_read_is_an_error(
    keyed: ScriptedChatModel, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="allowed a text that is not blank"):
        create_mctsr(keyed).compile().invoke(given)
    if isinstance(text := given.get("problem"), str):
        with pytest.raises(ConfigError):
            solve(text, keyed)
        with pytest.raises(ConfigError):
            create_mctsr_agent(keyed).invoke({"messages": text})
    assert keyed.calls == []


@pytest.mark.parametrize("text", ["x", "?", "\u200bx", "\u4f55", "e\u0301", "\U0001f600"])
def test_anything_that_can_be_seen_is_a_problem(keyed: ScriptedChatModel, text: str) -> None:
    assert solve(text, keyed, context=TWO).problem == text


# --------------------------------------------------------------------------- listeners
def failing(*told: Any) -> None:
    raise ValueError("the screen is gone")


async def failing_later(*told: Any) -> None:
    raise ValueError("the screen is gone")


@pytest.mark.parametrize("listener", [failing, failing_later])
async def test_a_listener_ends_no_search(
    keyed: ScriptedChatModel, listener: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = solve("How many?", keyed, context=TWO)
    told: Any = {"context": TWO, "on_event": listener, "on_change": listener}
    assert solve("How many?", keyed, **told) == expected
    assert await asolve("How many?", keyed, **told) == expected
    assert f"{listener.__name__} raised what the search takes no notice of" in caplog.text


async def test_a_listener_may_be_async(keyed: ScriptedChatModel) -> None:
    heard: list[Any] = []

    async def listen(told: Any) -> None:
        heard.append(told["type"] if isinstance(told, Mapping) else len(told.tree))

    told: Any = {"context": TWO, "on_event": listen, "on_change": listen}
    solve("How many?", keyed, **told)
    expected = ["mctsr.start", 1, "mctsr.rollout", 2, "mctsr.rollout", 3, "mctsr.stop"]
    assert sorted(map(str, heard)) == sorted(map(str, expected))
    heard.clear()
    await asolve("How many?", keyed, **told)
    assert sorted(map(str, heard)) == sorted(map(str, expected))
    numbers: list[int] = []

    async def number(place: int, solution: Solution) -> None:
        numbers.append(place)

    await asolve_many(["How many?", "How few?"], keyed, max_calls=2, on_solution=number)
    assert set(numbers) == {0, 1}


def test_ctrl_c_in_a_listener_is_ctrl_c(keyed: ScriptedChatModel) -> None:
    def stop(event: Any) -> None:
        if event["type"] == "mctsr.rollout":
            raise KeyboardInterrupt

    with pytest.raises(errors.SearchInterrupted):
        solve("How many?", keyed, context=TWO, on_event=stop)


def test_who_watches_a_search_has_nothing_weighed(
    keyed: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighed: list[Any] = []
    usual = session.conclude
    monkeypatch.setattr(session, "conclude", lambda *args: weighed.append(1) or usual(*args))
    seen: list[Solution] = []
    context = MCTSrContext(profile="paper", max_rollouts=30)
    found = solve("How many?", keyed, context=context, on_change=seen.append)
    assert ([len(one.tree) for one in seen], weighed) == (list(range(1, 32)), [])
    last = seen[-1]
    assert (last.best, last.answer, last.final_answer) == (
        found.best, found.answer, found.final_answer,
    )  # fmt: skip


# --------------------------------------------------------------------------- settings
def test_an_owner_limits_what_callers_ask(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(
        keyed,
        context=MCTSrContext(profile="paper", max_calls=10),
        limits={"max_calls": 12, "width": 2},
    ).compile()

    def calls(**asked: Any) -> int:
        usage = graph.invoke({"problem": "p"}, context=MCTSrContext(profile="paper", **asked))[
            "mctsr"
        ]["usage"]
        return sum(cost["calls"] for cost in usage.values())

    assert calls(max_calls=202, max_rollouts=50) == 10  # 2, and two rollouts of 4
    assert calls(max_rollouts=4096, width=256) == 10
    assert calls(effort="high", max_rollouts=50) == 10
    assert calls(max_calls=7, max_rollouts=50) == 6  # less than the limit is as asked
    for limits, message in [
        ({"max_cal": 3}, "limits names 'max_cal', allowed: max_rollouts,"),
        ({"max_cost": 3}, "limits names 'max_cost'"),
        ({"width": 0}, "width is 0, allowed 1 to 256"),
        ({"width": None}, r"limits\['width'\] is None, allowed a number"),
    ]:
        with pytest.raises(ConfigError, match=message):
            create_mctsr(keyed, limits=limits)  # type: ignore[arg-type]
    agent = create_mctsr_agent(keyed, limits={"max_rollouts": 1})
    message = agent.invoke(
        {"messages": "How many?"}, context=MCTSrContext(profile="paper", max_rollouts=9)
    )
    assert message["messages"][-1].response_metadata["mctsr"]["rollouts"] == 1


def test_settings_where_they_have_no_effect_are_errors(keyed: ScriptedChatModel) -> None:
    graph = create_mctsr(keyed).compile()
    config: Any = {"configurable": {"max_rollouts": 1}}
    with pytest.raises(ConfigError, match=r"max_rollouts is given in config\['configurable'\]"):
        graph.invoke({"problem": "p"}, config)
    output = graph.invoke(
        {"problem": "p"}, config, context=MCTSrContext(profile="paper", max_rollouts=1)
    )
    assert output["mctsr"]["rollouts"] == 1  # says the same twice, as a server does
    parent = StateGraph(Course)
    parent.add_node("search", create_mctsr(keyed, context=TWO).compile(name="mctsr"))
    parent.add_edge(START, "search")
    of_the_parent: Any = {"configurable": {"seed": 5}}
    assert parent.compile().invoke({"problem": "p"}, of_the_parent)["final_answer"] == "2"
    with pytest.raises(ConfigError, match=r"prior is {}, allowed lists of weights"):
        MCTSrContext(profile="paper", prior={})  # type: ignore[arg-type]
    assert MCTSrContext(profile="paper", prior={"noise": 5.0}).prior == Prior(noise=5.0)  # type: ignore[arg-type]
