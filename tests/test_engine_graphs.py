"""Replayed steps give the same tokens. CUDA itself is replaced: what is tested is the rest."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph.models.engine import Request
from mctsr_graph.models.graphs import Graphs
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.inflight import InflightEngine, Limits  # noqa: E402


class Replay:
    """Stands for a CUDA graph: computes again from, and into, the captured tensors."""

    count = 0

    def __init__(self, forward: Any, still: Any) -> None:
        self._forward, self._still = forward, still
        self.logits = forward(still).clone()

    def replay(self) -> None:
        Replay.count += 1
        self.logits.copy_(self._forward(self._still))


def capture(self: Graphs, key: tuple[int, int], forward: Any, inputs: Any) -> bool:
    still = inputs.new_zeros(2, key[0], 1)
    still[:, : inputs.shape[1]] = inputs
    made = Replay(forward, still)
    self._captured[key] = made, still, made.logits
    return True


def test_replayed_steps_give_the_tokens_of_generate(monkeypatch: Any) -> None:
    monkeypatch.setattr(Graphs, "of", classmethod(lambda cls, model: cls(enabled=True)))
    monkeypatch.setattr(Graphs, "_capture", capture)
    model, before = tiny(), Replay.count
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    prompts = [[i] * (1 + 7 * i) for i in range(1, 12)]
    futures = [engine.submit(Request(ids=ids, max_new=3 + 2 * len(ids) // 3)) for ids in prompts]
    for ids, future in zip(prompts, futures, strict=True):
        [sample] = future.result(timeout=60)
        assert sample.ids == plain(model, ids, 3 + 2 * len(ids) // 3)
    assert Replay.count > before + 20
    engine.close()


def test_a_failed_capture_leaves_eager_steps(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(Graphs, "of", classmethod(lambda cls, model: cls(enabled=True)))
    model = tiny()  # without CUDA, capturing fails by itself
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    assert engine.submit(Request(ids=[1, 2], max_new=5)).result(60)[0].ids == plain(
        model, [1, 2], 5
    )
    engine.close()
