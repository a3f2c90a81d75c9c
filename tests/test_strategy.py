"""Rules of one's own: what to do next, and which answer to return."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from mctsr_graph.strategies.task import Task

from mctsr_graph import ConfigError, MCTSrContext, Node, ScriptedChatModel, asolve, solve

from .conftest import keyed_reply

FOUR = MCTSrContext(max_rollouts=4)


def newest(
    tree: Mapping[str, Node], context: MCTSrContext, rng: random.Random, width: int
) -> Sequence[str]:
    """Always refine the newest answer."""
    return [list(tree)[-1]] * width


def longest(tree: Mapping[str, Node], context: MCTSrContext) -> str:
    """Return the longest answer."""
    return max(tree, key=lambda node: len(tree[node]["answer"]))


def model() -> ScriptedChatModel:
    return ScriptedChatModel(replies=keyed_reply)


async def test_a_selection_rule_makes_a_chain() -> None:
    found = solve("p", model(), context=FOUR, selection=newest)
    assert [node["parent"] for node in found.tree.values()] == [None, "0", "1", "2", "3"]
    awaited = await asolve("p", model(), context=FOUR, selection=newest)
    assert awaited.tree == found.tree


def test_a_selection_rule_may_draft_and_judge() -> None:
    plan = [Task("draft"), Task("evaluate", "0"), Task("refine", "1"), Task("evaluate", "2")]

    def planned(tree: Any, context: Any, rng: Any, width: int) -> list[Task]:
        done = sum(len(node["rewards"]) for node in tree.values())
        return [plan[min(done - 1, 3)]]

    found = solve("p", model(), context=MCTSrContext(max_rollouts=3), selection=planned)
    shape = [(node["parent"], len(node["rewards"])) for node in found.tree.values()]
    assert shape == [(None, 2), (None, 2), ("1", 1)]


def test_a_rule_that_wants_nothing_ends_the_search() -> None:
    found = solve("p", model(), context=FOUR, selection=lambda *_: [])
    assert (found.stop_reason, found.rollouts) == ("exhausted", 0)


def test_a_rule_that_wants_too_much_gets_the_width() -> None:
    context = MCTSrContext(max_rollouts=4, width=2)
    found = solve("p", model(), context=context, selection=lambda *_: ["0"] * 50)
    assert found.rollouts == 4


@pytest.mark.parametrize(
    "task", ["9", ("draft", "0"), ("refine", None), ("refine", "9"), ("guess", "0")]
)
def test_a_task_that_is_none_is_refused(task: Any) -> None:
    with pytest.raises(ConfigError, match=r"the selection rule returned .*, allowed"):
        solve("p", model(), context=FOUR, selection=lambda *_: [task])


@pytest.mark.parametrize("result", [None, 3])
def test_a_rule_that_returns_no_tasks_at_all_is_refused(result: Any) -> None:
    with pytest.raises(ConfigError, match=f"returned {result}, allowed a list of tasks"):
        solve("p", model(), context=FOUR, selection=lambda *_: result)


@pytest.mark.parametrize("name", ["selection", "choice"])
def test_the_name_of_a_rule_is_a_setting_and_no_rule(name: str) -> None:
    wrong: Any = {name: "greedy"}
    with pytest.raises(ConfigError, match=f"{name} is 'greedy', allowed a function"):
        solve("p", model(), context=FOUR, **wrong)


def test_a_choice_rule_chooses_and_is_named() -> None:
    found = solve("p", model(), context=FOUR, choice=longest)
    assert found.best == longest(found.tree, FOUR)
    assert found.choice is not None
    assert found.choice["rule"] == "tests.test_strategy.longest"


def test_a_choice_that_is_no_node_is_refused() -> None:
    with pytest.raises(ConfigError, match="returned '99', allowed None or the id of a node"):
        solve("p", model(), context=FOUR, choice=lambda tree, context: "99")
