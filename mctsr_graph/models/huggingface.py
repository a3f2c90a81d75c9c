"""`ChatTransformers`: any HuggingFace causal chat model as a LangChain chat model.

torch and transformers are imported only when a model is loaded or asked, so this module
is cheap to import and works, up to that point, without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import (
    ContextThreadPoolExecutor,
    get_config_list,
    run_in_executor,
)
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import ContextLengthError, Engine
from mctsr_graph.models.exchange import Exchange
from mctsr_graph.models.logit_scores import LogitScores, awaited
from mctsr_graph.models.sampling import Sampling
from mctsr_graph.models.template import prompt_ids, to_chat
from mctsr_graph.models.tool_calls import forced_name
from mctsr_graph.models.weights import Weights, engine_of, read

__all__ = ["ChatTransformers", "ContextLengthError", "prompt_ids", "to_chat"]


class ChatTransformers(BaseChatModel, Sampling, LogitScores):
    """A HuggingFace causal chat model that runs in this process.

    Weights load at the first call (any thread, once). Calls from any thread or event loop run
    together, step by step, and share what prompts have in common. The settings of `Sampling` can
    also be given per call or with `.bind(...)`; None there means "not given", unknown names
    raise. Some chat templates add a system prompt of their own when there is none (SmolLM2's
    does). A call raises `ContextLengthError`, or `ConfigError` for a wrong setting. What has been
    computed is kept, so whoever changes the weights calls `close` afterwards.

    Attributes:
        model_id: Hub id ("Qwen/Qwen2.5-0.5B-Instruct") or local folder.
        device: "cuda", "cuda:1", "mps", "cpu"; None is the first of cuda, mps, cpu there is.
        dtype: A torch dtype or its name; None is bfloat16 on CUDA and float32 elsewhere.
        gguf_file: Name of GGUF weights in `model_id`; needs packages gguf and accelerate.
        revision: Branch, tag or commit on the hub.
        trust_remote_code: True runs Python code that comes with the model.
        model_kwargs: More for `from_pretrained` of the model: device_map, quantization_config,
            attn_implementation, ...
        engine: "inflight" is this package's; "auto" chooses it.
        limits: Bounds of the engine by name, see `mctsr_graph.models.engine.inflight.Limits`. Chat
            models that wrap the same loaded model share the engine of the first.
        streaming: True lets `invoke` stream inside, False never, as LangChain has it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())
    model_id: str = Field(min_length=1)
    device: str | None = None
    dtype: Any = None
    gguf_file: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    engine: Literal["auto", "inflight"] = "auto"
    limits: dict[str, float] = Field(default_factory=dict)
    streaming: bool | None = None
    shares_prompts: ClassVar = True
    """Calls of one prompt compute it once, whether they are one call or several."""
    _weights: Weights = PrivateAttr(default_factory=Weights)

    @field_validator("engine", mode="before")
    @classmethod
    def _known_engine(cls, engine: Any) -> Any:
        if engine not in ("auto", "inflight"):
            raise ConfigError(f"engine is {engine!r}, allowed 'auto', 'inflight'")
        return engine

    @classmethod
    def from_loaded(cls, model: Any, tokenizer: Any, **kwargs: Any) -> ChatTransformers:
        """Wrap a model and tokenizer that are in memory; the model is put in eval mode."""
        name = getattr(model, "name_or_path", "") or type(model).__name__
        chat = cls(**{"model_id": name, **kwargs})
        chat._weights = Weights(model.eval(), tokenizer)
        return chat

    @classmethod
    def from_pipeline(cls, pipeline: Any, **kwargs: Any) -> ChatTransformers:
        """Wrap the model of a `HuggingFacePipeline` or of a transformers pipeline.

        The settings in its `pipeline_kwargs` become defaults here.
        """
        inner = getattr(pipeline, "pipeline", pipeline)
        told = getattr(pipeline, "pipeline_kwargs", None) or {}
        names = {"max_new_tokens": "max_tokens", "temperature": "temperature"}
        names |= {"top_p": "top_p", "top_k": "top_k"}
        settings = {new: told[old] for old, new in names.items() if told.get(old) is not None}
        if told.get("do_sample") is False:
            settings["temperature"] = 0.0
        return cls.from_loaded(inner.model, inner.tokenizer, **{**settings, **kwargs})

    @property
    def _llm_type(self) -> str:
        return "mctsr-graph-transformers"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model_id", "gguf_file", "revision", *Sampling.model_fields)
        return {**{n: getattr(self, n) for n in names}, "dtype": str(self.dtype)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop, **kwargs)
        return {**params, "ls_model_name": kwargs.get("model") or self.model_id}

    def close(self) -> None:
        """End the engine's thread and free its memory; a later call starts a new one."""
        if self._weights.engine is not None:
            self._weights.engine.close()

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools, in the words of the model's chat template.

        Args:
            tools: As LangChain takes them.
            tool_choice: None or "auto" leaves the choice to the model, "none" forbids, "any" or
                a name makes the reply begin as a call.
            **kwargs: Settings of a call.
        """
        made = [convert_to_openai_tool(tool) for tool in tools]
        forced_name(tool_choice, made)
        return self.bind(tools=made, tool_choice=tool_choice, **kwargs)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """As LangChain's, but all at once unless `max_concurrency` says otherwise."""
        wide = {"max_concurrency": max(1, min(len(inputs), 256))}
        configs: list[Any] = [{**wide, **c} for c in get_config_list(config, len(inputs))]
        return super().batch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    def generate(
        self, messages: list[list[BaseMessage]], *args: Any, run_id: Any = None, **kwargs: Any
    ) -> LLMResult:
        """As LangChain's, but all prompts at once."""
        if len(messages) < 2:
            return super().generate(messages, *args, run_id=run_id, **kwargs)
        with ContextThreadPoolExecutor(max_workers=min(len(messages), 256)) as pool:
            ask = super().generate
            each = list(pool.map(lambda one: ask([one], *args, **kwargs), messages))
        return LLMResult(
            generations=[one.generations[0] for one in each],
            llm_output=self._combine_llm_outputs([one.llm_output for one in each]),
            run=[run for one in each for run in one.run or ()],
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        exchange = self._exchange(messages, stop, kwargs)
        return exchange.result(awaited(self._engine().submit(exchange.request())))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await self._ready()
        exchange = self._exchange(messages, stop, kwargs)
        future = self._engine().submit(exchange.request())
        return exchange.result(await asyncio.wrap_future(future))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        exchange = self._exchange(messages, stop, kwargs)
        tokens: SimpleQueue[int | None] = SimpleQueue()
        future = self._engine().submit(exchange.request(lambda _, token: tokens.put(token)))
        future.add_done_callback(lambda _: tokens.put(None))
        try:
            while (token := tokens.get()) is not None:
                for chunk in exchange.chunks(token):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
            for chunk in exchange.last_chunks(future.result()):
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            future.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await self._ready()
        exchange = self._exchange(messages, stop, kwargs)
        tokens: asyncio.Queue[int | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(token: int | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(tokens.put_nowait, token)

        future = self._engine().submit(exchange.request(lambda _, token: tell(token)))
        future.add_done_callback(lambda _: tell(None))
        try:
            while (token := await tokens.get()) is not None:
                for chunk in exchange.chunks(token):
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
            for chunk in exchange.last_chunks(future.result()):
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            future.cancel()

    def _should_stream(self, **kwargs: Any) -> bool:
        # A handler that streams would turn n answers into one
        several = kwargs.get("n") or self.n
        return several == 1 and super()._should_stream(**kwargs)

    def _exchange(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Exchange:
        kwargs = {k: v for k, v in {**kwargs, "stop": stop}.items() if v is not None}
        kwargs.pop("stream", None)  # langchain passes it on
        tools, choice = kwargs.pop("tools", None), kwargs.pop("tool_choice", None)
        try:
            defaults = {name: getattr(self, name) for name in Sampling.model_fields}
            sampling = Sampling.model_validate({**defaults, **kwargs})
        except ValidationError as error:
            raise ConfigError(f"wrong setting for a call: {error}") from error
        model, tokenizer = self._load()
        name = self.gguf_file or self.model_id
        return Exchange(model, tokenizer, name, messages, sampling, tools, choice)

    def _engine(self) -> Engine:
        model, _ = self._load()
        with self._weights.lock:
            engine = self._weights.engine
            if engine is None or engine.closed:
                engine = engine_of(model, self.limits)
                self._weights.engine = engine
            return engine

    async def _ready(self) -> None:
        """Load without blocking the event loop."""
        if self._weights.model is None:
            await run_in_executor(None, self._load)

    def _load(self) -> tuple[Any, Any]:
        with self._weights.lock:
            if self._weights.model is None:
                self._weights.tokenizer, self._weights.model = self._read_weights()
            return self._weights.model, self._weights.tokenizer

    def _read_weights(self) -> tuple[Any, Any]:
        return read(
            self.model_id,
            device=self.device,
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            options={"revision": self.revision, "gguf_file": self.gguf_file},
            model_options=self.model_kwargs,
        )
