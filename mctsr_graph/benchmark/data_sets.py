"""The data sets of the paper and its successors, from the HuggingFace hub by pinned revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mctsr_graph.errors import ConfigError, DataUnavailableError, MissingExtraError
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.packages import install_line

from .problems import FILE_FORM, DataSet, Problem, checked, from_file, read_row
from .simulation import World

Row = Mapping[str, Any]
_ARITHMETIC = Path(__file__).with_name("arithmetic.jsonl.gz")


@dataclass(frozen=True)
class HubSet:
    """Where a set is on the hub, and how its rows are read."""

    repository: str
    split: str
    revision: str | None
    """A commit; None where none could be verified, so that the user has to name one."""
    read: Callable[[Row, int], Problem]
    """Reads a row and its number, from 0."""
    config: str | None = None


def load_problems(
    name: str,
    *,
    revision: str | None = None,
    split: str = "test",
    fields: Mapping[str, str] = MappingProxyType({}),
) -> DataSet:
    """Read a data set.

    Args:
        name: A file, by a path that ends in .jsonl or .jsonl.gz, "arithmetic", which comes with
            this package (1,000 problems of the embedded model's kind that it has not seen), one of
            `SETS`, any other set of the hub as "hub:OWNER/NAME" or "hub:OWNER/NAME:CONFIG", or
            "simulated:COUNT".
        revision: Commit of the hub's repository, instead of the pinned one.
        split: Of a set of the hub that is not in `SETS`.
        fields: Names of fields that a file or such a set uses instead of ours (`FIELDS`).

    Raises:
        ConfigError: there is no such set or file, or a row of it is wrong.
        MissingExtraError: the hub's sets need `datasets`.
        DataUnavailableError: the hub cannot be reached, or does not have it.
    """
    if name == "arithmetic" or name.endswith((".jsonl", ".jsonl.gz")):
        if revision is not None:
            raise ConfigError(f"--revision is {revision!r}, allowed with a set of the hub only")
        return from_file(_ARITHMETIC) if name == "arithmetic" else from_file(Path(name), fields)
    if name.startswith("simulated:"):
        return _simulated(name)
    if name.startswith("hub:"):
        return _own(name, revision, split, fields)
    if name not in SETS:
        names = ", ".join(["arithmetic", *sorted(SETS)])
        allowed = f"{names}, hub:OWNER/NAME, simulated:COUNT, or {FILE_FORM}"
        raise ConfigError(f"data set is {name!r}, allowed {allowed}")
    one = SETS[name]
    revision = revision or one.revision
    if revision is None:
        raise ConfigError(f"{name} has no pinned revision: name a commit with --revision")
    rows = _rows(name, one, revision)
    try:
        problems = [one.read(row, number) for number, row in enumerate(rows)]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"{one.repository} has rows of another form ({error!r})") from None
    return DataSet(name, f"{one.repository}@{revision}", checked(problems, one.repository))


def _own(name: str, revision: str | None, split: str, fields: Mapping[str, str]) -> DataSet:
    """Read a set of the hub by the names of its fields."""
    repository, _, config = name.removeprefix("hub:").partition(":")
    if revision is None:
        raise ConfigError(f"{name} has no pinned revision: name a commit with --revision")
    short = repository.rpartition("/")[2].lower()

    def read(row: Row, number: int) -> Problem:
        place = f"row {number} of {repository}"
        return read_row(row, place, fields, f"{short}-{split}-{number:05}")

    rows = _rows(name, HubSet(repository, split, revision, read, config or None), revision)
    problems = [read(row, number) for number, row in enumerate(rows)]
    source = f"{repository}@{revision} {config} {split} {dict(fields) or ''}"
    return DataSet(short, " ".join(source.split()), checked(problems, repository))


def _simulated(name: str) -> DataSet:
    """Problems of a simulated world, which only its model can answer."""
    count = name.removeprefix("simulated:")
    if not count.isdecimal() or not 1 <= int(count) <= 1_000_000:
        raise ConfigError(f"data set is {name!r}, allowed simulated:COUNT from 1 to 1000000")
    made = map(World().problem, range(int(count)))
    return DataSet("simulated", "simulated", [Problem(p.id, p.text, p.gold) for p in made])


def _rows(name: str, one: HubSet, revision: str) -> Any:
    if find_spec("datasets") is None:
        raise MissingExtraError(
            f"the data set {name!r} needs datasets: {install_line('bench')}. Or give {FILE_FORM}"
        )
    try:
        return import_module("datasets").load_dataset(
            one.repository, one.config, split=one.split, revision=revision
        )
    except Exception as error:  # of requests, httpx, huggingface_hub, datasets, fsspec, ...
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataUnavailableError(
            f"{one.repository} at {revision} could not be had from the hub ({reason}). "
            f"Give the path of {FILE_FORM}"
        ) from error


def _gsm8k(row: Row, number: int) -> Problem:
    gold = row["answer"].rpartition("####")[2].strip()
    return Problem(f"gsm8k-test-{number:04}", row["question"], gold)


def _gsm_hard(row: Row, number: int) -> Problem:
    value = row["target"]
    whole = isinstance(value, float) and value.is_integer()
    return Problem(f"gsm-hard-{number:04}", row["input"], str(int(value) if whole else value))


def _math(row: Row, number: int) -> Problem:
    level = row["level"].removeprefix("Level ")
    gold = extract_final_answer(row["solution"]) or ""
    return Problem(f"math-test-{number:04}", row["problem"], gold, level, row["type"])


def _math500(row: Row, number: int) -> Problem:
    key = row["unique_id"].removeprefix("test/").removesuffix(".json")
    return Problem(f"math-{key}", row["problem"], row["answer"], str(row["level"]), row["subject"])


def _aime(row: Row, number: int) -> Problem:
    return Problem(f"aime-{row['ID']}", row["Question"], str(row["Answer"]))


def _aime_of_a_year(year: int) -> Callable[[Row, int], Problem]:
    def read(row: Row, number: int) -> Problem:
        return Problem(f"aime-{year}-{number:02}", row["problem"], str(row["answer"]))

    return read


def _odyssey(row: Row, number: int) -> Problem:
    id_ = f"odyssey-{number + 1:03}"
    return Problem(id_, row["question"], row["answer"], row.get("level"), row.get("label"))


def _olympiad(row: Row, number: int) -> Problem:
    gold = ", ".join(row["final_answer"])
    return Problem(f"olympiadbench-{row['id']}", row["question"], gold, None, row["subfield"])


# Commits as public code pins them; the hub itself was out of reach when they were written down
SETS = {
    "gsm8k": HubSet(
        "openai/gsm8k", "test", "cc7b047b6e5bb11b4f1af84efc572db110a51b3c", _gsm8k, "main"
    ),
    "gsm_hard": HubSet(
        "reasoning-machines/gsm-hard",
        "train",
        "960448f73503112d4226baeb8eb41d3fb5ae2506",
        _gsm_hard,
    ),
    "math": HubSet(
        "DigitalLearningGmbH/MATH-lighteval",
        "test",
        "f06834690385b29df31ccc717250746a3ba0322b",
        _math,
    ),
    "math500": HubSet(
        "HuggingFaceH4/MATH-500", "test", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", _math500
    ),
    "aime": HubSet(
        "di-zhang-fdu/AIME_1983_2024", "train", "3e2cc86390666c5c756622afc0eeb9e6194496bc", _aime
    ),
    "aime24": HubSet(
        "HuggingFaceH4/aime_2024",
        "train",
        "e6cf0cd64082ada1c025717826bd40e155b1ec81",
        _aime_of_a_year(2024),
    ),
    "aime25": HubSet(
        "math-ai/aime25",
        "test",
        "563bb8404243c5f09de6ec262f2db674fe5bce9b",
        _aime_of_a_year(2025),
    ),
    "math_odyssey": HubSet("MathOdyssey/MathOdyssey", "test", None, _odyssey),
    "olympiadbench": HubSet(
        "Hothan/OlympiadBench",
        "train",
        "91184b52131e7fc9455fef848035173aea8cc01a",
        _olympiad,
        "OE_TO_maths_en_COMP",
    ),
}
