"""One call of a chat model: from messages to an engine's request, from samples to messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.control_tokens import control_tokens
from mctsr_graph.models.engine.protocol import (
    ContextLengthError,
    Request,
    Sample,
    TokenChance,
)
from mctsr_graph.models.generation import asked_of_engine, limit_of_call, stops_of_call
from mctsr_graph.models.grammar import Grammar, GrammarKeeper, Terms, is_there, json_rule, schema_of
from mctsr_graph.models.pictures import Pictures
from mctsr_graph.models.reasoning import Piece, ReplyReader, Within
from mctsr_graph.models.reply_text import ReplyText
from mctsr_graph.models.sampling import Sampling
from mctsr_graph.models.template import (
    TOKENIZER_LOCK,
    prompt_of,
    takes_tools,
    template_source,
    to_chat,
)
from mctsr_graph.models.text_stream import TextStream
from mctsr_graph.models.tool_calls import ANY, Parsed, forced_name, open_call, parse, schemas_of
from mctsr_graph.models.tool_formats import format_of
from mctsr_graph.models.tool_grammar import call_grammar
from mctsr_graph.models.tool_scan import open_json
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
        given: Collection[str] = (),
        pictures: Pictures | None = None,
        parallel: bool = True,
    ) -> None:
        self._model, self._tokenizer, self._name = model, tokenizer, name
        self._sampling, self._tools = sampling, None if choice == "none" else tools or None
        self._pictures, self._ends = pictures, end_ids(model, tokenizer)
        self._close, self._parallel = "", parallel
        self._stop = stops_of_call(model.generation_config, sampling)
        self._grammar: Grammar | None = None
        options = options or {}
        with TOKENIZER_LOCK:
            knows = takes_tools(tokenizer, options)
            if self._tools and not knows:
                raise ConfigError(
                    f"the chat template of {name!r} takes no tools; for structured output, "
                    "method='json_schema' needs none"
                )
            chat = to_chat(messages, tools=knows, pictures=pictures is not None)
            prompt = prompt_of(tokenizer, chat, self._tools, options, pictures)
            self._ids = prompt.ids
            self._text = ReplyText(tokenizer, prompt.tail, self._within())
            if self._tools:
                self._force(choice, self._tools, options)
            self._constrain()
        window = window_of(model)
        room = sampling.max_tokens if window is None else window - len(self._ids)
        if room < 1:
            raise ContextLengthError(f"the prompt has {len(self._ids)} tokens, the window {window}")
        config = model.generation_config
        self._most = limit_of_call(config, sampling, given, len(self._ids), window and room)

    def request(self, on_token: Callable[[int, int], None] | None = None) -> Request:
        """The request for the engine."""
        sampling = self._sampling
        told = sampling.logprobs or sampling.top_logprobs
        return Request(
            ids=self._ids,
            n=sampling.n,
            max_new=self._most,
            seed=sampling.seed,
            ends=self._ends,
            stopped=self._stopped if self._stop else None,
            on_token=on_token,
            own_processors=self._keepers if self._grammar is not None else None,
            logprobs=sampling.top_logprobs or 0 if told else None,
            pictures=self._pictures.inputs(self._ids) if self._pictures else None,
            **self._drawing,
        )

    @cached_property
    def _drawing(self) -> dict[str, Any]:
        return asked_of_engine(self._model, self._sampling, self._ids, self._ends, self._most)

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
        return TextStream(self._decode, self._stop)

    @cached_property
    def _reader(self) -> ReplyReader:
        return self._text.reader()

    def _decode(self, ids: Sequence[int]) -> str:
        return self._text.decode(ids, calls=self._tools is not None)

    def _within(self) -> Within | None:
        """Says where marks of thinking are text: in calls, and in an answer that is JSON."""
        if self._tools:
            return partial(open_call, schemas=schemas_of(self._tools))
        return open_json if self._sampling.response_format is not None else None

    def _force(self, choice: Any, tools: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
        """Let the reply begin as a call, where one is demanded."""
        forced, tool = forced_name(choice, tools)
        if not forced:
            return
        self._parallel = self._parallel and choice in ANY
        source = template_source(self._tokenizer, tools, options)
        written = format_of(source)
        known = control_tokens(self._tokenizer, source)
        if tool is not None and known.of(self._encoded(tool)):
            raise ConfigError(f"the name {tool!r} of a tool holds a control token")
        ends_thought = "" if "<|channel|>" in written.before else self._text.answer_lead()
        self._text.lead = ends_thought + written.lead(tool)
        self._ids = self._ids + self._encoded(self._text.lead)
        if is_there():
            several = self._parallel and written.again is not None
            self._close = "" if several else written.close
            schemas = schemas_of(tools)
            self._grammar = self._grammar_of(
                lambda t: call_grammar(written, schemas, tool, t, several=several)
            )

    def _constrain(self) -> None:
        """Let the answer be JSON, where that is asked for."""
        asked = self._sampling.response_format
        schema = schema_of(asked) if asked is not None else None
        if schema is not None and self._grammar is None:
            rule = json_rule(schema or {"type": "object"})
            self._grammar = self._grammar_of(lambda _: f"start: {rule}")

    def _grammar_of(self, rules: Callable[[Terms], str]) -> Grammar:
        size = self._model.config.get_text_config().vocab_size
        return Grammar(self._tokenizer, size, self._ends, rules)

    def _keepers(self) -> list[GrammarKeeper]:
        """What keeps one sample to the grammar, once its thinking is over."""
        assert self._grammar is not None
        waits = None if self._text.lead else self._text.waits()  # a call is begun already
        return [self._grammar.keeper(len(self._ids), waits)]

    def _encoded(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _stopped(self, new: list[int]) -> bool:
        # The newest token ends a match and each token is a byte or more, but for a few special ones
        stop = self._stop
        reach = max(len(text.encode()) for text in stop) + 8
        tail = self._text.decode(new[-reach:], special=True)
        return any(text in tail for text in stop)

    def _read(self, sample: Sample) -> tuple[str, Parsed]:
        """The thought, and the rest taken apart."""
        cut = sample.finish == "length"
        text = self._cut(self._decode(sample.ids))
        parts = self._text.parts(text, cut=cut)
        if not self._tools:
            return parts.thought, Parsed(parts.said, [], [])
        text += "" if cut else self._close  # the grammar ends with the arguments
        whole = self._text.parts(text, cut=cut, lead=True)
        parsed = parse(whole.said, schemas_of(self._tools), whole.calls)
        found = parsed.tool_calls or parsed.invalid_tool_calls
        if not self._parallel:
            parsed = replace(parsed, tool_calls=parsed.tool_calls[:1])
        if not found:
            plain = self._cut(self._text.decode(sample.ids))
            parsed = Parsed(self._text.parts(plain, cut=cut).said, [], [])
        return parts.thought, parsed

    def _cut(self, text: str) -> str:
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        return text[: min(found, default=len(text))]

    def _info(self, sample: Sample) -> dict[str, Any]:
        info: dict[str, Any] = {"finish_reason": sample.finish, "model_name": self._name}
        drawn, seed = self._drawing, self._sampling.seed
        others = drawn.get("warpers") or self._sampling.logits_processor or self._grammar
        if seed is not None and drawn["temperature"] > 0 and not others:
            told = {name: drawn[name] for name in ("temperature", "top_p", "top_k")}
            info["sampling"] = {**told, "seed": seed}
        if sample.chances is not None:
            pairs = zip(sample.ids, sample.chances, strict=True)
            info["logprobs"] = {"content": [self._told(token, c) for token, c in pairs]}
        return info

    def _told(self, token: int, chance: TokenChance) -> dict[str, Any]:
        """A token's chance, in OpenAI's words."""
        several = [self._named(i, logprob) for i, logprob in chance.top.items()]
        return {**self._named(token, chance.logprob), "top_logprobs": several}

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._text.decode([token], special=True)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    def _usage(self, sample: Sample, thought: str) -> UsageMetadata:
        sent, received = len(self._ids), len(sample.ids)
        usage = UsageMetadata(
            input_tokens=sent, output_tokens=received, total_tokens=sent + received
        )
        if thought:
            reasoning = OutputTokenDetails(reasoning=self._text.thought_tokens(sample.ids))
            usage["output_token_details"] = reasoning
        return usage
