"""What holds for every tree, checked against slow and simple versions of the same mathematics."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.tree.tree import Node, Patch, Tree, add_child, add_rewards, merge, new_node

from .test_search import backpropagate, select, select_wave

Operation = tuple[str, int, list[float], list[float]]
"""Kind ("root", "child", "reward"), pick of a node, its further rewards, rewards of a new node."""

PROFILES: list[Any] = ["paper", "official"]

# Few distinct values, so that equals are common, beside any others
REWARD = st.one_of(
    st.sampled_from([-100.0, -50.0, 0.0, 50.0, 100.0]),
    st.floats(-100, 100, allow_subnormal=False),
)
PICK = st.integers(0, 1000)
REWARDS = st.lists(REWARD, min_size=1, max_size=3)
OPERATIONS: st.SearchStrategy[list[Operation]] = st.lists(
    st.tuples(
        st.sampled_from(["root", "child", "child", "child", "child", "reward"]),
        PICK,
        st.lists(REWARD, max_size=2),
        REWARDS,
    ),
    min_size=1,
    max_size=20,
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "profile": st.sampled_from(PROFILES),
    "exploration_constant": st.sampled_from([0.0, 1.4, 30.0, 200.0]),
    "log_term": st.sampled_from(["ln(N+1)", "ln(N)+1"]),
    "epsilon": st.sampled_from([1e-5, 1.0]),
    "max_children": st.integers(1, 3),
    "max_depth": st.sampled_from([None, 1, 2, 4]),
    "virtual_loss": st.sampled_from([0.0, 20.0, 50.0]),
}


def contexts(**fixed: Any) -> st.SearchStrategy[MCTSrContext]:
    """Contexts with these settings, the others at will."""
    free = {name: values for name, values in SETTINGS.items() if name not in fixed}
    return st.fixed_dictionaries(free).map(lambda drawn: MCTSrContext(**drawn, **fixed))


def patch_of(tree: Tree, operation: Operation, context: MCTSrContext) -> Patch:
    """One step of a search as a patch: rewards, a node, and then the values."""
    kind, pick, again, rewards = operation
    chosen = list(tree)[pick % len(tree)] if tree else None
    if kind == "reward" and chosen is not None:
        patch = add_rewards(tree, chosen, rewards)
        touched = [chosen]
    else:
        parent = chosen if kind == "child" else None
        patch = add_rewards(tree, parent, again) if parent is not None else {}
        grown: Tree = merge(tree, [patch])
        answer = f"answer {len(tree)}"
        child = new_node(grown, parent=parent, answer=answer, final_answer=None, rewards=rewards)
        patch = merge(patch, [add_child(grown, child)])
        touched = [child["id"]] if parent is None else [parent, child["id"]]
    for node_id in touched:
        patch = merge(patch, [backpropagate(merge(tree, [patch]), node_id, context)])
    return patch


def trees(operations: list[Operation], context: MCTSrContext) -> Iterator[tuple[Tree, Patch]]:
    """Every tree that the operations make, with the patch that made it."""
    tree: Tree = {}
    for operation in operations:
        patch = patch_of(tree, operation, context)
        tree = merge(tree, [patch])
        yield tree, patch


def grow(operations: list[Operation], context: MCTSrContext) -> Tree:
    """The last of `trees`."""
    *_, (tree, _) = trees(operations, context)
    return tree


# Slow and simple versions, which know a tree by the links to parents and by the rewards only


def children_of(tree: Tree, node_id: str) -> list[str]:
    return [other for other, node in tree.items() if node["parent"] == node_id]


def slow_own_value(node: Node) -> float:
    return 0.5 * (min(node["rewards"]) + sum(node["rewards"]) / len(node["rewards"]))


def slow_q(tree: Tree, node_id: str) -> float:
    below = [slow_q(tree, child) for child in children_of(tree, node_id)]
    own = slow_own_value(tree[node_id])
    return 0.5 * (own + max(below)) if below else own


def slow_bonus(tree: Tree, node: Node, context: MCTSrContext, in_flight: int = 0) -> float:
    if node["parent"] is None:
        return 0.0
    n = len(tree[node["parent"]]["rewards"])
    log = math.log(n + 1) if context.log_term == "ln(N+1)" else math.log(n) + 1
    visits = len(node["rewards"]) + in_flight
    return context.exploration_constant * math.sqrt(log / (visits + context.epsilon))


def slow_uct(tree: Tree, node: Node, context: MCTSrContext, in_flight: int) -> float:
    loss = context.virtual_loss * in_flight
    if context.profile == "official":
        return node["uct"] - loss
    return node["q"] + slow_bonus(tree, node, context, in_flight) - loss


def slow_candidates(tree: Tree, context: MCTSrContext) -> list[str]:
    found = []
    for node_id, node in tree.items():
        children = [tree[child] for child in children_of(tree, node_id)]
        if context.profile == "paper":
            better = [child for child in children if child["q"] > node["q"]]
        else:
            better = [child for child in children if slow_own_value(child) >= slow_own_value(node)]
        full = len(children) >= context.max_children and better
        too_deep = context.max_depth is not None and node["depth"] >= context.max_depth
        if not full and not too_deep:
            found.append(node_id)
    return found


def slow_select(tree: Tree, context: MCTSrContext, in_flight: Mapping[str, int]) -> str | None:
    """The earliest candidate with the highest UCT, from the UCT of every candidate."""
    scored = {
        node_id: slow_uct(tree, tree[node_id], context, in_flight.get(node_id, 0))
        for node_id in slow_candidates(tree, context)
    }
    highest = max(scored.values(), default=None)
    return next((node_id for node_id, value in scored.items() if value == highest), None)


# Profile "paper": every value is fresh


@settings(deadline=None)
@given(OPERATIONS, contexts(profile="paper"))
def test_q_equals_the_recursive_definition(
    operations: list[Operation], context: MCTSrContext
) -> None:
    for tree, _ in trees(operations, context):
        expected = {node_id: slow_q(tree, node_id) for node_id in tree}
        found = {node_id: node["q"] for node_id, node in tree.items()}
        assert found == pytest.approx(expected, rel=0, abs=1e-9)


@settings(deadline=None)
@given(OPERATIONS, contexts(profile="paper"))
def test_q_lies_between_the_rewards_at_and_below_a_node(
    operations: list[Operation], context: MCTSrContext
) -> None:
    tree = grow(operations, context)
    spans = {node_id: list(node["rewards"]) for node_id, node in tree.items()}
    for node_id in reversed(tree):  # children come after their parent
        parent = tree[node_id]["parent"]
        if parent is not None:
            spans[parent] += spans[node_id]
    for node_id, rewards in spans.items():
        assert min(rewards) - 1e-9 <= tree[node_id]["q"] <= max(rewards) + 1e-9


@settings(deadline=None)
@given(OPERATIONS, contexts(profile="paper"), st.randoms(use_true_random=False))
def test_the_order_of_siblings_does_not_matter(
    operations: list[Operation], context: MCTSrContext, shuffler: random.Random
) -> None:
    tree = grow(operations, context)
    shuffled = regrown(tree, context, shuffler)
    found = {node["answer"]: node["q"] for node in shuffled.values()}
    assert found == {node["answer"]: node["q"] for node in tree.values()}


def regrown(tree: Tree, context: MCTSrContext, shuffler: random.Random) -> Tree:
    """The same tree with its nodes made in another order, parents before children."""
    again: Tree = {}
    ids: dict[str, str] = {}
    waiting = [node_id for node_id, node in tree.items() if node["parent"] is None]
    while waiting:
        old = waiting.pop(shuffler.randrange(len(waiting)))
        node = tree[old]
        ids[old] = str(len(again))
        parent = ids[node["parent"]] if node["parent"] is not None else None
        text, rewards = node["answer"], node["rewards"]
        new = new_node(again, parent=parent, answer=text, final_answer=None, rewards=rewards)
        again = merge(again, [add_child(again, new)])
        again = merge(again, [backpropagate(again, new["id"], context)])
        waiting += children_of(tree, old)
    return again


# Both profiles


@settings(deadline=None)
@given(OPERATIONS, contexts())
def test_backpropagating_again_changes_nothing(
    operations: list[Operation], context: MCTSrContext
) -> None:
    for tree, _ in trees(operations, context):
        assert [backpropagate(tree, node_id, context) for node_id in tree] == [{}] * len(tree)


@settings(deadline=None)
@given(OPERATIONS, contexts())
def test_links_depths_and_ids_agree(operations: list[Operation], context: MCTSrContext) -> None:
    tree = grow(operations, context)
    assert (
        list(tree) == [node["id"] for node in tree.values()] == [str(i) for i in range(len(tree))]
    )
    for node_id, node in tree.items():
        assert node["children"] == children_of(tree, node_id)  # in order of creation
        parent = node["parent"]
        assert node["depth"] == (0 if parent is None else tree[parent]["depth"] + 1)
        assert parent is None or int(parent) < int(node_id)


@settings(deadline=None)
@given(OPERATIONS, contexts())
def test_merging_a_patch_twice_equals_once(
    operations: list[Operation], context: MCTSrContext
) -> None:
    before: Tree = {}
    for tree, patch in trees(operations, context):
        assert tree == merge(tree, [patch]) == merge(before, [patch, patch])
        before = tree


@settings(deadline=None)
@given(OPERATIONS, contexts())
def test_patches_merge_one_by_one_or_all_at_once(
    operations: list[Operation], context: MCTSrContext
) -> None:
    steps = list(trees(operations, context))
    patches = [patch for _, patch in steps]
    assert merge({}, patches) == steps[-1][0]
    assert list(merge({}, patches)) == list(steps[-1][0])


FIELDS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))
PATCHES = st.dictionaries(st.sampled_from("012"), FIELDS)


@settings(deadline=None)
@given(PATCHES, PATCHES, PATCHES)
def test_any_two_patches_merge_one_by_one_or_together(tree: Patch, one: Patch, two: Patch) -> None:
    assert merge(merge(tree, [one]), [two]) == merge(tree, [one, two])
    assert merge(tree, [merge(one, [two])]) == merge(tree, [one, two])


# Selection


@settings(deadline=None, max_examples=600)
@given(OPERATIONS, contexts())
def test_what_is_refined_is_the_first_candidate_with_the_highest_uct(
    operations: list[Operation], context: MCTSrContext
) -> None:
    for tree, _ in trees(operations, context):
        assert select(tree, context) == slow_select(tree, context, {})


@settings(deadline=None, max_examples=400)
@given(OPERATIONS, contexts(), st.integers(1, 6))
def test_a_wave_chooses_one_by_one(
    operations: list[Operation], context: MCTSrContext, width: int
) -> None:
    tree = grow(operations, context)
    expected: list[str] = []
    for _ in range(width):
        chosen = slow_select(tree, context, Counter(expected))
        expected += [chosen] if chosen is not None else []
    assert select_wave(tree, context, width) == expected


@settings(deadline=None)
@given(OPERATIONS, contexts(), st.integers(1, 6))
def test_a_wave_is_full_of_candidates_and_empty_only_without_any(
    operations: list[Operation], context: MCTSrContext, width: int
) -> None:
    tree = grow(operations, context)
    candidates = slow_candidates(tree, context)
    wave = select_wave(tree, context, width)
    assert set(wave) <= set(candidates)
    assert len(wave) == (width if candidates else 0)


# Profile "official": values one level up, the others stale


class FullSweep:
    """The official update as described: every leaf and every parent of a leaf, each time."""

    def __init__(self, context: MCTSrContext) -> None:
        self.context = context
        self.q: dict[str, float] = {}
        self.uct: dict[str, float] = {}

    def update(self, tree: Tree) -> None:
        """Update what the official code updates; the rest keeps what it had."""
        parents = {node["parent"] for node in tree.values()}
        leaves = [node_id for node_id in tree if node_id not in parents]
        above = {tree[leaf]["parent"] for leaf in leaves} - {None}
        for node_id in leaves:
            self._set(tree, node_id, slow_own_value(tree[node_id]))
        for node_id in (parent for parent in above if parent is not None):
            best = max(slow_own_value(tree[child]) for child in children_of(tree, node_id))
            self._set(tree, node_id, (slow_own_value(tree[node_id]) + best) / 2)

    def _set(self, tree: Tree, node_id: str, q: float) -> None:
        self.q[node_id] = q
        self.uct[node_id] = q + slow_bonus(tree, tree[node_id], self.context)

    def check(self, tree: Tree) -> None:
        """Compare with the values stored in a tree."""
        q = {node_id: node["q"] for node_id, node in tree.items()}
        uct = {node_id: node["uct"] for node_id, node in tree.items()}
        assert q == pytest.approx(self.q, rel=0, abs=1e-9)
        assert uct == pytest.approx(self.uct, rel=0, abs=1e-9)


@settings(deadline=None)
@given(
    st.lists(REWARD, min_size=1, max_size=2),
    st.lists(st.tuples(REWARD, REWARD), max_size=25),
    contexts(profile="official"),
)
def test_an_official_search_stores_the_values_of_the_full_sweep(
    roots: list[float], rollouts: list[tuple[float, float]], context: MCTSrContext
) -> None:
    tree: Tree = {}
    oracle = FullSweep(context)
    for reward in roots:
        tree = joined(tree, None, reward, context)
        oracle.update(tree)
    for again, reward in rollouts:
        chosen = select(tree, context)
        if chosen is None:
            break
        tree = merge(tree, [add_rewards(tree, chosen, [again])])
        tree = joined(tree, chosen, reward, context)
        oracle.update(tree)
        oracle.check(tree)


def joined(tree: Tree, parent: str | None, reward: float, context: MCTSrContext) -> Tree:
    """The tree with one node more, after backpropagation from it."""
    answer = f"answer {len(tree)}"
    node = new_node(tree, parent=parent, answer=answer, final_answer=None, rewards=[reward])
    tree = merge(tree, [add_child(tree, node)])
    return merge(tree, [backpropagate(tree, node["id"], context)])


@settings(deadline=None)
@given(OPERATIONS, contexts(profile="official"))
def test_any_official_growth_stores_the_values_of_the_full_sweep(
    operations: list[Operation], context: MCTSrContext
) -> None:
    oracle = FullSweep(context)
    for tree, _ in trees(operations, context):
        oracle.update(tree)
        oracle.check(tree)
