"""Families of models run together, or row by row, or not at all: never with other tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.architectures import as_loaded, tried
from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import Request, TokenTree
from tests.engine_models import counting

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from benchmarks.architecture_configs import small_model  # noqa: E402
from mctsr_graph.models.engine import probe  # noqa: E402
from mctsr_graph.models.engine.inflight import InflightEngine  # noqa: E402
from mctsr_graph.models.engine.limits import Limits  # noqa: E402
from mctsr_graph.models.engine.prefix import PrefixStore  # noqa: E402
from mctsr_graph.models.engine.slots import SlotMemory  # noqa: E402
from mctsr_graph.models.engine.solo import SoloMemory  # noqa: E402
from mctsr_graph.models.engine.twin import LIMIT, lengths_in, shrunk  # noqa: E402

FAMILIES = [
    "gemma2",
    "gemma4_text",
    "gpt_oss",
    "mistral+window",
    "cohere2",
    "llama4_text",
    "qwen3_next",
    "lfm2",
    "granitemoehybrid",
    "phi3+longrope",
    "llama+dynamic",
]
TEXT = [(7 * i * i + 3 * i + 5) % 90 + 1 for i in range(120)]
TREE = TokenTree([5, 6, 7, 8, 9], [-1, -1, 0, 2, 1])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_runs_together_with_the_tokens_of_generate(name: str) -> None:
    """Alone, 8 rows of 1 to 300 tokens, joining and leaving, shared beginnings, samples."""
    told = tried(name)
    assert (told["how"], told["wrong"]) == ("batched", [])


@pytest.mark.parametrize("name", ["hunyuan_v1_moe", "nemotron_h", "zamba"])
def test_a_family_in_half_precision_is_tried_as_it_is_loaded(name: str) -> None:
    """Its router, or its states' decay, stays in float32: rounded, it chooses other experts."""
    told = tried(name, "bfloat16")
    assert (told["how"], told["wrong"]) == ("batched", [])
    loaded = as_loaded(small_model(name), torch.bfloat16)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32, torch.bfloat16}


def test_rounding_alone_is_no_other_way_and_a_wrong_way_is_none(monkeypatch: Any) -> None:
    exact = small_model("hunyuan_v1_moe")
    model = as_loaded(exact, torch.bfloat16)
    step, wrong = SlotMemory.step, iter([True, *[False] * 99])

    def stepped(*given: Any) -> Any:
        logits = step(*given)
        return logits.flip(-1) if next(wrong) else logits

    assert all(isinstance(probe.memory_of(one), SlotMemory) for one in (exact, model))
    monkeypatch.setattr(SlotMemory, "step", stepped)
    assert isinstance(probe.memory_of(model), SlotMemory)  # wrong once
    wrong = iter([True] * 99)
    assert isinstance(probe.memory_of(model), SoloMemory)
    wrong = iter([True, *[False] * 99])
    assert isinstance(probe.memory_of(exact), SoloMemory)  # in float32 once is too much


def test_a_family_that_cannot_says_so_once_and_is_exact(caplog: Any) -> None:
    """GPT-Neo cuts its windows out of a matrix by the number of keys, padding or not."""
    probe._TOLD.clear()
    with caplog.at_level(logging.WARNING, "mctsr_graph"):
        for _ in range(2):
            told = tried("gpt_neo")
            assert (told["how"], told["wrong"]) == ("row by row", [])
    said = [record.message for record in caplog.records if "row by row" in record.message]
    assert len(said) == 1
    assert said[0].startswith("GPTNeoForCausalLM runs row by row")


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_a_model_that_gives_other_tokens_is_refused_by_name(name: str) -> None:
    model = small_model(name)
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    with pytest.raises(ConfigError, match=type(model).__name__):
        engine.submit(Request(ids=TEXT[:20], max_new=3)).result(timeout=60)
    with pytest.raises(ConfigError, match=type(model).__name__):
        engine.submit(Request(ids=TEXT[:20], max_new=3))
    engine.close()


@pytest.fixture(params=["qwen3_next", "mamba", "bloom", "phi3+longrope", "gpt_neo", "gemma2"])
def model(request: Any) -> Any:
    return small_model(request.param)


@pytest.fixture
def engine(model: Any) -> Iterator[InflightEngine]:
    made = InflightEngine(model, Limits(idle_seconds=0.2))
    made.submit(Request(ids=[1])).result(timeout=60)  # the trial of the model is over
    yield made
    made.close()


@pytest.mark.parametrize("length", [5, LIMIT - 1, 70])
def test_scores_are_those_of_each_path_alone(
    engine: InflightEngine, model: Any, length: int
) -> None:
    """Beside rows that run; with 39 tokens, the codes of LongRoPE change within the tree."""
    ids = TEXT[:length]
    row = engine.submit(Request(ids=TEXT[:9], max_new=60))
    found = engine.score(ids, TREE).result(timeout=60)
    row.result(timeout=60)
    paths = [ids, ids, [*ids, 5], [*ids, 5, 7], [*ids, 6]]  # before each node of the tree
    for path, token, logp in zip(paths, TREE.tokens, found, strict=True):
        logits = model(input_ids=torch.tensor([path])).logits[0, -1]
        assert logp == pytest.approx(float(logits.log_softmax(-1)[token]), abs=1e-3)


