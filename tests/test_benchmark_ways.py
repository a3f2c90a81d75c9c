"""Ways into a benchmark and out of it: options, models, data sets, parts, other programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mctsr_graph.benchmark.convert import latex_table
from mctsr_graph.benchmark.report.table import Table
from mctsr_graph.benchmark.store import RunFolder, read_run
from mctsr_graph.cli.main import app

WORLD = "simulated:skill=0.5,auc=0.8,seed=3"


def mctsr(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def bench_run(out: Path, *more: Any) -> Result:
    methods = ("--methods", "cot,self-consistency,paper", "--rollouts", 1)
    return mctsr("bench", "run", "simulated:6", "-m", WORLD, *methods, "-o", out, *more)


def lines(folder: Path) -> dict[str, Any]:
    return {line["id"]: line for line in RunFolder(folder).lines()}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ways") / "run"
    assert bench_run(out).exit_code == 0
    return out


# --- In ---


def test_a_simulated_model_is_known_by_name(simulated: Path) -> None:
    settings, _ = read_run(simulated)
    assert (settings["model"], settings["dataset"]) == (WORLD, "simulated")
    verdicts = {
        line["methods"]["cot"]["attempts"][0]["verdict"] for line in lines(simulated).values()
    }
    assert verdicts <= {"right", "wrong"}
    told = mctsr("bench", "report", simulated).stdout
    assert "Simulation: no language model was asked" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("simulated:0",), "data set is 'simulated:0', allowed simulated:COUNT"),
        (("simulated:2", "-m", "simulated:luck=1"), "allowed NAME=NUMBER of skill, auc"),
        (("simulated:2", "-m", "simulated:auc=high"), "auc is 'high'"),
        (("simulated:2", "-m", "simulated:skill=2"), "skill is 2.0, allowed 0 to 1"),
        (("simulated:2", "-m", "simulated:auc=1"), "auc is 1.0, allowed above 0 and below 1"),
        (("simulated:2", "-m", "py:none.py:model"), "'none.py' is no file"),
        (("simulated:2", "--shard", "3/2"), "--shard is '3/2', allowed I/N, from 1/1 to 2/2"),
        (("simulated:2", "--field", "text=t"), "--field is 'text=t', allowed NAME=THEIRS"),
        (("hub:me/mine",), "hub:me/mine has no pinned revision"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], told: str) -> None:
    done = mctsr("bench", "run", *arguments)
    assert (done.exit_code, told in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_a_model_comes_out_of_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from mctsr_graph import ScriptedChatModel\n"
        "def make():\n"
        "    return ScriptedChatModel(replies=lambda call: 'Score: 1 \\\\boxed{1000}')\n"
        "model, number = make(), 3\n"
    )
    for name in ("make", "model"):
        out = tmp_path / name
        given = ("--methods", "cot", "-m", f"py:{file}:{name}", "-o", out)
        assert mctsr("bench", "run", "simulated:2", *given).exit_code == 0
        _, (first, second) = zip(*sorted(lines(out).items()), strict=True)
        assert first["methods"]["cot"]["attempts"][0]["verdict"] == "right"  # of 1000 and 2000
        assert second["methods"]["cot"]["attempts"][0]["verdict"] == "wrong"
    wrong = mctsr("bench", "run", "simulated:2", "-m", f"py:{file}:number")
    assert (wrong.exit_code, "model is 3" in wrong.stderr) == (2, True)


def test_a_file_of_options_is_what_print_config_writes(tmp_path: Path) -> None:
    given = ("--methods", "cot,paper", "--rollouts", "0,2", "--set", "width=2", "-m", WORLD)
    told = mctsr("bench", "run", "simulated:3", *given, "--seed", "4,5", "--print-config")
    assert told.exit_code == 0, told.output
    file = tmp_path / "run.yaml"
    file.write_text(told.stdout)
    assert "set:\n  width: '2'" in told.stdout
    done = mctsr("bench", "run", "--config", file, "-o", tmp_path / "run", "--rollouts", 1)
    assert done.exit_code == 0, done.output
    settings, found = read_run(tmp_path / "run")
    assert (settings["methods"], settings["settings"]) == (["cot", "paper"], {"width": 2})
    assert settings["rollouts"] == [1]  # the command line goes before the file
    assert len(list(found)) == 6


def test_a_file_of_options_may_be_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        f"dataset: simulated:2\nmodels: [x]\nmethods: [cot]\nseed: [1, 2]\nmodel: ['{WORLD}']\n"
    )
    wrong = mctsr("bench", "run", "--config", file)
    assert (wrong.exit_code, "has 'models', allowed" in " ".join(wrong.stderr.split())) == (2, True)
    file.write_text(file.read_text().replace("models: [x]\n", ""))
    assert mctsr("bench", "run", "--config", file, "-o", tmp_path / "run").exit_code == 0
    assert len(list(RunFolder(tmp_path / "run").lines())) == 4


def test_several_models_make_several_runs(tmp_path: Path) -> None:
    more = ("-m", "simulated:skill=0.9", "--limit", 2)
    assert bench_run(tmp_path, *more).exit_code == 0
    found = {read_run(folder)[0]["model"] for folder in tmp_path.iterdir()}
    assert found == {WORLD, "simulated:skill=0.9"}


def test_parts_of_a_run_become_the_whole(tmp_path: Path, simulated: Path) -> None:
    parts = [tmp_path / f"part-{i}" for i in (1, 2)]
    for i, part in enumerate(parts, 1):
        assert bench_run(part, "--shard", f"{i}/2").exit_code == 0
    assert [len(lines(part)) for part in parts] == [3, 3]
    assert "3 of 6, unfinished" in mctsr("bench", "report", parts[0]).stdout
    both = mctsr("bench", "report", *parts, "-o", tmp_path / "report").stdout
    assert "unfinished" not in both
    assert mctsr("bench", "merge", *parts, "-o", tmp_path / "whole").exit_code == 0

    def verdicts(folder: Path) -> Any:
        return {
            id_: [[a["verdict"] for a in m["attempts"]] for m in line["methods"].values()]
            for id_, line in lines(folder).items()
        }

    assert verdicts(tmp_path / "whole") == verdicts(simulated)
    again = mctsr("bench", "run", "--replay", tmp_path / "whole")
    assert "6 of 6 lines came out the same" in again.stdout
    other = mctsr("bench", "merge", parts[0], simulated, "-o", tmp_path / "whole")
    assert "holds a run" in other.stderr


def test_fields_of_a_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text(json.dumps({"q": "Simulated problem 0.", "a": "1000", "kind": "sums"}))
    out, names = tmp_path / "run", ("q", "a", "kind")
    fields = [f"{n}={t}" for n, t in zip(("problem", "answer", "subject"), names, strict=True)]
    given = [part for one in fields for part in ("--field", one)]
    done = mctsr("bench", "run", file, "-m", WORLD, "--methods", "cot", "-o", out, *given)
    assert done.exit_code == 0, done.output
    [line] = lines(out).values()
    assert (line["id"], line["gold"], line["subject"]) == ("odd-0001", "1000", "sums")


# --- Out ---


def converted(run: Path, to: str, out: Path) -> Path:
    done = mctsr("bench", "convert", run, "--to", to, "-o", out)
    assert done.exit_code == 0, done.output
    return out


def test_outcomes_are_a_table_of_numbers(simulated: Path, tmp_path: Path) -> None:
    out = converted(simulated, "csv", tmp_path)
    with (out / "outcomes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 4  # cot, paper, and self-consistency at two budgets
    told = {row["id"]: row["verdict"] for row in rows if row["method"] == "cot"}
    assert told == {
        id_: line["methods"]["cot"]["attempts"][0]["verdict"]
        for id_, line in lines(simulated).items()
    }
    assert {row["calls"] for row in rows if row["method"] == "paper"} == {"6"}
    with (out / "accuracy.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file))[:4] == ["rollouts", "method", "budget", "selected"]


def test_a_table_for_latex_holds_no_command_of_a_text() -> None:
    table = Table("t", "50 % & more", "", ("a_b", "c"), [("\\input{x}", "1.0 (−2.0 to $3)")])
    text = latex_table(table)
    assert r"\caption{50 \% \& more}" in text
    assert r"a\_b & c \\" in text
    assert r"\textbackslash{}input\{x\} & 1.0 (-2.0 to \$3) \\" in text


def test_latex_has_every_table(simulated: Path, tmp_path: Path) -> None:
    out = converted(simulated, "latex", tmp_path)
    assert {"accuracy.tex", "cost.tex", "calibration.tex"} <= {one.name for one in out.iterdir()}


def test_inspect_ai_reads_its_logs(simulated: Path, tmp_path: Path) -> None:
    out = converted(simulated, "inspect", tmp_path)
    log = pytest.importorskip("inspect_ai.log", reason="the package inspect_ai is not installed")
    read = log.read_eval_log(str(out / "cot-own-0.json"))
    assert (read.status, read.eval.model, len(read.samples)) == ("success", WORLD, 6)
    by_id = lines(simulated)
    for sample in read.samples:
        attempt = by_id[sample.id]["methods"]["cot"]["attempts"][0]
        assert sample.output.completion == attempt["text"]
        expected = "C" if attempt["verdict"] == "right" else "I"
        assert sample.scores["mctsr"].value == expected
    right = [sample.scores["mctsr"].value for sample in read.samples].count("C")
    assert read.results.scores[0].metrics["accuracy"].value == right / 6


def test_lm_eval_makes_its_table_of_results(simulated: Path, tmp_path: Path) -> None:
    out = converted(simulated, "lm-eval", tmp_path)
    [file] = out.glob("results_*.json")
    results = json.loads(file.read_text())
    assert results["n-samples"]["simulated_cot-own-0"] == {"original": 6, "effective": 6}
    [samples] = out.glob("samples_simulated_cot-own-0_*.jsonl")
    rows = [json.loads(row) for row in samples.read_text().splitlines()]
    share = sum(row["exact_match"] for row in rows) / 6
    assert results["results"]["simulated_cot-own-0"]["exact_match,none"] == share
    utils = pytest.importorskip("lm_eval.utils", reason="the package lm_eval is not installed")
    pytest.importorskip("pytablewriter", reason="lm_eval's pytablewriter is not installed")
    assert f"{share:.4f}" in utils.make_table(results)


def test_other_forms_are_refused(simulated: Path) -> None:
    done = mctsr("bench", "convert", simulated, "--to", "xls")
    assert "--to is 'xls', allowed csv, latex, inspect, lm-eval" in done.stderr
