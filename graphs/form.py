"""The settings of a request: as a form with a few of them first, and by name as everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.pregel import Pregel
from langgraph_sdk.runtime import ServerRuntime

from mctsr_graph import ConfigError, MCTSrContext

FIRST = ("profile", "effort", "max_calls", "width", "judge", "seed")
"""The settings of the short form."""


class Settings(MCTSrContext):
    """What a request may name: any setting, or "advanced" with some of them inside."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**by_name(given))

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """All names, since the server leaves out what it does not find here."""
        schema = super().model_json_schema(*args, **kwargs)
        return {**schema, "properties": {**schema["properties"], "advanced": {"type": "object"}}}


class Form(MCTSrContext):
    """The same as a form shows it."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A few settings, and all others below "advanced"."""
        schema = super().model_json_schema(*args, **kwargs)
        fields = schema["properties"]
        advanced = {
            "title": "Advanced",
            "description": "every other setting; leave out what need not be changed",
            "type": "object",
            "properties": {name: fields[name] for name in fields if name not in FIRST},
            "additionalProperties": False,
        }
        shown = {**{name: fields[name] for name in FIRST}, "advanced": advanced}
        return {**schema, "properties": shown}


def by_name(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a form sends, each by its name.

    Raises:
        ConfigError: "advanced" holds no settings, or one that is also given beside it.
    """
    beside = dict(given)
    inside = beside.pop("advanced", None) or {}
    if not isinstance(inside, Mapping):
        raise ConfigError(f"advanced is {inside!r}, allowed settings by name, or null")
    twice = sorted(beside.keys() & inside.keys())
    if twice:
        raise ConfigError(f"{', '.join(twice)}: given twice, allowed once, beside or in 'advanced'")
    return {**beside, **inside}


def for_request(graph: Pregel[Any, Any, Any, Any], runtime: ServerRuntime[Any]) -> Any:
    """The graph with the form that is shown, or with the settings that a run may name.

    Raises:
        ConfigError: A setting is unknown, or its value wrong; the server would leave it out.
    """
    if runtime.execution_runtime is None:
        return graph.copy({"context_schema": Form})
    Settings(**asked_for(runtime))
    return graph.copy({"context_schema": Settings})


def asked_for(runtime: ServerRuntime[Any]) -> dict[str, Any]:
    """The context of a request, without what the server adds."""
    running = runtime.execution_runtime
    context = dict(running.context or {}) if running is not None else {}
    return {name: value for name, value in context.items() if not name.startswith("__")}
