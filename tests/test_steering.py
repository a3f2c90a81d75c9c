"""A person steps into a search: prune, pin, expand, edit, add, ask; and takes it back."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import (
    CheckpointError,
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    asolve,
    create_mctsr,
    solve,
)
from mctsr_graph.graph.select import next_tasks
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.run.steering import (
    Act,
    add_answer,
    ask_rewards,
    asteer,
    aundo,
    edit_critique,
    expand,
    merge_answers,
    pin,
    prune,
    restore,
    steer,
    undo,
    unpin,
)
from mctsr_graph.run.stored import stored_searches
from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Search
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Tree, best_node, merge, new_node, path_to_root
from mctsr_graph.viewers.text import render_text

from .conftest import as_json, keyed_reply

PAPER = MCTSrContext(profile="paper")
THREAD: Any = {"configurable": {"thread_id": "t"}}
SIX = MCTSrContext(profile="paper", max_rollouts=6)


def tree_of(*nodes: tuple[str | None, float, dict[str, Any]]) -> Tree:
    """A tree from (parent, reward, marks), each node with one reward."""
    tree: Tree = {}
    for parent, reward, marks in nodes:
        answer = f"text {len(tree)}"
        node = new_node(tree, parent=parent, answer=answer, final_answer=answer, rewards=[reward])
        patch: Any = {node["id"]: {**node, **marks}}
        if parent is not None:
            patch[parent] = {"children": [*tree[parent]["children"], node["id"]]}
        tree = merge(tree, [patch])
        tree = merge(tree, [PaperStrategy().backpropagate(tree, node["id"], PAPER)])
    return tree


def select(tree: Tree, context: MCTSrContext) -> str | None:
    """The node that is refined next."""
    [task] = PaperStrategy().next_tasks(Search(tree, context, 0, 1, random.Random(0), 1, None))
    return task.node


# --------------------------------------------------------------------------- what is in play
def test_a_pruned_branch_is_neither_selected_nor_returned_nor_counted() -> None:
    tree = tree_of((None, 10, {}), ("0", 90, {"pruned": True}), ("1", 95, {}), ("0", 20, {}))
    assert list(in_play(tree)) == ["0", "3"]
    assert best_node(tree) == "3"
    assert tree["0"]["q"] == (10 + 20) / 2
    search = Search(tree, PAPER, 0, 9, random.Random(0), 1, None)
    assert {task.node for task in PaperStrategy().next_tasks(search)} == {"0", "3"}


def test_a_pruned_child_does_not_fill_its_parent() -> None:
    better = [("0", 50.0 + i, {}) for i in range(3)]
    full = tree_of((None, 10, {}), *better)
    context = MCTSrContext(profile="paper", exploration_constant=1000)
    assert select(full, context) == "3"
    tree = tree_of((None, 10, {}), *[(p, r, {"pruned": True}) for p, r, _ in better])
    assert select(tree, context) == "0"


def test_a_pin_keeps_only_its_branch_in_play_and_a_prune_inside_it_holds() -> None:
    tree = tree_of(
        (None, 99, {}),
        ("0", -50, {"pinned": True}),
        ("1", -60, {}),
        ("1", 80, {"pruned": True}),
        ("0", 90, {}),
    )
    assert list(in_play(tree)) == ["1", "2"]
    assert best_node(tree) == "1"
    pruned_as_well = merge(tree, [{"1": {"pruned": True}}])
    assert list(in_play(pruned_as_well)) == ["0", "4"]  # a pin that is pruned pins nothing


def test_marks_that_were_taken_away_mean_nothing() -> None:
    plain = tree_of((None, 10, {}), ("0", 90, {}))
    marked = tree_of((None, 10, {"pinned": False}), ("0", 90, {"pruned": False}))
    assert list(in_play(marked)) == list(in_play(plain)) == ["0", "1"]
    assert marked["0"]["q"] == plain["0"]["q"]


def test_a_wish_goes_before_uct_and_takes_its_own_rollout_only() -> None:
    tree = tree_of((None, 90, {}), ("0", -90, {"wishes": {"6": None, "7": "flaw"}}))
    context = MCTSrContext(profile="paper", virtual_loss=0)
    search = Search(tree, context, 4, 4, random.Random(0), 1, None)
    wave, _ = next_tasks(PaperStrategy(), search)
    assert [task.node for task in wave] == ["0", "1", "1", "0"]


# --------------------------------------------------------------------------- acts on a search
def start(context: MCTSrContext = SIX, **compiled: Any) -> tuple[Any, ScriptedChatModel]:
    """A search on a saver of its own, run to its end or its first pause."""
    model = ScriptedChatModel(replies=keyed_reply)
    compiled.setdefault("checkpointer", InMemorySaver())
    graph = create_mctsr(model, context=context).compile(name="mctsr", **compiled)
    graph.invoke({"problem": "p"}, THREAD, context=context)
    return graph, model


def go_on(graph: Any, rollouts: int) -> dict[str, Any]:
    graph.invoke(None, THREAD, context=MCTSrContext(profile="paper", max_rollouts=rollouts))
    values: dict[str, Any] = graph.get_state(THREAD).values
    assert values["rollouts"] == rollouts
    return values


def below(tree: Tree, node: str) -> set[str]:
    return {other for other in tree if node in path_to_root(tree, other)}


def test_a_finished_search_goes_on_without_the_branch_that_was_pruned() -> None:
    graph, _ = start()
    before = graph.get_state(THREAD).values
    after = steer(graph, THREAD, prune("1"), by="Ann")
    assert (before["best"], after.values["best"], after.next) == ("1", "0", ("select",))
    values = go_on(graph, 12)
    assert below(values["tree"], "1") == below(before["tree"], "1")
    assert values["best"] not in below(values["tree"], "1")
    assert "1  1 (pruned)  q 25.5  [17, 65, 49, 33]" in render_text(values["tree"])


def test_pruning_the_best_of_a_search_that_is_over_costs_no_call() -> None:
    graph, model = start()
    steer(graph, THREAD, prune("1"), by="Ann")
    calls = len(model.calls)
    output = graph.invoke(None, THREAD, context=SIX)
    told = output["mctsr"]
    assert (told["best"], output["final_answer"], told["stop_reason"]) == ("0", "0", "max_rollouts")
    assert len(model.calls) == calls


def test_who_and_when_stand_at_the_node() -> None:
    graph, _ = start()
    steer(graph, THREAD, prune("5"), by="Ann")
    after = steer(graph, THREAD, restore("5"), by="Bob")
    node = after.values["tree"]["5"]
    assert [(one["action"], one["by"]) for one in node["steering"]] == [
        ("prune", "Ann"),
        ("restore", "Bob"),
    ]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", node["steering"][0]["at"])
    assert node["pruned"] is False


def test_a_pinned_branch_is_where_the_search_goes_on_until_unpinned() -> None:
    graph, _ = start()
    steer(graph, THREAD, pin("3"), by="Ann")
    values = go_on(graph, 10)
    assert below(values["tree"], "3") == {"3", "7", "8", "9", "10"}
    assert values["best"] in below(values["tree"], "3")
    after = steer(graph, THREAD, unpin("3"), by="Ann")
    assert after.values["best"] == best_node(after.values["tree"]) == "1"


def test_the_next_free_rollouts_refine_what_a_person_wants() -> None:
    graph, model = start()
    steer(graph, THREAD, expand("5"), by="Ann")
    steer(graph, THREAD, expand("3", "Multiply first."), by="Ann")
    model.calls.clear()
    tree = go_on(graph, 8)["tree"]
    assert [(tree[n]["parent"], tree[n]["critique"]) for n in ("7", "8")] == [
        ("5", "Flaw number 7."),
        ("3", "Multiply first."),
    ]
    assert [call.rollout for call in model.calls if call.role == "critique"] == [7]
    assert tree["3"]["steering"][0]["rollout"] == tree["8"]["rollout"] == 8


def test_a_person_has_answers_merged() -> None:
    graph, model = start()
    steer(graph, THREAD, merge_answers("2", "5", "0"), by="Ann")
    model.calls.clear()
    tree = go_on(graph, 7)["tree"]
    assert (tree["7"]["parent"], tree["7"]["parents"]) == ("2", ["2", "5", "0"])
    assert [call.role for call in model.calls] == ["refine", "evaluate"]
    shown = str(model.calls[0].messages[-1].content)
    assert sorted(re.findall(r"Answer of rollout (\d)", shown)) == ["0", "2", "5"]
    record = tree["2"]["steering"][0]
    assert (record["action"], record["by"], record["rollout"]) == ("merge", "Ann", 7)
    with pytest.raises(ConfigError, match="node is '7', allowed one that came of a critique"):
        steer(graph, THREAD, edit_critique("words", "7"), by="Ann")


@pytest.mark.parametrize("pruned", ["2", "5"])
def test_a_merge_of_what_was_pruned_since_is_not_wished_any_more(pruned: str) -> None:
    graph, _ = start()
    steer(graph, THREAD, merge_answers("2", "5"), by="Ann")
    steer(graph, THREAD, expand("0"), by="Ann")
    steer(graph, THREAD, prune(pruned), by="Bob")
    tree = go_on(graph, 8)["tree"]
    assert all("parents" not in node for node in tree.values())
    assert tree["8"]["parent"] == "0"


def test_a_merge_is_put_off_by_what_takes_its_rollout() -> None:
    graph, _ = start()
    steer(graph, THREAD, merge_answers("2", "5"), by="Ann")
    steer(graph, THREAD, ask_rewards("1"), by="Ann")
    tree = go_on(graph, 8)["tree"]
    assert (tree["7"]["rollout"], tree["7"]["parents"]) == (8, ["2", "5"])


def test_the_critique_of_a_merge_in_flight_cannot_be_edited() -> None:
    graph, _ = start(interrupt_before=["refine"])
    for _ in range(2):
        graph.invoke(None, THREAD, context=SIX)
    steer(graph, THREAD, merge_answers("1", "0"), by="Ann")
    graph.invoke(None, THREAD, context=SIX)
    with pytest.raises(ConfigError, match="is a merge, which has no critique; allowed a refine"):
        steer(graph, THREAD, edit_critique("Multiply."), by="Ann")


def test_another_critique_writes_a_node_anew() -> None:
    graph, _ = start()
    steer(graph, THREAD, prune("4"), by="Ann")  # even of a node that is out of play
    steer(graph, THREAD, edit_critique("Count again.", node="4"), by="Ann")
    tree = go_on(graph, 7)["tree"]
    assert (tree["7"]["parent"], tree["7"]["critique"]) == (tree["4"]["parent"], "Count again.")
    assert tree["1"]["steering"][0]["action"] == "critique"


def test_the_critique_in_flight_is_edited_without_a_second_pause() -> None:
    graph, model = start(MCTSrContext(profile="paper", max_rollouts=1), interrupt_before=["refine"])
    after = steer(graph, THREAD, edit_critique("Multiply."), by="Ann")
    assert after.next == ("refine",)
    tree = go_on(graph, 1)["tree"]
    assert tree["1"]["critique"] == "Multiply."
    assert [call.role for call in model.calls].count("critique") == 1


def test_an_edited_critique_outlives_another_act_before_it_is_used() -> None:
    graph, _ = start(interrupt_before=["refine"])
    for _ in range(2):
        graph.invoke(None, THREAD, context=SIX)
    assert graph.get_state(THREAD).values["rollouts"] == 2
    steer(graph, THREAD, edit_critique("Multiply."), by="Ann")
    parent = graph.get_state(THREAD).values["wave"]["3"]["parent"]
    after = steer(graph, THREAD, pin("0"), by="Bob")
    assert after.next == ("select",)
    graph.interrupt_before_nodes = []
    tree = go_on(graph, 3)["tree"]
    assert (tree["3"]["parent"], tree["3"]["critique"]) == (parent, "Multiply.")


def test_an_answer_of_ones_own_is_judged_at_once_and_counts_as_a_rollout() -> None:
    graph, model = start()
    steer(graph, THREAD, expand("5"), by="Ann")
    model.calls.clear()
    after = steer(graph, THREAD, add_answer("It is \\boxed{5}.", "2"), by="Ann")
    node, parent = after.values["tree"]["7"], after.values["tree"]["2"]
    assert [call.role for call in model.calls] == ["evaluate"] * 2
    assert (node["final_answer"], node["critique"], node["parent"]) == ("5", None, "2")
    assert (node["rewards"], parent["rewards"]) == ([59.0], [54.0, 12.0, -20.0])
    assert (after.values["rollouts"], node["rollout"], after.next) == (7, 7, ("select",))
    assert node["steering"][0]["action"] == "answer"
    assert after.values["tree"]["5"]["steering"][0]["rollout"] == 8  # the wish was put off by one
    assert go_on(graph, 8)["tree"]["8"]["parent"] == "5"


def test_an_answer_of_ones_own_may_bring_its_reward() -> None:
    graph, model = start()
    model.calls.clear()
    after = steer(graph, THREAD, add_answer("It is \\boxed{5}.", reward=90), by="Ann")
    assert (after.values["best"], after.values["rollouts"], model.calls) == ("7", 6, [])
    assert after.values["tree"]["7"]["rewards"] == [90.0]
    assert after.values["tree"]["0"]["q"] == (-8 + 90) / 2
    assert go_on(graph, 7)["tree"]["8"]["rollout"] == 7


def test_more_rewards_are_asked_for_and_move_the_values() -> None:
    graph, model = start()
    model.calls.clear()
    after = steer(
        graph,
        THREAD,
        ask_rewards("2"),
        by="Ann",
        context=MCTSrContext(profile="paper", reward_samples=3),
    )
    node = after.values["tree"]["2"]
    assert node["rewards"] == [54, 12, 2, 59, -20, -9]  # the last of 4 is kept first
    assert (len(after.values["tree"]), len(model.calls)) == (7, 4)
    assert node["q"] == (((-20 + 98 / 6) / 2) + 1) / 2
    assert node["steering"][0]["action"] == "rewards"


ACTS: dict[str, Callable[[], Act]] = {
    "prune": lambda: prune("1"),
    "pin": lambda: pin("3"),
    "expand": lambda: expand("5", "words"),
    "critique": lambda: edit_critique("words", "4"),
    "merge": lambda: merge_answers("5", "2"),
    "answer": lambda: add_answer("It is \\boxed{5}."),
    "answer with reward": lambda: add_answer("It is \\boxed{5}.", reward=99),
    "rewards": lambda: ask_rewards("2"),
}


@pytest.mark.parametrize("name", sorted(ACTS))
def test_each_act_is_undone_by_a_fork(name: str) -> None:
    graph, _ = start()
    before = graph.get_state(THREAD).values
    steer(graph, THREAD, expand("0"), by="Ann")
    first = graph.get_state(THREAD).values
    after = steer(graph, THREAD, ACTS[name](), by="Ann")
    assert as_json(after.values["tree"]) != as_json(first["tree"])
    go_on(graph, 9)
    undone = undo(graph, THREAD).values
    assert as_json(undone["tree"]) == as_json(first["tree"])
    assert (undone["rollouts"], undone["branch"]) == (6, first["branch"])
    undone = undo(graph, THREAD).values
    assert as_json(undone["tree"]) == as_json(before["tree"])
    with pytest.raises(CheckpointError, match="nothing to undo"):
        undo(graph, THREAD)
    assert as_json(go_on(graph, 12)["tree"]) == as_json(uninterrupted(12)["tree"])


def uninterrupted(rollouts: int) -> dict[str, Any]:
    graph, _ = start(MCTSrContext(profile="paper", max_rollouts=rollouts))
    values: dict[str, Any] = graph.get_state(THREAD).values
    return values


@pytest.mark.parametrize("name", sorted(ACTS))
async def test_the_async_half_does_the_same(name: str) -> None:
    graph, _ = start()
    expected = steer(graph, THREAD, ACTS[name](), by="Ann").values["tree"]
    graph, _ = start()
    before = graph.get_state(THREAD).values["tree"]
    after = await asteer(graph, THREAD, ACTS[name](), by="Ann")

    def signed_off(tree: Tree) -> str:
        return re.sub(r'"at": "[^"]+"', "", as_json(tree))

    assert signed_off(after.values["tree"]) == signed_off(expected)
    undone = await aundo(graph, THREAD)
    assert as_json(undone.values["tree"]) == as_json(before)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: prune("9"), "node is '9', allowed 0 to 6"),
        (lambda: prune("0"), "without node '0' nothing would be left"),
        (lambda: restore("1"), "node is '1', allowed a pruned one: 5"),
        (lambda: pin("5"), "node '5' is pruned with '5': restore that first"),
        (lambda: expand("1", " "), "critique is ' ', allowed a text"),
        (lambda: merge_answers("1"), "nodes are 1, allowed two or more, each once"),
        (lambda: merge_answers("1", "2", "1"), "nodes are 1, 2, 1, allowed two or more, each once"),
        (lambda: merge_answers("1", "9"), "node is '9', allowed 0 to 6"),
        (lambda: merge_answers("1", "5"), "node '5' is pruned with '5': restore that first"),
        (lambda: edit_critique("words", "0"), "node is '0', allowed one that came of"),
        (lambda: edit_critique("words"), "0 rollouts are paused before refine, allowed 1"),
        (lambda: add_answer(""), "answer is '', allowed a text"),
        (lambda: add_answer("text", reward=101), "reward is 101, allowed -100 to 100"),
        (lambda: ask_rewards(""), "node is '', allowed 0 to 6"),
    ],
)
def test_what_cannot_be_done_is_said(act: Callable[[], Act], message: str) -> None:
    graph, _ = start()
    steer(graph, THREAD, prune("5"), by="Ann")
    with pytest.raises(ConfigError, match=re.escape(message)):
        steer(graph, THREAD, act(), by="Ann")


def test_there_must_be_a_search() -> None:
    graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=InMemorySaver())
    for step in (lambda: steer(graph, THREAD, prune("1"), by=""), lambda: undo(graph, THREAD)):
        with pytest.raises(CheckpointError, match="no search to steer"):
            step()


# --------------------------------------------------------------------------- wherever it stopped
class Dying(InMemorySaver):
    """Fails to write checkpoint number `last`, after the writes of the step before are kept."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.left = [last]  # a list, since compile makes a copy of the saver

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self.left[0] -= 1
        if self.left[0] == 0:
            raise ConnectionError("gone")
        return super().put(*args, **kwargs)


