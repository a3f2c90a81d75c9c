"""Plain decoder layers in fewer steps: which are, the same numbers, and nobody else sees them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from mctsr_graph.models.engine import lean_layers
from mctsr_graph.models.engine.lean_layers import LeanLayers, parts_of
from mctsr_graph.models.engine.packed import suits
from mctsr_graph.models.engine.protocol import Request, TokenTree
from tests.engine_models import plain, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from mctsr_graph.models.engine.inflight import InflightEngine, Limits  # noqa: E402

PLENTY = 1 << 30
LEAN = {
    "Llama": {},
    "Mistral": {"sliding_window": 8},
    "Qwen2": {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "Qwen3": {"head_dim": 16},
    "Llama with biases": {"attention_bias": True, "mlp_bias": True},
}
OTHER = {  # of other parts, factors or names
    "Gemma2": {},
    "GPT2": {},
    "Granite": {"residual_multiplier": 0.22},
    "Phi3": {},
    "Cohere": {},
}


def model_of(name: str, **more: Any) -> Any:
    model = tiny(name.split()[0], **LEAN.get(name, {}), **more)
    if not suits(model):
        pytest.skip("this processor has no packed products")
    return model


@pytest.mark.parametrize(("name", "pairs"), [*((name, 2) for name in LEAN), ("Llama", 1)])
def test_tokens_scores_and_joining_rows_are_those_of_the_layers(name: str, pairs: int) -> None:
    model = model_of(name, num_attention_heads=4, num_key_value_heads=pairs)
    prompts = [[1 + (7 * i * j) % 60 for j in range(1, 5 + 9 * i)] for i in range(6)]
    tree = TokenTree([5, 6, 7, 8], [-1, 0, 1, -1])
    told = []
    for most in (PLENTY, 0):
        engine = InflightEngine(model, Limits(idle_seconds=0.2, packed_bytes=most))
        asked = [engine.submit(Request(ids=ids, max_new=8, n=1 + len(ids) % 2)) for ids in prompts]
        scored = [engine.score(ids, tree) for ids in prompts]
        assert [f.result(60)[0].ids for f in asked] == [plain(model, ids, 8) for ids in prompts]
        told.append(torch.tensor([one.result(60) for one in scored]))
        assert engine._lean is not None
        assert len(engine._lean.layers) == (model.config.num_hidden_layers if most else 0)
        engine.close()
    torch.testing.assert_close(*told, rtol=1e-3, atol=1e-3)
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("name", OTHER)
def test_layers_of_another_kind_stay(name: str) -> None:
    assert not LeanLayers(model_of(name, **OTHER[name]), PLENTY).layers


def test_one_layer_that_differs_stays_and_so_does_one_that_somebody_has_changed() -> None:
    model = model_of("Llama", num_hidden_layers=4)
    layers = list(model.model.layers)
    layers[0].self_attn.q_norm = torch.nn.LayerNorm(3)  # a name that means something else here
    layers[1].mlp.down_proj.register_forward_hook(lambda *_: None)
    own = layers[2].self_attn.o_proj.forward
    layers[2].self_attn.o_proj.forward = lambda given: own(given) * 2
    assert LeanLayers(model, PLENTY).layers == layers[3:]


def test_no_more_bytes_are_taken_than_may_be() -> None:
    model = model_of("Llama", num_hidden_layers=3)
    one = sum(weights.nbytes for weights in model.model.layers[0].parameters())
    lean = LeanLayers(model, 2 * one)
    assert len(lean.layers) == 2
    assert not lean.others._made
    assert not LeanLayers(model, 0).layers


def test_forwards_that_are_not_the_engines_are_the_layers_own(monkeypatch: Any) -> None:
    model = model_of("Llama")
    ids = torch.tensor([[5, 9, 2, 77, 31]])
    wanted = model(ids).logits
    lean = LeanLayers(model, PLENTY)
    monkeypatch.setattr(lean_layers._Lean, "computed", None)  # would raise
    with lean.used():
        found = model(ids)
        found.logits.sum().backward()
        with torch.inference_mode():
            torch.testing.assert_close(model(ids).logits, wanted)
    torch.testing.assert_close(found.logits, wanted)


@pytest.mark.parametrize("ends", [[7], [9] * 30, list(range(1, 200, 3)), [5, 400] * 20, [3] * 9])
def test_parts_cover_all_rows_and_cost_no_more_than_one(ends: list[int]) -> None:
    parts = parts_of(ends, 1000)
    assert parts[0][0] == 0
    assert parts[-1][1] == len(ends)
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    assert all(end == max(ends[a:b]) for a, b, end in parts)
    call = lean_layers._CALL // 1000
    cost = sum(call + (b - a) * end for a, b, end in parts)
    assert cost <= call + len(ends) * max(ends)
