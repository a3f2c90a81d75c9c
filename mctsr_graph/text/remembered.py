"""What was found in the last texts, by their digests: a whole text may be large, and another's."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import Any, TypeVar

LONG = 8_000
"""Characters from which on a text is worked on in a thread, where a loop would wait for it."""
_REMEMBERED = 1024  # texts
_MEMORIES: list[dict[bytes, Any]] = []
T = TypeVar("T")


def remembered(function: Callable[[str], T]) -> Callable[[str], T]:
    """Keep what a function finds in the last texts."""
    found: dict[bytes, T] = {}
    _MEMORIES.append(found)

    @wraps(function)
    def look_up(text: str) -> T:
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        try:
            return found[key]
        except KeyError:
            value = function(text)
        if len(found) >= _REMEMBERED:
            found.clear()
        found[key] = value
        return value

    return look_up


def forget() -> None:
    """Let go of what was found so far, as a measurement of the time has to."""
    for memory in _MEMORIES:
        memory.clear()