def test_a_question_is_computed_from_one_cache(engine: InflightEngine, model: Any) -> None:
    """70 tokens once, then each of the 3 inner nodes once; where slots plant them, together."""
    with counting(model) as counts:
        engine.score(TEXT[:70], TREE).result(timeout=60)
    assert counts.tokens == 70 + len(TREE.inner())


def recurrent(**limits: int) -> tuple[Any, InflightEngine]:
    model = small_model("qwen3_next")
    engine = InflightEngine(model, Limits(idle_seconds=0.2, **limits))
    engine.submit(Request(ids=[1])).result(timeout=60)
    return model, engine


def test_states_are_kept_where_an_answer_ends() -> None:
    model, engine = recurrent()
    [sample] = engine.submit(Request(ids=TEXT[:60], max_new=9)).result(timeout=60)
    with counting(model) as counts:
        engine.submit(Request(ids=[*TEXT[:60], *sample.ids, 1, 2, 3])).result(timeout=60)
    assert counts.tokens == 4 + 15  # the last token of an answer had not been fed; 15 new ones
    engine.close()


def test_states_are_kept_where_prompts_part() -> None:
    """The second sees where it parts from the first; the third goes on from there."""
    model, engine = recurrent()
    fed = []
    for own in (1, 2, 3):
        with counting(model) as counts:
            engine.submit(Request(ids=[*TEXT[:60], own, 4], max_new=1)).result(timeout=60)
        fed.append(counts.tokens)
    assert fed == [62, 62, 2]
    engine.close()


@pytest.mark.parametrize("step", range(4))
def test_a_failed_step_leaves_no_state_half_changed(monkeypatch: Any, step: int) -> None:
    model, engine = recurrent(store_tokens=0)
    prompts = [TEXT[i : i + 20 + 3 * i] for i in range(4)]
    wanted = [engine.submit(Request(ids=ids, max_new=8)).result(60)[0].ids for ids in prompts]
    original, count = model.forward, iter(range(10**6))

    def forward(*args: Any, **kwargs: Any) -> Any:
        out = original(*args, **kwargs)
        if kwargs["input_ids"].shape[1] == 1 and next(count) == step:
            raise RuntimeError("broken")
        return out

    monkeypatch.setattr(model, "forward", forward)
    with engine._changed:  # so that all come in together
        futures = [engine.submit(Request(ids=ids, max_new=8)) for ids in prompts]
    assert [future.result(60)[0].ids for future in futures] == wanted
    engine.close()


class Adapted(torch.nn.Module):
    """As PEFT wraps a model: all that it has not itself is the model's."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.base = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.base(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base"), name)


def test_a_model_with_adapters_runs_as_the_one_within() -> None:
    model = Adapted(small_model("gemma2"))
    with torch.inference_mode():
        assert probe.way_of(model) == probe.way_of(model.base) != probe.Way(slots=False)
        assert not isinstance(probe.memory_of(model), SoloMemory)


def test_what_moves_inputs_to_a_device_stays_where_codes_depend_on_length() -> None:
    """As accelerate does it, by a forward of the module's own."""
    model, seen = small_model("phi3+longrope"), []
    [rotary] = [m for m in model.modules() if getattr(m, "rope_type", None) == "longrope"]
    original = rotary.forward

    def moved(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return original(*args, **kwargs)

    rotary.forward = moved
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    engine.submit(Request(ids=TEXT[:50], max_new=2)).result(timeout=60)
    engine.close()
    assert seen
    assert rotary.forward is moved


def test_memory_is_counted_for_rows_alone_as_well() -> None:
    """Two layers of keys and values, 4 heads of 16 numbers of 4 bytes."""
    memory = SoloMemory(small_model("gpt_neo"))
    with torch.inference_mode():
        assert 2 * 2 * 4 * 16 * 4 <= memory.token_bytes() <= 2 * 2 * 4 * 16 * 4 + 64


def test_states_end_what_is_known_of_a_beginning() -> None:
    store, seen = PrefixStore(100), []
    store.state_cost = 3
    for ids in ([1, 2, 3, 4], [1, 2], [1, 2, 3, 9]):
        store.insert(ids, lambda a, b: [torch.zeros(1, b - a, 1)], 0, lambda: [torch.tensor(0)])
        seen.append(store.tokens)
    assert seen == [4 + 3, 4 + 2 * 3, 5 + 3 * 3]
    assert store.match([1, 2, 3, 4, 5]) == store.match([1, 2, 3, 4, 5], states=True) == 4
    assert (store.match([1, 2, 3, 7]), store.match([1, 2, 3, 7], states=True)) == (3, 2)
    assert store.match([1, 2, 3, 4], 1) == 0  # of another side


def test_a_twin_has_every_length_within_its_reach() -> None:
    import transformers

    config = transformers.Gemma3TextConfig(rope_parameters=None)
    assert max(lengths_in(config)) > 100_000
    small = shrunk(config)
    assert (small.sliding_window, small.max_position_embeddings) == (8, 160)
    assert set(small.layer_types) == {"sliding_attention", "full_attention"}
