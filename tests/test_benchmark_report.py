"""The report of a run: words, tables, plots, and a page looked at in a headless browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from rich.console import Console
from typer.testing import CliRunner

from mctsr_graph.benchmark.metrics import RunMetrics, measure
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.benchmark.records import Line, RunSettings
from mctsr_graph.benchmark.report import words, write
from mctsr_graph.benchmark.report.drawing import apart
from mctsr_graph.benchmark.report.plots import plots
from mctsr_graph.benchmark.report.problems import problems
from mctsr_graph.benchmark.report.tables import Table, tables
from mctsr_graph.benchmark.report.terminal import terminal
from mctsr_graph.benchmark.report.text import escaped, markdown
from mctsr_graph.benchmark.report.write import measure_runs, write_report
from mctsr_graph.benchmark.statistics import Interval
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.cli.main import app
from mctsr_graph.errors import ConfigError

from .benchmark_lines import PAPER, attempt, cot, golden, line, method, point, settings
from .hostile_texts import TEXTS

PLOTS = (
    *("differences", "tokens", "rollouts", "redrafting", "refinement", "level"),
    *("rewards", "samples"),
)
TABLES = (
    *("accuracy", "comparisons", "endings", "cost", "refinement", "redrafting", "judge"),
    *("samples", "level-selected", "level-oracle"),
)


@pytest.fixture(scope="module")
def run() -> RunMetrics:
    return measure(
        settings("cot", "self-consistency", "paper", dataset="gsm8k", source="hub/gsm8k@1"),
        golden(),
    )


def save(folder: Path, about: RunSettings, lines: list[Line]) -> Path:
    run = RunFolder(folder)
    with run.lease():
        run.write_settings(about)
        # Not by `append`: this file may come from anywhere
        text = "".join(json.dumps(one) + "\n" for one in lines)
        (folder / "lines.jsonl").write_text(text, "utf-8")
    return folder


def named(run: RunMetrics, name: str) -> Table:
    return next(table for table in tables(run) if table.name == name)


# ------------------------------------------------------------------------------------- words


def test_numbers_are_written_with_their_intervals() -> None:
    assert words.percent(Interval(0.617, 0.528, 0.699)) == "61.7 (52.8 to 69.9)"
    assert words.percent(None) == "–"
    assert words.points(Interval(0.042, -0.01, 0.091)) == "+4.2 (−1.0 to +9.1)"
    assert words.points(Interval(0.0, -0.0004, 0.0004)) == "0.0 (0.0 to 0.0)"
    assert words.share(Interval(0.684, 0.611, 0.74)) == "0.68 (0.61 to 0.74)"
    assert words.count(20236.4) == "20\u202f236"
    assert words.p_value(0.0004) == "< 0.001"
    assert words.p_value(0.0432) == "0.043"


def test_every_budget_has_a_name() -> None:
    assert words.full_name(Key("cot", "own", 0, None)) == "zero-shot CoT"
    assert words.full_name(Key("paper", "rollouts", 1, None)) == "MCTSr paper, 1 rollout"
    assert words.full_name(Key("best-of-n", "calls", 8, None)) == ("best-of-N, 35 calls")
    assert words.full_name(Key("self-consistency", "tokens", 8, "paper")) == (
        "self-consistency, tokens of MCTSr paper"
    )


# ------------------------------------------------------------------------------------ tables


def test_the_accuracy_table_by_hand(run: RunMetrics) -> None:
    table = named(run, "accuracy")
    quarter, half = "25.0 (4.6 to 69.9)", "50.0 (15.0 to 85.0)"  # Wilson, of four
    assert table.rows == [
        ("–", "zero-shot CoT", "its own", half, "–", "–", half, half, "0.0 (0.0 to 49.0)"),
        (
            *("2", "self-consistency", "11 calls", "75.0 (30.1 to 95.4)"),
            *("75.0 (30.1 to 95.4)", "–", half, "75.0 (30.1 to 95.4)", "0.0 (0.0 to 49.0)"),
        ),
        ("2", "MCTSr paper", "2 rollouts", quarter, half, quarter, quarter, half, quarter),
    ]
    assert table.head[7] == "oracle upper bound"


def test_any_node_is_always_named_an_oracle_upper_bound(run: RunMetrics) -> None:
    text = " ".join(
        " ".join(
            (table.title, table.note, *table.head, *(cell for row in table.rows for cell in row))
        )
        for table in tables(run)
    )
    assert "oracle upper bound" in text
    assert not re.search(r"any.node", text, re.I)
    assert "(oracle)" in named(run, "published").title
    assert "(oracle upper bound)" in named(run, "samples").title


def test_what_went_wrong_has_a_table(run: RunMetrics) -> None:
    assert named(run, "endings").rows[2] == (
        *("2", "MCTSr paper", "2 rollouts", "4"),
        *("1", "1", "0", "1", "1"),  # right, wrong, no answer, undecided, failed: four
        *("1", "0", "1", "1", "0"),
    )


def test_nothing_is_called_better_without_need(run: RunMetrics) -> None:
    first, second = named(run, "comparisons").rows
    assert (first[1], first[-1]) == ("self-consistency, 11 calls", "no difference shown")
    assert (second[1], second[-1]) == ("zero-shot CoT", "exploratory")
    # One gain, two losses of four: the bootstrap's low end is -1. A share of gains p has
    # (1 - p)^3 + 3 p (1 - p)^2 = 0.025 at 0.906, which is (2 * 0.906 - 1) * 3 / 4 = 0.609
    assert second[2:4] == ("4", "−25.0 (−100.0 to +60.9)")


def test_levels_have_tables(run: RunMetrics) -> None:
    assert named(run, "level-selected").rows[0][:2] == ("1", "2")
    assert named(run, "level-selected").rows[0][-1] == "50.0 (9.5 to 90.5)"  # Wilson, 1 of 2
    oracle = named(run, "level-oracle")
    assert oracle.head == ("level", "problems", "MCTSr paper, 2 rollouts")
    assert [row[2] for row in oracle.rows] == ["100.0 (34.2 to 100.0)", "0.0 (0.0 to 65.8)"]


def test_the_published_table_is_the_papers(run: RunMetrics) -> None:
    assert named(run, "published").rows == [
        (
            *("GSM8K", "1\u202f319", "74.07", "86.96", "93.03", "96.66"),
            "Gemini 1.5 Pro 94.4, Claude 3 Opus 95.0, GPT-4 Turbo 97.1",
        )
    ]
    for names in (
        {},
        {"dataset": "gsm8k", "source": "gsm8k.jsonl sha256:00"},
    ):  # a file of one's own
        other = measure(settings("cot", **names), golden())
        assert "published" not in [table.name for table in tables(other)]


# -------------------------------------------------------------------------------- other forms


@pytest.mark.parametrize("text", ["a|b", "a\nb", "<b>", "[x](y)", "`c`", "a*b*", "$a$", "&lt;"])
def test_markdown_shows_every_character(text: str) -> None:
    cell = escaped(text)
    assert "\n" not in cell
    assert re.sub(r"\\(.)", r"\1", cell) == text.replace("\n", " ")
    assert not re.search(r"(?<!\\)[|<>\[\]`*$&]", cell)


def test_markdown_holds_every_table_and_plot(run: RunMetrics) -> None:
    drawn = plots(run)
    text = markdown(run, [(plot, f"{plot.name}.svg") for plot in drawn])
    for table in tables(run):
        assert f"### {table.title}" in text
    for plot in drawn:
        assert f"![{plot.title}]({plot.name}.svg)" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_a_simulation_is_called_one_everywhere() -> None:
    run = measure(settings("cot", model="simulated:skill=0.5"), golden())
    console = Console(file=io.StringIO(), width=400)
    for part in terminal(run, 400):
        console.print(part)
    for text in (console.file.getvalue(), markdown(run, [])):  # type: ignore[attr-defined]
        assert "Simulation: no language model was asked" in text
    assert "Simulation" not in markdown(measure(settings("cot"), golden()), [])


def test_a_terminal_obeys_no_text_of_a_run() -> None:
    hostile = settings("cot", dataset="\x1b[2J[red]x[/red]", model="\x07[bold]")
    console = Console(file=io.StringIO(), width=400, color_system=None, force_terminal=True)
    for part in terminal(measure(hostile, golden()), 400):
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]x[/red]" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text


# ------------------------------------------------------------------------------------- plots


def test_every_plot_is_there(run: RunMetrics) -> None:
    drawn = plots(run)
    assert tuple(plot.name for plot in drawn) == PLOTS
    narrow = plots(run, narrow=True)
    assert [plot.name for plot in narrow] == [plot.name for plot in drawn]
    assert {plot.figure.get_figwidth() < 4 for plot in narrow} == {True}
    assert all(plot.svg.startswith("<svg ") for plot in drawn)


def test_names_beside_lines_do_not_touch() -> None:
    assert apart([0.2, 0.5], 0.1, 0, 1) == [0.2, 0.5]
    assert apart([0.5, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.4, 0.5, 0.6])
    assert apart([0.0, 0.0], 0.1, 0, 1) == pytest.approx([0.0, 0.1])  # stays inside
    assert apart([0.98, 1.0], 0.1, 0, 1) == pytest.approx([0.9, 1.0])
    assert apart([0.3, 0.45, 0.5], 0.1, 0, 1) == pytest.approx([0.3, 0.425, 0.525])


def test_the_papers_curve_stands_beside_ours_and_is_marked(run: RunMetrics) -> None:
    svg = next(plot.svg for plot in plots(run) if plot.name == "rollouts")
    assert "published (oracle)" in svg
    assert "Oracle upper bound" in svg
    assert "GPT-4 Turbo (quoted)" in svg
    other = plots(measure(settings("cot", "paper"), golden()))
    assert not any("published" in plot.svg for plot in other)


def test_a_run_of_one_method_without_tokens_or_rewards_has_fewer_plots() -> None:
    free = method(
        [attempt("wrong")], [point("own", 0, 1, 0, cost=cot("wrong")["points"][0]["cost"])]
    )
    free["points"][0]["cost"] = {**free["points"][0]["cost"], "input_tokens": 0, "output_tokens": 0}
    run = measure(settings("cot"), [line(0, {"cot": free})])
    assert [plot.name for plot in plots(run)] == ["rollouts"]


def test_a_judge_that_saw_no_right_answer_has_a_plot_all_the_same() -> None:
    searched = method(
        [attempt("wrong", 150.0), attempt("wrong", -20.0, parent=0)],
        [point("rollouts", 1, 2, 0, visits=[1, 1])],
    )
    run = measure(settings("paper"), [line(0, {"paper": searched})])
    rewards = next(plot for plot in plots(run) if plot.name == "rewards")
    assert "AUC –" in rewards.svg
    assert "right: 0" in rewards.svg


# ------------------------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def golden_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    about = settings("cot", "self-consistency", "paper")
    return save(tmp_path_factory.mktemp("golden") / "run", about, golden())


@pytest.fixture(scope="module")
def report(golden_run: Path) -> list[Path]:
    return write_report(measure_runs([golden_run]), golden_run.parent / "report")


def test_a_report_is_a_folder_of_files(report: list[Path]) -> None:
    assert [file.name for file in report] == [
        *("report.html", "report.md", "metrics.json"),
        *(f"{name}-1.{end}" for name in PLOTS for end in ("svg", "png")),
        *(f"{name}-1.{end}" for name in TABLES for end in ("csv", "tex")),
    ]
    tables_ = report[0].parent / "tables"
    rows = list(csv.reader(io.StringIO((tables_ / "accuracy-1.csv").read_text("utf-8"))))
    assert rows[0][:4] == ["rollouts", "method", "budget", "selected"]
    assert rows[1][:4] == ["–", "zero-shot CoT", "its own", "50.0 (15.0 to 85.0)"]
    latex = (tables_ / "accuracy-1.tex").read_text("utf-8")
    assert r"-- & zero-shot CoT & its own & 50.0 (15.0 to 85.0)" in latex
    figures = json.loads(report[2].read_text("utf-8"))
    paper = figures[0]["methods"][2]
    assert paper["key"] == {"method": "paper", "budget": "rollouts", "rollouts": 2, "against": None}
    assert paper["value"]["selected"]["value"] == 0.25
    assert [one["finding"] for one in figures[0]["comparisons"]] == ["not shown", "exploratory"]
    assert figures[0]["conclusions"][0]["about"] == "finding"
    assert report[4].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_report_is_the_same_every_time(
    golden_run: Path, report: list[Path], tmp_path: Path
) -> None:
    arguments = ["bench", "report", str(golden_run), "-o", str(tmp_path)]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    for file in report:
        same = tmp_path / file.relative_to(report[0].parent)
        assert same.read_bytes() == file.read_bytes()
    assert "25.0 (4.6 to 69.9)" in done.stdout
    assert "At 11 calls paper is not shown to beat self-consistency" in done.stdout
    assert f"{tmp_path}/report.html" in done.stdout.replace("\n", "")


def test_parts_of_a_run_from_several_machines_are_one_run(tmp_path: Path) -> None:
    about = settings("cot", "self-consistency", "paper")
    lines = golden()
    first = save(tmp_path / "first", about, lines[:3])
    second = save(tmp_path / "second", about, lines[2:])
    others = [{**lines[0], "run": "fedcba9876543210"}]
    other = save(tmp_path / "other", {**about, "run": "fedcba9876543210"}, others)
    measured = measure_runs([first, second, other])
    assert [metrics.problems for _, metrics in measured] == [4, 1]


def test_a_page_shows_as_many_problems_as_a_browser_opens(
    golden_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_MOST_SHOWN", 2)
    [page, *_] = write_report(measure_runs([golden_run]), tmp_path)
    assert page.read_text("utf-8").count('class="problem"') == 2
    figures = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert figures[0]["problems"] == 4


def test_a_search_whose_line_tells_no_price_is_shown() -> None:
    searched = method([attempt("right")], [point("rollouts", 2, 1, 0)])
    cost: dict[str, Any] = searched["points"][0]["cost"]  # type: ignore[assignment]
    del cost["price"], cost["unpriced_calls"]  # which earlier versions did not keep
    [shown] = problems([line(0, {"paper": searched})], [PAPER])
    [ending] = shown.endings
    assert ending.tree is not None
    assert ending.tree["cost"] is None


def test_a_folder_without_a_finished_problem_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no finished problem"):
        measure_runs([save(tmp_path / "run", settings("cot"), [])])
    with pytest.raises(ConfigError, match="is no run"):
        measure_runs([tmp_path])


# -------------------------------------------------------------------------------------- page


def hostile_lines() -> list[Line]:
    """Two problems a hostile text, which stands wherever a model's or a file's text may."""
    lines = []
    for number, text in enumerate(TEXTS):
        answer = attempt("wrong", 10.0, text=text, final_answer=text[:300])
        better = attempt("right", 20.0, parent=0, critique=text, text=text, final_answer=None)
        searched = method([answer, better], [point("rollouts", 1, 2, 1, visits=[1, 1])])
        where: dict[str, Any] = {"problem": text, "gold": text[:300], "level": text[:40]}
        methods = {"cot": cot("right"), "paper": searched, TEXTS[3]: searched}
        lines.append(line(number, methods, **where))
        lines[-1]["id"] = f"{number}{text[:60]}"
    return lines


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    names = {"dataset": TEXTS[0], "model": TEXTS[3], "label": TEXTS[1], "source": TEXTS[4]}
    about = settings("cot", "paper", TEXTS[3], settings={TEXTS[3]: TEXTS[1]}, **names)
    return write_report(measure_runs([save(folder / "run", about, hostile_lines())]), folder)[0]


def test_no_text_of_a_run_becomes_markup(hostile_report: Path) -> None:
    page = hostile_report.read_text("utf-8")
    assert len(re.findall(r"<script", page)) == 2 + 2 * len(TEXTS)  # ours, the viewer, the trees
    assert not re.search(r"<(img|base|object|link rel=stylesheet|style>body)", page)
    assert page.count("<iframe") == 1


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Open a report; at the end it must have said nothing to the console and asked for nothing."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)  # what takes a second or two
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def open_report(file: Path) -> Any:
        page.goto(file.as_uri())
        page.on("request", lambda request: said.append(request.url))
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_report
    context.close()
    # KaTeX's fonts lie in the page itself
    assert [text for text in said if not text.startswith("data:font/woff2")] == []


def test_a_tree_is_one_click_away(opened: Any, report: list[Path]) -> None:
    page = opened(report[0])
    assert page.title() == "MCTSr benchmark: sums"
    assert page.locator("figure svg").count() == 2 * len(PLOTS)
    assert page.locator("figure svg:visible").count() == len(PLOTS)
    page.locator(".problem button[data-tree]").first.click()
    viewer = page.frame_locator("dialog iframe")
    viewer.locator("html[data-ready]").wait_for(state="attached")
    viewer.locator("#tab-cost").click()
    assert "3 nodes" in viewer.locator("#cost").inner_text()
    assert page.locator("dialog .gold").inner_text() == "4"
    page.locator("dialog header button").click()
    assert not page.locator("dialog").is_visible()


def test_problems_can_be_found(opened: Any, report: list[Path]) -> None:
    page = opened(report[0])
    shown = page.locator(".filter output")
    assert shown.inner_text() == "4 of 4"
    page.locator(".filter select").select_option("lost")  # sum-1 had the right answer
    assert shown.inner_text() == "1 of 4"
    assert page.locator(".problem:visible .id").text_content() == "sum-1"
    page.locator(".filter select").select_option("unclear")  # sum-2 undecided, sum-3 failed
    assert shown.inner_text() == "2 of 4"
    page.locator(".filter input").fill("sum-3")
    assert shown.inner_text() == "1 of 4"


def test_hostile_texts_do_nothing_in_a_browser(opened: Any, hostile_report: Path) -> None:
    page = opened(hostile_report)
    assert page.locator(".problem").count() == len(TEXTS)
    assert page.locator("h1").inner_text() == TEXTS[0]
    page.evaluate(
        "document.querySelectorAll('.problem details').forEach((one) => { one.open = true; })"
    )
    assert page.locator(".problem .text").nth(3).text_content() == TEXTS[3]
    for number in range(9):
        page.locator("button[data-tree]").nth(number).evaluate("(button) => button.click()")
        viewer = page.frame_locator("dialog iframe")
        viewer.locator("html[data-ready]").wait_for(state="attached")
        assert viewer.locator("html").evaluate("() => window.pwned") is None
        page.locator("dialog header button").click()
    assert page.evaluate("window.pwned") is None
    assert page.title().startswith("MCTSr benchmark: ")


# ------------------------------------------------------------------------------ command line


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "report", str(tmp_path)])
    assert done.exit_code == 2
    assert "is no run" in " ".join(done.stderr.split())
