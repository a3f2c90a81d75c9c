"""transformers' continuous batching behind the same seam, guarded where it would end for all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from mctsr_graph.models.engine.protocol import ContextLengthError, EngineError, Request
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.engine.continuous import ContinuousEngine  # noqa: E402
from mctsr_graph.models.engine.inflight import Limits  # noqa: E402

PROMPTS = [[5, 6, 7], [8] * 40, list(range(1, 70))]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


@pytest.fixture(scope="module")
def engine(model: Any) -> Iterator[ContinuousEngine]:
    made = ContinuousEngine(model, Limits(row_tokens=4096))
    yield made
    made.close()


def test_greedy_tokens_are_those_of_generate(engine: ContinuousEngine, model: Any) -> None:
    alone = [plain(model, ids, 9) for ids in PROMPTS]
    asked = [engine.submit(Request(ids=ids, max_new=9, n=2)) for ids in PROMPTS]
    for ids, future in zip(alone, asked, strict=True):
        assert [s.ids for s in future.result(timeout=60)] == [ids] * 2


def test_stops_ends_and_tokens_as_they_come(engine: ContinuousEngine, model: Any) -> None:
    whole, told = plain(model, PROMPTS[0], 9), list[int]()
    stopped = engine.submit(
        Request(
            ids=PROMPTS[0],
            max_new=9,
            stopped=lambda new: len(new) == 3,
            on_token=lambda _, token: told.append(token),
        )
    )
    ended = engine.submit(Request(ids=PROMPTS[0], max_new=9, ends=frozenset(whole[4:5])))
    [sample] = stopped.result(timeout=60)
    assert (sample.ids, sample.finish, told) == (whole[:3], "stop", whole[:3])
    [sample] = ended.result(timeout=60)
    assert (sample.ids, sample.finish) == (whole[: whole.index(whole[4]) + 1], "stop")


def test_what_would_end_its_thread_ends_one_request(engine: ContinuousEngine, model: Any) -> None:
    alone = plain(model, PROMPTS[0], 5)  # before: `generate` may not share a model with an engine
    with pytest.raises(ContextLengthError, match="4096"):
        engine.submit(Request(ids=[1] * 5000))
    cancelled = engine.submit(Request(ids=[9], max_new=300))
    assert cancelled.cancel()
    with pytest.raises(CancelledError):
        cancelled.result(timeout=60)
    [sample] = engine.submit(Request(ids=PROMPTS[0], max_new=5)).result(timeout=60)
    assert sample.ids == alone


def test_a_seed_is_said_to_have_no_effect_once(engine: ContinuousEngine, caplog: Any) -> None:
    engine.submit(Request(ids=[1], max_new=2, seed=3)).result(timeout=60)  # greedy: nothing lost
    assert "seeds" not in caplog.text
    for _ in range(2):
        hot = Request(ids=[1], max_new=2, seed=3, temperature=1.0)
        engine.submit(hot).result(timeout=60)
    assert caplog.text.count("seeds have no effect") == 1


def test_a_closed_engine_takes_nothing(model: Any) -> None:
    engine = ContinuousEngine(model, Limits(row_tokens=1024))
    left = engine.submit(Request(ids=[1], max_new=400))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        left.result(timeout=60)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(Request(ids=[1]))
