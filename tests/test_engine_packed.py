"""Products by packed weights: the same numbers, for the engine only, within their bytes."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph.models.engine import packed as packed_module
from mctsr_graph.models.engine.packed import PackedLinears, suits
from mctsr_graph.models.engine.protocol import Request
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402

IDS = torch.tensor([[5, 9, 2, 77, 31]])
PLENTY = 1 << 30


def logits(model: Any) -> Any:
    return model(input_ids=IDS).logits


def needs_kernels(model: Any) -> Any:
    """The model; skips where this processor has no packed products for its dtype."""
    if not suits(model):
        pytest.skip(f"this processor has no packed products in {model.dtype}")
    return model


def patched(model: Any) -> int:
    return sum("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "GPT2"])  # without biases, with, other layers
@pytest.mark.parametrize(
    ("dtype", "by_mkl"), [(torch.float32, False), (torch.float32, True), (torch.bfloat16, False)]
)
def test_logits_are_the_same(kind: str, dtype: Any, by_mkl: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(packed_module, "_by_mkl", lambda dtype: by_mkl)
    model = needs_kernels(tiny(kind).to(dtype))
    packed = PackedLinears(model, PLENTY)
    with torch.inference_mode():
        wanted = logits(model)
        with packed.used():
            assert patched(model) == len(packed._made) > 0
            found = logits(model)
    assert not patched(model)
    torch.testing.assert_close(found, wanted)


def says_no() -> bool:
    return False


def raises(*_: Any) -> Any:
    raise RuntimeError("bf16 path needs the cpu support avx512bw")


def miscounts(*_: Any) -> Any:
    return torch.ones(2, 2)


LACKING = {
    "it says so": (torch.ops.mkldnn, "_is_mkldnn_bf16_supported", says_no),
    "no layout": (packed_module, "_packed", raises),
    "no kernel": (packed_module, "_product", lambda: raises),
    "a wrong one": (packed_module, "_product", lambda: miscounts),
}


@pytest.mark.parametrize("lacking", LACKING.values(), ids=LACKING)
def test_a_processor_without_the_kernels_has_plain_products(monkeypatch: Any, lacking: Any) -> None:
    model = tiny().to(torch.bfloat16)
    wanted = logits(model)
    monkeypatch.setattr(*lacking, raising=False)
    assert not suits(model)
    with PackedLinears(model, PLENTY).used(), torch.inference_mode():
        assert not patched(model)
        torch.testing.assert_close(logits(model), wanted)
    engine = InflightEngine(model, Limits(idle_seconds=0.2))
    [sample] = engine.submit(Request(ids=[1, 2, 3], max_new=4)).result(30)
    assert sample.ids == plain(model, [1, 2, 3], 4)
    engine.close()


def test_whoever_computes_gradients_has_the_layers_own_products() -> None:
    model = needs_kernels(tiny())
    packed = PackedLinears(model, PLENTY)
    with packed.used():
        logits(model).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_copy_is_no_larger_than_it_may_be_and_tied_weights_are_in_it_once() -> None:
    model = needs_kernels(tiny(tie_word_embeddings=True))
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    every = sum(m.weight.nbytes for m in linears)
    assert len(PackedLinears(model, every)._made) == len(linears)
    first = linears[0].weight.nbytes
    assert len(PackedLinears(model, first)._made) == 1
    assert not PackedLinears(model, 0)._made
    assert not PackedLinears(model.double(), PLENTY)._made  # for which there are no kernels


def test_layers_that_someone_has_changed_are_left_alone() -> None:
    model = tiny()
    layer = model.model.layers[0].mlp.gate_proj
    own = layer.forward = lambda given: torch.nn.functional.linear(given, layer.weight)
    with PackedLinears(model, PLENTY).used():
        assert layer.forward is own
    assert vars(layer)["forward"] is own


@pytest.mark.parametrize("most", [0, PLENTY])
def test_the_engine_gives_the_tokens_of_generate_with_and_without(most: int) -> None:
    model = needs_kernels(tiny()) if most else tiny()
    engine = InflightEngine(model, Limits(idle_seconds=0.2, packed_bytes=most))
    found = engine.submit(Request(ids=[1, 2, 3], n=3, max_new=12)).result(30)
    assert bool(engine._lean.others._made) == bool(engine._lean.layers) == (most > 0)
    engine.close()
    assert [sample.ids for sample in found] == [plain(model, [1, 2, 3], 12)] * 3
    assert not patched(model)
    assert engine._lean is None
