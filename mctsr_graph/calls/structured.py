"""Replies of a given form, from chat models whose profile has structured output."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableSequence

from mctsr_graph.calls.request import Model


def has_structured_output(model: Model) -> bool:
    """Whether a model is a chat model whose profile says that it keeps to a JSON schema."""
    return isinstance(model, BaseChatModel) and bool((model.profile or {}).get("structured_output"))


def of_form(model: Model, schema: dict[str, Any]) -> Model:
    """The model, bound to reply with JSON of a schema; its reply is still a message."""
    assert isinstance(model, BaseChatModel)
    bound = model.with_structured_output(schema, method="json_schema")
    return bound.first if isinstance(bound, RunnableSequence) else bound


def asking_for(messages: list[BaseMessage], schema: dict[str, Any]) -> list[BaseMessage]:
    """The messages, of which the last now asks for JSON of a schema instead of a line of text."""
    # A schema of a user's may describe none of its fields
    fields = {
        name: field.get("description") or {key: field[key] for key in field if key != "title"}
        for name, field in schema.get("properties", {}).items()
    }
    asked = "Instead of that line, reply as a whole with one JSON object of these fields: "
    last = messages[-1]
    content = f"{last.text}\n{asked}{json.dumps(fields)}"
    return [*messages[:-1], last.model_copy(update={"content": content})]
