"""Engines of other packages behind the seam, with stand-ins that compute by transformers.

The stand-ins take the arguments that vLLM 0.2x and SGLang 0.5 document, and no others.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from langchain_core.messages import HumanMessage

from mctsr_graph import load_model
from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.engine import backends, foreign
from mctsr_graph.models.engine.protocol import ContextLengthError, EngineError
from tests.engine_models import chatml_tokenizer, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

ENGINES = ["vllm", "sglang"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> str:
    tokenizer, to = chatml_tokenizer(), tmp_path_factory.mktemp("model")
    tiny(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id).save_pretrained(to)
    tokenizer.save_pretrained(to)
    return str(to)


class Runner:
    """What both stand-ins do: greedy tokens, or the likeliest under a seed, one at a time."""

    def __init__(self, path: str) -> None:
        if "broken" in path:
            raise RuntimeError("CUDA out of memory")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
        self.begun, self.stopped = 0, list[int]()
        self.is_down = False
        self.hold = threading.Event()

    def logp(self, ids: list[int]) -> Any:
        with torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)

    async def run(
        self, ids: list[int], most: int, heat: float, seed: int | None, ends: list[int]
    ) -> AsyncIterator[int]:
        if len(ids) > 400:
            raise ValueError("The decoder prompt is longer than the maximum model length of 400")
        generator = torch.Generator().manual_seed(0 if seed is None else seed)
        ids, made, self.begun = list(ids), 0, self.begun + 1
        try:
            while made < most:
                await asyncio.sleep(0)
                while self.hold.is_set() and made:
                    await asyncio.sleep(0.001)
                logp = self.logp(ids)
                token = int(logp.argmax())
                if heat > 0:
                    token = int(torch.multinomial((logp / heat).exp(), 1, generator=generator))
                ids.append(token)
                made += 1
                yield token
                if token in ends:
                    return
        finally:
            self.stopped.append(made)


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1


@dataclass
class SamplingParams:
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop_token_ids: list[int] = field(default_factory=list)
    seed: int | None = None
    detokenize: bool = True
    ignore_eos: bool = False
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE


@dataclass
class AsyncEngineArgs:
    model: str
    dtype: str = "auto"
    revision: str | None = None
    tokenizer_revision: str | None = None
    download_dir: str | None = None
    hf_token: str | None = None
    trust_remote_code: bool = False
    max_logprobs: int = 20
    generation_config: str = "auto"
    tensor_parallel_size: int = 1


class VllmStandIn(Runner):
    made: ClassVar[list[VllmStandIn]] = []

    @classmethod
    def from_engine_args(cls, arguments: AsyncEngineArgs) -> VllmStandIn:
        asyncio.get_running_loop()
        made = cls(arguments.model)
        made.arguments = arguments
        cls.made.append(made)
        return made

    async def generate(
        self, prompt: dict[str, list[int]], params: SamplingParams, *, request_id: str
    ) -> AsyncIterator[Any]:
        ids = prompt["prompt_token_ids"]
        if params.logprobs is not None:
            assert params.logprobs <= self.arguments.max_logprobs
            asked = params.logprob_token_ids or []
            assert len(asked) <= 128
            logp = self.logp(ids)
            kept = [int(logp.argmax()), *asked]
            told = {token: SimpleNamespace(logprob=float(logp[token])) for token in kept}
            yield SimpleNamespace(outputs=[SimpleNamespace(logprobs=[told], token_ids=kept[:1])])
            return
        rest = (params.max_tokens, params.temperature, params.seed, params.stop_token_ids)
        stream = self.run(ids, *rest)
        try:
            async for token in stream:
                yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=[token])])
        finally:
            await stream.aclose()

    def shutdown(self) -> None:
        self.is_down = True


class SGLangStandIn(Runner):
    made: ClassVar[list[SGLangStandIn]] = []
    cumulative = True

    def __init__(
        self,
        *,
        model_path: str,
        dtype: str,
        trust_remote_code: bool,
        skip_tokenizer_init: bool,
        revision: str | None = None,
        download_dir: str | None = None,
        base_gpu_id: int = 0,
        tp_size: int = 1,
    ) -> None:
        super().__init__(model_path)
        assert skip_tokenizer_init
        self.made.append(self)

    async def async_generate(
        self,
        *,
        input_ids: list[int],
        sampling_params: dict[str, Any],
        stream: bool = False,
        return_logprob: bool = False,
        token_ids_logprob: list[int] | None = None,
    ) -> Any:
        if token_ids_logprob is not None:
            logp = self.logp(input_ids)
            told = [(float(logp[token]), token, None) for token in token_ids_logprob]
            return {"meta_info": {"output_token_ids_logprobs": [told]}}
        assert stream
        return self._stream(input_ids, sampling_params)

    async def _stream(self, ids: list[int], asked: dict[str, Any]) -> AsyncIterator[Any]:
        every: list[int] = []
        rest = (asked["temperature"], asked.get("sampling_seed"), asked["stop_token_ids"])
        stream = self.run(ids, asked["max_new_tokens"], *rest)
        try:
            async for token in stream:
                every.append(token)
                told = list(every) if self.cumulative else [token]
                yield {"output_ids": told, "meta_info": {"completion_tokens": len(every)}}
        finally:
            await stream.aclose()

    def shutdown(self) -> None:
        self.is_down = True


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of both names, as if they were installed."""
    vllm, sglang = ModuleType("vllm"), ModuleType("sglang")
    words = ModuleType("vllm.sampling_params")
    for module in (vllm, sglang, words):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(vllm).update(
        AsyncEngineArgs=AsyncEngineArgs,
        AsyncLLMEngine=VllmStandIn,
        SamplingParams=SamplingParams,
    )
    vars(words).update(RequestOutputKind=RequestOutputKind)
    vars(sglang).update(Engine=SGLangStandIn)
    yield
    VllmStandIn.made.clear()
    SGLangStandIn.made.clear()


