"""What LangSmith and other tracers see: named runs with small inputs, however large the tree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr

from .conftest import keyed_reply

NODES = {"initialize", "select", "critique", "refine", "evaluate", "backpropagate", "finalize"}
ROLES = {"draft", "critique", "refine", "evaluate"}


class Tracer(BaseTracer):
    """Keeps every run, as LangSmith's tracer does before it sends them."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[Any, Run] = {}

    def _on_run_create(self, run: Run) -> None:
        self.runs[run.id] = run

    def _persist_run(self, run: Run) -> None:
        pass

    def nodes(self) -> list[Run]:
        return [run for run in self.runs.values() if run.run_type == "chain"]

    def calls(self) -> list[Run]:
        return [run for run in self.runs.values() if run.run_type != "chain"]


async def traced(rollouts: int, width: int, use_async: bool) -> Tracer:
    def long_reply(call: Any) -> str:
        return keyed_reply(call) + " word" * 100 * (call.role != "evaluate")

    tracer = Tracer()
    graph = create_mctsr(ScriptedChatModel(replies=long_reply)).compile(name="mctsr")
    context = MCTSrContext(profile="paper", max_rollouts=rollouts, width=width)
    given: Any = ({"problem": "p"}, {"callbacks": [tracer]})
    if use_async:
        await graph.ainvoke(*given, context=context)
    else:
        graph.invoke(*given, context=context)
    return tracer


def size(value: Any) -> int:
    return len(json.dumps(value, default=repr))


@pytest.mark.parametrize("use_async", [False, True])
async def test_the_tree_is_not_sent_with_every_node(use_async: bool) -> None:
    for rollouts in (4, 60):
        tracer = await traced(rollouts, 2, use_async)
        nodes = [run for run in tracer.nodes() if run.name != "mctsr"]
        assert {run.name for run in nodes} == NODES
        assert max(size(run.inputs) for run in nodes) < 200
        outputs = [(size(run.outputs), run.name == "finalize") for run in nodes]
        assert max(n for n, last in outputs if not last) < 6000  # two rollouts' own texts
        # The reasons for the choice name every class of answers, here one a node; they stand in
        # the search's own state and in what it tells others
        assert max(n for n, last in outputs if last) < 2 * (1500 + 120 * rollouts)
    evaluate = [run for run in nodes if run.name == "evaluate"][1]
    assert evaluate.inputs == {
        "rollouts": 2,
        "nodes": 3,
        "best": "2",
        "in_flight": {"3": "2", "4": "2"},
    }


@pytest.mark.parametrize("use_async", [False, True])
async def test_a_model_call_tells_its_role_and_rollout_and_belongs_to_its_node(
    use_async: bool,
) -> None:
    tracer = await traced(4, 2, use_async)
    calls = tracer.calls()
    assert len(calls) == 2 + 4 * 4
    for run in calls:
        told = (run.extra or {})["metadata"]
        node = tracer.runs[run.parent_run_id]
        assert run.name == told["mctsr_role"]
        assert f"mctsr:{run.name}" in (run.tags or [])
        assert node.name == ("initialize" if told["mctsr_rollout"] == 0 else run.name)
        assert tracer.runs[node.parent_run_id].name == "mctsr"
        if told["mctsr_rollout"]:
            assert str(told["mctsr_rollout"]) in node.inputs["in_flight"]
    assert {run.name for run in calls} == ROLES
