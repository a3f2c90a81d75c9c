"""What the commands of `mctsr` read from their arguments alike."""

from __future__ import annotations

import json
from typing import Any

from mctsr_graph.errors import ConfigError


def parse_setting(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; the value is JSON, or else a word.

    Raises:
        ConfigError: it has no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set is {text!r}, allowed NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value  # a word such as greedy needs no quotes
