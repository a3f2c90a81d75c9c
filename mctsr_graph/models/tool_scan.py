"""Places in a reply, and the JSON that stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from mctsr_graph.models.tool_values import Schemas


class Call(NamedTuple):
    """One call."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None


QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
"""What ends a text of JSON."""


class Broken(NamedTuple):
    """A text that is begun as a call and is none."""

    text: str
    open: bool = False
    """Whether it goes up to the end of the reply and may go on."""
    until: re.Pattern[str] = QUOTE
    """Where it is open, it is no call before this comes."""


Found = Iterator[Call | Broken]
Reader = Callable[[str, Schemas], Found]
Upto = Generator[Call | Broken, None, int]
"""What stands from a place on; returns where it ends."""
_JSON = json.JSONDecoder(strict=False)
SPACES, JOINTS = re.compile(r"\s*"), re.compile(r"[\s;,]*")
IS_JSON = re.compile(r"\s*(?:\{|\[\s*\{)")
_REST_OF_TEXT = re.compile(r'(?s)(?>(?:[^"\\]|\\.)*)(?:"|\\\Z)?')


def json_at(text: str, at: int) -> tuple[Any, int]:
    """A JSON value and where it ends; `...` and how far it goes where it is none."""
    try:
        return _JSON.raw_decode(text, behind(SPACES, text, at))
    except json.JSONDecodeError as error:
        in_text = error.msg.startswith(("Unterminated", "Invalid \\"))
        return ..., behind(_REST_OF_TEXT, text, error.pos + 1) if in_text else error.pos
    except RecursionError:
        return ..., len(text)


def is_json(text: str) -> bool:
    """Whether a text begins as an object of JSON or a list of them."""
    return IS_JSON.match(text) is not None


def open_json(text: str) -> re.Pattern[str] | None:
    """What has to come before JSON that is begun can be over; None where none is open."""
    return QUOTE if text.strip() and json_at(text, 0) == (..., len(text)) else None


def json_of(text: str) -> Any:
    """A JSON value at the beginning of a text, or the text where there is none."""
    value, _ = json_at(text, 0)
    return text if value is ... else value


def before(mark: re.Pattern[str], text: str, at: int) -> int:
    """Where a mark begins that comes next, or the text ends."""
    found = mark.search(text, at)
    return found.start() if found else len(text)


def behind(skipped: re.Pattern[str], text: str, at: int) -> int:
    """Where something that may stand at a place is over."""
    found = skipped.match(text, at)
    return found.end() if found else at
