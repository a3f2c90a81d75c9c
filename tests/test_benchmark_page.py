"""The report's page on every screen: looked at in a headless browser."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from mctsr_graph.benchmark.metrics import measure
from mctsr_graph.benchmark.records import SIMPLE_METHODS, Line
from mctsr_graph.benchmark.report.drawing import Percents
from mctsr_graph.benchmark.report.looks import looks_of
from mctsr_graph.benchmark.report.plots import plots
from mctsr_graph.benchmark.report.write import measure_runs, write_report
from mctsr_graph.benchmark.store import RunFolder

from .benchmark_lines import attempt, cost, cot, line, method, point, settings
from .colours import EYES, contrast, distance

_CSS = Path(__file__).parents[1] / "mctsr_graph/benchmark/report/assets/report.css"
_SMALL = """() => [...document.querySelectorAll("main *")].filter((one) => {
  if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) return false;
  const scale = one.getScreenCTM ? Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b) : 1;
  const box = one.getBoundingClientRect();
  return box.width > 1 && scale * parseFloat(getComputedStyle(one).fontSize) < 11;
}).map((one) => one.outerHTML.slice(0, 80))"""


def lines() -> list[Line]:
    """Twelve problems of three levels, by methods at equal calls and tokens."""
    found = []
    for number in range(12):
        good = "right" if number % 3 else "wrong"
        first = attempt("wrong", -20.0, text="It is \\boxed{5}.", final_answer="5")
        tree = [first, attempt(good, 40.0, parent=0)]
        tuned = [
            point("calls", count, 2, 1, visits=[1, 1], confidence=0.7, cost=cost(7 * count, 900))
            for count in (1, 2)
        ]
        drafts = [attempt("right" if number % 2 else "wrong") for _ in range(4)]
        vote = [
            point(budget, count, 2 * count, 0, against="tuned", cost=cost(2 * count, 850))
            for count in (1, 2)
            for budget in ("calls", "tokens")
        ]
        methods = {
            "cot": cot("wrong"),
            "self-consistency": method(drafts, vote),
            "tuned": method(tree, tuned),
        }
        found.append(line(number, methods, level=str(1 + number % 3)))
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    run = RunFolder(folder / "run")
    with run.lease():
        run.write_settings(settings("cot", "self-consistency", "tuned", rollouts=[1, 2]))
        (folder / "run" / "lines.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines()))
    return write_report(measure_runs([folder / "run"]), folder / "report")[0]


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Any]:
    """Open the report on a screen."""
    contexts = []

    def open_report(width: int = 1360, **screen: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 844}, **screen)
        contexts.append(context)
        page = context.new_page()
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_report
    for context in contexts:
        context.close()


# ------------------------------------------------------------------------------------ reading


def test_the_page_opens_with_what_was_found(opened: Any) -> None:
    page = opened()
    first = page.locator(".found li").first
    # Right are eight of twelve, and six: +2 / 12
    assert first.inner_text().startswith("○")
    assert (
        "At equal tokens tuned is not shown to beat self-consistency: +16.7" in first.inner_text()
    )
    assert first.bounding_box()["y"] < 400
    named = page.locator(".headline .who").all_inner_texts()
    assert named == [
        *("zero-shot CoT", "tuned, 11 calls"),
        *("self-consistency, equal calls", "self-consistency, equal tokens"),
    ]
    marks = page.locator(".marks").first.locator("> *").all_text_contents()
    assert marks == ["✗ CoT", "✗ vote", "✗ tuned"]


@pytest.mark.parametrize("width", [390, 820, 1360])
def test_nothing_is_cut_off_or_too_small_on_any_screen(opened: Any, width: int) -> None:
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(_SMALL) == []
    assert page.locator(".headline .bar svg").first.is_visible()
    assert page.locator(".headline .extra").last.is_visible()


def test_a_dark_page_has_dark_plots(opened: Any) -> None:
    page = opened(color_scheme="dark")
    ground = "getComputedStyle(document.querySelector('figure svg path')).fill"
    assert page.evaluate(ground) == "rgb(23, 29, 38)"  # --pane
    assert opened().evaluate(ground) == "rgb(255, 255, 255)"


def test_print_has_every_table_and_no_button_to_press(opened: Any) -> None:
    page = opened(794)
    assert page.locator("details.table table:visible").count() == 1
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tables = page.locator("details.table table")
    assert page.locator("details.table table:visible").count() == tables.count() > 5
    assert page.locator(".filter:visible, .take:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 794
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.table[open]").count() == 1


def test_a_table_can_be_taken_along(opened: Any, report: Path) -> None:
    page = opened()
    address = page.locator("#accuracy-1-table .take a").first.get_attribute("href")
    text = base64.b64decode(address.partition("base64,")[2]).decode()
    assert text.encode() == (report.parent / "tables" / "accuracy-1.csv").read_bytes()
    assert next(csv.reader(io.StringIO(text)))[3] == "selected"


def test_escape_closes_a_tree_that_has_the_focus(opened: Any) -> None:
    page = opened()
    page.locator("button[data-tree]").first.click()
    viewer = page.frame_locator("dialog iframe")
    viewer.locator("html[data-ready]").wait_for(state="attached")
    viewer.locator("[role=treeitem]").first.focus()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")


def test_each_node_of_a_tree_tells_its_verdict(opened: Any) -> None:
    page = opened()
    page.locator("button[data-tree]").nth(1).click()
    viewer = page.frame_locator("dialog iframe")
    viewer.locator("html[data-ready]").wait_for(state="attached")
    cards = viewer.locator("[role=treeitem]").all_inner_texts()
    told = {card for card in cards if "node 0" in card or "★" in card}
    assert ["✗ wrong" in card for card in sorted(told, key=lambda one: "★" in one)] == [True, False]
    assert ["✓ right" in card for card in sorted(told, key=lambda one: "★" in one)] == [False, True]


# ------------------------------------------------------------------------------------ drawing


def test_ticks_say_what_they_stand_at() -> None:
    ticks = Percents()
    assert ticks.format_ticks([0, 0.025, 0.05]) == ["0.0 %", "2.5 %", "5.0 %"]
    assert ticks.format_ticks([0, 0.2, 0.4]) == ["0 %", "20 %", "40 %"]


def test_every_method_can_be_drawn() -> None:
    searched = method([attempt("right")], [point("calls", 2, 1, 0)])
    drawn = method([attempt("right")], [point("tokens", 2, 1, 0, against="tuned")])
    methods = {name: cot("right") for name in ("cot", "self-refine")}
    methods |= {name: drawn for name in SIMPLE_METHODS if name not in methods}
    run = measure(settings(*SIMPLE_METHODS, "tuned"), [line(0, {**methods, "tuned": searched})])
    assert [plot.name for plot in plots(run)][:3] == ["differences", "tokens", "rollouts"]
    looks = looks_of(run)
    assert len({looks[name].marker for name in SIMPLE_METHODS}) == len(SIMPLE_METHODS)


def _colours() -> dict[str, list[str]]:
    """Of methods, as lines and names, on a light and on a dark page."""
    tuned = method([attempt("right")], [point("calls", 2, 1, 0)])
    names = ("a", "b", "c", "d")
    run = measure(settings(*names), [line(0, dict.fromkeys(names, tuned))])
    light = list(dict.fromkeys(look.colour for look in looks_of(run).values()))
    css = _CSS.read_text("utf-8")
    block = css[css.index("@media screen and (prefers-color-scheme: dark)") :]
    dark = dict(re.findall(r"--p(\w{6}): (#\w{6})", block[: block.index("@media (forced")]))
    return {"#ffffff": light, "#171d26": [dark[colour[1:]] for colour in light]}


@pytest.mark.parametrize("ground", ["#ffffff", "#171d26"])
def test_methods_are_told_apart_by_every_eye(ground: str) -> None:
    colours = _colours()[ground]
    assert len(colours) == 7
    assert all(contrast(colour, ground) >= 4.5 for colour in colours)
    for eyes in EYES:
        assert all(distance(*pair, eyes) >= 0.12 for pair in combinations(colours, 2)), eyes
