"""One call of a chat model: from messages to an engine's request, from samples to messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.control_tokens import control_tokens
from mctsr_graph.models.engine.protocol import ContextLengthError, Request, Sample
from mctsr_graph.models.reasoning import Piece, ReplyReader, answer_lead, is_mark, reader_of
from mctsr_graph.models.sampling import Sampling, processors, resolved
from mctsr_graph.models.template import (
    TOKENIZER_LOCK,
    prompt_of,
    takes_tools,
    template_source,
    to_chat,
)
from mctsr_graph.models.text_stream import TextStream
from mctsr_graph.models.tool_calls import (
    Parsed,
    forced_name,
    format_of,
    is_tool_mark,
    parse,
    schemas_of,
)
from mctsr_graph.models.weights import end_ids, window_of

_THOUGHT = "reasoning_content"  # where LangChain's clients put it


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
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._model, self._tokenizer, self._name = model, tokenizer, name
        self._sampling, self._tools = sampling, None if choice == "none" else tools or None
        self._ends = end_ids(model, tokenizer)
        self._lead = ""
        options = options or {}
        with TOKENIZER_LOCK:
            knows = takes_tools(tokenizer, options)
            if self._tools and not knows:
                raise ConfigError(f"the chat template of {name!r} takes no tools")
            chat = to_chat(messages, tools=knows)
            prompt = prompt_of(tokenizer, chat, self._tools, options)
            self._ids, self._tail = prompt.ids, prompt.tail
            if self._tools:
                self._force(choice, self._tools, options)
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
            thought, parsed = self._read(sample)
            info = self._info(sample)
            message = AIMessage(
                parsed.content,
                additional_kwargs={_THOUGHT: thought} if thought else {},
                tool_calls=parsed.tool_calls,
                invalid_tool_calls=parsed.invalid_tool_calls,
                usage_metadata=self._usage(sample, thought),
                response_metadata=info,
            )
            generations.append(ChatGeneration(message=message, generation_info=info))
        return ChatResult(generations=generations, llm_output={"model_name": self._name})

    def chunks(self, token: int) -> Iterator[ChatGenerationChunk]:
        """What can be shown after one more token. Calls of tools come whole, at the end."""
        yield from self._shown(self._reader.push(self._stream.push(token)))

    def last_chunks(self, samples: list[Sample]) -> Iterator[ChatGenerationChunk]:
        """What is left to show, and the counts."""
        [sample] = samples
        left = self._stream.rest(self._cut(self._decode(sample.ids)))
        pieces = self._reader.push(left) + self._reader.end(cut=sample.finish == "length")
        yield from self._shown(pieces)
        thought, parsed = self._read(sample)
        info = self._info(sample)
        calls = [
            tool_call_chunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"], index=i)
            for i, c in enumerate(parsed.tool_calls)
        ]
        message = AIMessageChunk(
            content=parsed.content if self._tools else "",
            tool_call_chunks=calls,
            usage_metadata=self._usage(sample, thought),
            response_metadata=info,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message, generation_info=info)

    def _shown(self, pieces: Iterable[Piece]) -> Iterator[ChatGenerationChunk]:
        for kind, text in pieces:
            if kind == "thought":
                told = AIMessageChunk(content="", additional_kwargs={_THOUGHT: text})
                yield ChatGenerationChunk(message=told)
            elif not self._tools:
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))

    @cached_property
    def _stream(self) -> TextStream:
        return TextStream(self._decode, self._sampling.stop or ())

    @cached_property
    def _reader(self) -> ReplyReader:
        return self._new_reader()

    def _new_reader(self) -> ReplyReader:
        reader = reader_of(self._tail, self._added.values())
        reader.push(self._lead)
        return reader

    @cached_property
    def _added(self) -> dict[int, str]:
        every = self._tokenizer.added_tokens_decoder.items()
        return {i: str(token.content) for i, token in every}

    @cached_property
    def _hidden(self) -> dict[int, str]:
        """The special tokens that are no part of any text, nor tell thinking from answer."""
        every = self._tokenizer.added_tokens_decoder.items()
        special = {i: self._added[i] for i, token in every if token.special}
        others = set(self._tokenizer.all_special_ids) - special.keys()
        special |= {i: str(self._tokenizer.convert_ids_to_tokens(i)) for i in others}
        return {i: content for i, content in special.items() if not is_mark(content)}

    def _force(self, choice: Any, tools: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
        """Let the reply begin as a call, where one is demanded."""
        forced, tool = forced_name(choice, tools)
        if not forced:
            return
        source = template_source(self._tokenizer, tools, options)
        written = format_of(source)
        known = control_tokens(self._tokenizer, source)
        if tool is not None and known.of(self._encoded(tool)):
            raise ConfigError(f"the name {tool!r} of a tool holds a control token")
        ends_thought = "" if "<|channel|>" in written.before else self._answer_lead()
        self._lead = ends_thought + written.lead(tool)
        self._ids = self._ids + self._encoded(self._lead)

    def _answer_lead(self) -> str:
        return answer_lead(self._tail, self._added.values())

    def _encoded(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _decode(self, ids: list[int], *, calls: bool = False, special: bool = False) -> str:
        """The text of ids: without special tokens, but for the marks of thinking and of calls."""
        hidden = {} if special else self._hidden
        shown = [i for i in ids if i not in hidden or (calls and is_tool_mark(hidden[i]))]
        with TOKENIZER_LOCK:
            return str(self._tokenizer.decode(shown, skip_special_tokens=False))

    def _stopped(self, new: list[int]) -> bool:
        # The newest token ends a match and each token is a byte or more, but for a few special ones
        stop = self._sampling.stop or ()
        reach = max(len(text.encode()) for text in stop) + 8
        tail = self._decode(new[-reach:], special=True)
        return any(text in tail for text in stop)

    def _read(self, sample: Sample) -> tuple[str, Parsed]:
        """The thought, and the rest taken apart."""
        cut = sample.finish == "length"
        _, thought, said = self._parts(self._cut(self._decode(sample.ids)), cut=cut)
        if not self._tools:
            return thought, Parsed(said, [], [])
        text = self._cut(self._decode(sample.ids, calls=True))
        reader, _, whole = self._parts(text, cut=cut, lead=True)
        parsed = parse(whole, schemas_of(self._tools), reader.calls)
        found = parsed.tool_calls or parsed.invalid_tool_calls
        return thought, parsed if found else Parsed(said, [], [])

    def _parts(self, text: str, *, cut: bool, lead: bool = False) -> tuple[ReplyReader, str, str]:
        """A reader that has read the text, what is thought and what is said."""
        reader = reader_of(self._tail, self._added.values())
        before = reader.push(self._lead)
        pieces = [*(before if lead else ()), *reader.push(text), *reader.end(cut=cut)]
        thought, said = (
            "".join(text for kind, text in pieces if kind == wanted)
            for wanted in ("thought", "said")
        )
        return reader, thought, said

    def _cut(self, text: str) -> str:
        found = [at for stop in self._sampling.stop or () if (at := text.find(stop)) >= 0]
        return text[: min(found, default=len(text))]

    def _info(self, sample: Sample) -> dict[str, Any]:
        return {"finish_reason": sample.finish, "model_name": self._name}

    def _usage(self, sample: Sample, thought: str) -> UsageMetadata:
        sent, received = len(self._ids), len(sample.ids)
        usage = UsageMetadata(
            input_tokens=sent, output_tokens=received, total_tokens=sent + received
        )
        if thought:
            reasoning = OutputTokenDetails(reasoning=self._thought_tokens(sample.ids))
            usage["output_token_details"] = reasoning
        return usage

    def _thought_tokens(self, ids: list[int]) -> int:
        """How many tokens come before the answer begins."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            reader, thought, said = self._parts(self._decode(ids[:middle], calls=True), cut=True)
            over = said or reader.calls or (thought and not reader.thinking)
            low, high = (low, middle) if over else (middle + 1, high)
        return low
