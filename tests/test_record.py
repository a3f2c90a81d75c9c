"""The record of a search: a replay of it is what the search itself said while it ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, create_mctsr, solve
from mctsr_graph.graph.integrity import check_search
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.steering import (
    Act,
    add_answer,
    ask_rewards,
    expand,
    pin,
    prune,
    restore,
    steer,
    undo,
    unpin,
)
from mctsr_graph.run.stored import stored_searches, stored_solution
from mctsr_graph.strategies import PaperStrategy, Search
from mctsr_graph.strategies.choose import chance_of, with_chances
from mctsr_graph.tree.record import Step, replay

from .conftest import keyed_reply, timeless
from .test_golden import PROBLEM, reply
from .test_stored_before import file

__all__ = ["file"]  # a fixture

HEAVY = pytest.mark.heavy
PAPER = {"profile": "paper", "max_rollouts": 76}
OFFICIAL = {"profile": "official", "max_rollouts": 76}
TUNED = {"confidence": None, "lead": None, "max_calls": None, "max_rollouts": 76}
SETTINGS: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    "paper, width 4": {**PAPER, "width": 4},
    "paper, width 16": {**PAPER, "width": 16},
    "paper, pipelined": {**PAPER, "width": 4, "pipelined": True},
    "paper, majority": {**PAPER, "select": "majority"},
    "paper, three rewards": {**PAPER, "reward_samples": 3},
    "paper, mean": {**PAPER, "value": "mean", "reward_samples": 2},
    "paper, weighted": {**PAPER, "choice": "weighted"},
    "paper, both roots": {**PAPER, "init": "both", "drafts": 3},
    "paper, a dummy": {**PAPER, "init": "dummy"},
    "paper, pairwise": {**PAPER, "judge": "pairwise", "max_rollouts": 24},
    "official": OFFICIAL,
    "official, width 3": {**OFFICIAL, "width": 3},
    "official, three rewards": {**OFFICIAL, "reward_samples": 3},
    "tuned": {},
    "tuned, 76 rollouts": TUNED,
    "tuned, width 4": {**TUNED, "width": 4},
    "tuned, width 16": {**TUNED, "width": 16},
    "tuned, rubric": {**TUNED, "judge": "rubric"},
    "rsa": {"profile": "rsa"},
    "rsa, 76 rollouts": {"profile": "rsa", "max_calls": 83},
    "rsa, width 7": {"profile": "rsa", "width": 7},
}
LONG: dict[str, dict[str, Any]] = {
    f"{name}, width {width}, 268 rollouts": {**settings, "width": width, "max_rollouts": 268}
    for name, settings in {
        **{"paper": PAPER, "official": OFFICIAL, "tuned": TUNED},
        "rsa": {"profile": "rsa", "max_calls": None},
    }.items()
    for width in (1, 16)
}


class Told:
    """What a search said while it ran: its events, and its tree after each change."""

    def __init__(self) -> None:
        self.rollouts: list[Any] = []
        self.trees: dict[int, Any] = {}

    def on_event(self, event: Any) -> None:
        if event["type"] == "mctsr.rollout":
            self.rollouts.append(event)

    def on_change(self, solution: Solution) -> None:
        self.trees[solution.rollouts] = solution.tree


def searched(settings: dict[str, Any], **options: Any) -> tuple[Solution, Told]:
    told, context = Told(), MCTSrContext(**settings)
    hooks: Any = {"on_event": told.on_event, "on_change": told.on_change}
    model = ScriptedChatModel(replies=reply)
    return solve(PROBLEM, model, context=context, **hooks, **options), told


def replayed(found: Solution) -> list[Step]:
    chance = found.choice["confidence"] if found.choice is not None else None
    return replay(found.tree, found.record, found.rollouts, found.best, chance)


def played(steps: Sequence[Step]) -> Iterator[tuple[Step, dict[str, Any], dict[str, list[float]]]]:
    """Each step, with the q and the rewards of every node that was there then."""
    values: dict[str, Any] = {}
    rewards: dict[str, list[float]] = {}
    for step in steps:
        for node_id in step["made"]:
            rewards[node_id] = []
        for node_id, added in step["rewards"].items():
            rewards[node_id] = [*rewards[node_id], *added]
        values |= step["values"]
        yield step, dict(values), dict(rewards)


@pytest.fixture(
    scope="module", params=[*SETTINGS, *(pytest.param(name, marks=HEAVY) for name in LONG)]
)
def search(request: pytest.FixtureRequest) -> tuple[Solution, Told]:
    return searched({**SETTINGS, **LONG}[request.param])


def test_a_replay_is_what_the_search_said_of_itself(search: tuple[Solution, Told]) -> None:
    """Every field of every event, and the whole tree after every change."""
    found, told = search
    assert found.rollouts == len(told.rollouts) > 8
    steps = [*played(replayed(found))]
    # Answers that are judged at the end come after the last rollout, whose number they have
    first = {step["index"]: (step, *rest) for step, *rest in reversed(steps) if step["task"]}
    previous: dict[str, Any] = first[0][1]
    for event in told.rollouts:
        step, values, _ = first[event["index"]]
        same = step.keys() & event.keys() - {"rewards", "values"}
        assert {key: step[key] for key in same} == {key: event[key] for key in same}
        seldom = {"known", "made", "rewards", "values", "act", "parents"}
        assert same >= set(Step.__annotations__) - seldom
        best = event["best"]
        assert (step["known"], step["leader"], step["leader_q"], step["chance"]) == (
            *(True, best["node"], best["q"]),
            best["chance"],
        )
        assert step["calls"] == event["usage"]["calls"]
        changed = {i: q for i, q in values.items() if i in previous and previous[i] != q}
        changed.pop(event["node"], None)
        assert changed == event.get("values", {})
        if event["node"] is not None:
            assert values[event["node"]] == event["q"]
        previous = values
    last = {step["index"]: rest for step, *rest in steps}
    for rollouts, tree in told.trees.items():
        values, rewards = last[rollouts]
        assert values == {node_id: node["q"] for node_id, node in tree.items()}
        assert rewards == {node_id: node["rewards"] for node_id, node in tree.items()}


def test_the_record_is_the_events_and_ends_with_the_answer(search: tuple[Solution, Told]) -> None:
    found, told = search
    rollouts = [row for row in found.record if row["task"] and row["index"]]
    for row, event in zip(rollouts, told.rollouts, strict=False):
        small = {"backed_up"}
        assert {key: row[key] for key in row.keys() - small} == {
            key: event[key] for key in row.keys() - small
        }
    last = found.record[-1]
    assert last["leader"] == found.best
    assert found.choice is not None
    if last["chance"] is None:  # nothing but the choice weighs so large a tree
        assert len(found.tree) > 256
    else:
        assert found.choice["confidence"] == pytest.approx(last["chance"], abs=5e-5)
    assert [row["index"] for row in found.record if not row["index"]] == [0] * sum(
        node["rollout"] == 0 for node in found.tree.values()
    )


def test_a_row_takes_300_bytes_at_most(search: tuple[Solution, Told]) -> None:
    large = {"index": 4096, "calls": 16384, "tokens": 98_765_432, "price": 123.456789}
    for row in search[0].record:
        ids = {key: "4095" for key in ("node", "parent", "leader") if row[key] is not None}
        full = {**row, **large, **ids, "seconds": 98765.4, "chance": 0.1234}
        assert len(json.dumps(full, separators=(",", ":"))) <= 300


class Deeper(PaperStrategy):
    """Refines the newest answer, again and again."""

    def next_tasks(self, search: Search) -> Sequence[str]:
        return [list(search.tree)[-1]]


def better(call: ScriptedCall) -> str:
    """Each answer is better than all before it, so that it moves the q of every node above it."""
    return f"Score: {2 * call.rollout}" if call.role == "evaluate" else keyed_reply(call)


def deep(strategy: Deeper) -> tuple[Solution, Told]:
    told = Told()
    found = solve(
        "p",
        ScriptedChatModel(replies=better),
        context=MCTSrContext(profile="paper", max_rollouts=40),
        strategy=strategy,
        on_change=told.on_change,
    )
    for step, values, rewards in played(replayed(found)):
        tree = told.trees[step["index"]]
        assert rewards == {node_id: node["rewards"] for node_id, node in tree.items()}
        assert values == {node_id: node["q"] for node_id, node in tree.items()}
    return found, told


def test_a_row_does_not_grow_with_the_depth_and_a_replay_tells_every_q() -> None:
    found, told = deep(Deeper())
    before, after = told.trees[39], told.trees[40]
    assert sum(before[node_id]["q"] != after[node_id]["q"] for node_id in before) == 40
    assert max(len(json.dumps(row, separators=(",", ":"))) for row in found.record) <= 300
    assert not any("values" in row for row in found.record)


class Halved(Deeper):
    """Its values are not the paper's."""

    def backpropagate(self, tree: Any, node_id: str, context: MCTSrContext) -> Any:
        patch = super().backpropagate(tree, node_id, context)
        return {one: {"q": fields["q"] / 2} for one, fields in patch.items()}