@pytest.mark.parametrize("profile", ["paper", "official"])
def test_a_search_is_steered_wherever_it_was_stopped(profile: Any) -> None:
    """Pruned at every boundary, also those with writes that no checkpoint holds yet."""
    steered = 0
    for last in range(2, 30):
        saver = Dying(last)
        context = MCTSrContext(profile=profile, max_rollouts=5, width=2)
        model = ScriptedChatModel(replies=keyed_reply)
        graph = create_mctsr(model, context=context).compile(checkpointer=saver)
        with contextlib.suppress(ConnectionError):
            graph.invoke({"problem": "p"}, THREAD, durability="sync")
        saver.left[0] = 0
        tree = graph.get_state(THREAD).values.get("tree")
        if not tree or len(tree) < 2:
            continue
        steered += 1
        node = list(tree)[-1]
        steer(graph, THREAD, prune(node), by="Ann", context=context)
        steer(graph, THREAD, add_answer("\\boxed{5}", reward=9), by="Ann", context=context)
        output = graph.invoke(None, THREAD)
        values = graph.get_state(THREAD).values
        assert values["rollouts"] == 5
        assert output["mctsr"]["stop_reason"] == "max_rollouts"
        assert values["tree"][node]["children"] == tree[node]["children"] == []
        assert output["mctsr"]["best"] != node
    assert steered > 15


