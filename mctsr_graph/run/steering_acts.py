"""What a person may do to a search, as pure functions: each reads it and returns a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.rollout import Leaf, grow, new_leaf
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.reading import USUAL, FinalAnswer
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.final_answer import clean_text
from mctsr_graph.text.printable import is_blank
from mctsr_graph.text.reward_scale import RANGE, is_on_scale
from mctsr_graph.tree.steered import Action, Steering, Wish, in_play, pending
from mctsr_graph.tree.task import Task
from mctsr_graph.tree.tree import Node, Patch, Tree, merge, path_to_root


@dataclass(frozen=True)
class Paused:
    """What an act is told of the search."""

    tree: Tree
    rollouts: int
    """Rollouts finished."""
    wave: Mapping[str, Leaf]
    """The rollouts in flight by number, if the search is paused before refine; else nothing."""
    context: MCTSrContext
    strategy: Strategy
    by: str
    at: str
    reading: FinalAnswer | None = USUAL
    """Reads final answers; None: the search has one of its own that the graph has not."""

    def node(self, node_id: str) -> Node:
        """The node of that id, which must not lie in a pruned branch.

        Raises:
            ConfigError: there is none, or it is pruned.
        """
        if node_id not in self.tree:
            raise ConfigError(f"node is {node_id!r}, allowed 0 to {len(self.tree) - 1}")
        for above in path_to_root(self.tree, node_id):
            if self.tree[above].get("pruned"):
                raise ConfigError(f"node {node_id!r} is pruned with {above!r}: restore that first")
        return self.tree[node_id]

    def signed(self, action: Action, **more: Any) -> Steering:
        """The record of what is done."""
        return cast(Steering, {"action": action, "by": self.by, "at": self.at, **more})

    def marked(
        self, node: Node, action: Action, rollout: int | None = None, **fields: Any
    ) -> Patch:
        """The patch that changes fields of a node, with who did it."""
        number = {} if rollout is None else {"rollout": rollout}
        record = self.signed(action, **number)
        return {node["id"]: {**fields, "steering": [*node.get("steering", []), record]}}

    def with_values(self, patch: Patch, below: str | None) -> Patch:
        """The patch, and the values that it changes from the node `below` upwards."""
        if below is None:
            return patch
        changed = merge(self.tree, [patch])
        return merge(patch, [self.strategy.backpropagate(changed, below, self.context)])


@dataclass(frozen=True)
class Change:
    """What an act does to the search."""

    patch: Patch
    """To the tree."""
    wave: dict[str, Leaf] | None = None
    """The rollouts in flight, where the act keeps them."""
    to_judge: Leaf | None = None
    """What the judge is to be asked about at once."""


Act = Callable[[Paused], Change]


def prune(node: str) -> Act:
    """Take a node and all below it out of play: not refined, not returned, not counted in q."""

    def act(paused: Paused) -> Change:
        found = paused.node(node)
        patch = merge(_without_wishes(paused, node), [paused.marked(found, "prune", pruned=True)])
        if not in_play(merge(paused.tree, [patch])):
            raise ConfigError(f"without node {node!r} nothing would be left in play")
        return Change(paused.with_values(patch, found["parent"]))

    return act


def restore(node: str) -> Act:
    """Bring a pruned node and all below it back into play."""

    def act(paused: Paused) -> Change:
        found = paused.tree.get(node)
        if found is None or not found.get("pruned"):
            pruned = [i for i, other in paused.tree.items() if other.get("pruned")]
            raise ConfigError(f"node is {node!r}, allowed a pruned one: {', '.join(pruned) or '-'}")
        return Change(
            paused.with_values(paused.marked(found, "restore", pruned=False), found["parent"])
        )

    return act


def pin(node: str) -> Act:
    """Go on with this node's branch only, and with others pinned, and return an answer of it."""
    return lambda paused: Change(paused.marked(paused.node(node), "pin", pinned=True))


def unpin(node: str) -> Act:
    """Take a pin away; when the last one is gone, the whole tree is in play again."""
    return lambda paused: Change(paused.marked(paused.node(node), "unpin", pinned=False))


def expand(node: str, critique: str | None = None) -> Act:
    """Let the next rollout that is free refine this node, in the light of `critique` if given.

    It is done even where the node is fully expanded, too deep, or outside a pinned branch.
    """
    words = None if critique is None else _checked(critique, "critique")
    return lambda paused: Change(_wish(paused, node, "expand", _free(paused), words))


def merge_answers(node: str, *others: str) -> Act:
    """Let the next rollout that is free merge this node and one or more others into a new answer.

    The new node is drawn below `node`, and raises its value.
    """

    def act(paused: Paused) -> Change:
        merged = [paused.node(one)["id"] for one in (node, *others)]
        if len(set(merged)) < max(2, len(merged)):
            raise ConfigError(f"nodes are {', '.join(merged)}, allowed two or more, each once")
        return Change(_wish(paused, node, "merge", _free(paused), [*others]))

    return act


