"""The public test double."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from mctsr_graph import ScriptedChatModel, ScriptExhaustedError


def test_a_list_is_used_in_order_and_recorded() -> None:
    model = ScriptedChatModel(replies=["one", AIMessage("two")])
    assert model.invoke("a b c", temperature=0.5).content == "one"
    assert model.invoke([HumanMessage("again")], stop=["x"]).content == "two"
    assert [call.messages[-1].content for call in model.calls] == ["a b c", "again"]
    assert [call.settings for call in model.calls] == [{"temperature": 0.5}, {"stop": ["x"]}]


def test_a_call_beyond_the_script_is_an_error() -> None:
    model = ScriptedChatModel(replies=["only"])
    model.invoke("x")
    with pytest.raises(ScriptExhaustedError, match="holds 1 replies, and call 2 was made"):
        model.invoke("x")


def test_words_count_as_tokens() -> None:
    reply = ScriptedChatModel(replies=["three short words"]).invoke("two words")
    assert reply.usage_metadata == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}


async def test_an_exception_in_the_script_is_raised() -> None:
    model = ScriptedChatModel(replies=[TimeoutError("late"), "then fine"])
    with pytest.raises(TimeoutError, match="late"):
        await model.ainvoke("x")
    assert (await model.ainvoke("x")).content == "then fine"


def test_a_role_has_a_script_of_its_own() -> None:
    model = ScriptedChatModel(replies={"draft": ["d"], "evaluate": ["e"]})
    told = {"metadata": {"mctsr_role": "evaluate", "mctsr_rollout": 3, "mctsr_attempt": 1}}
    assert model.invoke("x", config=told).content == "e"  # type: ignore[arg-type]
    assert (model.calls[0].role, model.calls[0].rollout, model.calls[0].attempt) == (
        "evaluate",
        3,
        1,
    )
