"""The mathematics of the search by example, with numbers that a person computed."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import pytest

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.official import OfficialStrategy
from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Search, strategy_of
from mctsr_graph.strategies.uct import bonus, uct
from mctsr_graph.tree.tree import (
    Node,
    Patch,
    Tree,
    add_child,
    add_rewards,
    best_node,
    merge,
    new_node,
    path_to_root,
    roots,
)
from mctsr_graph.tree.values import backed_up_value, own_value

PAPER = MCTSrContext(profile="paper")
OFFICIAL = MCTSrContext(profile="official")


def backpropagate(tree: Tree, node_id: str, context: MCTSrContext) -> Patch:
    """By the strategy of the profile."""
    return strategy_of(context).backpropagate(tree, node_id, context)


def uct_of(tree: Tree, node_id: str, context: MCTSrContext, in_flight: int = 0) -> float:
    """By the strategy of the profile: "paper" or "official"."""
    strategy = OfficialStrategy() if context.profile == "official" else PaperStrategy()
    return strategy.uct(tree, tree[node_id], context, in_flight)


def is_fully_expanded(tree: Tree, node_id: str, context: MCTSrContext) -> bool:
    """By the strategy of the profile, where no depth limits it."""
    assert context.max_depth is None
    strategy = OfficialStrategy() if context.profile == "official" else PaperStrategy()
    return not strategy.is_candidate(tree, tree[node_id], context)


def select_wave(tree: Tree, context: MCTSrContext, width: int) -> list[str | None]:
    """The nodes that the strategy of the profile refines next."""
    search = Search(tree, context, 0, width, random.Random(0), 1, None)
    tasks = strategy_of(context).next_tasks(search)
    assert all(task.kind == "refine" for task in tasks)
    return [task.node for task in tasks]


def select(tree: Tree, context: MCTSrContext) -> str | None:
    """The node that is refined next."""
    return next(iter(select_wave(tree, context, 1)), None)


def grow(context: MCTSrContext, *nodes: tuple[str | None, list[float]]) -> Tree:
    """The tree of these nodes (parent, rewards) in order of creation, values updated each time."""
    tree: Tree = {}
    for parent, rewards in nodes:
        node = sprout(tree, parent, rewards)
        tree = merge(tree, [add_child(tree, node)])
        tree = merge(tree, [backpropagate(tree, node["id"], context)])
    return tree


def sprout(tree: Tree, parent: str | None, rewards: list[float], **fields: Any) -> Node:
    """The next node of a tree, not yet joined to it."""
    given: dict[str, Any] = {"answer": f"answer {len(tree)}", "final_answer": None, **fields}
    return new_node(tree, parent=parent, rewards=rewards, **given)


def values(tree: Tree) -> list[float]:
    return [node["q"] for node in tree.values()]


# Values: Eq. 2 and 3


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([40.0], 40.0),
        ([10.0, 20.0], 12.5),  # (10 + 15) / 2
        ([20.0, 10.0], 12.5),
        ([0.0, 30.0, 60.0], 15.0),  # (0 + 30) / 2
        ([-30.0, -30.0], -30.0),
        ([-100.0, 100.0], -50.0),  # one bad reward weighs more than one good
        ([0.0], 0.0),
    ],
)
def test_the_own_value_is_halfway_between_the_least_and_the_mean_reward(
    rewards: list[float], expected: float
) -> None:
    assert own_value(rewards) == expected


def test_the_own_value_may_be_the_mean_alone() -> None:
    assert own_value([0.0, 30.0, 60.0], "mean") == 30.0
    context = MCTSrContext(profile="paper", value="mean")
    assert values(grow(context, (None, [10.0, 20.0]), ("0", [40.0]))) == [27.5, 40.0]


#     0: 10, 20           own value (10 + 15) / 2 = 12.5
#    /       \
# 1: 40     3: -30
#   |
# 2: 80
HAND: list[tuple[str | None, list[float]]] = [
    (None, [10.0, 20.0]),
    ("0", [40.0]),
    ("1", [80.0]),
    ("0", [-30.0]),
]


def test_the_hand_tree_of_the_paper() -> None:
    root = (12.5 + (40 + 80) / 2) / 2
    assert values(grow(PAPER, *HAND)) == [36.25, 60.0, 80.0, -30.0]
    assert root == 36.25


def test_the_hand_tree_of_the_official_code_takes_the_own_values_of_children() -> None:
    root = (12.5 + 40) / 2
    assert values(grow(OFFICIAL, *HAND)) == [26.25, 60.0, 80.0, -30.0]
    assert root == 26.25


# 0: 0  <-  1: -50  <-  2: 50  <-  3: 90
CHAIN: list[tuple[str | None, list[float]]] = [
    (None, [0.0]),
    ("0", [-50.0]),
    ("1", [50.0]),
    ("2", [90.0]),
]


def test_in_the_paper_a_chain_is_updated_up_to_its_root() -> None:
    #                                   (0 + 10) / 2, (-50 + 70) / 2, (50 + 90) / 2
    assert values(grow(PAPER, *CHAIN)) == [5.0, 10.0, 70.0, 90.0]


def test_in_the_official_code_the_root_of_a_chain_stays_stale() -> None:
    # The root keeps (0 - 50) / 2 of the time when 1 was a leaf, and 1 keeps (-50 + 50) / 2
    assert values(grow(OFFICIAL, *CHAIN)) == [-25.0, 0.0, 70.0, 90.0]
    assert values(grow(OFFICIAL, *CHAIN[:2])) == [-25.0, -50.0]


def test_a_leaf_is_worth_its_own_rewards_and_a_parent_half_of_its_best_child() -> None:
    assert backed_up_value(-30.0, []) == -30.0
    assert backed_up_value(40.0, [80.0]) == (40 + 80) / 2 == 60.0
    assert backed_up_value(12.5, [60.0, -30.0]) == 36.25


def test_a_new_reward_is_carried_to_every_ancestor_and_to_nothing_else() -> None:
    tree = grow(PAPER, *HAND)
    tree = merge(tree, [add_rewards(tree, "2", [0.0])])  # own value (0 + 40) / 2 = 20
    assert backpropagate(tree, "2", PAPER) == {
        "2": {"q": 20.0},
        "1": {"q": 30.0},  # (40 + 20) / 2
        "0": {"q": 21.25},  # (12.5 + 30) / 2
    }


@pytest.mark.parametrize("context", [PAPER, OFFICIAL], ids=["paper", "official"])
def test_backpropagating_twice_changes_nothing(context: MCTSrContext) -> None:
    tree = grow(context, *HAND)
    assert [backpropagate(tree, node_id, context) for node_id in tree] == [{}, {}, {}, {}]


# The upper confidence bound: Eq. 4


@pytest.mark.parametrize(
    ("log_term", "parent_visits", "visits", "expected"),
    [
        ("ln(N+1)", 1, 1, 1.165571),
        ("ln(N+1)", 2, 1, 1.467399),
        ("ln(N+1)", 2, 2, 1.037610),
        ("ln(N+1)", 4, 2, 1.255883),
        ("ln(N)+1", 1, 1, 1.399993),
        ("ln(N)+1", 2, 1, 1.821685),
        ("ln(N)+1", 4, 2, 1.529234),
        ("ln(N+1)", 0, 7, 0.0),  # a root
        ("ln(N)+1", 0, 7, 0.0),
    ],
)
def test_bonus_by_both_readings_of_plus_one(
    log_term: Any, parent_visits: int, visits: int, expected: float
) -> None:
    assert bonus(visits, parent_visits, 1.4, 1e-5, log_term) == pytest.approx(expected, abs=5e-7)
    found = uct(30.0, visits, parent_visits, 1.4, log_term=log_term)
    assert found == pytest.approx(30 + expected, abs=5e-7)
    if parent_visits:
        readings = {
            "ln(N+1)": math.log(parent_visits + 1),
            "ln(N)+1": math.log(parent_visits) + 1,
        }
        formula = 1.4 * math.sqrt(readings[log_term] / (visits + 1e-5))
        assert formula == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("log_term", "expected"),
    [
        ("ln(N+1)", [36.25, 61.467399, 81.165571, -28.532601]),
        ("ln(N)+1", [36.25, 61.821685, 81.399993, -28.178315]),
    ],
)
def test_uct_of_the_hand_tree(log_term: Any, expected: list[float]) -> None:
    context = MCTSrContext(profile="paper", log_term=log_term)
    tree = grow(context, *HAND)
    found = [uct_of(tree, node_id, context) for node_id in tree]
    assert found == pytest.approx(expected, abs=5e-7)


def test_a_root_has_no_bonus() -> None:
    tree = grow(PAPER, (None, [30.0]))
    assert uct_of(tree, "0", PAPER) == 30.0


def test_without_exploration_the_uct_is_the_q() -> None:
    greedy = MCTSrContext(profile="paper", exploration_constant=0)
    tree = grow(greedy, *HAND)
    assert [uct_of(tree, node_id, greedy) for node_id in tree] == values(tree)


def test_a_leaf_in_flight_counts_as_a_visit() -> None:
    tree = grow(PAPER, *HAND)
    assert uct_of(tree, "1", PAPER, in_flight=1) == pytest.approx(60 + 1.037610, abs=5e-7)


def test_the_official_uct_is_the_stored_one_even_where_it_is_stale() -> None:
    tree = grow(OFFICIAL, *CHAIN)
    assert tree["0"]["uct"] == uct_of(tree, "0", OFFICIAL) == -25.0
    assert uct_of(tree, "0", OFFICIAL, in_flight=1) == -25.0
    assert tree["3"]["uct"] == pytest.approx(91.165571, abs=5e-7)


def test_an_official_visit_updates_siblings_and_grandparent() -> None:
    #         0: 10                     0: 10
    #        /     \                   /     \
    #     1: 20    2: 0    becomes  1: 20, 0   2: 0
    #     |                         |      \
    #     3: 5                      3: 5    4: 6
    tree = grow(OFFICIAL, (None, [10.0]), ("0", [20.0]), ("0", [0.0]), ("1", [5.0]))
    assert tree["0"]["q"] == (10 + 20) / 2 == 15.0
    assert tree["3"]["uct"] == pytest.approx(5 + 1.165571, abs=5e-7)
    tree = merge(tree, [add_rewards(tree, "1", [0.0])])  # own value (0 + 10) / 2 = 5
    tree = merge(tree, [add_child(tree, sprout(tree, "1", [6.0]))])
    tree = merge(tree, [backpropagate(tree, "4", OFFICIAL)])
    assert values(tree) == [(10 + 5) / 2, (5 + 6) / 2, 0.0, 5.0, 6.0]
    assert tree["3"]["uct"] == pytest.approx(5 + 1.467399, abs=5e-7)  # 1 has two visits now


# Rewards too good to be believed: section 3.2


@pytest.mark.parametrize(
    ("reward", "paper", "official"),
    [
        (-100.0, -100.0, -100.0),
        (94.0, 94.0, 94.0),
        (95.0, 95.0, 50.0),
        (96.0, 91.0, 50.0),
        (100.0, 95.0, 50.0),
    ],
)
def test_full_scores_are_suppressed(reward: float, paper: float, official: float) -> None:
    assert PaperStrategy().suppressed(reward, PAPER) == paper
    assert OfficialStrategy().suppressed(reward, OFFICIAL) == official


# Full expansion: section 3.4


@pytest.mark.parametrize(
    ("children", "by_paper", "by_official"),
    [
        ([0.0, 0.0], False, False),  # below the limit, none better
        ([0.0, 80.0], False, False),  # below the limit, one better
        ([0.0, 0.0, 0.0], False, False),  # at the limit, none better
        ([0.0, 0.0, 80.0], True, True),  # at the limit, one better
        ([0.0, 0.0, 0.0, 80.0], True, True),  # above the limit, one better
        ([0.0, 0.0, 10.0], False, True),  # at the limit, one equal
    ],
)
def test_fully_expanded_is_the_limit_and_a_better_child(
    children: list[float], by_paper: bool, by_official: bool
) -> None:
    leaves = [("0", [reward]) for reward in children]
    for context, expected in ((PAPER, by_paper), (OFFICIAL, by_official)):
        tree = grow(context, (None, [10.0]), *leaves)
        assert is_fully_expanded(tree, "0", context) is expected


#         0: 10                          0: 10
#      /    |    \                    /    |    \
# 1: 0    2: 0    3: 0           1: 20    2: 0    3: 0
#   |                               |
# 4: 90                          4: -80
@pytest.mark.parametrize(
    ("child", "grandchild", "child_q", "root_q", "by_paper", "by_official"),
    [
        (0.0, 90.0, 45.0, 27.5, True, False),
        (20.0, -80.0, -30.0, 5.0, False, True),
    ],
)
def test_the_paper_compares_q_and_the_official_code_own_values(
    child: float,
    grandchild: float,
    child_q: float,
    root_q: float,
    by_paper: bool,
    by_official: bool,
) -> None:
    leaves: list[tuple[str | None, list[float]]] = [("0", [child]), ("0", [0.0]), ("0", [0.0])]
    tree = grow(PAPER, (None, [10.0]), *leaves, ("1", [grandchild]))
    assert (tree["1"]["q"], tree["0"]["q"]) == (child_q, root_q)
    assert is_fully_expanded(tree, "0", PAPER) is by_paper
    assert is_fully_expanded(tree, "0", OFFICIAL) is by_official


def test_the_limit_of_children_can_be_chosen() -> None:
    narrow = MCTSrContext(profile="paper", max_children=1)
    tree = grow(narrow, (None, [10.0]), ("0", [80.0]))
    assert is_fully_expanded(tree, "0", narrow)
    assert not is_fully_expanded(tree, "0", PAPER)


# Selection


def test_the_higher_uct_wins() -> None:
    tree = grow(PAPER, (None, [10.0]), (None, [30.0]), (None, [20.0]))
    assert select(tree, PAPER) == "1"


def test_of_equals_the_earliest_wins() -> None:
    tree = grow(PAPER, (None, [10.0]), (None, [30.0]), (None, [30.0]))
    assert select(tree, PAPER) == "1"


def test_of_equal_values_the_less_visited_wins() -> None:
    tree = grow(PAPER, (None, [0.0]), ("0", [50.0, 50.0]), ("0", [50.0]))
    assert tree["1"]["q"] == tree["2"]["q"] == 50.0
    assert select(tree, PAPER) == "2"


def test_a_little_less_value_is_outweighed_by_a_larger_bonus() -> None:
    #     0: 0, 0 (2 visits)
    #    /               \
    # 1: 50, 50        2: 49.6         51.037610 and 51.067399
    tree = grow(PAPER, (None, [0.0, 0.0]), ("0", [50.0, 50.0]), ("0", [49.6]))
    assert select(tree, PAPER) == "2"
    tree = grow(PAPER, (None, [0.0, 0.0]), ("0", [50.0, 50.0]), ("0", [49.5]))
    assert select(tree, PAPER) == "1"


def test_a_deep_node_may_win() -> None:
    assert select(grow(PAPER, *HAND), PAPER) == "2"


def test_a_fully_expanded_node_is_passed_over() -> None:
    # 0: 90, q 91 (full, as 1 is worth more)     2: 50
    # |
    # 1: 92 (at the greatest depth)
    context = MCTSrContext(profile="paper", max_children=1, max_depth=1)
    tree = grow(context, (None, [90.0]), ("0", [92.0]), (None, [50.0]))
    assert select(tree, context) == "2"


def test_max_depth_keeps_a_node_from_being_refined() -> None:
    shallow = MCTSrContext(profile="paper", max_depth=2)
    tree = grow(shallow, *HAND)
    is_candidate = PaperStrategy().is_candidate
    candidates = [node_id for node_id in tree if is_candidate(tree, tree[node_id], shallow)]
    assert candidates == ["0", "1", "3"]
    assert select(tree, shallow) == "1"


def test_nothing_is_selected_from_an_exhausted_tree() -> None:
    tiny = MCTSrContext(profile="paper", max_depth=1, max_children=1)
    tree = grow(tiny, (None, [10.0]), ("0", [40.0]))
    assert select_wave(tree, tiny, 1) == select_wave(tree, tiny, 4) == []


def test_nothing_is_selected_from_an_empty_tree() -> None:
    assert select({}, PAPER) is None


def test_the_official_code_selects_by_the_stale_uct() -> None:
    # 0: 95          3: 20
    # |
    # 1: -90, q (-90 + 70) / 2 = -10
    # |
    # 2: 70 (at the greatest depth)
    #
    # Fresh, 0 would be worth (95 - 10) / 2 = 42.5 and win; stale, it has (95 - 90) / 2 = 2.5
    context = MCTSrContext(profile="official", max_depth=2)
    tree = grow(context, (None, [95.0]), ("0", [-90.0]), ("1", [70.0]), (None, [20.0]))
    assert tree["0"]["uct"] == 2.5
    assert select(tree, context) == "3"


# Several leaves at once


def test_virtual_loss_spreads_a_wave() -> None:
    #            0   1   2
    # UCT       50  40  35
    # after 0   30  40  35
    # after 1   30  20  35
    # after 2   30  20  15
    tree = grow(PAPER, (None, [50.0]), (None, [40.0]), (None, [35.0]))
    assert select_wave(tree, PAPER, 4) == ["0", "1", "2", "0"]


def test_without_virtual_loss_a_wave_goes_to_one_node() -> None:
    context = MCTSrContext(profile="paper", virtual_loss=0)
    tree = grow(context, (None, [50.0]), (None, [40.0]))
    assert select_wave(tree, context, 3) == ["0", "0", "0"]


def test_a_wave_may_take_one_node_twice_when_it_is_the_only_one() -> None:
    tree = grow(PAPER, (None, [50.0]))
    assert select_wave(tree, PAPER, 2) == ["0", "0"]


# The answer to return


def orchard(*nodes: tuple[float, str | None, bool]) -> Tree:
    """Roots of these values (reward, final answer, dummy)."""
    tree: Tree = {}
    for reward, final, dummy in nodes:
        node = sprout(tree, None, [reward], final_answer=final, dummy=dummy)
        tree = merge(tree, [add_child(tree, node)])
        tree = merge(tree, [backpropagate(tree, node["id"], PAPER)])
    return tree


@pytest.mark.parametrize(
    ("nodes", "best"),
    [
        ([(10.0, "7", False), (30.0, "8", False), (20.0, "9", False)], "1"),
        ([(30.0, "7", False), (30.0, "8", False)], "0"),
        ([(90.0, None, False), (-50.0, "8", False)], "1"),
        ([(90.0, None, True), (-50.0, None, False)], "1"),
        ([(90.0, None, True), (-50.0, "8", False)], "1"),
        ([(90.0, None, True)], "0"),
        ([], None),
    ],
    ids=[
        "the highest q wins",
        "of equals the earliest wins",
        "a stated final answer goes before a higher q without one",
        "a dummy is last",
        "a dummy is last behind a final answer too",
        "a dummy is better than nothing",
        "an empty tree has none",
    ],
)
def test_best_node(nodes: list[tuple[float, str | None, bool]], best: str | None) -> None:
    assert best_node(orchard(*nodes)) == best


def test_the_best_node_has_the_highest_q_after_the_search_below_it() -> None:
    #   0: 10, q (10 + 90) / 2 = 50, below 1 with its 90
    assert best_node(grow(PAPER, (None, [10.0]), ("0", [90.0]), (None, [60.0]))) == "1"


# Nodes and patches


def test_a_new_node_is_a_leaf_whose_value_is_not_set_yet() -> None:
    tree = grow(PAPER, (None, [10.0]))
    node = new_node(
        tree,
        parent="0",
        answer="It is 26.",
        final_answer="26",
        rewards=[10.0, 20.0],
        critique="Why?",
        rollout=3,
    )
    assert node == {
        "id": "1",
        "parent": "0",
        "children": [],
        "depth": 1,
        "rollout": 3,
        "dummy": False,
        "answer": "It is 26.",
        "final_answer": "26",
        "critique": "Why?",
        "rewards": [10.0, 20.0],
        "q": None,
        "duplicate_of": None,
        "truncated": False,
        "suspicious": False,
    }


def test_a_duplicate_names_the_first_node_with_its_text() -> None:
    tree: Tree = {}
    for answer in ("26", "27", "26", "26", "26 "):
        node = sprout(tree, "0" if tree else None, [0.0], answer=answer)
        tree = merge(tree, [add_child(tree, node)])
    found = [node["duplicate_of"] for node in tree.values()]
    assert found == [None, None, "0", "0", None]


def test_a_child_is_joined_to_its_parent_and_a_root_to_nothing() -> None:
    tree = grow(PAPER, *HAND)
    child, root = sprout(tree, "1", [0.0]), sprout(tree, None, [0.0])
    assert add_child(tree, child) == {"4": child, "1": {"children": ["2", "4"]}}
    assert add_child(tree, root) == {"4": root}


def test_rewards_are_appended() -> None:
    tree = grow(PAPER, *HAND)
    assert add_rewards(tree, "0", [5.0, 6.0]) == {"0": {"rewards": [10.0, 20.0, 5.0, 6.0]}}
    assert add_rewards(tree, "0", []) == {}


def test_the_way_to_the_root_and_the_roots() -> None:
    tree = grow(PAPER, *HAND, (None, [0.0]))
    assert list(path_to_root(tree, "2")) == ["2", "1", "0"]
    assert list(path_to_root(tree, "4")) == ["4"]
    assert roots(tree) == ["0", "4"]


def test_merge_applies_patches_in_order() -> None:
    merged = merge({"0": {"q": 1.0, "depth": 0}}, [{"0": {"q": 2.0}}, {"0": {"q": 3.0}, "1": {}}])
    assert merged == {"0": {"q": 3.0, "depth": 0}, "1": {}}
    assert merge(None, []) == {}


def test_nothing_changes_what_it_is_given() -> None:
    tree = grow(PAPER, *HAND)
    child = sprout(tree, "0", [70.0])
    patches = [add_rewards(tree, "0", [0.0]), add_child(tree, child)]
    before = copy.deepcopy((tree, child, patches))
    grown = merge(tree, patches)
    for context in (PAPER, OFFICIAL):
        merge(grown, [backpropagate(grown, "4", context)])
        select_wave(tree, context, 3)
    assert (tree, child, patches) == before
    assert grown["0"]["children"] == ["1", "3", "4"]