def edit_critique(critique: str, node: str | None = None) -> Act:
    """Put another critique in the place of the model's.

    Args:
        critique: The new words.
        node: The node that came of the old critique: the next rollout that is free refines its
            parent once more. None: the rollout in flight of a search paused before refine.
    """
    words = _checked(critique, "critique")

    def act(paused: Paused) -> Change:
        if node is not None:
            found = paused.tree.get(node)
            parent = None if found is None or "parents" in found else found["parent"]
            if parent is None:
                raise ConfigError(f"node is {node!r}, allowed one that came of a critique")
            return Change(_wish(paused, parent, "critique", _free(paused), words))
        if len(paused.wave) != 1:
            raise ConfigError(
                f"{len(paused.wave)} rollouts are paused before refine, allowed 1 without node="
            )
        [(number, leaf)] = paused.wave.items()
        # The wish stands in the tree as well, in case the rollout is begun anew
        if leaf["parent"] is None or leaf["task"] != "refine":
            raise ConfigError(
                f"the rollout paused before refine is a {leaf['task']}, which has no critique; "
                "allowed a refinement"
            )
        patch = _wish(paused, leaf["parent"], "critique", int(number), words)
        # A pipelined leaf has its answer by now, which came of the old critique
        new: Any = {"critique": words, "answer": None, "rewards": [], "through": False}
        anew: Leaf = {**leaf, **new}
        return Change(patch, {number: anew})

    return act


def add_answer(answer: str, parent: str = "0", reward: float | None = None) -> Act:
    """Add an answer of one's own below a node.

    Args:
        answer: The whole text; a final answer is read from it as from the model's.
        parent: The node that it improves.
        reward: Its reward, points on the reward scale, without a model call. None: the judge is
            asked at once, as in a rollout, and it counts as one.
    """

    def act(paused: Paused) -> Change:
        below = Task("refine", paused.node(parent)["id"])
        if paused.reading is None:
            raise ConfigError(
                "the search reads final answers in its own way: add an answer by a graph that has "
                "its final_answer="
            )
        leaf = new_leaf(paused.rollouts, paused.tree, below)
        leaf = {
            **leaf,
            "critique": "",
            "answer": _checked(answer, "answer"),
            "steering": [paused.signed("answer")],
        }
        if reward is None:
            return Change({}, to_judge=leaf)
        if not is_on_scale(reward):
            raise ConfigError(f"reward is {reward!r}, allowed {RANGE}")
        judged: Leaf = {**leaf, "rewards": [float(reward)]}
        return Change(_grown(paused, judged, paused.reading))

    return act


def _grown(paused: Paused, leaf: Leaf, reading: FinalAnswer) -> Patch:
    return grow(paused.tree, leaf, paused.strategy, paused.context, reading)[1]


def ask_rewards(node: str) -> Act:
    """Let the judge evaluate a node again at once: reward_samples + 1 more rewards.

    It counts as a rollout.
    """

    def act(paused: Paused) -> Change:
        found = paused.node(node)
        leaf = new_leaf(paused.rollouts, paused.tree, Task("refine", node))
        leaf = {**leaf, "critique": "", "answer": found["answer"], "joins": node}
        return Change({}, to_judge={**leaf, "steering": [paused.signed("rewards")]})

    return act


def _free(paused: Paused) -> int:
    """Number of the first rollout to come that nobody has a wish for."""
    taken = [n for node in paused.tree.values() for n in pending(node, paused.rollouts)]
    return max([paused.rollouts, *taken]) + 1


def _wish(paused: Paused, node: str, action: Action, number: int, wish: Wish) -> Patch:
    found = paused.node(node)
    wishes = {**found.get("wishes", {}), str(number): wish}
    return paused.marked(found, action, number, wishes=wishes)


def _without_wishes(paused: Paused, top: str) -> Patch:
    """The patch that takes back what was wished for rollouts to come at `top` and below it."""

    def stays(node_id: str, number: str, wish: Wish) -> bool:
        merged = [node_id, *(wish if isinstance(wish, list) else [])]
        out = any(top in path_to_root(paused.tree, one) for one in merged)
        return int(number) <= paused.rollouts or not out

    return {
        node_id: {"wishes": {n: w for n, w in node["wishes"].items() if stays(node_id, n, w)}}
        for node_id, node in paused.tree.items()
        if "wishes" in node
    }


def _checked(text: str, what: str) -> str:
    if is_blank(text):
        raise ConfigError(f"{what} is {text!r}, allowed a text that is not blank")
    return clean_text(text)
