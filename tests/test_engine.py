"""The engine gives exactly what `generate` gives, whatever runs beside it, and computes less."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mctsr_graph.models.engine.batch import Batch
from mctsr_graph.models.engine.protocol import Request, TokenTree
from tests.engine_models import VOCABULARY, counting, plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.engine.forward_names import ForwardNames, cache_of  # noqa: E402
from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402
from mctsr_graph.models.engine.solo import SoloMemory  # noqa: E402

SHARED = [(7 * i * i + 3 * i + 5) % VOCABULARY for i in range(60)]
QUICK = {"idle_seconds": 0.2}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


@pytest.fixture
def engine(model: Any) -> Iterator[InflightEngine]:
    made = InflightEngine(model, Limits(**QUICK))
    yield made
    made.close()


@pytest.fixture(scope="module")
def known(model: Any) -> Any:
    """`plain`, remembered: greedy tokens of a shorter answer are the beginning of a longer one."""
    found: dict[tuple[int, ...], list[int]] = {}

    def ask(ids: list[int], count: int) -> list[int]:
        if len(found.get(tuple(ids), ())) < count:
            found[tuple(ids)] = plain(model, ids, count)
        return found[tuple(ids)][:count]

    return ask


def run(engine: InflightEngine, **settings: Any) -> list[list[int]]:
    return [s.ids for s in engine.submit(Request(**settings)).result(timeout=30)]


calls = st.fixed_dictionaries(
    {
        "shared": st.integers(0, len(SHARED)),
        "own": st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40),
        "n": st.integers(1, 3),
        "max_new": st.integers(1, 12),
        "wait": st.sampled_from([0, 0, 0, 0.001, 0.01]),
        "goes_on": st.booleans(),
    }
)
bounds = st.fixed_dictionaries(
    {
        "rows": st.sampled_from([1, 3, 64]),
        "row_tokens": st.sampled_from([140, 400, 100_000]),
        "store_tokens": st.sampled_from([0, 50, 100_000]),
        "prefill_tokens": st.sampled_from([7, 64, 4096]),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=st.lists(calls, min_size=1, max_size=12), limits=bounds)
def test_greedy_tokens_are_those_of_generate(
    model: Any, known: Any, schedule: list[dict[str, Any]], limits: dict[str, Any]
) -> None:
    """Rows join, leave, fork, wait for room, hit and lose the store: the tokens are the same."""
    engine, asked = InflightEngine(model, Limits(**limits, **QUICK)), []
    for call in schedule:
        ids = SHARED[: call["shared"]] + call["own"]
        if call["goes_on"] and asked:  # as refine goes on from critique
            before, request = asked[-1]
            ids = request.ids + before.result(timeout=30)[0].ids + call["own"]
            ids = ids[-120:]
        request = Request(ids=ids, n=call["n"], max_new=call["max_new"])
        asked.append((engine.submit(request), request))
        time.sleep(call["wait"])
    for future, request in asked:
        wanted = known(request.ids, request.max_new)
        assert [s.ids for s in future.result(timeout=30)] == [wanted] * request.n
    engine.close()


OTHERS = {
    "sliding": ("Mistral", {"sliding_window": 8}),
    "hybrid": (
        "Gemma2",
        {
            "sliding_window": 8,
            "head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "linear": (
        "Qwen3Next",
        {
            "head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "state space": ("Mamba", {}),
    "state space of two kinds": (
        "Bamba",
        {
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_expand": 2,
            "mamba_d_state": 16,
            "attn_layer_indices": [1],
        },
    ),
    "a state of its own": ("Rwkv", {}),
    "no cache": ("OpenAIGPT", {}),
}


ALONE = {"a state of its own", "no cache"}


@pytest.mark.parametrize("kind", OTHERS)
def test_models_that_do_not_see_everything_are_exact(kind: str) -> None:
    name, changes = OTHERS[kind]
    model = tiny(name, **changes)
    engine = InflightEngine(model, Limits(**QUICK))
    prompts = [SHARED[:30], [*SHARED[:30], 1, 2], SHARED[:5], [*SHARED[:30], 1, 2, 3, 4]]
    futures = [engine.submit(Request(ids=ids, n=2, max_new=12)) for ids in prompts]
    for ids, future in zip(prompts, futures, strict=True):
        wanted = plain(model, ids, 12)
        assert [s.ids for s in future.result(timeout=30)] == [wanted] * 2
    assert isinstance(engine._batch.memory, SoloMemory) == (kind in ALONE)
    engine.close()


class Wrapper(torch.nn.Module):  # as PEFT does it: no name in its own signature
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.model(*args, **kwargs)


class Old(torch.nn.Module):
    def forward(self, input_ids: Any, past_key_values: Any = None, **more: Any) -> Any:
        """As code that comes with a model has it."""


class Renamed(torch.nn.Module):
    def new(self, input_ids: Any, cache: Any = None, logits_to_keep: int = 0) -> Any:
        """What is there."""

    @functools.wraps(new)
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As transformers renames an argument."""


