"""vLLM's offline engine, by `engine="vllm"`: its own scheduler, kernels and prefix store.

Settings of `vllm.AsyncEngineArgs` go into `model_kwargs`: tensor_parallel_size,
gpu_memory_utilization, max_model_len, quantization, ...
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.foreign import Package, arguments
from mctsr_graph.models.engine.served import PENALTIES, ServedEngine
from mctsr_graph.models.source import Source

_AT_ONCE = 64  # tokens whose log-probabilities one request asks for; vLLM allows 128
_PACKAGE = Package(
    engine="vllm",
    module="vllm",
    extra="vllm",
    instead={
        "device_map": 'give model_kwargs={"tensor_parallel_size": ...}',
        "quantization_config": 'give model_kwargs={"quantization": ...}',
        "attn_implementation": "it chooses its kernels itself",
        "subfolder": "give the folder itself as model_id",
    },
    devices=("cuda",),
    allowed="None or 'cuda'; CUDA_VISIBLE_DEVICES says which",
    wants=", which wants a GPU",
)
check = _PACKAGE.check


def start(source: Source) -> ServedEngine:
    """Read the weights and return what runs them."""
    check(source)
    more = {
        "tokenizer_revision": source.revision,
        "hf_token": source.hub_options().get("token"),
        "max_logprobs": _AT_ONCE,
        "generation_config": "vllm",  # what the model's own asks for comes with each request
    }
    return ServedEngine("vllm", source, lambda: _Vllm(arguments(source, "model", **more)))


class _Vllm:
    """A `Server`."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        import vllm

        self._vllm: Any = vllm
        self._engine = vllm.AsyncLLMEngine.from_engine_args(vllm.AsyncEngineArgs(**arguments))
        self._numbers = itertools.count()

    async def tokens(
        self, ids: list[int], settings: dict[str, Any], seed: int | None
    ) -> AsyncGenerator[Sequence[int], None]:
        from vllm.sampling_params import RequestOutputKind

        penalties = {k: v for k, v in settings.items() if k in PENALTIES}
        params = self._vllm.SamplingParams(
            max_tokens=settings["max_new"],
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            top_k=settings["top_k"] or 0,
            stop_token_ids=settings["ends"],
            seed=seed,
            detokenize=False,
            ignore_eos=True,  # `ends` has all that end a turn
            output_kind=RequestOutputKind.DELTA,
            **penalties,
        )
        stream = self._stream(ids, params)
        try:
            async for output in stream:
                yield output.outputs[0].token_ids
        finally:
            await stream.aclose()  # which stops it there

    async def logprobs(self, ids: list[int], tokens: list[int]) -> dict[int, float]:
        found: dict[int, float] = {}
        left = list(dict.fromkeys(tokens))
        while left:
            some = left[: _AT_ONCE - 1]  # the sampled token takes a place, too
            try:
                params = self._vllm.SamplingParams(
                    max_tokens=1,
                    temperature=0.0,
                    detokenize=False,
                    logprobs=len(some),
                    logprob_token_ids=some,
                )
            except TypeError as error:
                raise ConfigError(
                    "this vllm tells no log-probabilities of named tokens (logprob_token_ids): "
                    "update it, or take engine='inflight' for judge='logits'"
                ) from error
            async for output in self._stream(ids, params):
                last = output
            [told] = last.outputs[0].logprobs
            found |= {token: float(told[token].logprob) for token in some if token in told}
            if not found.keys() & set(some):
                raise ConfigError(f"vllm told none of the log-probabilities of {some}")
            left = [token for token in left if token not in found]
        return found

    def _stream(self, ids: list[int], params: Any) -> Any:
        prompt = {"prompt_token_ids": list(ids)}
        return self._engine.generate(prompt, params, request_id=f"mctsr-{next(self._numbers)}")

    def stop(self) -> None:
        self._engine.shutdown()
