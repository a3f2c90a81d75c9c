"""Problems with known answers, and the file that they may stand in."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.question import as_question
from mctsr_graph.text.final_answer import extract_final_answer

FILE_FORM = (
    'a .jsonl or .jsonl.gz file of one object a line: {"problem": ..., "answer": ..., "id": ..., '
    '"level": ..., "subject": ...}, the last three optional'
)
FIELDS = ("problem", "answer", "id", "level", "subject")
# What others call them
_USUAL = {
    "problem": ("problem", "question", "prompt", "input"),
    "answer": ("answer", "gold", "target", "final_answer", "expected_answer"),
    "subject": ("subject", "type", "category"),
}


@dataclass(frozen=True)
class Problem:
    """A problem and its answer."""

    id: str
    text: str
    """The problem in words: all that a method is given."""
    gold: str
    """The answer, for the grader alone."""
    level: str | None = None
    subject: str | None = None


@dataclass(frozen=True)
class DataSet:
    """Problems, and where they are from."""

    name: str
    source: str
    problems: Sequence[Problem]


def choose(
    data: DataSet,
    *,
    levels: Sequence[str] = (),
    subjects: Sequence[str] = (),
    limit: int | None = None,
) -> list[Problem]:
    """The first `limit` problems of some levels and subjects; of all, where none is named.

    Raises:
        ConfigError: none is left.
    """
    found = [
        problem
        for problem in data.problems
        if (not levels or problem.level in levels)
        and (not subjects or (problem.subject or "").casefold() in map(str.casefold, subjects))
    ]
    if not found:
        kinds = {
            "levels": sorted({problem.level or "none" for problem in data.problems}),
            "subjects": sorted({problem.subject or "none" for problem in data.problems}),
        }
        raise ConfigError(f"no problem of {data.name} is of that kind; there are {kinds}")
    return found[:limit]


def checked(problems: Sequence[Problem], place: str) -> list[Problem]:
    """The problems with their texts as a search cleans them, so that all methods get the same.

    Raises:
        ConfigError: two have the same id, or one says nothing.
    """
    found: dict[str, Problem] = {}
    for problem in problems:
        if problem.id in found:
            raise ConfigError(f"{place} holds the id {problem.id!r} twice")
        try:
            text = as_question(problem.text).text
        except ConfigError as error:
            raise ConfigError(f"{place}, id {problem.id!r}: {error}") from None
        found[problem.id] = replace(problem, text=text)
    return list(found.values())


def from_file(path: Path, fields: Mapping[str, str] = MappingProxyType({})) -> DataSet:
    """Read problems from a .jsonl or .jsonl.gz file.

    Args:
        path: The file.
        fields: Names that its objects use instead of ours.

    Raises:
        ConfigError: it cannot be read, holds no problem, or a line of it is wrong.
    """
    rows, digest = _rows(path)
    if not rows:
        raise ConfigError(f"{str(path)!r} holds no problem; allowed is {FILE_FORM}")
    name = path.name.partition(".")[0]
    problems = [
        read_row(row, f"line {i} of {str(path)!r}", fields, f"{name}-{i:04}") for i, row in rows
    ]
    return DataSet(name, f"{path.name} sha256:{digest}", checked(problems, repr(str(path))))


def read_golds(path: Path) -> tuple[dict[str, str], str]:
    """Read corrected answers by id, and where they are from.

    Raises:
        ConfigError: it cannot be read, or an object lacks an id or an answer.
    """
    rows, digest = _rows(path)
    found = {}
    for i, row in rows:
        which, answer = _first(row, ("id",)), _gold(row, {})
        if which is None or answer is None:
            raise ConfigError(f"line {i} of {str(path)!r} has no id or no answer")
        found[which] = answer
    return found, f"{path.name} sha256:{digest}"


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], str]:
    """The objects of a file with the numbers of their lines, and its digest."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(path)!r} cannot be read ({error}); allowed is {FILE_FORM}"
        ) from None
    found = []
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ConfigError(
                    f"line {i} of {str(path)!r} is no JSON object; allowed is {FILE_FORM}"
                )
            found.append((i, row))
    return found, hashlib.sha256(raw).hexdigest()


def read_row(
    row: Mapping[str, Any], place: str, fields: Mapping[str, str], default_id: str
) -> Problem:
    """Read a problem from an object, whatever its fields are called.

    Raises:
        ConfigError: a field is missing.
    """
    needed = {
        "problem": _first(row, _names("problem", fields)),
        "answer": _gold(row, fields),
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        has = ", ".join(map(repr, row))
        raise ConfigError(
            f"{place} has no {', '.join(missing)}, but {has}; name fields with --field, or give "
            f"{FILE_FORM}"
        )
    return Problem(
        id=_first(row, _names("id", fields)) or default_id,
        text=needed["problem"] or "",
        gold=needed["answer"] or "",
        level=_first(row, _names("level", fields)),
        subject=_first(row, _names("subject", fields)),
    )


def _names(name: str, fields: Mapping[str, str]) -> Sequence[str]:
    return (fields[name],) if name in fields else _USUAL.get(name, (name,))


def _gold(row: Mapping[str, Any], fields: Mapping[str, str]) -> str | None:
    """The answer: after the last ####, as in GSM8K; in a solution, the one that it states."""
    answer = _first(row, _names("answer", fields))
    if answer is not None and "####" in answer:
        return answer.rpartition("####")[2].strip() or None
    if answer is None and "answer" not in fields and (told := _first(row, ("solution",))):
        return extract_final_answer(told)
    return answer


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((text for name in names if (text := _text(row.get(name))) is not None), None)


def _text(value: Any) -> str | None:
    """A text or a number as text; None for anything else, and for a blank."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value).strip() or None
