"""The record of a search: a replay of it is what the search itself said while it ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from ormsgpack import packb

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
from mctsr_graph.tree.record import MOST_VALUES, Step, replay

from .conftest import keyed_reply, timeless
from .test_golden import PROBLEM, reply
from .test_stored_before import file

__all__ = ["file"]  # a fixture

SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"profile": "paper", "max_rollouts": 40},
    "paper, width 4": {"profile": "paper", "max_rollouts": 24, "width": 4},
    "paper, pipelined": {"profile": "paper", "max_rollouts": 24, "width": 4, "pipelined": True},
    "paper, majority": {"profile": "paper", "max_rollouts": 36, "select": "majority"},
    "paper, three rewards": {"profile": "paper", "max_rollouts": 36, "reward_samples": 3},
    "paper, weighted": {"profile": "paper", "max_rollouts": 20, "choice": "weighted"},
    "paper, both roots": {"profile": "paper", "max_rollouts": 9, "init": "both", "drafts": 3},
    "official": {"profile": "official", "max_rollouts": 36},
    "official, width 3": {"profile": "official", "max_rollouts": 24, "width": 3},
    "tuned": {},
    "tuned, 76 rollouts": {"confidence": None, "lead": None, "max_calls": 120},
    "tuned, width 4": {"width": 4, "confidence": None, "lead": None, "max_calls": 60},
    "tuned, rubric": {"judge": "rubric", "confidence": None, "lead": None, "max_calls": 50},
    "rsa": {"profile": "rsa"},
    "rsa, width 7": {"profile": "rsa", "width": 7},
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


@pytest.mark.parametrize("name", SETTINGS)
def test_a_replay_is_what_the_search_said_of_itself(name: str) -> None:
    found, told = searched(SETTINGS[name])
    assert found.rollouts == len(told.rollouts) > 8
    steps = [*played(replayed(found))]
    by_index = {step["index"]: (step, *rest) for step, *rest in steps if step["task"]}
    for event in told.rollouts:
        step, values, _ = by_index[event["index"]]
        assert {key: step[key] for key in step.keys() & event.keys() - {"rewards", "values"}} == {
            key: event[key] for key in step.keys() & event.keys() - {"rewards", "values"}
        }
        assert step["known"]
        best = event["best"]
        assert (step["leader"], step["leader_q"], step["chance"]) == (
            *(best["node"], best["q"]),
            best["chance"],
        )
        assert (step["calls"], step["price"]) == (event["usage"]["calls"], None)
        assert values[best["node"]] == best["q"]
        if event["node"] is not None:
            assert values[event["node"]] == event["q"]
    is_deep = max(node["depth"] for node in found.tree.values()) > MOST_VALUES
    for rollouts, tree in told.trees.items():
        _, values, rewards = by_index[rollouts]
        assert values.keys() == tree.keys()
        for node_id, node in tree.items():
            is_left_out = values[node_id] is None and node["q"] is not None
            assert is_deep if is_left_out else values[node_id] == node["q"]
        assert rewards == {node_id: node["rewards"] for node_id, node in tree.items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_record_is_the_events_and_ends_with_the_answer(name: str) -> None:
    found, told = searched(SETTINGS[name])
    rollouts = [row for row in found.record if row["task"] and row["index"]]
    for row, event in zip(rollouts, told.rollouts, strict=True):
        assert row == {key: event[key] for key in row}
    last = found.record[-1]
    assert last["leader"] == found.best
    assert found.choice is not None
    assert found.choice["confidence"] == pytest.approx(last["chance"], abs=5e-5)
    assert [row["index"] for row in found.record if not row["index"]] == [0] * sum(
        node["rollout"] == 0 for node in found.tree.values()
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_takes_300_bytes_at_most(name: str) -> None:
    found, _ = searched(SETTINGS[name])
    large = {"index": 4096, "calls": 16384, "tokens": 98_765_432, "price": 123.456789012}
    for row in found.record:
        ids = {key: "4095" for key in ("node", "parent", "leader") if row[key] is not None}
        assert len(packb({**row, **large, **ids, "seconds": 98765.4, "chance": 0.1234})) <= 300


class Deeper(PaperStrategy):
    """Refines the newest answer, again and again."""

    def next_tasks(self, search: Search) -> Sequence[str]:
        return [list(search.tree)[-1]]


def test_a_row_does_not_grow_with_the_depth_and_what_it_leaves_out_is_not_known() -> None:
    # Each answer is better than all before it, so that it moves the q of every node above it
    def better(call: ScriptedCall) -> str:
        return f"Score: {2 * call.rollout}" if call.role == "evaluate" else keyed_reply(call)

    told = Told()
    found = solve(
        "p",
        ScriptedChatModel(replies=better),
        context=MCTSrContext(profile="paper", max_rollouts=20),
        strategy=Deeper(),
        on_change=told.on_change,
    )
    assert max(len(row.get("values", {})) for row in found.record) == MOST_VALUES
    assert max(len(packb(row)) for row in found.record) <= 300
    unknown = 0
    for step, values, rewards in played(replayed(found)):
        tree = told.trees[step["index"]]
        assert rewards == {node_id: node["rewards"] for node_id, node in tree.items()}
        for node_id, node in tree.items():
            assert values[node_id] in (None, node["q"])
            unknown += values[node_id] is None
    # The new node is as deep as its rollout's number, and six above it are told: the other 1 to 13
    # are not known from rollout 7 to 19. After the last one all are
    assert unknown == sum(range(1, 14))


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
