"""Training data: what is written of a run's trees, and that TRL trains on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph.benchmark.export import Exported, export
from mctsr_graph.benchmark.records import Line, MethodRecord
from mctsr_graph.benchmark.store import RunFolder

from .benchmark_lines import attempt, line, method, point, settings


def search(selected: int, *found: tuple[str, str, float]) -> MethodRecord:
    """A tree of answers (text, verdict, reward), one of which is returned."""
    attempts = [
        attempt(verdict, reward, text=text, final_answer=text[-1:])
        for text, verdict, reward in found
    ]
    return method(attempts, [point("rollouts", 1, len(attempts), selected)])


def saved(folder: Path, *lines: Line, **more: Any) -> Path:
    run = RunFolder(folder)
    with run.lease():
        run.write_settings(settings("paper", "official", **more))
        for one in lines:
            run.append(one)
    return folder


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def texts(row: dict[str, Any]) -> tuple[str, str]:
    return row["chosen"][0]["content"], row["rejected"][0]["content"]


def test_a_text_is_one_answer_however_often_it_was_found(tmp_path: Path) -> None:
    # Returned is the second "It is 4" of the tree; the other seed returns it, too
    tree = search(2, ("It is 4", "right", 10), ("It is 5", "wrong", 0), ("It is 4", "right", 30))
    other = search(0, ("It is 4", "right", 60), ("It is 5", "wrong", 0))
    run = saved(tmp_path / "run", line(0, {"paper": tree}), line(0, {"paper": other}, seed=1))
    assert export(run, tmp_path) == Exported(1, 1, 0, 0)
    [row] = rows(tmp_path, "sft")
    assert row["messages"][-1] == {"role": "assistant", "content": "It is 4"}
    assert (row["reward"], row["times"], row["contradicted"]) == (40, 2, False)  # of 20 and 60
    [pair] = rows(tmp_path, "pairs")
    assert texts(pair) == ("It is 4", "It is 5")
    assert (pair["margin"], pair["times"], pair["contradicted"]) == (40, 2, False)


def test_what_two_trees_say_of_a_pair_is_marked_where_they_differ(tmp_path: Path) -> None:
    trees = {
        "paper": search(0, ("It is 4", "right", 50), ("It is 5", "wrong", 20)),
        "official": search(1, ("It is 4", "right", 10), ("It is 5", "wrong", 90)),
    }
    run = saved(tmp_path / "run", line(0, trees))
    assert export(run, tmp_path) == Exported(2, 2, 0, 4)
    marked = {texts(row): (row["margin"], row["contradicted"]) for row in rows(tmp_path, "pairs")}
    assert marked == {("It is 4", "It is 5"): (30, True), ("It is 5", "It is 4"): (80, True)}
    assert [row["contradicted"] for row in rows(tmp_path, "sft")] == [True, True]
    # The truth contradicts nobody
    assert export(run, tmp_path, gold=True) == Exported(1, 1, 0, 0)
    [pair] = rows(tmp_path, "pairs")
    assert (texts(pair), pair["margin"]) == (("It is 4", "It is 5"), -25)  # of 30 and -80


def test_the_same_final_answer_is_a_pair_only_if_asked_for(tmp_path: Path) -> None:
    tree = search(0, ("So it is 4", "right", 50), ("It is 4", "right", 20), ("No: 5", "wrong", 10))
    run = saved(tmp_path / "run", line(0, {"paper": tree}))
    export(run, tmp_path)
    assert [texts(row) for row in rows(tmp_path, "pairs")] == [("So it is 4", "No: 5")]
    export(run, tmp_path, same_answer=True)
    assert [texts(row)[1] for row in rows(tmp_path, "pairs")] == ["It is 4", "No: 5"]


def test_a_margin_is_a_number_where_the_judge_was_not_asked(tmp_path: Path) -> None:
    tree = search(0, ("It is 4", "right", 50), ("It is 5", "wrong", 0))
    tree["attempts"][1]["rewards"] = []
    run = saved(tmp_path / "run", line(0, {"paper": tree}))
    export(run, tmp_path, gold=True)
    assert [row["margin"] for row in rows(tmp_path, "pairs")] == [0.0]


def test_problems_of_the_same_words_are_one(tmp_path: Path) -> None:
    tree = search(0, ("It is 4", "right", 50), ("It is 5", "wrong", 20))
    run = saved(tmp_path / "run", line(0, {"paper": tree}), line(1, {"paper": tree}))
    assert export(run, tmp_path)[:2] == (1, 1)


def test_the_prompt_is_the_one_that_the_run_had(tmp_path: Path) -> None:
    tree = search(0, ("It is 4", "right", 50))
    prompts = {"system": "Be brief.", "draft": "Now: {problem}"}
    run = saved(tmp_path / "run", line(0, {"paper": tree}), prompts=prompts)
    export(run, tmp_path)
    asked = rows(tmp_path, "sft")[0]["messages"][:2]
    assert [one["content"] for one in asked] == ["Be brief.", "Now: 2 + 2?"]


def test_a_step_is_good_if_a_right_answer_begins_with_it(tmp_path: Path) -> None:
    tree = search(
        0,
        ("Add.\n\nThat is 4", "right", 50),
        ("Add.\n\nThat is 5", "wrong", 20),
        ("Guess.\n\nThat is 4", "wrong", 10),
    )
    run = saved(tmp_path / "run", line(0, {"paper": tree, "official": tree}))
    assert export(run, tmp_path, steps=True).steps == 3
    found = [(row["completions"], row["labels"]) for row in rows(tmp_path, "steps")]
    assert found == [
        (["Add.", "That is 4"], [True, True]),
        (["Add.", "That is 5"], [True, False]),
        (["Guess.", "That is 4"], [False, False]),
    ]
    assert "2 + 2?" in rows(tmp_path, "steps")[0]["prompt"]


# ------------------------------------------------------------------------------- other packages


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    trees = [
        search(0, (f"So it is {n}", "right", 50), ("It is 9", "wrong", 20), ("No 8", "wrong", -5))
        for n in range(3)
    ]
    lines = [line(n, {"paper": tree}, problem=f"{n}?") for n, tree in enumerate(trees)]
    export(saved(tmp_path / "run", *lines), tmp_path, steps=True)
    return tmp_path


def table(folder: Path, name: str) -> Any:
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    file, cache = str(folder / f"{name}.jsonl"), str(folder / "cache")
    return datasets.load_dataset("json", data_files=file, split="train", cache_dir=cache)


@pytest.mark.parametrize(("name", "count"), [("sft", 3), ("pairs", 6), ("steps", 9)])
def test_datasets_reads_them(exported: Path, name: str, count: int) -> None:
    found = table(exported, name)
    assert len(found) == count
    assert not any(value is None for row in found for value in row.values())


@pytest.fixture(scope="session")
def weights() -> str:
    """The folder of the embedded model's weights."""
    pytest.importorskip("trl", reason="the package trl is not installed")
    from mctsr_graph.models.embedded import FOLDER

    return str(FOLDER)


@pytest.mark.filterwarnings("default")  # of packages that are no concern here
@pytest.mark.parametrize("name", ["sft", "pairs"])
def test_trl_takes_a_training_step(exported: Path, weights: str, name: str) -> None:
    import trl

    common: Any = {
        "output_dir": str(exported / "trained"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "max_length": 128,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
    }
    data = table(exported, name)
    trainer: Any
    if name == "sft":
        trainer = trl.SFTTrainer(weights, trl.SFTConfig(**common), train_dataset=data)
    else:
        trainer = trl.RewardTrainer(weights, trl.RewardConfig(**common), train_dataset=data)
    done = trainer.train()
    assert done.global_step == 1
    assert 0 < done.training_loss < 100