def test_values_that_are_not_the_papers_are_told() -> None:
    found, _ = deep(Halved())
    assert any("values" in row for row in found.record)


# --------------------------------------------------------------------------- what people do
def steered(acts: Sequence[Act | int]) -> list[tuple[dict[str, Any], list[Step]]]:
    """The state of a search, and its replay, after each of some acts and rollouts to go on to."""
    saver, found = InMemorySaver(), []
    model = ScriptedChatModel(replies=reply)
    graph: Any = create_mctsr(model).compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    for act in (6, *acts):
        context = MCTSrContext(profile="paper", max_rollouts=act if isinstance(act, int) else 6)
        if not isinstance(act, int):
            steer(graph, config, act, by="Ann", context=context)
        elif found:
            graph.invoke(None, config, context=context)
        else:
            graph.invoke({"problem": PROBLEM}, config, context=context)
        state = graph.get_state(config)
        check_search(state.values, "t", told=state.metadata)
        values = state.values
        steps = replay(values["tree"], values["record"], values["rollouts"], values["best"])
        found.append((values, steps))
    return found


ACTS = [
    prune("1"),
    8,
    restore("1"),
    pin("2"),
    9,
    unpin("2"),
    add_answer("It is \\boxed{26}.", "0", 90.0),
]
MORE = [ask_rewards("0"), 12, expand("2", "Look again."), 13, add_answer("\\boxed{17}", "3"), 16]


