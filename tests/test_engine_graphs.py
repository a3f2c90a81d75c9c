"""Replayed steps give the same tokens. CUDA itself is replaced: what is tested is the rest."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.protocol import Request, TokenTree
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


from mctsr_graph.models.engine import decode_attention  # noqa: E402
from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402

TREE = TokenTree([1, 2, 3, 4], [-1, -1, 0, 1])
PROMPTS = [[i] * (1 + 7 * i) for i in range(1, 12)]


class Replay:
    """Stands for a CUDA graph: computes again from, and into, the captured tensors."""

    count = 0

    def __init__(self, graphs: Graphs, forward: Any, window: Any, still: Any) -> None:
        self._given = graphs, forward, window, still
        self.logits = self._run()

    def _run(self) -> Any:
        graphs, forward, window, still = self._given
        with graphs._better(window):
            return forward(still)

    def replay(self) -> None:
        Replay.count += 1
        self.logits.copy_(self._run())


def capture(self: Graphs, forward: Any, window: Any, still: Any) -> Any:
    made = Replay(self, forward, window, still)
    return made, still, made.logits


def kernel(query: Any, keys: Any, values: Any, lengths: Any, most: int, scale: float) -> Any:
    """As the flash kernel: [rows, heads, size] and keys and values of all rows in one line."""
    kernel.count += 1  # type: ignore[attr-defined]
    starts, places, used = (tensor.tolist() for tensor in lengths)
    assert starts == list(range(len(query) + 1))
    assert max(used) <= most
    groups = query.shape[1] // keys.shape[1]
    out = []
    for row, q in enumerate(query):
        which = slice(places[row], places[row] + used[row])
        key, value = (x[which].repeat_interleave(groups, 1) for x in (keys, values))
        weights = (torch.einsum("hd,thd->ht", q, key) * scale).softmax(-1)
        out.append(torch.einsum("ht,thd->hd", weights, value))
    return torch.stack(out)


def enable(monkeypatch: Any, *, by_length: bool, captured: Any = capture) -> None:
    kernel.count = 0  # type: ignore[attr-defined]
    made = classmethod(lambda cls, model: cls(model, enabled=True, by_length=by_length))
    monkeypatch.setattr(Graphs, "of", made)
    if captured:
        monkeypatch.setattr(Graphs, "_capture", captured)
    monkeypatch.setattr(decode_attention, "_kernel", kernel)


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Gemma", "GPTNeoX"])
def test_replayed_steps_give_the_tokens_of_generate(
    monkeypatch: Any, kind: str, by_length: bool
) -> None:
    enable(monkeypatch, by_length=by_length)
    model, before = tiny(kind, **({"head_dim": 8} if kind == "Gemma" else {})), Replay.count
    # As on CUDA, where layers keep their own way
    engine = InflightEngine(model, Limits(idle_seconds=0.2, packed_bytes=0))
    counts = [3 + 2 * len(ids) // 3 for ids in PROMPTS]
    asked = [
        engine.submit(Request(ids=ids, max_new=count))
        for ids, count in zip(PROMPTS, counts, strict=True)
    ]
    for ids, count, future in zip(PROMPTS, counts, asked, strict=True):
        [sample] = future.result(timeout=60)
        assert sample.ids == plain(model, ids, count)
    engine.close()
    assert Replay.count > before + 20
    assert (kernel.count > 20) == by_length  # type: ignore[attr-defined]
    assert model.config._attn_implementation == "sdpa"


def test_memory_of_expected_size_does_not_move(monkeypatch: Any) -> None:
    moved = []
    enable(monkeypatch, by_length=False)
    monkeypatch.setattr(Graphs, "clear", lambda self: moved.append(self))
    engine = InflightEngine(tiny(), Limits(idle_seconds=60))
    engine.submit(Request(ids=[1], max_new=2)).result(60)
    moved.clear()
    with engine._changed:
        asked = [engine.submit(Request(ids=[i] * 9, max_new=200)) for i in range(5)]
    for future in asked:
        future.result(60)
    assert not moved
    engine.close()


@pytest.mark.parametrize(("rows", "room"), [(16, 100_000), (6, 6 * 230)])  # plenty, just enough
def test_questions_do_not_move_the_memory_of_running_rows(
    monkeypatch: Any, rows: int, room: int
) -> None:
    moved = []
    enable(monkeypatch, by_length=False)
    monkeypatch.setattr(Graphs, "clear", lambda self: moved.append(self))
    model = tiny()
    engine = InflightEngine(model, Limits(idle_seconds=60, row_tokens=room))
    engine.submit(Request(ids=[1], max_new=2)).result(60)
    held = threading.Event()
    with engine._changed:
        asked = [
            engine.submit(Request(ids=[i] * 9, max_new=200, on_token=lambda *_: held.set()))
            for i in range(rows)
        ]
    assert held.wait(60)
    moved.clear()
    for count in (1, 3, 1, 8, 1):
        questions = [engine.score([count, i] * 20, TREE) for i in range(count)]
        assert [len(q.result(60)) for q in questions] == [len(TREE.tokens)] * count
    assert any(not future.done() for future in asked)
    assert not moved
    for future in asked:
        future.result(60)
    engine.close()


def test_a_failed_capture_leaves_eager_steps(monkeypatch: Any, caplog: Any) -> None:
    enable(monkeypatch, by_length=False, captured=None)
    model = tiny()  # without CUDA, capturing fails by itself
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    assert engine.submit(Request(ids=[1, 2], max_new=5)).result(60)[0].ids == plain(
        model, [1, 2], 5
    )
    assert "without CUDA graphs" in caplog.text
    engine.close()


def test_attention_that_does_not_fit_is_left_alone(monkeypatch: Any) -> None:
    """A capture that fails by its attention is repeated with the model's own."""

    def fails(self: Graphs, forward: Any, window: Any, still: Any) -> Any:
        found = capture(self, forward, window, still)
        if self._by_length:
            raise RuntimeError("differs")
        return found

    enable(monkeypatch, by_length=True, captured=fails)
    model, before = tiny(), Replay.count
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    found = engine.submit(Request(ids=[1, 2], max_new=5)).result(60)[0].ids
    assert found == plain(model, [1, 2], 5)
    assert Replay.count > before
    engine.close()


def test_steps_are_eager_where_memory_is_short(monkeypatch: Any) -> None:
    def full(self: Graphs, forward: Any, window: Any, still: Any) -> Any:
        if still.shape[1] > 2:
            try:
                raise torch.OutOfMemoryError("out of memory")
            finally:
                raise RuntimeError("the capture was invalidated")
        return capture(self, forward, window, still)

    enable(monkeypatch, by_length=False, captured=full)
    model = tiny()
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    asked = [engine.submit(Request(ids=ids, max_new=6)) for ids in PROMPTS]
    for ids, future in zip(PROMPTS, asked, strict=True):
        assert future.result(60)[0].ids == plain(model, ids, 6)
    assert engine._batch.memory.graphs.enabled
    engine.close()


def test_other_threads_keep_their_attention(monkeypatch: Any) -> None:
    """While a step is captured a thread that uses the model has what it had before."""
    monkeypatch.setattr(decode_attention, "_kernel", None)
    model, found = tiny(), []
    wanted = plain(model, [1, 2, 3], 5)
    with decode_attention.decode_attention(model, object()):
        thread = threading.Thread(target=lambda: found.append(plain(model, [1, 2, 3], 5)))
        thread.start()
        thread.join()
    assert found == [wanted]
