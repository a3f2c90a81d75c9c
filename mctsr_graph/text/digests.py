"""A short name for a long text."""

from __future__ import annotations

import hashlib


def digest_of(text: str) -> str:
    """16 hexadecimal digits, the same for equal texts."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
