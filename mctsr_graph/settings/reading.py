"""How the final answer is read from an answer's text, and when two of them are equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from typing import Any, Literal, cast, is_typeddict

from pydantic import BaseModel, TypeAdapter
from typing_extensions import is_typeddict as is_typeddict_extension

from mctsr_graph.errors import ConfigError, MCTSrError, PauseError, bubbles_up
from mctsr_graph.text.final_answer import clean_text, extract_final_answer
from mctsr_graph.text.printable import is_blank

Read = Callable[[str], str | None]
Equal = Callable[[str, str], bool]
_MOST_STARTS = 200  # places in a text where JSON may begin that are looked at, last to first


@dataclass(frozen=True, kw_only=True)
class FinalAnswer:
    """How the final answer is read from the text of an answer, and when two are equal.

    Equal final answers are one class: they vote together, and how likely a class is to be right
    is the confidence in its answers.

    Raises:
        ConfigError: a field is something else.
    """

    read: Read | type | Literal[False] | None = None
    """A function that takes the whole text and returns the final answer, or None where it states
    none; or a schema: a pydantic model, a TypedDict or a dataclass. With a schema the model is told
    to finish with JSON of it. The last JSON in the text that fits is the final answer, as JSON with
    sorted keys. False: no text states one; the model is asked for a text and nothing else, and the
    judge decides. None: boxes and sentences are read, as in mathematics."""
    equal: Equal | None = None
    """A function that says whether two final answers are equal. Each new one is compared with the
    first of each class, in order. None: those are equal that are equal in mathematics; with a
    function or a schema, those of equal text."""

    form: str = ""
    """What the model is told to finish with, as in "Finish with one query in a ```sql block.". ""
    asks for a box, with a schema for JSON. Prompts of yours that say no such thing stay as they
    are."""

    def __post_init__(self) -> None:
        """Refuse what reads or compares nothing."""
        is_schema = isinstance(self.read, type)
        if is_schema and not _is_schema(self.read):
            raise ConfigError(f"final_answer reads by {self.read!r}, allowed {_ALLOWED}")
        if self.read not in (None, False) and not is_schema and not callable(self.read):
            raise ConfigError(f"final_answer reads by {self.read!r}, allowed {_ALLOWED}")
        if not isinstance(self.form, str):
            raise ConfigError(f"form is {self.form!r}, allowed a text")
        if self.equal is not None and not callable(self.equal):
            raise ConfigError(f"equal is {self.equal!r}, allowed a function of two texts")

    @property
    def is_usual(self) -> bool:
        """Whether it is mathematics that is read."""
        return self.read is None and self.equal is None

    @property
    def is_text(self) -> bool:
        """Whether no text states a final answer."""
        return self.read is False

    @property
    def kind(self) -> str:
        """What a kept search says of it: "", "text", or "given", which only a program can."""
        return "" if self.is_usual else "text" if self.is_text else "given"

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that replies are asked for; None where there is none."""
        return self._adapter.json_schema() if self._adapter is not None else None

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        return TypeAdapter(self.read) if isinstance(self.read, type) else None

    def label_parts(self) -> dict[str, Any]:
        """What tells it from others."""
        return {"read": self.schema if self.schema is not None else self.read, "equal": self.equal}

    def of(self, text: str) -> str | None:
        """The final answer that a text states; None where it states none.

        Raises:
            ConfigError: the function raised, or returned something else.
        """
        if self.read is None:
            return extract_final_answer(text)
        if self.read is False:
            return None
        if self._adapter is not None:
            return _last_json(text, self._adapter)
        found = _called(cast(Read, self.read), text)
        if found is not None and not isinstance(found, str):
            raise ConfigError(
                f"{_name(self.read)}, which reads final answers, returned {found!r}, allowed a "
                "text or None"
            )
        cleaned = clean_text(found.strip()) if found else ""
        return None if is_blank(cleaned) else cleaned

    @property
    def comparing(self) -> Equal | None:
        """Says whether two final answers are equal; None: they are compared as in mathematics."""
        if self.equal is not None:
            given = self.equal
            return lambda one, two: bool(_called(given, one, two))
        return None if self.read is None else lambda one, two: one == two


_ALLOWED = (
    "a function of a text that returns a text or None, or a schema: a pydantic model, a TypedDict "
    "or a dataclass; or False for texts without one"
)
USUAL = FinalAnswer()
"""Reads mathematics."""


def as_final_answer(given: Any) -> FinalAnswer:
    """How answers are read: what a user gave, made definite.

    Raises:
        ConfigError: it is neither a function, a schema, False nor a `FinalAnswer`.
    """
    if given is None:
        return USUAL
    return given if isinstance(given, FinalAnswer) else FinalAnswer(read=given)


def _is_schema(kind: Any) -> bool:
    if is_typeddict(kind) or is_typeddict_extension(kind) or is_dataclass(kind):
        return True
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _last_json(text: str, adapter: TypeAdapter[Any]) -> str | None:
    """The last JSON object in a text that fits a schema, as JSON with sorted keys.

    Of objects inside each other, the outermost that fits.
    """
    found, found_end, place = None, 0, len(text)
    decoder = json.JSONDecoder()
    for _ in range(_MOST_STARTS):
        place = text.rfind("{", 0, place)
        if place < 0:
            break
        try:
            value, end = decoder.raw_decode(text, place)
            if end > found_end:  # else it is an earlier object
                found, found_end = adapter.validate_python(value), end
        except (ValueError, RecursionError):  # of pydantic, too
            continue
    if found is None:
        return None
    plain = adapter.dump_python(found, mode="json")
    return clean_text(json.dumps(plain, sort_keys=True, ensure_ascii=False))


def _called(function: Callable[..., Any], *texts: str) -> Any:
    """What a user's function says.

    Raises:
        ConfigError: it raised; PauseError if to pause, since answers are read again and again.
    """
    try:
        return function(*texts)
    except MCTSrError:
        raise
    except Exception as error:
        if bubbles_up(error):
            raise PauseError(
                f"{_name(function)} of final_answer called interrupt(), but reading an answer "
                "cannot be paused; allowed: a judge that does"
            ) from None
        shown, what = ", ".join(repr(text[:60]) for text in texts), type(error).__name__
        raise ConfigError(
            f"{_name(function)} of final_answer raised {what}: {error} (for {shown})"
        ) from error


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