def made(engine: str) -> Any:
    """The stand-in that was started last."""
    return (VllmStandIn if engine == "vllm" else SGLangStandIn).made[-1]


def loaded(folder: str, engine: str, **settings: Any) -> Any:
    told = {"temperature": 0, "max_tokens": 8, **settings}
    return load_model(f"huggingface:{folder}", engine=engine, **told)


@pytest.mark.parametrize("engine", ENGINES)
def test_replies_streams_samples_and_scores_are_those_of_our_engine(
    folder: str, engine: str
) -> None:
    ours, theirs = loaded(folder, "inflight", device="cpu"), loaded(folder, engine)
    prompts = ["hi", "What is 2 + 2?", "x" * 40]
    assert [r.content for r in theirs.batch(prompts)] == [r.content for r in ours.batch(prompts)]
    reply, again = theirs.invoke("hi"), ours.invoke("hi")
    assert reply.usage_metadata == again.usage_metadata
    finish = [one.response_metadata["finish_reason"] for one in (reply, again)]
    assert finish[0] == finish[1]
    assert "".join(str(c.content) for c in theirs.stream("hi")) == again.content
    stop = str(again.content)[2:4]
    assert theirs.invoke("hi", stop=[stop]).content == ours.invoke("hi", stop=[stop]).content
    several = theirs.generate([[HumanMessage("hi")]], n=3).generations[0]
    assert [one.text for one in several] == [again.content] * 3
    labels = range(0, 120)
    asked = [HumanMessage("Rate it.")]
    one, two = (chat.score(asked, labels=labels) for chat in (ours, theirs))
    assert one.mass == pytest.approx(two.mass, rel=1e-4)
    assert one.expected == pytest.approx(two.expected, rel=1e-4)
    for chat in (ours, theirs):
        chat.close()


def test_chunks_with_new_tokens_only_are_read_as_well(folder: str, monkeypatch: Any) -> None:
    expected = loaded(folder, "inflight", device="cpu").invoke("hi").content
    monkeypatch.setattr(SGLangStandIn, "cumulative", False)
    chat = loaded(folder, "sglang")
    assert chat.invoke("hi").content == expected
    chat.close()


