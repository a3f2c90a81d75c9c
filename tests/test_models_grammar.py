"""JSON of a schema from random weights: nothing else can come out."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import threading
from enum import Enum
from typing import Any, Literal

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field
from tokenizers import AddedToken

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models import ChatTransformers, grammar
from mctsr_graph.models.tool_formats import FORMATS, ToolFormat, format_of
from tests.engine_models import chatml_tokenizer, tiny
from tests.test_models_tool_texts import body_of
from tests.tokenizer_families import family

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


class Verdict(BaseModel):
    """A verdict."""

    right: bool
    score: int = Field(ge=-100, le=100)
    kind: Literal["sum", "product"]
    words: str = Field(max_length=8)
    parts: list[bool] = Field(max_length=3)


SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "v", "schema": Verdict.model_json_schema()},
}


def chat_of(name: str, **settings: Any) -> ChatTransformers:
    tokenizer = family(name)
    model = tiny(vocab_size=len(tokenizer) + 5, max_position_embeddings=4096)
    return ChatTransformers.from_loaded(model, tokenizer, max_tokens=400, **settings)


@pytest.fixture
def library() -> None:
    pytest.importorskip("llguidance", reason="llguidance is not installed")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["qwen3", "mistral", "unigram"])
def test_the_answer_is_json_of_the_schema(name: str) -> None:
    chat = chat_of(name, response_format=SCHEMA)
    greedy = chat.invoke("Is it right?")
    assert greedy.response_metadata["finish_reason"] == "stop"
    Verdict.model_validate_json(str(greedy.content))
    [several] = chat.generate([[HumanMessage("?")]], n=3, temperature=1.5, seed=4).generations
    found = {Verdict.model_validate_json(each.text).model_dump_json() for each in several}
    assert len(found) > 1
    chunks = list(chat.stream("Is it right?"))
    assert sum(chunks[1:], chunks[0]).content == greedy.content


@pytest.mark.usefixtures("library")
def test_rows_with_and_without_a_grammar_run_together() -> None:
    chat = chat_of("qwen3")
    alone = chat.invoke("hi", max_tokens=30).content
    with chat._engine()._changed:  # type: ignore[attr-defined]  # so that both come in together
        futures = [
            chat._engine().submit(chat._exchange([HumanMessage("hi")], None, more).request())
            for more in ({"max_tokens": 30}, {"response_format": {"type": "json_object"}})
        ]
    texts = [chat._load()[1].decode(f.result()[0].ids, skip_special_tokens=True) for f in futures]
    assert texts[0] == alone
    assert texts[1].startswith("{")


@pytest.mark.usefixtures("library")
def test_an_object_without_a_schema_and_text() -> None:
    chat = chat_of("qwen3", temperature=1.0, seed=3)
    reply = chat.invoke("?", response_format={"type": "json_object"}, max_tokens=200)
    assert str(reply.content).startswith("{")
    if reply.response_metadata["finish_reason"] == "stop":
        assert isinstance(json.loads(str(reply.content)), dict)
    plain = chat.invoke("?", max_tokens=9).content
    assert chat.invoke("?", response_format={"type": "text"}, max_tokens=9).content == plain


@pytest.mark.usefixtures("library")
def test_a_thought_that_the_template_opens_comes_before_the_grammar() -> None:
    chat = chat_of("deepseek_v3", chat_template_kwargs={"thinking": True})
    tokenizer = chat._load()[1]
    close = tokenizer.convert_tokens_to_ids("</think>")

    def soon(ids: Any, scores: Any) -> Any:
        changed = scores.clone()
        thinks = close not in ids[0].tolist()
        changed[:, close] = 1e9 if thinks and ids.shape[1] > 40 else -1e9
        return changed

    reply = chat.invoke("?", response_format=SCHEMA, logits_processor=[soon])
    assert reply.additional_kwargs["reasoning_content"]
    Verdict.model_validate_json(str(reply.content))


@pytest.mark.usefixtures("library")
def test_a_demanded_call_has_arguments_of_its_schema() -> None:
    chat = chat_of("qwen3", temperature=1.2, seed=1)
    bound = chat.bind_tools([Verdict], tool_choice="Verdict")
    for seed in range(2):
        [call] = bound.invoke("Is it right?", seed=seed).tool_calls
        assert call["name"] == "Verdict"
        Verdict.model_validate(call["args"])


class Kind(Enum):
    SUM, PRODUCT = "sum", "12"


class Inner(BaseModel):
    deep: bool


class Look(BaseModel):
    """Look."""

    city: str = Field(max_length=6)
    kind: Kind
    days: int | None
    straße: Literal["ä", '"'] | None
    more: str | None = Field(default=None, min_length=1, max_length=3)
    tags: list[Literal["x, y:z", "w"]] = Field(default=[], max_length=2)
    inner: Inner = Field(default=Inner(deep=True))


MARKS = re.compile(
    r"<\|.*?\|>|<｜.*?｜>|｜DSML｜|\[[A-Z_]+\]|<\|tool_call>|<tool_call\|>"
    r"|</?(?:\w+:)?(?:tool_call|arg_key|arg_value|escape|\w+_function_call|function_calls)>"
)


def chat_of_format(written: ToolFormat, **settings: Any) -> ChatTransformers:
    """A model whose template shows that format, and whose tokenizer has its marks as tokens."""
    tokenizer, pairs = chatml_tokenizer(), written.pairs
    shown = [*written.signs, written.before, written.after, written.close]
    shown += [pairs.begin, pairs.middle, pairs.end, pairs.quote] if pairs else []
    shown += ["<|start|>"] if "<|channel|>" in written.signs else []
    marks = dict.fromkeys(mark for text in shown for mark in MARKS.findall(text))
    for mark in marks:
        is_special = mark.startswith(("<|", "<｜", "["))
        tokenizer.add_tokens([AddedToken(mark, special=is_special)], special_tokens=is_special)
    signs = " ".join(written.signs).replace("{", "{{ '{' }}")
    tokenizer.chat_template = (
        f"{{% if tools %}}{{{{ tools | tojson }}}} {signs}{{% endif %}}"
        + str(tokenizer.chat_template)
    )
    model = tiny(vocab_size=len(tokenizer), max_position_embeddings=8192)
    return ChatTransformers.from_loaded(model, tokenizer, max_tokens=600, **settings)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("written", FORMATS, ids=lambda one: " ".join(one.signs) or "bare")
def test_a_demanded_call_is_valid_in_every_format(written: ToolFormat) -> None:
    chat = chat_of_format(written, temperature=1.3)
    assert format_of(str(chat._load()[1].chat_template)) == written
    chosen = set()
    for choice, seed in (("any", 1), ("any", 2), ("Look", 3)):
        bound = chat.bind_tools([Look, Verdict], tool_choice=choice, parallel_tool_calls=False)
        reply = bound.invoke("?", seed=seed)
        assert (reply.content, reply.response_metadata["finish_reason"]) == ("", "stop")
        [call] = reply.tool_calls
        {"Look": Look, "Verdict": Verdict}[call["name"]].model_validate(call["args"])
        assert choice in ("any", call["name"])
        chosen.add((choice, call["name"]))
    assert len(chosen) > 1


def wishing(chat: ChatTransformers, text: str) -> Any:
    """A logits processor of a model that would write a text, and then end."""
    tokenizer = chat._load()[1]
    wanted = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    begun: list[int] = []

    def likely(ids: Any, scores: Any) -> Any:
        begun.append(ids.shape[1])
        changed = scores.clone()
        changed[:, tokenizer.eos_token_id] += 1e3  # where it may not go on as it would
        changed[:, wanted[min(ids.shape[1] - begun[0], len(wanted) - 1)]] += 1e6
        return changed

    return likely


CITIES: dict[str, Any] = {"city": "Rome", "kind": "sum", "days": 2, "straße": "ä"}
RIGHT = {"right": True, "score": 3, "kind": "sum", "words": "a", "parts": [True]}


def calls_of(bound: Any, text: str) -> list[tuple[str, dict[str, Any]]]:
    chunks = list(bound.stream("?", logits_processor=[wishing(bound.bound, text)], temperature=0))
    reply = sum(chunks[1:], chunks[0])
    assert reply.response_metadata["finish_reason"] == "stop"
    assert (reply.content, reply.invalid_tool_calls) == ("", [])
    assert len({call["id"] for call in reply.tool_calls}) == len(reply.tool_calls)
    return [(call["name"], call["args"]) for call in reply.tool_calls]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("written", FORMATS, ids=lambda one: " ".join(one.signs) or "bare")
def test_a_demand_may_be_met_by_several_calls(written: ToolFormat) -> None:
    chat = chat_of_format(written)
    first, other = body_of(written, CITIES), body_of(written, RIGHT)
    behind = written.after.replace("{n}", "1")
    again = (written.again or "").replace("{n}", "1")
    one = f"{first}{written.close}"
    two = f"{first}{again}Verdict{behind}{other}{written.close}"
    named = f"Look{written.after.replace('{n}', '0')}"
    looked, judged = ("Look", CITIES), ("Verdict", RIGHT)

    either = chat.bind_tools([Look, Verdict], tool_choice="any")
    assert calls_of(either, named + one) == [looked]
    only = chat.bind_tools([Look, Verdict], tool_choice="any", parallel_tool_calls=False)
    chosen = chat.bind_tools([Look, Verdict], tool_choice="Look")
    for bound, text in ((only, named + two), (chosen, two)):
        [(name, args)] = calls_of(bound, text)  # what is optional may follow where no call may
        assert (name, {**args, **CITIES}) == ("Look", args)
    if written.again is not None:
        assert calls_of(either, named + two) == [looked, judged]
        alone = chat.bind_tools([Look], tool_choice="required")
        same = f"{first}{again}Look{behind}{first}{written.close}"
        assert calls_of(alone, same) == [looked, looked]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_cannot_be_invalid(method: str) -> None:
    chat = chat_of("qwen3", temperature=1.2)
    for schema in (Verdict, Verdict.model_json_schema()):
        found = chat.with_structured_output(schema, method=method).invoke("Is it right?")
        Verdict.model_validate(found if isinstance(found, dict) else found.model_dump())
    raw = chat.with_structured_output(Verdict, method=method, include_raw=True).invoke("?")
    assert isinstance(raw["parsed"], Verdict)
    assert raw["parsing_error"] is None


@pytest.mark.usefixtures("library")
def test_a_model_without_tools_gives_json_all_the_same() -> None:
    chat = chat_of("unigram")
    with pytest.raises(ConfigError, match="method='json_schema' needs none"):
        chat.with_structured_output(Verdict).invoke("?")
    found = chat.with_structured_output(Verdict, method="json_schema").invoke("?")
    assert isinstance(found, Verdict)
    loose = chat.with_structured_output(Verdict, method="json_mode", include_raw=True).invoke("?")
    assert str(loose["raw"].content).startswith("{")
    with pytest.raises(ConfigError, match="method is 'x', allowed"):
        chat.with_structured_output(Verdict, method="x")


@pytest.mark.usefixtures("library")
def test_a_grammar_is_made_beside_the_event_loop(monkeypatch: Any) -> None:
    makers: list[threading.Thread] = []
    made = grammar.Grammar.__init__

    def watched(self: Any, *args: Any) -> None:
        makers.append(threading.current_thread())
        made(self, *args)

    monkeypatch.setattr(grammar.Grammar, "__init__", watched)
    chat = chat_of("qwen3")
    asyncio.run(chat.ainvoke("?", response_format=SCHEMA, max_tokens=3))
    assert len(makers) == 1
    assert makers[0] is not threading.current_thread()


@pytest.mark.usefixtures("library")
def test_a_schema_that_cannot_be_kept() -> None:
    wrong = {"type": "json_schema", "json_schema": {"schema": {"type": "nosuch"}}}
    with pytest.raises(ConfigError, match="cannot be kept"):
        chat_of("qwen3").invoke("?", response_format=wrong)


@pytest.mark.parametrize("wrong", [{"type": "xml"}, {"type": "json_schema"}, {}])
def test_a_format_that_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="response_format is"):
        chat_of("qwen3").invoke("?", response_format=wrong)


def test_a_missing_library_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(grammar, "is_there", lambda: False)
    with pytest.raises(MissingExtraError, match=r"needs llguidance: pip install .*grammar"):
        chat_of("qwen3").invoke("?", response_format={"type": "json_object"})


def test_without_the_library_a_demanded_call_is_only_begun(monkeypatch: Any) -> None:
    monkeypatch.setattr("mctsr_graph.models.exchange.is_there", lambda: False)
    chat = copy.copy(chat_of("qwen3"))
    exchange = chat.bind_tools([Verdict], tool_choice="any")
    assert exchange.invoke("?", max_tokens=5).invalid_tool_calls
