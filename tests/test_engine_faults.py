"""What goes wrong in one request stays there: every future resolves, and memory comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import ContextLengthError, EngineError, Request, TokenTree
from mctsr_graph.models.huggingface import ChatTransformers
from tests.engine_models import VOCABULARY, chatml_tokenizer, plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.engine import batch as batches  # noqa: E402
from mctsr_graph.models.engine import inflight, slot_layer  # noqa: E402
from mctsr_graph.models.engine.batch import Batch  # noqa: E402
from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402
from mctsr_graph.models.engine.jobs import Job, Row  # noqa: E402
from mctsr_graph.models.engine.packed import PackedLinears  # noqa: E402
from mctsr_graph.models.engine.probe import memory_of  # noqa: E402
from mctsr_graph.models.engine.slot_forward import SlotForward  # noqa: E402
from mctsr_graph.models.engine.slot_layer import Stacks  # noqa: E402
from mctsr_graph.models.engine.slots import SlotMemory  # noqa: E402

POISON = VOCABULARY - 1
PROMPTS = [[i, i + 1, i + 2] for i in range(10, 16)]
Forward = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


@pytest.fixture
def engine(model: Any) -> Iterator[InflightEngine]:
    made = InflightEngine(model, Limits(idle_seconds=0.2))
    made.submit(Request(ids=[1])).result(timeout=30)  # the trial of the model is over
    yield made
    made.close()


def submit(engine: InflightEngine, **settings: Any) -> list[Any]:
    return [engine.submit(Request(ids=ids, max_new=8, **settings)) for ids in PROMPTS]


def check(model: Any, futures: list[Any]) -> None:
    for ids, future in zip(PROMPTS, futures, strict=True):
        assert [s.ids for s in future.result(timeout=30)] == [plain(model, ids, 8)]


def test_a_token_that_the_model_does_not_know_is_named(model: Any, engine: InflightEngine) -> None:
    for ask in (
        lambda: engine.submit(Request(ids=[1, VOCABULARY])),
        lambda: engine.score([1, VOCABULARY], TokenTree(parents=[-1], tokens=[2])),
        lambda: engine.score([1], TokenTree(parents=[-1], tokens=[VOCABULARY])),
    ):
        with pytest.raises(ConfigError, match="gives the token 100, and the model knows 100"):
            ask()
    check(model, submit(engine))


def idle(engine: Any) -> None:
    """Wait until the engine is idle."""
    deadline = time.monotonic() + 10
    while engine._thread is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine._thread is None


def held(engine: InflightEngine) -> tuple[int, int]:
    """Rows in use and numbers held by slots, once the engine is idle."""
    idle(engine)
    memory = engine._batch.memory
    assert (engine._batch._rows, list(engine._batch._waiting)) == ([], [])
    assert not engine._batch.busy
    return len(memory.used), sum(stack.numel() for stack in memory._stacks)


def spoil(monkeypatch: Any, model: Any, when: Callable[[int, Any], Exception | None]) -> None:
    """Let forwards raise: `when` gets the number of the forward and its token ids."""
    original, count = model.forward, iter(range(10**9))

    def forward(*args: Any, **kwargs: Any) -> Any:
        error = when(next(count), kwargs["input_ids"])
        out = original(*args, **kwargs)  # the memory has been written by then
        if error is not None:
            raise error
        return out

    monkeypatch.setattr(model, "forward", forward)


@pytest.mark.parametrize("step", range(9))
@pytest.mark.parametrize("error", [RuntimeError("broken"), torch.OutOfMemoryError("out of memory")])
def test_an_exception_at_one_step_costs_no_request(
    engine: InflightEngine, model: Any, monkeypatch: Any, step: int, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        spoil(patch, model, lambda k, _: error if k == step else None)
        futures = submit(engine)
        for future in futures:
            future.result(timeout=30)
    check(model, futures)
    assert held(engine) == (0, 0)


@pytest.mark.parametrize("where", ["prompt", "answer"])
def test_a_request_that_always_raises_fails_alone(
    engine: InflightEngine, model: Any, monkeypatch: Any, where: str
) -> None:
    token = POISON if where == "prompt" else plain(model, [POISON], 3)[-1]
    wanted = {tuple(ids): plain(model, ids, 8) for ids in PROMPTS}
    with monkeypatch.context() as patch:
        spoil(patch, model, lambda _, ids: ValueError("poison") if (ids == token).any() else None)
        bad = engine.submit(Request(ids=[POISON], n=2, max_new=8))
        futures = submit(engine)
        with pytest.raises(ValueError, match="poison"):
            bad.result(timeout=30)
        errors = [future.exception(timeout=30) for future in futures]
    met = [token in [*ids, *new[:-1]] for ids, new in wanted.items()]  # by their own answers
    assert [error is not None for error in errors] == met
    assert met.count(False) >= 3
    for new, future, failed in zip(wanted.values(), futures, met, strict=True):
        assert failed or [s.ids for s in future.result()] == [new]
    assert held(engine) == (0, 0)


def test_nan_fails_its_own_request_and_spoils_no_slot(
    engine: InflightEngine, model: Any, monkeypatch: Any
) -> None:
    weights = model.model.embed_tokens.weight
    before = weights[POISON].clone()
    with torch.no_grad():
        weights[POISON] = float("nan")
    try:
        bad = [engine.submit(Request(ids=[POISON, i], max_new=8)) for i in range(4)]
        futures = submit(engine)
        for future in bad:
            with pytest.raises(EngineError, match="NaN"):
                future.result(timeout=30)
        check(model, futures)
        check(model, submit(engine))
    finally:
        with torch.no_grad():
            weights[POISON] = before


def test_out_of_memory_makes_rows_wait(
    engine: InflightEngine, model: Any, monkeypatch: Any
) -> None:
    """A device with room for two rows: all requests are served, two at a time."""
    with monkeypatch.context() as patch:
        error = torch.OutOfMemoryError("out of memory")
        spoil(patch, model, lambda _, ids: error if len(ids) > 2 else None)
        futures = submit(engine)
        for future in futures:
            future.result(timeout=30)
    check(model, futures)
    with monkeypatch.context() as patch:
        spoil(patch, model, lambda *_: error)
        with pytest.raises(torch.OutOfMemoryError):
            engine.submit(Request(ids=[1, 2])).result(timeout=30)
    check(model, submit(engine))
    assert held(engine) == (0, 0)


def test_out_of_memory_takes_slots_back(model: Any, monkeypatch: Any) -> None:
    """A device on which forwards fail while more than four slots are allocated."""
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    engine.submit(Request(ids=[1])).result(timeout=30)
    window = engine._batch.memory._window
    with monkeypatch.context() as patch:
        error = torch.OutOfMemoryError("out of memory")
        spoil(patch, model, lambda *_: error if window.slots > 4 else None)
        with engine._changed:
            engine._batch.memory.reserve(40, 400)
            futures = submit(engine)
        for future in futures:
            future.result(timeout=30)
    check(model, futures)
    assert held(engine) == (0, 0)
    engine.close()


@torch.inference_mode()
def test_newcomers_wait_for_each_other_where_a_forward_is_dear(model: Any) -> None:
    """Six rows run; each newcomer adds its steps of waiting until they are six, or four its own."""
    batch = Batch(memory_of(model), 64, 10**6, 4096, 16, patience=4)
    running = [Job(Request(ids=[i], max_new=99)) for i in range(6)]
    for job in running:
        batch.add(job)
    batch.turn()
    assert len(batch._rows) == 6  # nothing ran: nobody had to wait
    rows = []
    for newcomers in (1, 0, 0, 0, 1, 1, 0, 0):
        for _ in range(newcomers):
            batch.add(Job(Request(ids=[9, 9], max_new=99)))
        batch.turn()
        rows.append(len(batch._rows))
    # The first waits 4 steps; the others 1 + 2 + 2 + 2 = 7, which is as many as rows run by then
    assert rows == [6, 6, 6, 7, 7, 7, 7, 9]


@torch.inference_mode()
def test_what_a_failed_move_took_is_given_back(model: Any, monkeypatch: Any) -> None:
    """The first of the stacks has moved to more slots when memory runs out."""
    monkeypatch.setattr(slot_layer, "_STACKS", 2)  # keys and values of one layer each
    memory = memory_of(model)
    with monkeypatch.context() as patch:
        patch.setattr(Stacks, "_place", full_after(1, Stacks._place))
        with pytest.raises(torch.OutOfMemoryError):
            memory.reserve(40, 400)
    assert [stack.shape[1] for stack in memory._stacks] == [40, 0]
    assert memory.forget()
    assert sum(stack.numel() for stack in memory._stacks) == 0
    assert not memory.forget()  # nothing is left to try
    assert memory.join([[1, 2, 3]], 8).shape == (1, VOCABULARY)
    memory.reserve(40, 400)
    with monkeypatch.context() as patch:
        patch.setattr(Stacks, "_place", full_after(0, Stacks._place))
        assert not memory.forget()  # slots that cannot move are not freed, however often one asks
    assert memory.forget()


def full_after(count: int, place: Callable[..., None]) -> Callable[..., None]:
    def placed(*given: Any) -> None:
        nonlocal count
        count -= 1
        if count < 0:
            raise torch.OutOfMemoryError("out of memory")
        place(*given)

    return placed


@pytest.mark.parametrize("what", ["on_token", "stopped", "processors"])
def test_a_callers_own_function_fails_its_own_request(
    engine: InflightEngine, model: Any, what: str
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("mine")

    bad = engine.submit(
        Request(ids=[3], max_new=8, **{what: [broken] if what == "processors" else broken})
    )
    futures = submit(engine)
    with pytest.raises(ZeroDivisionError):
        bad.result(timeout=30)
    check(model, futures)


@pytest.mark.parametrize("state", ["inbox", "waiting", "joining", "running", "done"])
def test_cancelling_frees_the_rows(model: Any, state: str) -> None:
    engine = InflightEngine(model, Limits(rows=2, idle_seconds=0.2))
    begun, go = threading.Event(), threading.Event()

    def told(*_: int) -> None:
        begun.set()
        go.wait(30)

    first = engine.submit(Request(ids=[5], max_new=6, on_token=told))
    begun.wait(30)  # the thread stands still in the first token of the first request
    victims = [first] if state == "joining" else []
    if state in ("inbox", "waiting"):
        victims = [engine.submit(Request(ids=[6], n=4, max_new=300))]
    if state == "inbox":
        assert victims[0].cancel()
    go.set()
    if state in ("waiting", "running"):
        ticks = threading.Event()
        more = engine.submit(Request(ids=[7], n=2, max_new=300, on_token=lambda *_: ticks.set()))
        victims.append(more)
        if state == "running":
            ticks.wait(30)
    for victim in victims:
        victim.cancel()
        with pytest.raises(CancelledError):
            victim.result(timeout=30)
    if state != "joining":
        assert first.result(timeout=30)[0].ids == plain(model, [5], 6)
    assert not first.cancel() or state == "joining"
    assert engine.submit(Request(ids=[8], max_new=4)).result(30)[0].ids == plain(model, [8], 4)
    assert held(engine) == (0, 0)
    engine.close()


def ask_at_random(engine: InflightEngine, model: Any, seed: int, resolved: list[Any]) -> None:
    """One request of random size, stop and temperature; each tenth is cancelled."""
    mine = random.Random(seed)
    ids = [mine.randrange(VOCABULARY) for _ in range(mine.randrange(1, 60))]
    heat, most, n = mine.choice([0, 0, 1.0]), mine.randrange(1, 30), mine.randrange(1, 5)
    stop = mine.randrange(1, 20) if seed % 3 == 0 else most
    future = engine.submit(
        Request(ids=ids, n=n, max_new=most, temperature=heat, stopped=lambda new: len(new) >= stop)
    )
    future.add_done_callback(resolved.append)
    if seed % 10 == 0:
        time.sleep(mine.random() / 50)
        future.cancel()
    with contextlib.suppress(CancelledError):
        samples = [sample.ids for sample in future.result(timeout=60)]
        assert [len(new) for new in samples] == [min(stop, most)] * n
        assert heat or samples == [plain(model, ids, most)[:stop]] * n


@pytest.mark.parametrize("patience", [0, 16])
def test_two_hundred_requests(model: Any, monkeypatch: Any, patience: int) -> None:
    """From many threads, with room for few: all resolve, once."""
    monkeypatch.setitem(inflight._PATIENCE, "other", patience)
    engine = InflightEngine(model, Limits(rows=24, row_tokens=2000, store_tokens=500))
    resolved: list[Any] = []
    with ThreadPoolExecutor(max_workers=200) as pool:
        asked = [pool.submit(ask_at_random, engine, model, i, resolved) for i in range(200)]
    for each in asked:
        each.result()
    assert len(resolved) == len(set(map(id, resolved))) == 200
    assert held(engine) == (0, 0)
    assert engine._batch.memory.store.tokens <= 500
    engine.close()


def test_what_can_never_fit_is_refused_alone(model: Any) -> None:
    engine = InflightEngine(model, Limits(row_tokens=50))
    futures = submit(engine)
    with pytest.raises(ContextLengthError, match="50"):
        engine.submit(Request(ids=[1] * 45, max_new=6)).result(timeout=30)
    check(model, futures)
    engine.close()


LIMIT = 10.0  # seconds, ten times what it takes at most to be told
FAULTS = [
    ImportError("lost"),
    FutureWarning("lost"),
    torch.OutOfMemoryError("out of memory"),
    SystemExit("lost"),
]
# Where the engine's thread can end, before and after its memory is made
BEFORE = {
    "import": (sys.modules, "torch"),
    "trial": (inflight, "memory_of"),
    "packing": (inflight, "LeanLayers"),
}
BETWEEN = {
    "import again": (sys.modules, "torch"),
    "waiting for newcomers": (InflightEngine, "_gather"),
    "taking newcomers": (Batch, "add"),
    "dropping the cancelled": (Batch, "_sweep"),
    "counting newcomers": (Batch, "_newcomers"),
    "making room": (SlotMemory, "expect"),
    "grouping prompts": (batches, "plan"),
    "looking up prefixes": (SlotMemory, "known"),
    "after a forward": (Batch, "_accept"),
    "freeing a slot": (SlotMemory, "leave"),
    "using packed weights": (PackedLinears, "used"),
}
# Here an exception is put down to a request; only what is no Exception ends the thread
WITHIN = {
    "prompts": (SlotMemory, "join"),
    "samples of one prompt": (SlotMemory, "fork"),
    "a step": (SlotMemory, "step"),
    "during a forward": (SlotForward, "_run"),
    "scores": (SlotMemory, "score"),
    "sampling": (batches, "draw"),
    "delivering a token": (Row, "add"),
    "delivering a result": (Job, "finish"),
}
CASES = [
    pytest.param(place, error, places is not BEFORE, id=f"{name}-{type(error).__name__}")
    for places in (BEFORE, BETWEEN, WITHIN)
    for name, place in places.items()
    for error in (FAULTS if places is not WITHIN else FAULTS[-1:])
    if place[0] is not sys.modules or isinstance(error, ImportError)
]


def break_(patch: Any, place: tuple[Any, str], error: BaseException) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    owner, name = place
    if owner is sys.modules:
        patch.setitem(owner, name, None)  # as where it is not installed
    else:
        patch.setattr(owner, name, broken)


def ask(engine: InflightEngine) -> tuple[list[Any], list[Any]]:
    """Requests and a question that come in together, and what was delivered."""
    told: list[Any] = []
    with engine._changed:
        futures = [*submit(engine, n=2), engine.score([1, 2], TokenTree([1, 2], [-1, 0]))]
        for future in futures:
            future.add_done_callback(told.append)
    return futures, told


@pytest.mark.parametrize(("place", "error", "warm"), CASES)
def test_whatever_ends_the_thread_is_told_to_all_once(
    model: Any, monkeypatch: Any, place: Any, error: BaseException, warm: bool
) -> None:
    engine = InflightEngine(model, Limits(idle_seconds=0.05))
    if warm:
        engine.submit(Request(ids=[1])).result(timeout=30)
        held(engine)
    with monkeypatch.context() as patch:
        break_(patch, place, error)
        futures, told = ask(engine)
        errors = [future.exception(timeout=LIMIT) for future in futures]
        failed = [e for e in errors if e is not None]  # some were served before it came to that
        assert len(failed) >= len(PROMPTS) - 1
        assert len(set(map(id, failed))) == len(failed)  # each may add notes to its own
        for one in failed:
            assert type(one) is EngineError
            assert isinstance(one.__cause__, type(error))
            assert type(one.__cause__).__name__ in str(one)
    assert sorted(map(id, told)) == sorted(map(id, futures))
    check(model, submit(engine))  # by another thread
    assert held(engine) == (0, 0)
    engine.close()


@pytest.mark.parametrize("busy", [False, True])
def test_an_end_while_slots_are_freed_is_told(model: Any, monkeypatch: Any, busy: bool) -> None:
    """In the idle path, and while the engine is closed."""
    engine = InflightEngine(model, Limits(idle_seconds=0.05))
    engine.submit(Request(ids=[1])).result(timeout=30)
    idle(engine)
    with monkeypatch.context() as patch:
        break_(patch, (SlotMemory, "release"), SystemExit("lost"))
        futures, told = ask(engine)
        if busy:
            engine.close()
        for future in futures:
            assert busy == isinstance(future.exception(timeout=LIMIT), EngineError)
        idle(engine)
    assert sorted(map(id, told)) == sorted(map(id, futures))
    if not busy:
        check(model, submit(engine))
    engine.close()


def test_a_thread_that_cannot_start_is_told(model: Any, monkeypatch: Any) -> None:
    engine = InflightEngine(model, Limits(idle_seconds=0.05))
    with monkeypatch.context() as patch:
        break_(patch, (threading.Thread, "start"), RuntimeError("can't start new thread"))
        with pytest.raises(EngineError, match="can't start new thread"):
            engine.submit(Request(ids=[1]))
        assert engine._inbox == []
    check(model, submit(engine))
    engine.close()


def test_a_request_at_the_end_of_the_interpreter_is_refused(model: Any, monkeypatch: Any) -> None:
    ending = threading.Event()
    ending.set()
    monkeypatch.setattr(inflight, "ENDING", ending)
    with pytest.raises(EngineError, match="closed"):
        InflightEngine(model).submit(Request(ids=[1]))


def test_who_is_told_may_ask_again_in_the_same_thread(model: Any, monkeypatch: Any) -> None:
    engine, again = InflightEngine(model, Limits(idle_seconds=0.05)), SimpleQueue[Any]()
    engine.submit(Request(ids=[1])).result(timeout=30)
    with monkeypatch.context() as patch:
        break_(patch, (Batch, "_sweep"), SystemExit("lost"))
        with engine._changed:
            future = engine.submit(Request(ids=PROMPTS[0], max_new=8))
            future.add_done_callback(lambda _: patch.undo())
            future.add_done_callback(
                lambda _: again.put(engine.submit(Request(ids=PROMPTS[0], max_new=8)))
            )
        assert isinstance(future.exception(timeout=LIMIT), EngineError)
    [sample] = again.get(timeout=LIMIT).result(timeout=LIMIT)
    assert sample.ids == plain(model, PROMPTS[0], 8)
    engine.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_ends_the_thread_keeps_it_from_nobody(
    engine: InflightEngine, model: Any, monkeypatch: Any
) -> None:
    def ends(_: Any) -> None:
        raise SystemExit("mine")

    with monkeypatch.context() as patch:
        break_(patch, (Batch, "_sweep"), RuntimeError("lost"))
        with engine._changed:
            futures = submit(engine)
            for future in futures:
                future.add_done_callback(ends)
        for future in futures:
            assert isinstance(future.exception(timeout=LIMIT), EngineError)
    check(model, submit(engine))


@pytest.mark.parametrize("wrong", [{"ids": None}, {"ids": [1], "n": "two"}, {"ids": [1], "n": 0}])
def test_a_request_that_cannot_be_read_fails_alone(
    engine: InflightEngine, model: Any, wrong: dict[str, Any]
) -> None:
    with engine._changed:
        bad, futures = engine.submit(Request(**wrong)), submit(engine)
    assert bad.exception(timeout=LIMIT) is not None
    check(model, futures)


def test_closing_tells_all_even_while_a_forward_stands_still(model: Any, monkeypatch: Any) -> None:
    engine, begun, go = InflightEngine(model), threading.Event(), threading.Event()
    engine.submit(Request(ids=[1])).result(timeout=30)

    def still(*_: Any) -> None:
        begun.set()
        go.wait(30)

    with monkeypatch.context() as patch:
        spoil(patch, model, still)
        futures, told = ask(engine)
        assert begun.wait(LIMIT)
        closing = threading.Thread(target=engine.close)
        closing.start()
        for future in futures:
            with pytest.raises(EngineError, match="closed"):
                future.result(timeout=LIMIT)
        go.set()
        closing.join(LIMIT)
    assert not closing.is_alive()
    assert sorted(map(id, told)) == sorted(map(id, futures))
    assert engine._batch is None


async def first_chunk(chat: ChatTransformers) -> Any:
    return [chunk async for chunk in chat.astream("1")]


@pytest.mark.parametrize(
    "call",
    [
        lambda chat: chat.invoke("1"),
        lambda chat: asyncio.run(chat.ainvoke("1")),
        lambda chat: list(chat.stream("1")),
        lambda chat: asyncio.run(first_chunk(chat)),
        lambda chat: chat.batch(["1", "2"]),
        lambda chat: chat.generate([[HumanMessage("1")], [HumanMessage("2")]]),
        lambda chat: chat.score([HumanMessage("1")], labels=(1, 2)),
        lambda chat: asyncio.run(chat.ascore([HumanMessage("1")], labels=(1, 2))),
    ],
    ids=["invoke", "ainvoke", "stream", "astream", "batch", "generate", "score", "ascore"],
)
@pytest.mark.parametrize("place", [(Batch, "_sweep"), (threading.Thread, "start")])
def test_each_call_of_a_chat_model_ends_with_the_error(
    monkeypatch: Any, call: Callable[[ChatTransformers], Any], place: Any
) -> None:
    chat = ChatTransformers.from_loaded(
        tiny(vocab_size=320), chatml_tokenizer(), max_tokens=3, limits={"idle_seconds": 0.05}
    )
    chat.invoke("1")
    idle(chat._weights.engine)
    start, outcome = threading.Thread.start, Future[Any]()

    def asks() -> None:
        try:
            outcome.set_result(call(chat))
        except BaseException as error:
            outcome.set_exception(error)

    def refused(thread: threading.Thread) -> None:
        if thread.name == "mctsr-graph-engine":
            raise RuntimeError("lost")
        start(thread)

    with monkeypatch.context() as patch:
        break_(patch, place, FutureWarning("lost"))
        if place[0] is threading.Thread:
            patch.setattr(*place, refused)
        asking = threading.Thread(target=asks, daemon=True)
        start(asking)
        with pytest.raises(EngineError, match="lost"):
            outcome.result(timeout=LIMIT)
        asking.join(LIMIT)
    assert chat.invoke("1").content is not None
    chat.close()


def test_closing_fails_what_is_left(model: Any) -> None:
    engine = InflightEngine(model)
    futures = [engine.submit(Request(ids=[i], max_new=400, n=9)) for i in range(9)]
    engine.close()
    engine.close()
    for future in futures:
        with pytest.raises(EngineError, match="closed"):
            future.result(timeout=30)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(Request(ids=[1]))
    assert not [t for t in threading.enumerate() if t.name == "mctsr-graph-engine"]


def test_many_rows_and_then_a_long_one_are_not_held_together(
    engine: InflightEngine, model: Any
) -> None:
    for future in [engine.submit(Request(ids=[i], n=2, max_new=3)) for i in range(24)]:
        future.result(timeout=30)
    long = engine.submit(Request(ids=[1], max_new=400))
    assert len(long.result(timeout=60)[0].ids) == 400
    window = engine._batch.memory._window
    assert window.slots * window.columns <= 4 * 448
    check(model, submit(engine))


def test_a_store_without_room_is_given_up(
    engine: InflightEngine, model: Any, monkeypatch: Any
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(engine._batch.memory.store, "insert", full)
    check(model, submit(engine))
