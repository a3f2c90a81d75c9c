"""What is known of an object as long as it lives, be it hashable or not."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OnePerObject(Generic[T]):
    """Makes a value for an object when first asked, and the same one ever after.

    Chat models have no hash, so they are told by their ids. Safe to share between threads.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._made: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __call__(self, thing: Any) -> T:
        """The value of an object."""
        key, known = id(thing), self._made.get(id(thing))
        if known is not None and known[0]() is thing:
            return known[1]

        def forget(gone: weakref.ref[Any]) -> None:
            if (there := self._made.get(key)) is not None and there[0] is gone:
                del self._made[key]

        if known is not None:  # of an object that has gone, whose id this one has now
            forget(known[0])
        return self._made.setdefault(key, (weakref.ref(thing, forget), self._make(thing)))[1]
