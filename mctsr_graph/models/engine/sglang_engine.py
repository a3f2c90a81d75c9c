"""SGLang's offline engine, by `engine="sglang"`: its own scheduler, kernels and prefix tree.

Settings of `sglang.Engine` go into `model_kwargs`: tp_size, mem_fraction_static, context_length,
quantization, ... A seed counts with model_kwargs={"enable_deterministic_inference": True}.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from mctsr_graph.models.engine.foreign import Package, arguments
from mctsr_graph.models.engine.served import PENALTIES, ServedEngine
from mctsr_graph.models.source import Source

_PACKAGE = Package(
    engine="sglang",
    module="sglang",
    extra="sglang",
    instead={
        "device_map": 'give model_kwargs={"tp_size": ...}',
        "quantization_config": 'give model_kwargs={"quantization": ...}',
        "attn_implementation": 'give model_kwargs={"attention_backend": ...}',
        "subfolder": "give the folder itself as model_id",
        "token": "set HF_TOKEN",
    },
    devices=("cuda", "cuda:N"),
    allowed="None, 'cuda' or 'cuda:N'",
    wants=", which wants a GPU",
)
check = _PACKAGE.check


def start(source: Source) -> ServedEngine:
    """Read the weights and return what runs them."""
    check(source)
    number = (source.device or "").partition(":")[2]
    more = {
        "base_gpu_id": int(number) if number else None,
        "skip_tokenizer_init": True,  # token ids in, token ids out
    }
    return ServedEngine("sglang", source, lambda: _SGLang(arguments(source, "model_path", **more)))


class _SGLang:
    """A `Server`."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        import sglang

        self._engine: Any = sglang.Engine(**arguments)

    async def tokens(
        self, ids: list[int], settings: dict[str, Any], seed: int | None
    ) -> AsyncGenerator[Sequence[int], None]:
        asked: dict[str, Any] = {k: v for k, v in settings.items() if k in PENALTIES}
        asked |= {
            "max_new_tokens": settings["max_new"],
            "temperature": settings["temperature"],
            "top_p": settings["top_p"],
            "top_k": settings["top_k"] or -1,
            "stop_token_ids": settings["ends"],
            "ignore_eos": True,  # `ends` has all that end a turn
        }
        if seed is not None:
            asked["sampling_seed"] = seed
        stream = await self._engine.async_generate(
            input_ids=list(ids), sampling_params=asked, stream=True
        )
        told = 0
        try:
            async for chunk in stream:
                # Releases differ in whether a chunk has all tokens or the new ones
                count = chunk["meta_info"]["completion_tokens"]
                yield chunk["output_ids"][len(chunk["output_ids"]) - (count - told) :]
                told = count
        finally:
            await stream.aclose()

    async def logprobs(self, ids: list[int], tokens: list[int]) -> dict[int, float]:
        told = await self._engine.async_generate(
            input_ids=list(ids),
            sampling_params={"max_new_tokens": 1, "temperature": 0.0},
            return_logprob=True,
            token_ids_logprob=list(dict.fromkeys(tokens)),
        )
        [first] = told["meta_info"]["output_token_ids_logprobs"]
        return {int(token): float(logprob) for logprob, token, *_ in first}

    def stop(self) -> None:
        self._engine.shutdown()
