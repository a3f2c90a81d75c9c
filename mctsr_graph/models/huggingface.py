"""`ChatTransformers`: any HuggingFace causal chat model as a LangChain chat model.

torch and transformers are imported only when a model is loaded or asked, so this module
is cheap to import and works, up to that point, without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import (
    ContextThreadPoolExecutor,
    get_config_list,
    run_in_executor,
)
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, ValidationError, field_validator

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import ContextLengthError
from mctsr_graph.models.exchange import Exchange
from mctsr_graph.models.kinds import check_class, check_template
from mctsr_graph.models.local_model import LocalModel
from mctsr_graph.models.logit_scores import LogitScores, awaited
from mctsr_graph.models.pipelines import taken_over
from mctsr_graph.models.sampling import Sampling
from mctsr_graph.models.structured import StructuredOutput
from mctsr_graph.models.template import prompt_ids, template_options, to_chat
from mctsr_graph.models.tool_calls import forced_name
from mctsr_graph.models.weights import Weights

__all__ = ["ChatTransformers", "ContextLengthError", "prompt_ids", "to_chat"]


class ChatTransformers(StructuredOutput, LocalModel, Sampling, LogitScores):
    """A HuggingFace causal chat model that runs in this process.

    `Source` says which model, and where to; `LocalModel` what runs it; `Sampling` holds settings
    that can also be given per call or with `.bind(...)`, where None means "not given" and unknown
    names raise. Weights load at the first call (any thread, once). Calls from any thread or event
    loop run together, step by step, and share what prompts have in common. Some chat templates add
    a system prompt of their own when there is none (SmolLM2's does). A call raises
    `ContextLengthError`, or `ConfigError` for a wrong setting. What has been computed is kept, so
    whoever changes the weights calls `close` afterwards. Pickled by its settings, it loads again
    where it is unpickled.

    What a model thinks is in `additional_kwargs["reasoning_content"]` of a reply, not in its text.

    Attributes:
        chat_template: A template in place of the tokenizer's; also per call.
        chat_template_kwargs: More for the template, such as {"enable_thinking": False} or
            {"reasoning_effort": "low"}; those of a call are added.
        streaming: True lets `invoke` stream inside, False never, as LangChain has it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())
    chat_template: str | None = Field(default=None, min_length=1)
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    streaming: bool | None = None
    shares_prompts: ClassVar = True
    """Calls of one prompt compute it once, whether they are one call or several."""

    @field_validator("chat_template_kwargs")
    @classmethod
    def _free_names(cls, given: dict[str, Any]) -> dict[str, Any]:
        return template_options(None, given)

    @classmethod
    def from_loaded(cls, model: Any, tokenizer: Any, **kwargs: Any) -> ChatTransformers:
        """Wrap a model and tokenizer that are in memory; the model is put in eval mode.

        A processor in the tokenizer's place lets the model see pictures, too.

        Raises:
            ConfigError: The model writes no text, or the tokenizer has no chat template.
        """
        check_class(model)
        name = getattr(model, "name_or_path", "") or type(model).__name__
        processor = tokenizer if hasattr(tokenizer, "image_processor") else None
        if processor is not None:
            tokenizer = processor.tokenizer
            kwargs.setdefault("chat_template", processor.chat_template)
        check_template(tokenizer, name, kwargs.get("chat_template"))
        chat = cls(**{"model_id": name, **kwargs})
        chat._weights = Weights(model.eval(), tokenizer)
        chat._weights.processor = processor
        return chat

    @classmethod
    def from_pipeline(cls, pipeline: Any, **kwargs: Any) -> ChatTransformers:
        """Wrap the model of a `ChatHuggingFace`, a `HuggingFacePipeline` or transformers' pipeline.

        Its settings become defaults here.

        Raises:
            ConfigError: One of its settings has no counterpart here, or it asks a server.
        """
        model, tokenizer, settings = taken_over(pipeline, set(cls.model_fields))
        return cls.from_loaded(model, tokenizer, **{**settings, **kwargs})

    @property
    def _llm_type(self) -> str:
        return "mctsr-graph-transformers"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        told = {name: getattr(self, name) for name in type(self).model_fields if name not in _ASIDE}
        return {**{k: str(v) for k, v in told.items() if v is not None}, **self.label_parts()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop, **kwargs)
        return {**params, "ls_model_name": kwargs.get("model") or self.model_id}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools, in the words of the model's chat template.

        Args:
            tools: As LangChain takes them.
            tool_choice: None or "auto" leaves the choice to the model, "none" forbids. "any" or
                "required" makes the reply begin as a call, others of which may follow. A name
                makes it one call of that tool.
            parallel_tool_calls: False keeps a reply to one call; what follows it is left out.
            **kwargs: Settings of a call.

        Raises:
            ConfigError: No tool has the name that is chosen.
        """
        made = [convert_to_openai_tool(tool) for tool in tools]
        forced_name(tool_choice, made)
        if parallel_tool_calls is None and "ls_structured_output_format" in kwargs:
            parallel_tool_calls = False  # one call is the reply
        more = {"tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls}
        return self.bind(tools=made, **more, **kwargs)

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

    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """As LangChain's, which asks for the label of the weights before anything else."""
        await self._labelled()
        return await super().agenerate(*args, **kwargs)

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[AIMessageChunk]:
        """As `agenerate`."""
        await self._labelled()
        async for chunk in super().astream(*args, **kwargs):
            yield chunk

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
        exchange = await self._aexchange(messages, stop, kwargs)
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
        exchange = await self._aexchange(messages, stop, kwargs)
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
        parallel = kwargs.pop("parallel_tool_calls", True)
        if not isinstance(parallel, bool):
            raise ConfigError(f"parallel_tool_calls is {parallel!r}, allowed True, False, None")
        options = self._options(kwargs)
        try:
            defaults = {name: getattr(self, name) for name in Sampling.model_fields}
            sampling = Sampling.model_validate({**defaults, **kwargs})
        except ValidationError as error:
            raise ConfigError(f"wrong setting for a call: {error}") from error
        model, tokenizer = self._load()
        name = self.gguf_file or self.model_id
        given = {*self.model_fields_set, *kwargs}
        more = options, given, self._pictures(messages), parallel
        return Exchange(model, tokenizer, name, messages, sampling, tools, choice, *more)

    async def _aexchange(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Exchange:
        await self._ready()
        slow = kwargs.get("response_format") or kwargs.get("tool_choice") or self.response_format
        if slow or any(isinstance(message.content, list) for message in messages):
            # A grammar takes a second for its first tokenizer, a picture some to be read
            return await run_in_executor(None, self._exchange, messages, stop, kwargs)
        return self._exchange(messages, stop, kwargs)

    def _options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """What a call gives the chat template; taken out of its settings."""
        template = kwargs.pop("chat_template", self.chat_template)
        more = kwargs.pop("chat_template_kwargs", {})
        if not isinstance(more, dict) or not isinstance(template, str | None):
            raise ConfigError(
                f"chat_template is {template!r} and chat_template_kwargs {more!r}; "
                "allowed a text and a dict"
            )
        return template_options(template, {**self.chat_template_kwargs, **more})


# What changes no reply, and the token, which nobody is to see
_ASIDE = {
    *("name", "cache", "verbose", "callbacks", "tags", "metadata", "custom_get_token_ids"),
    *("rate_limiter", "disable_streaming", "output_version", "profile", "streaming", "limits"),
    *("token", "cache_dir", "local_files_only"),
}
