"""Whatever happens to a search, in whatever order, its tree stays a tree."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langgraph.checkpoint.memory import InMemorySaver

from mctsr_graph import MCTSrContext, MCTSrError, ScriptedChatModel, create_mctsr
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.tree.tree import Tree, best_node, merge
from mctsr_graph.tree.values import backed_up_value, own_value
from tests.conftest import keyed_reply

ROLES = st.sampled_from(["critique", "refine", "evaluate"])
CONFIG: Any = {"configurable": {"thread_id": "1"}}


class CrashError(MCTSrError):
    """Ends a search at once."""


class Searches(RuleBasedStateMachine):
    """One thread on which a search is run, fails, crashes, is resumed and forked."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ScriptedChatModel(replies=self.reply)
        self.graph = create_mctsr(self.model).compile(checkpointer=InMemorySaver())
        self.broken: tuple[str, str] | None = None
        self.width = 1
        self.begun = False

    def reply(self, call: ScriptedCall) -> Any:
        if self.broken is not None and call.role == self.broken[1]:
            return {
                "crash": CrashError("now"),
                "raise": OSError("down"),
                "garble": "" if call.role != "evaluate" else "no score",
            }[self.broken[0]]
        return keyed_reply(call)

    @property
    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = self.graph.get_state(CONFIG).values
        return values

    def run(self, rollouts: int, config: Any = CONFIG) -> None:
        begun = self.begun
        if begun and self.values["stop_reason"] is not None and config is CONFIG:
            update = {"stop_reason": None, "failed_rollouts": 0}
            self.graph.update_state(CONFIG, update, as_node="backpropagate")
        self.begun = True
        done = self.values.get("rollouts", 0) if config is CONFIG else 0
        context = MCTSrContext(
            profile="paper", max_rollouts=max(1, done + rollouts), width=self.width, max_retries=1
        )
        try:
            given = None if begun else {"problem": "How many?"}
            self.graph.invoke(given, config, context=context)
        except CrashError:
            pass

    @rule(rollouts=st.integers(1, 4), width=st.integers(1, 3))
    def search(self, rollouts: int, width: int) -> None:
        self.broken, self.width = None, width
        self.run(rollouts)

    @precondition(lambda self: self.begun)
    @rule(how=st.sampled_from(["raise", "garble", "crash"]), role=ROLES, width=st.integers(1, 3))
    def something_breaks(self, how: str, role: str, width: int) -> None:
        self.broken, self.width = (how, role), width
        self.run(2)

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 30))
    def fork(self, back: int) -> None:
        self.broken = None
        history = [
            s for s in self.graph.get_state_history(CONFIG) if s.next and s.values.get("tree")
        ]
        if history:
            past = history[min(back, len(history) - 1)]
            before = json.dumps(past.values["tree"])
            self.run(past.values["rollouts"] + 1, past.config)
            again = self.graph.get_state(past.config)
            assert json.dumps(again.values["tree"]) == before

    @invariant()
    def the_tree_is_a_tree(self) -> None:
        if self.begun:
            check(self.values)


def check(values: dict[str, Any]) -> None:
    """The invariants of a search at rest."""
    tree: Tree = values.get("tree") or {}
    paper = PaperStrategy()
    assert list(tree) == [str(n) for n in range(len(tree))]
    for node_id, node in tree.items():
        assert node["id"] == node_id
        assert node["answer"]
        assert node["rewards"]
        assert all(math.isfinite(r) and -100 <= r <= 95 for r in node["rewards"])
        assert node["children"] == sorted(set(node["children"]), key=int)
        assert all(tree[child]["parent"] == node_id for child in node["children"])
        below = [tree[child]["q"] for child in node["children"]]
        assert math.isclose(node["q"], backed_up_value(own_value(node["rewards"]), below))
        assert math.isfinite(paper.uct(tree, node, MCTSrContext(profile="paper")))
        if node["parent"] is not None:
            parent = tree[node["parent"]]
            assert node_id in parent["children"]
            assert (int(parent["id"]) < int(node_id), node["depth"]) == (True, parent["depth"] + 1)
            assert node["critique"]
    made = Counter(node["rollout"] for node in tree.values())
    lost = {f["rollout"] for f in values.get("failures") or [] if f["node"] is None}
    assert all(count == 1 for rollout, count in made.items() if rollout)
    assert not set(made) & lost
    assert set(made) | lost == set(range(values.get("rollouts", 0) + 1)) or not tree
    assert values.get("best") == best_node(tree)
    assert tree == {} or any(
        paper.is_candidate(tree, node, MCTSrContext(profile="paper")) for node in tree.values()
    )
    assert merge(tree, [tree]) == tree
    assert json.loads(json.dumps(values["tree"])) == tree


Searches.TestCase.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
TestSearches = Searches.TestCase