def test_what_a_killed_search_was_told_is_still_known_after_an_act() -> None:
    """Killed after the writes of a step, before their checkpoint: both are to be kept."""
    saver = Dying(9)
    model = ScriptedChatModel(replies=keyed_reply)
    told: Any = {**THREAD, "metadata": {"mctsr_model": "x"}}
    graph = create_mctsr(model).compile(checkpointer=saver)
    with contextlib.suppress(ConnectionError):
        graph.invoke({"problem": "p"}, told, durability="sync")
    rollouts = graph.get_state(THREAD).values["rollouts"]
    after = steer(graph, THREAD, pin("1"), by="Ann")
    assert after.values["rollouts"] == rollouts == 1
    assert (after.metadata or {})["mctsr_model"] == "x"


def test_an_act_may_begin_at_an_earlier_checkpoint() -> None:
    graph, _ = start()
    early = next(
        one
        for one in graph.get_state_history(THREAD)
        if one.values.get("rollouts") == 2 and one.next == ("select",)
    )
    after = steer(graph, early.config, pin("1"), by="Ann")
    assert (len(after.values["tree"]), after.values["rollouts"]) == (3, 2)
    assert len(undo(graph, THREAD).values["tree"]) == 3


def test_rollouts_in_flight_are_begun_anew() -> None:
    graph, model = start(
        MCTSrContext(profile="paper", max_rollouts=6, width=3, virtual_loss=0),
        interrupt_before=["evaluate"],
    )
    graph.invoke(None, THREAD, context=MCTSrContext(profile="paper", max_rollouts=6, width=3))
    wave = graph.get_state(THREAD).values["wave"]
    chosen = next(iter(wave.values()))["parent"]
    steer(graph, THREAD, prune(chosen), by="Ann")
    graph.interrupt_before_nodes = []
    assert not below(go_on(graph, 6)["tree"], chosen) - {chosen}
    assert model.calls


