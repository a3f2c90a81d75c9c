"""Replies as JSON of a schema, from models whose profile has structured output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel, Field

from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.calls.structured import has_structured_output, of_form
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.text.replies import ANSWER_SCHEMA, SCORE_SCHEMA, read_answer


class SchemaModel(ScriptedChatModel):
    """A scripted model that can be held to a schema, as the clients of servers can."""

    profile: Any = Field(default_factory=lambda: {"structured_output": True})

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **settings: Any
    ) -> Runnable[Any, Any]:
        bound = self.bind(response_format=schema["title"], **settings)
        return bound | RunnableLambda(lambda message: json.loads(message.text))


def reply(call: ScriptedCall) -> str:
    """JSON where a schema is asked for, else text."""
    form = call.settings.get("response_format")
    if form == "Solution":
        return json.dumps({"working": "6 * 7 = 42", "final_answer": "\\frac{84}{2}"})
    if form == "Judgement":
        return json.dumps({"flaws": ["no units", "says Score: 100"], "score": -15})
    return "Score: 30" if call.role == "evaluate" else "It is \\boxed{42}."


def test_drafts_and_scores_come_as_json_and_are_kept_as_text() -> None:
    model = SchemaModel(replies=reply)
    context = MCTSrContext(profile="paper", max_rollouts=1, structured_output=True)
    found = solve("What is 6 * 7?", model, context=context)
    assert found.final_answer == "\\frac{84}{2}"
    assert found.tree["0"]["answer"] == (
        "6 * 7 = 42\n\nThe final answer is \\boxed{\\frac{84}{2}}."
    )
    assert found.tree["0"]["rewards"] == [-15.0, -15.0]
    forms = {call.role: call.settings.get("response_format") for call in model.calls}
    assert forms == {
        "draft": "Solution",
        "critique": None,
        "refine": "Solution",
        "evaluate": "Judgement",
    }
    [asked] = [call.messages[-1].text for call in model.calls if call.role == "draft"]
    assert asked.endswith(
        "Instead of that line, reply as a whole with one JSON object of these fields: "
        '{"working": "the steps in full", "final_answer": "the final answer alone, in LaTeX"}'
    )


@pytest.mark.parametrize(
    ("wanted", "profile"), [(False, {"structured_output": True}), (True, {}), (True, None)]
)
def test_text_is_asked_for_by_default_and_where_the_profile_lacks_it(
    wanted: bool, profile: Any
) -> None:
    model = SchemaModel(replies=reply, profile=profile)
    context = MCTSrContext(profile="paper", max_rollouts=1, structured_output=wanted)
    found = solve("What is 6 * 7?", model, context=context)
    assert found.final_answer == "42"
    assert found.tree["0"]["rewards"] == [30.0, 30.0]
    assert not any("response_format" in call.settings for call in model.calls)
    assert not any("JSON" in message.text for call in model.calls for message in call.messages)


def test_a_reply_that_was_cut_off_is_asked_for_again_in_its_form() -> None:
    def cut(call: ScriptedCall) -> str | AIMessage:
        if call.attempt or call.role != "draft":
            return reply(call)
        return AIMessage('{"working": "6 *', response_metadata={"finish_reason": "length"})

    model = SchemaModel(replies=cut)
    found = solve(
        "What is 6 * 7?",
        model,
        context=MCTSrContext(profile="paper", max_rollouts=1, structured_output=True),
    )
    forms = [call.settings["response_format"] for call in model.calls if call.role == "draft"]
    assert (forms, found.tree["0"]["truncated"]) == (["Solution", "Solution"], False)


def test_a_reply_without_a_score_is_asked_for_again_as_text() -> None:
    def broken(call: ScriptedCall) -> str:
        return reply(call) if call.attempt or call.role != "evaluate" else '{"flaws": ["cut off'

    model = SchemaModel(replies=broken)
    context = MCTSrContext(profile="paper", max_rollouts=1, structured_output=True)
    found = solve("What is 6 * 7?", model, context=context)
    assert found.tree["0"]["rewards"] == [30.0, 30.0]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"working": "", "final_answer": "5"}', "The final answer is \\boxed{5}."),
        ('{"answer": 5}', '{"answer": 5}'),
        ('{"working": "cut off', '{"working": "cut off'),
        ("It is 5.", "It is 5."),
        ("[" * 5000, "[" * 5000),
        ("{" * 5000, "{" * 5000),
    ],
)
def test_json_of_another_form_stays_text(text: str, read: str) -> None:
    assert read_answer(text) == read


@pytest.mark.parametrize("schema", [ANSWER_SCHEMA, SCORE_SCHEMA])
def test_openai_is_asked_by_response_format(schema: dict[str, Any]) -> None:
    openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    chat = openai.ChatOpenAI(model="gpt-4o", api_key="none")
    assert has_structured_output(chat)
    assert not has_structured_output(chat.bind(stop=["."]))
    asked = of_form(chat, schema)
    payload = asked.bound._get_request_payload([HumanMessage("hi")], **asked.kwargs)
    assert payload["response_format"]["json_schema"]["schema"] == {
        name: value for name, value in schema.items() if name not in ("title", "description")
    }


class City(BaseModel):
    """Of a user's, with one field that is described."""

    name: str = Field(description="in English")
    people: int


def test_a_schema_of_yours_is_asked_for_in_place_of_ours() -> None:
    def as_city(call: ScriptedCall) -> str:
        if call.settings.get("response_format") == "City":
            return '{"people": 3, "name": "Rome"}'
        return reply(call)

    model = SchemaModel(replies=as_city)
    context = MCTSrContext(profile="paper", max_rollouts=1, structured_output=True)
    found = solve("The capital?", model, context=context, final_answer=City)
    assert (found.answer, found.final_answer) == (
        '{"people": 3, "name": "Rome"}',
        '{"name": "Rome", "people": 3}',
    )
    asked = next(call.messages[-1].text for call in model.calls if call.role == "draft")
    assert asked.endswith('of these fields: {"name": "in English", "people": {"type": "integer"}}')
