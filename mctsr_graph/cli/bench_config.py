"""The options of `mctsr bench run` as a YAML file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import typer

yaml: Any = import_module("yaml")  # comes with langchain-core, without types
_NO_OPTIONS = ("config", "print_config", "context", "help")
_LISTS = ("model", "field", "settings")  # given several times; others are comma-separated


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take a file's values in place of the defaults of options that are not given."""
    if path is None:
        return None
    try:
        found = yaml.safe_load(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"{str(path)!r} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{str(path)!r} holds no options by name")
    names = {one.name for one in context.command.params} - {*_NO_OPTIONS}
    values = {}
    for key, value in found.items():
        name = {"set": "settings", "seeds": "seed"}.get(str(key), str(key).replace("-", "_"))
        if name not in names:
            allowed = ", ".join(sorted(str(one) for one in names))
            raise typer.BadParameter(f"{str(path)!r} has {key!r}, allowed {allowed}")
        values[name] = _value(name, value)
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, list):
        return value if name in _LISTS else ",".join(map(str, value))
    return [value] if name in _LISTS and value is not None else value


def written_config(context: typer.Context) -> str:
    """The values of all options, as such a file."""
    found: dict[str, Any] = {}
    for name, value in context.params.items():
        if name in _NO_OPTIONS or value is None or value == [] or value is False or value == "":
            continue
        found["set" if name == "settings" else name] = _plain(name, value)
    text: str = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
    return text


def _plain(name: str, value: Any) -> Any:
    if name in ("settings", "field"):
        return dict(text.partition("=")[::2] for text in value)
    if isinstance(value, list | tuple):
        return list(value)
    return value if isinstance(value, int | float) else str(value)
