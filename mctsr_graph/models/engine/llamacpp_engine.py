"""llama.cpp, by `engine="llama.cpp"`: GGUF files as they are, in the few bits of their weights.

Token ids go in and logits come out, by the package llama-cpp-python. Fields of `llama_model_params`
and `llama_context_params` go into `model_kwargs`: n_gpu_layers, n_ctx (tokens of all rows together,
and of what is kept of earlier ones), n_threads, ...
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.foreign import Package
from mctsr_graph.models.engine.protocol import EngineError
from mctsr_graph.models.engine.sequences import PATHS, Fed, SequenceEngine
from mctsr_graph.models.source import Source

_CELLS, _FED = 16_384, 512  # tokens that are held, by default; of one call
_AS_IN_FILE = "it takes the weights as the file has them"
_PACKAGE = Package(
    engine="llama.cpp",
    module="llama_cpp",
    extra="llamacpp",
    instead={
        "device_map": 'give model_kwargs={"n_gpu_layers": ...}',
        "quantization_config": _AS_IN_FILE,
        "dtype": _AS_IN_FILE,
        "attn_implementation": 'give model_kwargs={"flash_attn_type": ...}',
    },
    devices=("cpu",),
    allowed='"cpu", or None with model_kwargs={"main_gpu": ...}',
)


def check(source: Source) -> None:
    """Refuse what llama.cpp does not take.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
        ConfigError: The model is no GGUF file here, or a setting has no word there.
    """
    _PACKAGE.check(source)
    if source.gguf_file is None or not Path(source.model_id, source.gguf_file).is_file():
        raise ConfigError(
            f"the model is {source.gguf_file or source.model_id!r}; allowed with the engine "
            "'llama.cpp' is a GGUF file on this machine: \"huggingface:FOLDER/FILE.gguf\""
        )


def start(source: Any) -> SequenceEngine:
    """Read the weights and return what runs them.

    Raises:
        ConfigError: The file cannot be read, or a setting is unknown to llama.cpp.
    """
    check(source)
    weights = _Weights(source)
    return SequenceEngine(source.limits, lambda: _Sequences(weights))


class _Weights:
    """The model, and how a context is made of it."""

    def __init__(self, source: Any) -> None:
        import llama_cpp
        import torch

        api: Any = llama_cpp
        api.llama_backend_init()
        most = int(api.llama_max_parallel_sequences())
        asked = {
            "n_ctx": _CELLS,
            "n_threads": torch.get_num_threads(),
            "n_threads_batch": torch.get_num_threads(),
            **({"n_gpu_layers": 0} if source.device == "cpu" else {}),
            **source.model_kwargs,
            "n_batch": _FED,
            "n_seq_max": min(most, 2 * source.limits.rows + PATHS),
            "kv_unified": True,  # or sequences could not begin alike
            "swa_full": True,
        }
        model, self.context = api.llama_model_default_params(), api.llama_context_default_params()
        for name, value in asked.items():
            params = [p for p in (model, self.context) if name in {f[0] for f in p._fields_}]
            if not params:
                raise ConfigError(f"model_kwargs names {name!r}, which llama.cpp does not know")
            setattr(params[0], name, value)
        path = str(Path(source.model_id, source.gguf_file))
        self.api, self.model = api, api.llama_model_load_from_file(path.encode(), model)
        if not self.model:
            raise ConfigError(f"llama.cpp cannot read {path!r}; its log says why")
        weakref.finalize(self, api.llama_model_free, self.model)


class _Sequences:
    """`Sequences` of one context."""

    most_fed = _FED

    def __init__(self, weights: _Weights) -> None:
        api = weights.api
        self._weights, self._api = weights, api  # which are freed after the context
        context = self._context = api.llama_init_from_model(weights.model, weights.context)
        if not context:
            raise MemoryError("llama.cpp is out of memory for its context: lower n_ctx")
        weakref.finalize(self, api.llama_free, context)
        self._memory, self._batch = api.llama_get_memory(context), api.llama_batch_init(_FED, 0, 1)
        weakref.finalize(self, api.llama_batch_free, self._batch)
        self._size = api.llama_vocab_n_tokens(api.llama_model_get_vocab(weights.model))
        self.count, self.room = int(weights.context.n_seq_max), int(api.llama_n_ctx(context))
        kinds = (api.llama_model_is_recurrent, api.llama_model_is_hybrid)
        self.shares = not any(kind(weights.model) for kind in kinds)  # a state is of one moment

    def compute(self, fed: Sequence[Fed]) -> list[Any]:
        import torch

        batch, api = self._batch, self._api
        batch.n_tokens = len(fed)
        for i, one in enumerate(fed):
            batch.token[i], batch.pos[i], batch.logits[i] = one.token, one.place, one.asked
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, one.sequence
        code = api.llama_decode(self._context, batch)
        if code:
            raise (MemoryError if code == 1 else EngineError)(f"llama_decode gave {code}")
        floats = ctypes.c_float * self._size
        told = (
            api.llama_get_logits_ith(self._context, i) for i, one in enumerate(fed) if one.asked
        )
        places = (floats.from_address(ctypes.addressof(first.contents)) for first in told)
        return [torch.frombuffer(place, dtype=torch.float32).clone() for place in places]

    def begin(self, sequence: int, source: int, count: int) -> None:
        self._api.llama_memory_seq_cp(self._memory, source, sequence, 0, count)

    def cut(self, sequence: int, count: int) -> None:
        self._api.llama_memory_seq_rm(self._memory, sequence, count, -1)
