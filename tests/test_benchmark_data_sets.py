"""Problems from files and from the hub, whose rows are imitated here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import ConfigError, MissingExtraError
from mctsr_graph.benchmark import data_sets
from mctsr_graph.benchmark.data_sets import SETS, load_problems
from mctsr_graph.benchmark.problems import Problem, choose
from mctsr_graph.errors import DataUnavailableError

ROWS = [
    {"id": "a", "problem": "1 + 1?", "answer": "2", "level": 1, "subject": "Algebra"},
    {"id": "b", "problem": "2\u2028 + 1?", "answer": 3, "level": None, "more": [1]},
    {"id": "c", "problem": "3 + 1?", "answer": "4", "level": "2", "subject": "Geometry"},
]


def written(path: Path, rows: list[Any]) -> str:
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.parametrize("name", ["sums.jsonl", "sums.jsonl.gz"])
def test_a_file_is_read(tmp_path: Path, name: str) -> None:
    data = load_problems(written(tmp_path / name, ROWS))
    assert data.name == "sums"
    assert data.source.startswith(f"{name} sha256:")
    assert data.problems == [
        Problem("a", "1 + 1?", "2", "1", "Algebra"),
        Problem("b", "2\u2028 + 1?", "3"),
        Problem("c", "3 + 1?", "4", "2", "Geometry"),
    ]


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"question": "1 + 1?", "answer": "Add. 1+1=2\n#### 2"}, ("names-0001", "1 + 1?", "2")),
        ({"problem": "1 + 1?", "answer": "#### 2"}, ("names-0001", "1 + 1?", "2")),
        ({"prompt": "1 + 1?", "target": 2, "id": 7}, ("7", "1 + 1?", "2")),
        ({"problem": "P", "solution": "So \\boxed{3}."}, ("names-0001", "P", "3")),
    ],
)
def test_usual_names_of_fields_are_understood(tmp_path: Path, row: Any, read: Any) -> None:
    [found] = load_problems(written(tmp_path / "names.jsonl", [row])).problems
    assert (found.id, found.text, found.gold) == read


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ROWS[2]).encode())
    assert [problem.id for problem in load_problems(str(path)).problems] == ["c"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": "a", "problem": "P"}], "line 1 of .* has no answer, but 'id', 'problem'; name f"),
        ([{"id": "a", "problem": " ", "answer": True}], "has no problem, answer"),
        ([{"id": "a", "problem": "P", "answer": float("nan")}], "has no answer"),
        ([], "holds no problem; allowed is a .jsonl"),
        ([["a"]], "is no JSON object"),
        ([ROWS[0], ROWS[0]], "holds the id 'a' twice"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, rows: list[Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_problems(written(tmp_path / "wrong.jsonl", rows))


def test_a_missing_or_foreign_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(.*No such file.*allowed is a .jsonl"):
        load_problems(str(tmp_path / "none.jsonl"))
    (tmp_path / "no.jsonl.gz").write_bytes(b"no gzip")
    cut_off = gzip.compress(json.dumps(ROWS[0]).encode() * 99)[:-20]
    (tmp_path / "cut.jsonl.gz").write_bytes(cut_off)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_problems(str(tmp_path / "cut.jsonl.gz"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_problems(str(tmp_path / "no.jsonl.gz"))


def test_problems_are_chosen_by_level_and_subject(tmp_path: Path) -> None:
    data = load_problems(written(tmp_path / "sums.jsonl", ROWS))
    assert [p.id for p in choose(data)] == ["a", "b", "c"]
    assert [p.id for p in choose(data, limit=2)] == ["a", "b"]
    assert [p.id for p in choose(data, levels=["1", "2"])] == ["a", "c"]
    assert [p.id for p in choose(data, subjects=["geometry"])] == ["c"]
    with pytest.raises(ConfigError, match=r"there are .*'levels': \['1', '2', 'none'\]"):
        choose(data, levels=["7"])


def test_the_shared_problems_are_in_this_form(test_data: Path) -> None:
    counts = {
        path.stem: len(load_problems(str(path)).problems)
        for path in sorted((test_data / "problems").glob("*.jsonl"))
    }
    assert counts == {
        "aime24": 24,
        "aime25": 24,
        "gsm8k": 1069,
        "gsm_hard": 1069,
        "math500": 405,
        "math_odyssey": 311,
        "olympiadbench": 548,
    }


# A row of each set in the form that the hub has it, and what is to be read
HUB = {
    "gsm8k": (
        {"question": "Q", "answer": "<<3+4=7>>7\n#### 1,007"},
        Problem("gsm8k-test-0000", "Q", "1,007"),
    ),
    "gsm_hard": (
        {"input": "Q", "code": "...", "target": -9867630.0},
        Problem("gsm-hard-0000", "Q", "-9867630"),
    ),
    "math": (
        {"problem": "Q", "level": "Level 4", "type": "Geometry", "solution": "So \\boxed{\\pi}."},
        Problem("math-test-0000", "Q", "\\pi", "4", "Geometry"),
    ),
    "math500": (
        {
            "problem": "Q",
            "answer": "6 - 5i",
            "subject": "Precalculus",
            "level": 5,
            "unique_id": "test/precalculus/990.json",
        },
        Problem("math-precalculus/990", "Q", "6 - 5i", "5", "Precalculus"),
    ),
    "aime": (
        {"ID": "1983-1", "Question": "Q", "Answer": "60"},
        Problem("aime-1983-1", "Q", "60"),
    ),
    "aime24": ({"problem": "Q", "answer": "033"}, Problem("aime-2024-00", "Q", "033")),
    "aime25": ({"problem": "Q", "answer": 70}, Problem("aime-2025-00", "Q", "70")),
    "math_odyssey": (
        {"question": "Q", "answer": "Yes", "label": "Statistics", "level": "College Math"},
        Problem("odyssey-001", "Q", "Yes", "College Math", "Statistics"),
    ),
    "olympiadbench": (
        {"id": 1664, "question": "Q", "final_answer": ["69", "84"], "subfield": "Algebra"},
        Problem("olympiadbench-1664", "Q", "69, 84", None, "Algebra"),
    ),
}


class FakeHub:
    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.asked: list[Any] = []

    def load_dataset(self, *place: Any, **more: Any) -> Any:
        self.asked.append((*place, more))
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    made = FakeHub([])
    monkeypatch.setattr(data_sets, "find_spec", lambda name: name)
    monkeypatch.setattr(data_sets, "import_module", lambda name: made)
    return made


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_set_of_the_hub_is_read_at_one_commit(hub: FakeHub, name: str) -> None:
    row, problem = HUB[name]
    hub.rows = [row]
    pinned = SETS[name].revision
    data = load_problems(name, revision=None if pinned else "0" * 40)
    assert data.problems == [problem]
    assert data.source == f"{SETS[name].repository}@{pinned or '0' * 40}"
    [(repository, config, more)] = hub.asked
    assert (repository, config) == (SETS[name].repository, SETS[name].config)
    assert more == {"split": SETS[name].split, "revision": pinned or "0" * 40}


def test_any_set_of_the_hub_is_read_by_the_names_of_its_fields(hub: FakeHub) -> None:
    hub.rows = [{"q": "1 + 1?", "final": "2", "hard": 3}]
    fields = {"problem": "q", "answer": "final", "level": "hard"}
    data = load_problems("hub:me/Mine:large", revision="c0ffee", split="dev", fields=fields)
    assert hub.asked == [("me/Mine", "large", {"split": "dev", "revision": "c0ffee"})]
    assert data.problems == [Problem("mine-dev-00000", "1 + 1?", "2", "3")]
    assert data.source.startswith("me/Mine@c0ffee large dev")
    with pytest.raises(ConfigError, match="row 0 of me/Mine has no answer, but 'q', 'final'"):
        load_problems("hub:me/Mine", revision="c0ffee", fields={"problem": "q"})
    with pytest.raises(ConfigError, match="no pinned revision"):
        load_problems("hub:me/Mine")


def test_pins_are_commits() -> None:
    pins = [one.revision for one in SETS.values() if one.revision is not None]
    assert all(len(pin) == 40 and set(pin) <= set("0123456789abcdef") for pin in pins)


def test_what_the_hub_cannot_give_is_explained(hub: FakeHub) -> None:
    hub.rows = OSError("no network")
    with pytest.raises(DataUnavailableError, match=r"no network.*Give the path of a .jsonl"):
        load_problems("gsm8k")
    hub.rows = [{"text": "Q"}]
    with pytest.raises(ConfigError, match="rows of another form"):
        load_problems("gsm8k")
    with pytest.raises(ConfigError, match="math_odyssey has no pinned revision"):
        load_problems("math_odyssey")


def test_unknown_names_are_explained() -> None:
    with pytest.raises(
        ConfigError, match=r"data set is 'gsm9k', allowed arithmetic, aime, .*or a .jsonl"
    ):
        load_problems("gsm9k")
    with pytest.raises(ConfigError, match="--revision is 'x'"):
        load_problems("file.jsonl", revision="x")


def test_the_hub_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sets, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'"datasets>=.*Or give a .jsonl'):
        load_problems("gsm8k")
