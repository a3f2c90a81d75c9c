"""Structured output of a chat model that can be kept to a schema."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from mctsr_graph.errors import ConfigError

_METHODS = ("function_calling", "json_schema", "json_mode")


class StructuredOutput(BaseChatModel):
    """Adds `with_structured_output` by schema to one that calls tools."""

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "function_calling",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Replies in the form of a schema.

        Args:
            schema: A pydantic class, a typed dict, or a JSON schema.
            include_raw: True gives a dict of raw, parsed and parsing_error.
            method: "function_calling" makes the reply a call of a tool, which the chat template
                must know; "json_schema" keeps the reply to the schema; "json_mode" to any JSON
                object. What the schema is for must be said in the messages with the last two.
            **kwargs: `strict` is taken, as other models have it, and changes nothing.

        Raises:
            ConfigError: There is no such method.
        """
        if method not in _METHODS:
            raise ConfigError(f"method is {method!r}, allowed {', '.join(map(repr, _METHODS))}")
        kwargs.pop("strict", None)
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        function = convert_to_openai_tool(schema)["function"]
        told = {"name": function["name"], "schema": function.get("parameters") or {}}
        asked: dict[str, Any] = {"type": "json_schema", "json_schema": told}
        model = self.bind(
            response_format=asked if method == "json_schema" else {"type": "json_object"},
            ls_structured_output_format={"kwargs": {"method": method}, "schema": schema},
        )
        is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser: Any = PydanticOutputParser(pydantic_object=schema) if is_class else None  # type: ignore[arg-type]
        parser = parser or JsonOutputParser()
        if not include_raw:
            parsing: Runnable[LanguageModelInput, Any] = model | parser
            return parsing
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks(
            [failed], exception_key="parsing_error"
        )
