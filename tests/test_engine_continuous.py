"""transformers' continuous batching behind the same seam, guarded where it would end for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine import ContextLengthError, EngineError, Request
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models import continuous  # noqa: E402
from mctsr_graph.models.continuous import ContinuousEngine  # noqa: E402
from mctsr_graph.models.inflight import Limits  # noqa: E402
from mctsr_graph.models.weights import engine_of  # noqa: E402

try:
    continuous.settings_class()
    LACKS = ""
except ConfigError as error:
    LACKS = str(error)
needs_newer = pytest.mark.skipif(bool(LACKS), reason=LACKS)
LIMIT = 30.0  # seconds, ten times what it takes at most to be told
PROMPTS = [[5, 6, 7], [8] * 40, list(range(1, 70))]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


@pytest.fixture(scope="module")
def engine(model: Any) -> Iterator[ContinuousEngine]:
    made = ContinuousEngine(model, Limits(row_tokens=4096))
    yield made
    made.close()


@needs_newer
def test_greedy_tokens_are_those_of_generate(engine: ContinuousEngine, model: Any) -> None:
    alone = [plain(model, ids, 9) for ids in PROMPTS]
    asked = [engine.submit(Request(ids=ids, max_new=9, n=2)) for ids in PROMPTS]
    for ids, future in zip(alone, asked, strict=True):
        assert [s.ids for s in future.result(timeout=60)] == [ids] * 2


@needs_newer
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


@needs_newer
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


@needs_newer
def test_a_seed_is_said_to_have_no_effect_once(engine: ContinuousEngine, caplog: Any) -> None:
    engine.submit(Request(ids=[1], max_new=2, seed=3)).result(timeout=60)  # greedy: nothing lost
    assert "seeds" not in caplog.text
    for _ in range(2):
        hot = Request(ids=[1], max_new=2, seed=3, temperature=1.0)
        engine.submit(hot).result(timeout=60)
    assert caplog.text.count("seeds have no effect") == 1


@needs_newer
def test_a_closed_engine_takes_nothing(model: Any) -> None:
    engine = ContinuousEngine(model, Limits(row_tokens=1024))
    left = engine.submit(Request(ids=[1], max_new=400))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        left.result(timeout=60)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(Request(ids=[1]))


PLACES = {
    "reading": "manager.get_result",
    "taking": "engine._take",
    "dropping": "engine._drop_cancelled",
    "cancelling": "manager.cancel_request",
    "looking": "manager.is_running",
}


@needs_newer
@pytest.mark.parametrize(
    ("error", "stops"), [(FutureWarning("lost"), True), (SystemExit("lost"), False)]
)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_whatever_ends_the_reader_is_told_to_all_once(
    model: Any, monkeypatch: Any, place: str, error: BaseException, stops: bool
) -> None:
    engine, told = ContinuousEngine(model, Limits(row_tokens=1024)), list[Any]()

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        with engine._lock:
            engine._start()
            manager = engine._manager
            kept = manager.stop
            owner = {"engine": engine, "manager": manager}[place.split(".")[0]]
            patch.setattr(owner, place.split(".")[1], broken)
            if not stops:
                patch.setattr(manager, "stop", broken)
        try:
            futures = [engine.submit(Request(ids=ids, max_new=400)) for ids in PROMPTS]
        except EngineError:  # the reader had noticed by then
            futures = []
        for future in futures:
            future.add_done_callback(told.append)
        if place.endswith("cancel_request"):
            futures[0].cancel()
        for future in futures[1 if place.endswith("cancel_request") else 0 :]:
            failed = future.exception(timeout=LIMIT)
            assert isinstance(failed, EngineError)
            assert "lost" in str(failed)
    if not stops:
        kept(block=True, timeout=30, hard_stop=True)
    assert sorted(map(id, told)) == sorted(map(id, futures))
    assert engine.submit(Request(ids=[1], max_new=2)).result(timeout=60)
    engine.close()


@needs_newer
@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_ends_transformers_thread_is_told(
    model: Any, monkeypatch: Any, kind: type[BaseException]
) -> None:
    engine = ContinuousEngine(model, Limits(row_tokens=1024, idle_seconds=60))
    engine.submit(Request(ids=[1], max_new=2)).result(timeout=60)

    def broken(*_: Any, **__: Any) -> Any:
        raise kind("lost")

    with monkeypatch.context() as patch:
        patch.setattr(model, "forward", broken)
        futures = [engine.submit(Request(ids=ids, max_new=400)) for ids in PROMPTS[:1]]
        for future in futures:
            assert isinstance(future.exception(timeout=LIMIT), EngineError)
    assert engine.submit(Request(ids=[1], max_new=2)).result(timeout=60)
    engine.close()


@needs_newer
@pytest.mark.parametrize("what", ["_made", "start", "reader", "add_request"])
def test_what_does_not_start_is_told(model: Any, monkeypatch: Any, what: str) -> None:
    engine, start = ContinuousEngine(model, Limits(row_tokens=1024)), threading.Thread.start
    before = set(threading.enumerate())

    def broken(thread: Any = None, *_: Any, **__: Any) -> Any:
        if what == "reader" and thread.name != "mctsr-graph-reader":
            return start(thread)
        raise RuntimeError("lost")

    with monkeypatch.context() as patch:
        if what == "_made":
            patch.setattr(engine, "_made", broken)
        elif what == "add_request":
            from transformers import ContinuousBatchingManager

            patch.setattr(ContinuousBatchingManager, what, lambda *_, **__: None)
        else:
            patch.setattr(threading.Thread, "start", broken)
        with pytest.raises(EngineError, match="lost" if what != "add_request" else "takes no"):
            engine.submit(Request(ids=[1], max_new=2))
    assert engine.submit(Request(ids=[1], max_new=2)).result(timeout=60)
    engine.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("there", [False, True])
def test_an_older_transformers_is_refused_by_name(
    model: Any, monkeypatch: Any, there: bool
) -> None:
    from transformers.generation import configuration_utils

    older = (lambda block_size=32: None) if there else None
    monkeypatch.setattr(configuration_utils, "ContinuousBatchingConfig", older, raising=False)
    with pytest.raises(ConfigError, match=r'page_size.*engine="inflight"'):
        engine_of(model, "continuous", {})