def test_a_kept_search_is_steered_and_taken_up_by_the_same_call(tmp_path: Path) -> None:
    """The journal has other calls for the rollouts to come, which must not be mixed up."""
    file = tmp_path / "search.db"

    def run(rollouts: int) -> Any:
        model = ScriptedChatModel(replies=keyed_reply)
        context = MCTSrContext(profile="paper", max_rollouts=rollouts, seed=3)
        return solve("p", model, context=context, checkpointer=file), model

    run(6)
    [stored] = stored_searches(file)
    place: Any = {"configurable": {"thread_id": stored.thread_id}}
    with open_file(file) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        steer(graph, place, prune("1"), by="Ann")
    [steered] = stored_searches(file)
    assert steered._replace(best="1", final_answer="1", stop_reason="max_rollouts") == stored
    solution, _ = run(8)
    assert (solution.rollouts, solution.best) != (6, "1")
    assert below(solution.tree, "1") == {"1", "2", "3", "4", "5", "6"}
    with open_file(file) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        undo(graph, place)
    solution, model = run(6)
    assert (solution.best, model.calls) == ("1", [])


KILLED_WHILE_THE_JUDGE_IS_ASKED = """
import os, sys
from mctsr_graph import ScriptedChatModel, create_mctsr
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.run.steering import add_answer, steer

dying = ScriptedChatModel(replies=lambda call: os._exit(9))
with open_file(sys.argv[1]) as saver:
    graph = create_mctsr(dying).compile(checkpointer=saver)
    place = {"configurable": {"thread_id": sys.argv[2]}}
    steer(graph, place, add_answer("It is \\\\boxed{5}.", "2"), by="Ann")
"""


async def test_an_answer_outlives_a_kill_before_it_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    model = ScriptedChatModel(replies=keyed_reply)
    await asolve("p", model, context=SIX, checkpointer=file)
    [stored] = stored_searches(file)
    arguments = [KILLED_WHILE_THE_JUDGE_IS_ASKED, str(file), stored.thread_id]
    assert subprocess.run([sys.executable, "-c", *arguments]).returncode == 9
    with open_file(file) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        place: Any = {"configurable": {"thread_id": stored.thread_id}}
        with pytest.raises(ConfigError, match="waits for the judge's rewards"):
            await asteer(graph, place, prune("1"), by="Bob")
    solution = await asolve("p", model, context=SIX, checkpointer=file)
    assert (solution.rollouts, solution.tree["7"]["final_answer"]) == (7, "5")
    with open_file(file) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        assert (await aundo(graph, place)).values["rollouts"] == 6
