"""One call of a chat model: from messages to an engine's request, from samples to messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import ContextLengthError, Request, Sample
from mctsr_graph.models.sampling import Sampling, processors, resolved
from mctsr_graph.models.template import TOKENIZER_LOCK, prompt_ids, takes_tools, to_chat
from mctsr_graph.models.text_stream import TextStream
from mctsr_graph.models.tool_calls import Parsed, forced_name, format_of, parse
from mctsr_graph.models.weights import end_ids, window_of


class Exchange:
    """What one call asks, and how its answer is read.

    Raises:
        ContextLengthError: The prompt fills the context window.
        ConfigError: The model's chat template has no tools, or a message is no text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        messages: list[BaseMessage],
        sampling: Sampling,
        tools: list[dict[str, Any]] | None = None,
        choice: Any = None,
    ) -> None:
        self._model, self._tokenizer, self._name = model, tokenizer, name
        self._sampling, self._tools = sampling, None if choice == "none" else tools or None
        self._ends = end_ids(model, tokenizer)
        self._lead = ""
        with TOKENIZER_LOCK:
            knows = takes_tools(tokenizer)
            if self._tools and not knows:
                raise ConfigError(f"the chat template of {name!r} takes no tools")
            self._ids = prompt_ids(tokenizer, to_chat(messages, tools=knows), self._tools)
            if self._tools:
                self._force(choice, self._tools)
        window = window_of(model)
        self._room = sampling.max_tokens if window is None else window - len(self._ids)
        if self._room < 1:
            raise ContextLengthError(f"the prompt has {len(self._ids)} tokens, the window {window}")

    def request(self, on_token: Callable[[int, int], None] | None = None) -> Request:
        """The request for the engine."""
        sampling, config = self._sampling, self._model.generation_config
        return Request(
            ids=self._ids,
            n=sampling.n,
            max_new=min(self._room, sampling.max_tokens),
            seed=sampling.seed,
            ends=self._ends,
            stopped=self._stopped if sampling.stop else None,
            on_token=on_token,
            processors=processors(config),
            **resolved(sampling, config),
        )

    def result(self, samples: list[Sample]) -> ChatResult:
        """The answers as LangChain has them."""
        generations = []
        for sample in samples:
            parsed, info = self._read(sample), self._info(sample)
            message = AIMessage(
                parsed.content,
                tool_calls=parsed.tool_calls,
                invalid_tool_calls=parsed.invalid_tool_calls,
                usage_metadata=self._usage(sample),
                response_metadata=info,
            )
            generations.append(ChatGeneration(message=message, generation_info=info))
        return ChatResult(generations=generations, llm_output={"model_name": self._name})

    def chunks(self, token: int) -> Iterator[ChatGenerationChunk]:
        """What can be shown after one more token. Calls of tools come whole, at the end."""
        text = "" if self._tools else self._stream.push(token)
        if text:
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))

    def last_chunks(self, samples: list[Sample]) -> Iterator[ChatGenerationChunk]:
        """What is left to show, and the counts."""
        [sample] = samples
        parsed, info = self._read(sample), self._info(sample)
        calls = [
            tool_call_chunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"], index=i)
            for i, c in enumerate(parsed.tool_calls)
        ]
        message = AIMessageChunk(
            content=parsed.content if self._tools else self._stream.rest(parsed.content),
            tool_call_chunks=calls,
            usage_metadata=self._usage(sample),
            response_metadata=info,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message, generation_info=info)

    @cached_property
    def _stream(self) -> TextStream:
        return TextStream(self._decode, self._sampling.stop or ())

    def _force(self, choice: Any, tools: list[dict[str, Any]]) -> None:
        """Let the reply begin as a call, where one is demanded."""
        forced, tool = forced_name(choice, tools)
        if forced:
            self._lead = format_of(str(self._tokenizer.chat_template)).lead(tool)
            self._ids += self._tokenizer(self._lead, add_special_tokens=False)["input_ids"]

    def _decode(self, ids: list[int], *, special: bool = False) -> str:
        with TOKENIZER_LOCK:
            return str(self._tokenizer.decode(ids, skip_special_tokens=not special))

    def _stopped(self, new: list[int]) -> bool:
        # The newest token ends a match and each token is a byte or more, but for a few special ones
        stop = self._sampling.stop or ()
        reach = max(len(text.encode()) for text in stop) + 8
        tail = self._decode(new[-reach:], special=True)
        return any(text in tail for text in stop)

    def _read(self, sample: Sample) -> Parsed:
        text = self._cut(self._decode(sample.ids))
        if not self._tools:
            return Parsed(text, [], [])
        ids = sample.ids[:-1] if sample.ids[-1] in self._ends else sample.ids
        whole = self._lead + self._cut(self._decode(ids, special=True))  # marks may be special
        parsed = parse(whole, {tool["function"]["name"] for tool in self._tools})
        return parsed if parsed.tool_calls or parsed.invalid_tool_calls else Parsed(text, [], [])

    def _cut(self, text: str) -> str:
        found = [at for stop in self._sampling.stop or () if (at := text.find(stop)) >= 0]
        return text[: min(found, default=len(text))]

    def _info(self, sample: Sample) -> dict[str, Any]:
        return {"finish_reason": sample.finish, "model_name": self._name}

    def _usage(self, sample: Sample) -> UsageMetadata:
        sent, received = len(self._ids), len(sample.ids)
        return UsageMetadata(
            input_tokens=sent, output_tokens=received, total_tokens=sent + received
        )