class OldState(torch.nn.Module):
    def forward(self, input_ids: Any, cache_params: Any = None, cache_position: Any = None) -> Any:
        """As earlier releases have it."""


class Without(torch.nn.Module):
    def forward(self, input_ids: Any, use_cache: bool = True) -> Any:
        """Only a word that is alike."""


@pytest.mark.parametrize(
    ("kind", "cache"),
    [(Old, "past_key_values"), (Renamed, "cache"), (OldState, "cache_params"), (Without, "")],
)
def test_the_model_itself_says_what_its_cache_is_called(kind: Any, cache: str) -> None:
    for model in (kind(), Wrapper(kind()), Wrapper(Wrapper(kind()))):
        assert ForwardNames.of(model).cache == cache
    assert ("logits_to_keep" in ForwardNames.of(Wrapper(kind())).every) == (kind is Renamed)


@pytest.mark.parametrize("name", ["cache", "past_key_values", "cache_params", None])
def test_a_cache_is_found_in_an_output_without_asking_for_a_name_that_warns(name: Any) -> None:
    class Output(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise FutureWarning(key)

        __contains__ = get = __getitem__

    held = object()
    assert cache_of(Output({"logits": 1, **({name: held} if name else {})})) is (
        held if name else None
    )


@pytest.mark.parametrize("kind", ["GPT2", "GPTNeoX", "OPT", "Qwen2", "Phi3", "Gemma"])
def test_other_plain_models_are_exact(kind: str) -> None:
    model = tiny(kind, **({"head_dim": 8} if kind == "Gemma" else {}))
    engine = InflightEngine(model, Limits(**QUICK))
    prompts = [SHARED[:30], [*SHARED[:30], 1, 2], SHARED[:5]]
    futures = [engine.submit(Request(ids=ids, max_new=8)) for ids in prompts]
    for ids, future in zip(prompts, futures, strict=True):
        assert [s.ids for s in future.result(timeout=30)] == [plain(model, ids, 8)]
    engine.close()


def test_samples_of_one_prompt_cost_one_prefill(engine: InflightEngine, model: Any) -> None:
    run(engine, ids=[1])
    with counting(model) as counts:
        run(engine, ids=SHARED, n=8, max_new=5)
    assert (counts.forwards, counts.tokens) == (5, len(SHARED) + 4 * 8)


def test_equal_prompts_that_come_together_cost_one_prefill(
    engine: InflightEngine, model: Any
) -> None:
    run(engine, ids=[1])
    with counting(model) as counts:
        with engine._changed:  # so that all come in together
            futures = [engine.submit(Request(ids=SHARED, max_new=5)) for _ in range(8)]
        for future in futures:
            future.result(timeout=30)
    assert (counts.forwards, counts.tokens) == (5, len(SHARED) + 4 * 8)


def test_prompts_that_go_on_are_computed_from_where_they_go_on(
    engine: InflightEngine, model: Any
) -> None:
    [new] = run(engine, ids=SHARED, max_new=9)
    with counting(model) as counts:
        run(engine, ids=[*SHARED, *new, 1, 2, 3], max_new=1)
    assert counts.tokens == 4  # the last token of an answer has not been fed
    with counting(model) as counts:
        run(engine, ids=[*SHARED[:40], 99, 98], max_new=1)  # another branch, inside the prompt
    assert counts.tokens == 2


def test_siblings_that_come_together_share_their_beginning(
    engine: InflightEngine, model: Any
) -> None:
    run(engine, ids=[1])
    with counting(model) as counts:
        with engine._changed:  # so that all come in together
            futures = [engine.submit(Request(ids=[*SHARED, i], max_new=3)) for i in range(8)]
        for future in futures:
            future.result(timeout=30)
    assert counts.tokens == len(SHARED) + 1 + 7 + 8 * 2
    assert counts.forwards == 2 + 2


def test_a_batch_takes_one_forward_a_step(engine: InflightEngine, model: Any) -> None:
    run(engine, ids=[1])
    with counting(model) as counts:
        with engine._changed:
            futures = [engine.submit(Request(ids=[i, i], max_new=20)) for i in range(30)]
        for future in futures:
            future.result(timeout=30)
    assert counts.forwards == 20


def test_questions_are_answered_in_turn_with_steps(model: Any, monkeypatch: Any) -> None:
    """However many rows run, and however many questions come at once."""
    turns, steps, answered = [0], [0], {}
    turn, step = Batch.turn, Batch._step

    def counted(self: Batch) -> None:
        turns[0] += 1
        turn(self)

    def stepped(self: Batch) -> None:
        steps[0] += 1
        step(self)

    monkeypatch.setattr(Batch, "turn", counted)
    monkeypatch.setattr(Batch, "_step", stepped)
    size, most, count = 50, 256, 90
    engine = InflightEngine(model, Limits(prefill_tokens=most, store_tokens=0, idle_seconds=0.2))
    with engine._changed:  # more than can run
        rows = [engine.submit(Request(ids=[i, i], max_new=150)) for i in range(80)]
    tree = TokenTree([1, 2, 3], [-1, -1, 0])
    deadline = time.monotonic() + 30
    while not steps[0] and time.monotonic() < deadline:
        time.sleep(0.001)
    with engine._changed:
        first = turns[0]
        asked = [engine.score([i % 7] * (size - 1) + [i], tree) for i in range(count)]
        for i, question in enumerate(asked):
            question.add_done_callback(lambda _, i=i: answered.setdefault(i, turns[0] - first))
    for question in asked:
        question.result(timeout=60)
    for i in range(count):
        assert answered[i] <= 1 + -(-(i + 1) * size // most), i
    # A turn may begin one more forward of so many tokens, and then rows have a step
    assert steps[0] >= turns[0] - 1 >= count * size // (2 * most)
    for row in rows:
        row.result(timeout=60)
    engine.close()


def test_a_seed_gives_the_same_tokens_in_any_company(engine: InflightEngine) -> None:
    hot = {"ids": SHARED, "max_new": 12, "temperature": 1.0, "seed": 5}
    alone = run(engine, **hot)
    others = [
        engine.submit(Request(ids=[i], max_new=30, temperature=1.0, top_k=i + 1)) for i in range(9)
    ]
    assert run(engine, **hot) == alone
    three = run(engine, **hot, n=3)
    assert three[:1] == alone
    assert len({tuple(sample) for sample in three}) == 3
    for other in others:
        other.result(timeout=30)
    assert run(engine, **{**hot, "seed": 6}) != alone


def test_tokens_are_drawn_by_the_models_distribution(engine: InflightEngine, model: Any) -> None:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([SHARED])).logits[0, -1]
    cases: list[dict[str, Any]] = [{}, {"top_k": 3}, {"top_p": 0.6}, {"top_k": 5, "top_p": 0.8}]
    for case in cases:
        heat, total = 3.0, 3000
        drawn = run(engine, ids=SHARED, n=total, max_new=1, temperature=heat, seed=1, **case)
        counts = Counter(token for [token] in drawn)
        chances, order = (logits / heat).softmax(-1).sort(descending=True)
        top = chances[: case.get("top_k", VOCABULARY)]
        top = top / top.sum()
        kept = top[: int((top.cumsum(0) < case.get("top_p", 1)).sum()) + 1]
        kept = kept / kept.sum()
        assert set(counts) <= set(order[: len(kept)].tolist())
        for token, chance in zip(order.tolist(), kept.tolist(), strict=False):
            spread = (chance * (1 - chance) / total) ** 0.5
            assert abs(counts[token] / total - chance) < 5 * spread + 1e-9


def test_a_stopped_sample_leaves_alone(engine: InflightEngine, known: Any) -> None:
    whole = known(SHARED, 12)
    long = engine.submit(Request(ids=SHARED, max_new=12))
    short = engine.submit(Request(ids=SHARED, max_new=12, stopped=lambda new: len(new) == 3))
    ended = engine.submit(Request(ids=SHARED, max_new=12, ends=frozenset(whole[4:5])))
    assert long.result(30)[0].ids == whole
    assert (short.result(30)[0].ids, short.result(30)[0].finish) == (whole[:3], "stop")
    upto = whole[: whole.index(whole[4]) + 1]
    assert (ended.result(30)[0].ids, ended.result(30)[0].finish) == (upto, "stop")


def test_the_thread_ends_when_idle_and_starts_again(model: Any, known: Any) -> None:
    engine = InflightEngine(model, Limits(idle_seconds=0.05))
    for _ in range(2):
        assert run(engine, ids=SHARED, max_new=3) == [known(SHARED, 3)]
        deadline = time.monotonic() + 10
        while engine._thread is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not [t for t in threading.enumerate() if t.name == "mctsr-graph-engine"]
        assert all(part.numel() == 0 for part in engine._batch.memory._stacks)


@pytest.mark.parametrize("made", ["tiny()", "tiny('Mistral', sliding_window=8)"])
def test_the_interpreter_ends_while_requests_run_and_nothing_warns(made: str) -> None:
    code = (
        "from mctsr_graph.models.engine.inflight import InflightEngine, Limits\n"
        "from mctsr_graph.models.engine.protocol import Request\n"
        "from tests.engine_models import tiny\n"
        f"engine = InflightEngine({made}, Limits(row_tokens=8192, idle_seconds=60))\n"
        "engine.submit(Request(ids=[1], max_new=2)).result(60)\n"
        "engine.submit(Request(ids=[1], max_new=400, n=8))\n"
        "print('done')\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert not re.search("warn|deprecat", ended.stderr, re.IGNORECASE), ended.stderr