def test_a_steered_search_is_replayed_as_it_was() -> None:
    states = steered([*ACTS, *MORE])
    _, steps = states[-1]
    assert [step["act"] for step in steps if "act" in step] == [
        *("prune", "restore", "pin", "unpin", "answer"),
        *("rewards", "expand", "answer"),
    ]
    moments = [*played(steps)]
    for values, told in states:  # the replay of then is the beginning of the replay of now
        step, q, rewards = moments[len(told) - 1]
        assert timeless(told[:-1]) == timeless(steps[: len(told) - 1])
        assert (step["leader"], step["leader_q"]) == (
            values["best"],
            values["tree"][values["best"]]["q"],
        )
        assert q == {node_id: node["q"] for node_id, node in values["tree"].items()}
        assert rewards == {node_id: node["rewards"] for node_id, node in values["tree"].items()}


def test_what_a_person_put_out_of_play_was_not_weighed_then() -> None:
    states = steered([*ACTS, *MORE])
    values, _ = states[-1]
    context = MCTSrContext(profile="paper")
    told = with_chances(values["tree"], values["record"], context)
    assert {row["chance"] for row in values["record"]} == {None}
    for then, _ in states:
        row = told[len(then["record"]) - 1]
        assert row["chance"] == chance_of(then["tree"], context, then["best"])
    assert len({row["chance"] for row in told}) > 8


def test_what_is_undone_is_not_in_the_record() -> None:
    model = ScriptedChatModel(replies=reply)
    graph: Any = create_mctsr(model).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    context = MCTSrContext(profile="paper", max_rollouts=4)
    before = graph.invoke({"problem": PROBLEM}, config, context=context)
    record = graph.get_state(config).values["record"]
    steer(graph, config, prune("2"), by="Ann", context=context)
    graph.invoke(None, config, context=context.model_copy(update={"max_rollouts": 6}))
    undo(graph, config)
    assert graph.get_state(config).values["record"] == record
    assert before["mctsr"]["rollouts"] == record[-1]["index"] == 4


# --------------------------------------------------------------------------- kept and stored
def test_a_checkpoint_holds_the_rows_of_its_step_alone() -> None:
    """All writes to the record together are as large as the record."""
    written: list[Any] = []

    class Saver(InMemorySaver):
        def put_writes(self, config: Any, writes: Any, *rest: Any, **more: Any) -> None:
            written.extend(rows for channel, rows in writes if channel == "record")
            super().put_writes(config, writes, *rest, **more)

    context = MCTSrContext(profile="paper", max_rollouts=300)
    found = solve(PROBLEM, ScriptedChatModel(replies=reply), context=context, checkpointer=Saver())
    first, *others = written
    told = [{**row, "chance": None} for row in found.record]  # weighed when it is read
    assert first == {"__overwrite__": told[:1]}
    assert [row for rows in others for row in rows] == told[1:]
    assert max(map(len, others)) == 1


@pytest.mark.parametrize("name", ["finished", "tuned", "named", "interrupted"])
def test_of_a_search_stored_before_what_is_not_known_is_marked(file: Path, name: str) -> None:
    for stored in stored_searches(file):
        found = stored_solution(file, stored)
        assert found.record == []
        steps = replayed(found)
        assert [step["index"] for step in steps] == [*range(found.rollouts + 1)]
        assert not any(step["known"] for step in steps)
        assert [step["leader"] for step in steps[:-1]] == [None] * found.rollouts
        assert {step["calls"] for step in steps} == {None}
        assert steps[-1]["leader"] == found.best
        [*_, (_, values, rewards)] = played(steps)
        assert values == {node_id: node["q"] for node_id, node in found.tree.items()}
        assert rewards == {node_id: node["rewards"] for node_id, node in found.tree.items()}


def test_a_search_stored_before_is_recorded_from_where_it_goes_on(file: Path) -> None:
    from .test_stored_before import again

    found, _ = again(file, "finished", max_rollouts=9)
    [before] = [one for one in stored_searches(file) if one.rollouts == 9]
    first = found.record[0]["index"]
    assert [row["index"] for row in found.record] == [*range(first, 10)]
    assert 1 < first < 9
    steps = replayed(found)
    assert [step["known"] for step in steps] == [False] * first + [True] * (10 - first)
    assert stored_solution(file, before).record == found.record
    for step, _, rewards in played(steps):
        if step["index"] == first - 1:  # rewards are known: those of now less those recorded since
            since = [row for row in found.record]
            for node_id, own in rewards.items():
                added = sum(
                    len(row["rewards"]) * (row["node"] == node_id)
                    + len(row["parent_rewards"]) * (row["parent"] == node_id)
                    for row in since
                )
                assert own == found.tree[node_id]["rewards"][: len(own)]
                assert len(own) + added == len(found.tree[node_id]["rewards"])
