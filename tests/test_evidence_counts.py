"""What a growing tree says is counted node by node, and is what a count of the whole tree says."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mctsr_graph.strategies.tuned import evidence
from mctsr_graph.strategies.tuned.evidence import evidence_of, polled
from mctsr_graph.tree.tree import Tree, add_child, add_rewards, merge, new_node


def told(tree: Tree) -> list[Any]:
    """All that is counted, in its order, on which the last digits of a belief depend."""
    found = evidence_of(tree)
    rewards = [(key, list(judged)) for key, judged in found.rewards.items()]
    counts = (found.votes, found.moves, polled(tree))
    return [*(list(count.items()) for count in counts), rewards, found.classes]


def grown(tree: Tree, rng: random.Random, step: int, steered: bool) -> Tree:
    """The tree after something was done to it."""
    chosen, kind = rng.choice([*tree, None]), rng.random()
    if chosen is not None and kind < 0.2:
        return merge(tree, [add_rewards(tree, chosen, [float(rng.randrange(-50, 90))])])
    if chosen is not None and kind < 0.25:
        return merge(tree, [{chosen: {"answer_class": rng.choice("abc")}}])
    if chosen is not None and kind < 0.3 and steered:
        return merge(tree, [{chosen: {rng.choice(["pruned", "pinned"]): rng.random() < 0.5}}])
    stated = rng.choice(["a", "b", "c", None])
    node = new_node(
        tree,
        parent=chosen,
        answer=rng.choice(["same", "alike", f"text {step}"]),
        final_answer=stated,
        rewards=[1.0] if rng.random() < 0.4 else [],
        dummy=chosen is None and rng.random() < 0.05,
    )
    node["answer_class"] = stated
    if node["duplicate_of"] and rng.random() < 0.5:
        node["repeats"] = node["duplicate_of"]
    if chosen is not None and steered and len(tree) > 2 and rng.random() < 0.1:
        node["parents"] = rng.sample(list(tree), 2)
    return merge(tree, [add_child(tree, node)])


@pytest.mark.parametrize("seed", range(40))
def test_counts_are_those_of_the_whole_tree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, trees, counted = random.Random(seed), [Tree()], []
    for step in range(30):
        trees.append(grown(trees[-1], rng, step, steered=seed % 3 == 0))
        counted.append(told(trees[-1]))
    earlier = [told(tree) for tree in rng.sample(trees, 5)]  # as when a search is forked
    assert all(one in [told(trees[0]), *counted] for one in earlier)
    monkeypatch.setattr(evidence, "_counts", lambda tree: None)
    assert counted == [told(tree) for tree in trees[1:]]


def test_a_new_node_costs_no_count_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    add = evidence._Counts._add

    def noted(self: Any, tree: Any, node: Any) -> None:
        counted.append(node["id"])
        add(self, tree, node)

    monkeypatch.setattr(evidence._Counts, "_add", noted)
    tree: Tree = {}
    for i in range(50):
        text = f"text {i} of this test"
        node = new_node(tree, parent=None, answer=text, final_answer=str(i % 3), rewards=[])
        tree = merge(tree, [add_child(tree, node)])
        evidence_of(tree)
        tree = merge(tree, [add_rewards(tree, "0", [1.0])])
        polled(tree)
    assert counted == [str(i) for i in range(50)]
