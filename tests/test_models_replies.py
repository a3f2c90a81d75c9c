"""What comes back from a local model: thinking apart from the answer, calls of tools, templates."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from mctsr_graph.calls.effort import effort_fields
from mctsr_graph.errors import ConfigError
from mctsr_graph.models import ChatTransformers
from tests.scripted_engine import engine_of, scripted

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

OPEN = {"chat_template_kwargs": {"thinking": True}}  # DeepSeek's template opens <think> then
# Family, settings, reply, thought, answer
REPLIES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("qwen3", {}, "<think>\nIs it 4?\n</think>\n\nIt is 4.", "Is it 4?", "It is 4."),
    ("deepseek_v3", OPEN, "Is it 4?\n</think>\n\nIt is 4.", "Is it 4?", "It is 4."),
    ("llama3", {}, "<think>Is it 4?</think>It is 4.", "Is it 4?", "It is 4."),
    (
        "command",
        {},
        "<|START_THINKING|>Is it 4?<|END_THINKING|><|START_RESPONSE|>It is 4.<|END_RESPONSE|>",
        *("Is it 4?", "It is 4."),
    ),
    (
        "gpt_oss",
        {},
        "<|channel|>analysis<|message|>Is it 4?<|end|><|start|>assistant<|channel|>final"
        "<|message|>It is 4.",
        *("Is it 4?", "It is 4."),
    ),
    ("gemma3", {}, "<unused94>thought\nIs it 4?<unused95>It is 4.", "Is it 4?", "It is 4."),
    ("qwen3", {}, "It is 4.", "", "It is 4."),
]


def whole(chat: ChatTransformers, **settings: Any) -> AIMessageChunk:
    chunks = list(chat.stream("2+2?", **settings))
    return sum(chunks[1:], chunks[0])


async def awaited(chat: ChatTransformers, **settings: Any) -> AIMessageChunk:
    chunks = [chunk async for chunk in chat.astream("2+2?", **settings)]
    return sum(chunks[1:], chunks[0])


def parts(message: Any) -> tuple[str, str]:
    return message.additional_kwargs.get("reasoning_content", ""), str(message.content)


@pytest.mark.parametrize(("name", "settings", "reply", "thought", "answer"), REPLIES)
def test_thinking_is_apart_in_invoke_and_stream(
    name: str, settings: dict[str, Any], reply: str, thought: str, answer: str
) -> None:
    chat = scripted(name, reply, **settings)
    message = chat.invoke("2+2?")
    assert parts(message) == (thought, answer)
    for streamed in (whole(chat), asyncio.run(awaited(chat))):
        assert parts(streamed) == parts(message)
        assert streamed.usage_metadata == message.usage_metadata
    if thought:
        assert message.content_blocks[0] == {"type": "reasoning", "reasoning": thought}


@pytest.mark.parametrize(("name", "settings", "reply", "thought", "answer"), REPLIES)
def test_a_thought_cut_at_any_token_is_no_answer(
    name: str, settings: dict[str, Any], reply: str, thought: str, answer: str
) -> None:
    chat = scripted(name, reply, **settings)
    tokens = chat.invoke("2+2?").usage_metadata["output_tokens"]
    for count in range(1, tokens):
        message = chat.invoke("2+2?", max_tokens=count)
        assert thought.startswith(parts(message)[0])
        assert answer.startswith(parts(message)[1])
        assert not parts(message)[1] or parts(message)[0] == thought
        assert parts(whole(chat, max_tokens=count)) == parts(message)
        assert message.response_metadata["finish_reason"] == "length"


def test_a_thought_comes_while_it_is_thought() -> None:
    chat = scripted("deepseek_v3", "One, two, three.</think>Four.", **OPEN)
    chunks = list(chat.stream("2+2?"))
    thoughts = [chunk for chunk in chunks if chunk.additional_kwargs.get("reasoning_content")]
    assert len(thoughts) > 5
    assert not any(chunk.content for chunk in thoughts)


def test_tokens_of_a_thought_are_counted() -> None:
    chat = scripted("qwen3", "<think>abc</think>def")
    usage = chat.invoke("2+2?").usage_metadata
    letters = [len(chat._load()[1](text)["input_ids"]) for text in ("abc", "def")]
    assert usage["output_tokens"] == sum(letters) + 3  # with both tags and the end
    assert usage["output_token_details"] == {"reasoning": letters[0] + 2}
    assert "output_token_details" not in scripted("qwen3", "def").invoke("2+2?").usage_metadata
    cut = chat.invoke("2+2?", max_tokens=3).usage_metadata
    assert cut["output_token_details"] == {"reasoning": 3}


def test_a_stop_text_ends_a_thought_as_it_ends_an_answer() -> None:
    chat = scripted("qwen3", "<think>One. Two.</think>Three. Four.", stop=[" T"])
    assert parts(chat.invoke("?")) == ("One.", "")
    assert parts(whole(chat)) == ("One.", "")
    assert parts(chat.invoke("?", stop=[" F"])) == ("One. Two.", "Three.")
    assert parts(whole(chat, stop=[" F"])) == ("One. Two.", "Three.")


def test_words_for_the_template_in_constructor_and_call() -> None:
    chat = scripted("qwen3", "x", chat_template_kwargs={"enable_thinking": False})
    closed = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    chat.invoke("hi")
    chat.invoke("hi", chat_template_kwargs={"enable_thinking": True})
    chat.bind(chat_template_kwargs={"other": 1}).invoke("hi")
    prompts = engine_of(chat).prompts
    assert [prompt.endswith(closed) for prompt in prompts] == [True, False, True]
    effort = scripted("gpt_oss", "<|channel|>final<|message|>x")
    effort.invoke("hi", chat_template_kwargs={"reasoning_effort": "high"})
    assert "Reasoning: high" in engine_of(effort).prompts[0]


def test_a_template_in_constructor_and_call() -> None:
    template = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    chat = scripted("qwen3", "x", chat_template=template)
    chat.invoke("hi")
    chat.invoke("hi", chat_template=template + "!")
    assert engine_of(chat).prompts == ["[hi]", "[hi]!"]


@pytest.mark.parametrize("name", ["tools", "tokenize", "chat_template"])
def test_names_that_a_call_decides(name: str) -> None:
    with pytest.raises(ConfigError, match=f"holds {name}, which a call decides"):
        scripted("qwen3", "x").invoke("hi", chat_template_kwargs={name: 1})
    with pytest.raises(ConfigError, match=f"holds {name}, which a call decides"):
        ChatTransformers(model_id="x", chat_template_kwargs={name: 1})
    with pytest.raises(ConfigError, match="allowed a text and a dict"):
        scripted("qwen3", "x").invoke("hi", chat_template_kwargs="no")


def test_an_effort_is_told_to_the_template() -> None:
    chat = ChatTransformers(model_id="x", chat_template_kwargs={"documents": []})
    assert effort_fields(chat, "low", {}) == {
        "chat_template_kwargs": {
            "documents": [],
            "enable_thinking": True,
            "reasoning_effort": "low",
        }
    }
    assert effort_fields(chat, "none", {}) == {
        "chat_template_kwargs": {"documents": [], "enable_thinking": False}
    }


def test_a_score_is_read_where_the_answer_begins() -> None:
    chat = scripted("deepseek_v3", "x", **OPEN)
    chat.score([HumanMessage("Grade it.")], "Score: ", [1, 2])
    assert engine_of(chat).prompts[0].endswith("<think>\n\n</think>\n\nScore: ")
    harmony = scripted("gpt_oss", "x")
    harmony.score([HumanMessage("Grade it.")], "Score: ", [1, 2])
    assert engine_of(harmony).prompts[0].endswith("assistant<|channel|>final<|message|>Score: ")


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


ARGUMENTS = '{"a": 3, "b": 4}'
CALLS = [
    ("qwen3", f'<tool_call>\n{{"name": "add", "arguments": {ARGUMENTS}}}\n</tool_call>'),
    ("llama3", f'{{"name": "add", "parameters": {ARGUMENTS}}}'),
    ("mistral", f'[TOOL_CALLS] [{{"name": "add", "arguments": {ARGUMENTS}}}]'),
    (
        "deepseek_v3",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
        f"{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    (
        "gpt_oss",
        f"<|channel|>commentary to=functions.add <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
    ),
    ("phi4", f'<|tool_call|>[{{"name": "add", "arguments": {ARGUMENTS}}}]<|/tool_call|>'),
    (
        "command",
        '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "add", "parameters": '
        f"{ARGUMENTS}}}\n]<|END_ACTION|>",
    ),
]


@pytest.mark.parametrize(("name", "reply"), CALLS)
def test_calls_of_a_family(name: str, reply: str) -> None:
    chat = scripted(name, reply)
    bound, messages = chat.bind_tools([add]), [HumanMessage("3+4?")]
    message = bound.invoke(messages)
    assert [(c["name"], c["args"]) for c in message.tool_calls] == [("add", {"a": 3, "b": 4})]
    assert (message.content, message.invalid_tool_calls) == ("", [])
    chunks = list(bound.stream(messages))
    streamed = sum(chunks[1:], chunks[0])
    assert [c["args"] for c in streamed.tool_calls] == [{"a": 3, "b": 4}]
    # The conversation goes on with it
    [call] = message.tool_calls
    bound.invoke([*messages, message, ToolMessage("seven", tool_call_id=call["id"])])
    assert "seven" in engine_of(chat).prompts[-1]


@pytest.mark.parametrize(("name", "reply"), CALLS)
def test_a_call_that_is_demanded_is_begun(name: str, reply: str) -> None:
    def rest(prompt: str) -> str:
        return next(reply[at:] for at in range(len(reply), 0, -1) if prompt.endswith(reply[:at]))

    chat = scripted(name, rest)
    message = chat.bind_tools([add], tool_choice="any").invoke("3+4?")
    assert [(c["name"], c["args"]) for c in message.tool_calls] == [("add", {"a": 3, "b": 4})]
    lead = reply[: reply.index(ARGUMENTS)]
    assert engine_of(chat).prompts[0].endswith(lead)


def test_a_demanded_call_ends_a_thought_that_the_template_opens() -> None:
    chat = scripted("deepseek_v3", f"{ARGUMENTS}\n```", **OPEN)
    message = chat.bind_tools([add], tool_choice="add").invoke("3+4?")
    assert "<think>\n\n</think>\n\n<｜tool▁calls▁begin｜>" in engine_of(chat).prompts[0]
    assert [c["args"] for c in message.tool_calls] == [{"a": 3, "b": 4}]
    assert "reasoning_content" not in message.additional_kwargs


def test_thinking_before_a_call_stays_with_it() -> None:
    reply = (
        "<|channel|>analysis<|message|>I add.<|end|><|start|>assistant<|channel|>commentary "
        f"to=functions.add <|constrain|>json<|message|>{ARGUMENTS}<|call|>"
    )
    chat = scripted("gpt_oss", reply)
    bound = chat.bind_tools([add])
    message = bound.invoke("3+4?")
    assert parts(message) == ("I add.", "")
    [call] = message.tool_calls
    bound.invoke([HumanMessage("3+4?"), message, ToolMessage("7", tool_call_id=call["id"])])
    assert "<|channel|>analysis<|message|>I add.<|end|>" in engine_of(chat).prompts[-1]


def test_words_and_special_tokens_beside_calls() -> None:
    call = f'<tool_call>\n{{"name": "add", "arguments": {ARGUMENTS}}}\n</tool_call>'
    chat = scripted("qwen3", f"<think>Hm.</think>Let me <|endoftext|>see.\n{call}\n{call}")
    message = chat.bind_tools([add]).invoke("3+4?")
    assert parts(message) == ("Hm.", "Let me see.")
    assert len(message.tool_calls) == 2
    prose = scripted("qwen3", "No tools.<|endoftext|>").bind_tools([add]).invoke("hi")
    assert isinstance(prose, AIMessage)
    assert (prose.content, prose.tool_calls) == ("No tools.", [])


def test_a_name_of_a_tool_that_holds_a_control_token() -> None:
    tool = {"type": "function", "function": {"name": "<|im_end|>", "parameters": {}}}
    with pytest.raises(ConfigError, match=r"name '<\|im_end\|>'"):
        scripted("qwen3", "x").bind(tools=[tool], tool_choice="any").invoke("hi")
