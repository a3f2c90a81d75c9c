"""Models that only the benchmark knows by name: one's own, and a simulated one."""

from __future__ import annotations

import importlib.util
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from mctsr_graph.calls.request import Model
from mctsr_graph.errors import ConfigError
from mctsr_graph.models.load import checked_model

from .simulation import World

FORMS = "py:FILE:NAME (a chat model, or a function that makes one), simulated:skill=0.4,auc=0.7"


def maker_of(name: str | None) -> partial[Model] | None:
    """What makes the model of such a name, here or in a worker; None for any other name."""
    prefix = (name or "").partition(":")[0]
    if name is None or prefix not in ("py", "simulated"):
        return None
    return partial(_own if prefix == "py" else _simulated, name)


def _own(name: str) -> Model:
    """A chat model out of a Python file.

    Raises:
        ConfigError: there is no such file or name, or it is no model.
        Exception: what the file raises.
    """
    file, _, what = name.removeprefix("py:").rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"model is {name!r}, but {file!r} is no file; allowed {FORMS}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"model is {name!r}, but {file!r} is no Python file; allowed {FORMS}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Any = getattr(module, what, None)
    if found is None:
        raise ConfigError(f"model is {name!r}, but {file!r} has no {what!r}; allowed {FORMS}")
    made = found() if callable(found) and not hasattr(found, "invoke") else found
    checked_model(made)
    model: Model = made
    return model


def _simulated(name: str) -> Model:
    """The model of a simulated world.

    Raises:
        ConfigError: a field of `World` is unknown, or no number.
    """
    allowed = {field.name: type(field.default) for field in fields(World)}
    given: dict[str, Any] = {}
    for part in filter(None, name.partition(":")[2].split(",")):
        key, _, value = part.partition("=")
        if allowed.get(key) not in (int, float):
            numbers = [one for one, kind in allowed.items() if kind in (int, float)]
            raise ConfigError(f"model is {name!r}, allowed NAME=NUMBER of {', '.join(numbers)}")
        try:
            given[key] = int(value) if allowed[key] is int else float(value)
        except ValueError:
            raise ConfigError(f"{key} is {value!r} in model {name!r}, allowed a number") from None
    return World(**given).model(records_calls=False)
