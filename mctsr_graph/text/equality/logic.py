"""Three-valued logic: None is unknown."""

from __future__ import annotations


def any_of(results: list[bool | None]) -> bool | None:
    """True if one is, None if one may be."""
    return True if True in results else None if None in results else False


def all_of(results: list[bool | None]) -> bool | None:
    """False if one is, None if one may be."""
    return False if False in results else None if None in results else True
