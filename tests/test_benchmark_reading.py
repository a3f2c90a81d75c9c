"""Lines of large files are counted in several processes, and nobody can tell but by the clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mctsr_graph.benchmark import reading
from mctsr_graph.benchmark.metrics import measure
from mctsr_graph.benchmark.report.write import measure_runs
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.errors import ConfigError

from .benchmark_lines import attempt, cot, golden, line, method, point, settings


@pytest.fixture(autouse=True)
def all_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LARGE", 1)
    monkeypatch.setattr(reading, "_PART", 3_000)
    monkeypatch.setattr(reading, "_cores", lambda: 2)


def folder_of(path: Path, texts: list[str]) -> Path:
    folder = RunFolder(path)
    with folder.lease():
        folder.write_settings(settings("cot", "self-consistency", "paper"))
    (path / "lines.jsonl").write_text("".join(texts), "utf-8")
    return path


def many() -> list[str]:
    """Forty problems with two seeds, in no order; a failed one, and one that is there twice."""
    lines = [
        {**one, "id": f"p{number * 7 % 40}", "seed": seed}
        for seed in (1, 0)
        for number, one in enumerate(golden() * 10)
    ]
    failed = line(99, {"cot": method([], [], error="refused")}, id="p50")
    again = line(99, {"cot": cot("right"), "paper": method([], [])}, id="p0")
    return [json.dumps(one) + "\n" for one in (*lines[:20], failed, *lines[20:], again)]


def test_several_processes_give_the_figures_of_one(tmp_path: Path) -> None:
    texts = many()
    first = folder_of(tmp_path / "first", [*texts[:50], '{"torn'])
    second = folder_of(tmp_path / "second", texts[40:])
    table = reading.counts_of_files([first, second], settings("cot", "self-consistency", "paper"))
    assert table is not None
    [(lines, measured)] = measure_runs([first, second])
    assert repr(measured) == repr(measure(lines.settings, lines))
    assert measured.problems == 41


def test_a_damaged_line_is_named_whoever_reads_it(tmp_path: Path) -> None:
    texts = many()
    texts[69], texts[75] = "no JSON\n", "[]\n"
    folder = folder_of(tmp_path / "run", texts)
    with pytest.raises(ConfigError, match=r"line 70 of '.*lines\.jsonl' is damaged"):
        measure_runs([folder])


def test_a_budget_that_only_a_late_line_has_is_found(tmp_path: Path) -> None:
    late = method([attempt("right")], [point("rollouts", 9, 1, 0)])
    extra = json.dumps(line(99, {"paper": late}, id="late")) + "\n"
    [(_, measured)] = measure_runs([folder_of(tmp_path / "run", [*many(), extra])])
    assert ("paper", 9) in {(key.method, key.rollouts) for key in measured.methods}


def test_small_files_and_one_core_start_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, about = folder_of(tmp_path / "run", many()), settings("cot")
    monkeypatch.setattr(reading, "_started", None)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "_cores", lambda: 1)
        assert reading.counts_of_files([folder], about) is None
    monkeypatch.setattr(reading, "_LARGE", 10**9)
    assert reading.counts_of_files([folder], about) is None
