"""Bounds of an engine, each checked by name."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mctsr_graph.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Bounds of an engine. Whole numbers may be written as 8 or 8.0.

    Attributes:
        rows: Most sequences that run at once, 1 or more.
        row_tokens: Most tokens of the running rows, counted as rows times the longest, 1 or more;
            None takes two thirds of the memory that is free.
        store_tokens: Most tokens of the prefix store; None takes the last third, 0 has none.
        prefill_tokens: Most prompt tokens of one forward, 1 or more.
        idle_seconds: After so long without a request the thread ends and the slots are freed.
        packed_bytes: On CPU, most bytes of a second copy of the model's matrices, in the layout
            that is read fastest; 0 has none. It takes half of a forward's time or less.

    Raises:
        ConfigError: One has a value that it cannot have; the message names both.
    """

    rows: int = 64
    row_tokens: int | None = None
    store_tokens: int | None = None
    prefill_tokens: int = 4096
    idle_seconds: float = 1.0
    packed_bytes: int = 2 << 30

    def __post_init__(self) -> None:
        for name, (least, optional) in _WHOLE.items():
            given = getattr(self, name)
            if given is None and optional:
                continue
            object.__setattr__(self, name, _whole(name, given, least, optional))
        seconds = self.idle_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise _wrong("idle_seconds", seconds, _SECONDS)
        if not 0 <= seconds <= _LONGEST:
            raise _wrong("idle_seconds", seconds, _SECONDS)

    @classmethod
    def of(cls, given: Limits | Mapping[str, Any] | None) -> Limits:
        """The limits that are given by name; those that are not have their defaults.

        Raises:
            ConfigError: A name or a value is none that is allowed, or `given` is no mapping.
        """
        if isinstance(given, Limits):
            return given
        names = [field.name for field in fields(cls)]
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f"limits is {given!r}, allowed a dict of {', '.join(names)}")
        for name in given or {}:
            if name not in names:
                raise ConfigError(f"limits names {name!r}, allowed: {', '.join(names)}")
        return cls(**dict(given or {}))


# Name -> the least value, and whether None is one
_WHOLE = {
    "rows": (1, False),
    "row_tokens": (1, True),
    "store_tokens": (0, True),
    "prefill_tokens": (1, False),
    "packed_bytes": (0, False),
}
_LONGEST = 1_000_000  # seconds; a thread cannot wait for ever longer ones
_SECONDS = f"a number from 0 to {_LONGEST}"


def _whole(name: str, given: Any, least: int, optional: bool) -> int:
    allowed = f"a whole number, {least} or more{', or None' if optional else ''}"
    if isinstance(given, float) and math.isfinite(given) and given == int(given):
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < least:
        raise _wrong(name, given, allowed)
    return int(given)


def _wrong(name: str, given: Any, allowed: str) -> ConfigError:
    return ConfigError(f"limits[{name!r}] is {given!r}, allowed {allowed}")