async def stopped(stand_in: Any, count: int) -> None:
    """Wait until so many samples have ended there, which may be after their replies."""
    while len(stand_in.stopped) < count:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("engine", ENGINES)
async def test_seeds_async_and_cancelling(folder: str, engine: str) -> None:
    chat = loaded(folder, engine, temperature=1.0, max_tokens=40)
    first, second, third = await asyncio.gather(
        chat.ainvoke("hi", seed=1), chat.ainvoke("hi", seed=1), chat.ainvoke("hi", seed=2)
    )
    assert first.content == second.content != third.content
    stand_in = made(engine)
    await stopped(stand_in, 3)
    stand_in.hold.set()  # after the first token, until it is stopped
    call = asyncio.ensure_future(chat.ainvoke("hi"))
    async for _ in chat.astream("hi", seed=1, max_tokens=1):
        pass
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await stopped(stand_in, 5)
    assert stand_in.stopped[3:] == [1, 1]
    stand_in.hold.clear()
    assert (await chat.ainvoke("hi", seed=1)).content == first.content
    chat.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_closing_fails_what_is_left_and_a_later_call_starts_again(folder: str, engine: str) -> None:
    chat = loaded(folder, engine)
    before = chat.invoke("hi").content
    stand_in = made(engine)
    stand_in.hold.set()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            chat.invoke("hi")
        except EngineError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while stand_in.begun < 2:
        time.sleep(0.001)
    chat.close()
    thread.join(timeout=10)
    assert [str(one) for one in failed] == ["the engine was closed"]
    assert stand_in.is_down
    assert chat.invoke("hi").content == before
    assert made(engine) is not stand_in
    chat.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_request_that_fails_fails_alone(folder: str, engine: str, tmp_path: Path) -> None:
    chat = loaded(folder, engine)
    with pytest.raises(ContextLengthError, match=f"{engine}: ValueError: .*longer than the max"):
        chat.invoke("x" * 450)
    config = chat._load()[0].generation_config
    config.repetition_penalty = 1.2
    assert chat.invoke("hi").content is not None
    config.guidance_scale = 2.0
    with pytest.warns(UserWarning, match="guidance_scale=2.0, which is not honoured"):
        chat.invoke("hi")
    config.no_repeat_ngram_size = 2
    with pytest.raises(ConfigError, match=f"{engine}.*NoRepeatNGram.*RepetitionPenalty"):
        chat.invoke("hi")
    chat.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_settings_reach_the_engine_or_are_refused_by_name(
    folder: str, engine: str, monkeypatch: Any
) -> None:
    chat = loaded(folder, engine, torch_dtype="bfloat16", token=None, cache_dir="/c")
    chat.invoke("hi")
    chat.close()
    if engine == "vllm":
        told = made("vllm").arguments
        assert (told.dtype, told.download_dir, told.model) == ("bfloat16", "/c", folder)
    for wrong in ({"device_map": "auto"}, {"subfolder": "s"}, {"device": "mps"}):
        [name] = wrong
        with pytest.raises(ConfigError, match=f"{name} is .*'{engine}' does not take"):
            loaded(folder, engine, **wrong)
    with pytest.raises(ConfigError, match=f"'{engine}' has none of these.*model_kwargs"):
        loaded(folder, engine, limits={"rows": 2})
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=f"pip install .*{engine}"):
        loaded(folder, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_that_do_not_fit_are_told_in_our_words(
    folder: str, engine: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.symlink_to(folder)
    with pytest.raises(ConfigError, match="does not fit into memory"):
        loaded(str(broken), engine).invoke("hi")


def test_each_backend_is_one_short_file() -> None:
    home = Path(backends.__file__).parent
    for name in backends.BACKENDS.values():
        assert len((home / f"{name}.py").read_text("utf-8").splitlines()) <= 150
