"""Arguments that are written without quotes, as the schema of a tool has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schemas = Mapping[str, Mapping[str, Any]]
"""The JSON schema of each tool's arguments, by its name."""
CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
_TYPES |= {dict: "object", type(None): "null"}
_MOST_REFERENCES = 16  # one after another: a circle ends


def typed(name: str, pairs: list[tuple[str, str]], schemas: Schemas) -> dict[str, Any]:
    """Arguments that were written without quotes, as the tool's schema has them."""
    whole = schemas.get(name, {})
    told = whole.get("properties", {})
    return {key.strip(): _value(text, told.get(key.strip(), {}), whole) for key, text in pairs}


def _value(text: str, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Any:
    if text.startswith("\n") and text.endswith("\n"):  # a value on lines of its own
        text = text[1:-1]
    kinds = kinds_of(schema, whole)
    try:
        value = CONSTANTS.get(text.strip().lower(), ...)
        value = json.loads(text) if value is ... else value
    except ValueError:
        return text
    kind = _TYPES[type(value)]
    fits = not kinds or kind in kinds or (kind == "integer" and "number" in kinds)
    return value if fits and kind != "string" else text


def kinds_of(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> set[str]:
    """The types of JSON that a part of a schema allows; none where it does not say."""
    schema = resolved(schema, whole)
    told = schema.get("type", [])
    kinds = {told} if isinstance(told, str) else set(told)
    if not kinds:
        values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
        kinds = {_TYPES[type(value)] for value in values}
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds |= kinds_of(each, whole)
    return kinds


def resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a schema, looked up where it only names another part."""
    for _ in range(_MOST_REFERENCES):
        place, _, name = str(schema.get("$ref", "")).rpartition("/")
        found = whole.get(place.removeprefix("#/"))
        if not isinstance(found, Mapping) or not isinstance(found.get(name), Mapping):
            break
        schema = found[name]
    return schema
