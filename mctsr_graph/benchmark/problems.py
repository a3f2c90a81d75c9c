"""Problems with known answers, and the file that they may stand in."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.question import as_question

FILE_FORM = (
    'a .jsonl or .jsonl.gz file of one object a line: {"id": ..., "problem": ..., "answer": ..., '
    '"level": ..., "subject": ...}, the last two optional'
)


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


def from_file(path: Path) -> DataSet:
    """Read problems from a .jsonl or .jsonl.gz file.

    Raises:
        ConfigError: it cannot be read, or a line of it is wrong.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(path)!r} cannot be read ({error}); allowed is {FILE_FORM}"
        ) from None
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    problems = [_problem(line, f"line {i} of {str(path)!r}") for i, line in lines]
    digest = hashlib.sha256(raw).hexdigest()
    name = path.name.partition(".")[0]
    return DataSet(name, f"{path.name} sha256:{digest}", checked(problems, repr(str(path))))


def _problem(line: str, place: str) -> Problem:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise ConfigError(f"{place} is no JSON object; allowed is {FILE_FORM}")
    needed = {name: _text(row.get(name)) for name in ("id", "problem", "answer")}
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise ConfigError(f"{place} has no {', '.join(missing)}; allowed is {FILE_FORM}")
    return Problem(
        id=needed["id"] or "",
        text=needed["problem"] or "",
        gold=needed["answer"] or "",
        level=_text(row.get("level")),
        subject=_text(row.get("subject")),
    )


def _text(value: Any) -> str | None:
    """A text or a number as text; None for anything else, and for a blank."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None
