"""The page of a search at every size: on paper, a phone, in other colours, with 4,096 nodes."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import pytest

from mctsr_graph import Solution
from mctsr_graph.tree.record import Recorded
from mctsr_graph.viewers.html import render_html

from .hostile_texts import TEXTS
from .test_page import card, drawn, grown

Open = Callable[..., Any]
BIG = 4096
ANSWERS = [
    "[Step 1] Let $x = \\frac{a}{b}$. \\[x^2 = 2\\] so \\boxed{\\sqrt{2}}. " * 8,
    "It is \\boxed{24}, since $(3+1)(2+1)(1+1) = 24$.",
    *("42", "\\frac{1}{2}", "I think 17", "no idea", "96", "1001", "7", "x^2+1"),
]


def recorded(solution: Solution) -> Solution:
    """The same with a record as a search of so many rollouts keeps it: 7 values and costs each."""
    nodes = list(solution.tree.values())
    best, record = nodes[0], list[Recorded]()
    for place, node in enumerate(nodes):
        best = max(best, node, key=lambda one: one["q"] or -100.0)
        above = [nodes[other]["id"] for other in range(max(0, place - 6), place)]
        record.append(
            Recorded(
                index=place,
                task="refine" if place else "draft",
                node=node["id"],
                parent=node["parent"],
                rewards=node["rewards"],
                parent_rewards=[],
                q=node["q"],
                values={one: solution.tree[one]["q"] for one in above},
                leader=best["id"],
                leader_q=best["q"],
                chance=0.5,
                calls=4 * place + 2,
                tokens=900 * place,
                seconds=round(1.7 * place, 3),
                price=None,
            )
        )
    return replace(solution, record=record)


@pytest.fixture(scope="module")
def large() -> Solution:
    solution = grown(ANSWERS, BIG)
    rng = random.Random(2)
    for node in solution.tree.values():
        if rng.random() < 0.1:
            node["q"] = None
    return recorded(solution)


def blocks(page: Any) -> list[tuple[float, float]]:
    """Where the nodes lie that are drawn as blocks."""
    shapes = page.locator("#blocks .block").evaluate_all(
        "all => all.map((one) => one.getAttribute('d'))"
    )
    found = re.findall(r"M(-?[\d.]+) (-?[\d.]+)h", "".join(shapes))
    return [(float(x), float(y)) for x, y in found]


def test_the_page_of_4096_nodes_is_small_and_soon_usable(opened: Open, large: Solution) -> None:
    text = large.to_html()
    parts = [n[key] for n in large.tree.values() for key in ("answer", "critique", "final_answer")]
    assert len(text.encode()) - sum(len(str(part).encode()) for part in parts) < 3_000_000
    page = opened(text)
    # All of them at a glance, in rows by answer; the ten classes take six rows and one for others
    assert page.locator("#overview .row").count() == 7
    shapes = page.locator("#overview svg path").evaluate_all(
        "all => all.map((one) => one.getAttribute('d'))"
    )
    kinds = page.locator("#overview svg path").evaluate_all(
        "all => all.map((one) => one.className.baseVal)"
    )
    tiles = [shape.count("M") for shape, kind in zip(shapes, kinds, strict=True) if "tile" in kind]
    assert sum(tiles) == BIG
    long, room = page.evaluate(
        "[document.getElementById('overview').scrollHeight, plane.clientHeight]"
    )
    assert long <= room
    began = time.monotonic()
    page.focus("#plane")
    page.keyboard.press("ArrowDown")
    page.click("#tab-rollouts")
    page.click("#tab-answers")
    page.locator("#slider").fill("2000")
    assert page.inner_text("#moment") == f"rollout 2,000\nof {BIG - 1:,}"
    assert time.monotonic() - began < 30  # 1 s where it was measured


def test_the_whole_tree_of_4096_nodes_fits(opened: Open, large: Solution) -> None:
    page = opened(large.to_html())
    page.click("#as-tree")
    assert 0 < page.locator(".card").count() < 100  # off the best path all is collapsed
    page.click("#expand")
    places = blocks(page)
    folded = len(places)
    assert folded > 1000  # of leaves beside each other that say the same there is one
    for (x, y), (x_next, y_next) in pairwise(sorted(places)):
        assert x != x_next or y_next - y >= 48  # no card lies over another
    plane = page.locator("#plane").bounding_box()
    box = page.locator("#blocks").bounding_box()
    assert box["x"] >= plane["x"]
    assert box["y"] >= plane["y"]
    assert box["x"] + box["width"] <= plane["x"] + plane["width"] + 1
    assert box["y"] + box["height"] <= plane["y"] + plane["height"] + 1


@pytest.mark.parametrize("width", [1360, 820, 390])
@pytest.mark.parametrize("nodes", [1, 14, 60, 200])
def test_no_text_is_smaller_than_eleven_pixels(opened: Open, width: int, nodes: int) -> None:
    solution = recorded(grown(ANSWERS[1:], nodes))
    page = opened(solution.to_html(), viewport={"width": width, "height": 844})
    script = """() => [...document.querySelectorAll("body *")].flatMap((one) => {
        const isText = (child) => child.nodeType === 3 && child.data.trim();
        const isSeen = one.checkVisibility() && !one.closest(".katex, script, noscript, .unseen");
        if (!isSeen || ![...one.childNodes].some(isText)) return [];
        const scale = Number(document.getElementById("world").style.getPropertyValue("--scale"));
        const own = parseFloat(getComputedStyle(one).fontSize);
        const size = own * (one.closest("#world") ? scale : 1);
        return size < 10.95 ? [`${size} ${one.className} ${one.textContent}`] : [];
    })"""
    for tree in (True, False):
        page.click("#as-tree" if tree else "#as-whole")
        assert page.evaluate(script) == []
        if tree:
            for _ in range(6):
                page.click("#zoom-out")
                assert page.evaluate(script) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1360, 1200, 820, 390])
def test_every_tab_is_seen(opened: Open, width: int) -> None:
    page = opened(grown(ANSWERS, 3).to_html(), viewport={"width": width, "height": 844})
    needed, room = page.evaluate(
        "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])"
        "(document.querySelector('[role=tablist]'))"
    )
    assert needed <= room


def test_drafts_that_say_the_same_are_one_card(opened: Open) -> None:
    solution = grown(["96", "90", "96", "96"], 12)
    for node in solution.tree.values():
        node.update(parent=None, children=[], depth=0)
    page = opened(solution.to_html())
    # 9 say 96, of which the answer has a card of its own; 3 say 90
    assert page.locator(".card").count() == 3
    assert drawn(page) == 12
    folds = page.locator(".card.fold").all_inner_texts()
    assert [" ".join(fold.split()) for fold in folds] == ["A 96 +8 8 nodes", "B 90 +3 3 nodes"]
    page.locator(".card.fold").nth(1).click()
    assert page.locator(".card").count() == 5
    page.keyboard.press("Tab")
    page.evaluate("location.hash = '#node-0'")  # folded: it is taken out
    page.wait_for_selector(card("0"))


def test_search_and_filter_show_what_is_meant(opened: Open) -> None:
    page = opened(grown([*ANSWERS[1:], "The needle is here: \\boxed{5}."], 100).to_html())
    page.fill("#find", "NEEDLE")
    found = sum(one % 10 == 9 or one % 10 == 8 for one in range(100))  # as answer, or as critique
    assert page.inner_text("#matches") == f"{found} of 100"
    page.keyboard.press("Enter")
    assert "needle" in page.inner_text("#node")
    first = page.inner_text("#node h2")
    page.keyboard.press("Enter")
    assert page.inner_text("#node h2") != first
    page.keyboard.press("Escape")
    assert page.inner_text("#matches") == ""
    assert page.input_value("#find") == ""
    page.click("#tab-answers")
    page.click("#answers .bare >> nth=0")
    assert page.inner_text("#matches") == "10 of 100"
    page.select_option("#kind", "unjudged")
    assert page.inner_text("#matches") == "0 of 100"


@pytest.mark.parametrize("texts", [["It is \\boxed{24}."], TEXTS[:8]])
def test_print_holds_all_that_the_page_says(opened: Open, texts: list[str]) -> None:
    page = opened(recorded(grown(texts, 12)).to_html())
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    for panel in ("how", "node", "answers", "rollouts", "cost", "problem", "found"):
        assert page.is_visible(f"#{panel}")
    assert page.locator("#rollouts tbody tr").count() == 12
    for control in (".tools", "#slider", "[role=tablist]", "#play", ".copy", ".finder"):
        assert not page.locator(control).first.is_visible(), control
    tree = page.locator("#plane").bounding_box()
    for one in page.locator(".card").all():
        box = one.bounding_box()
        assert box["x"] >= tree["x"]
        assert box["x"] + box["width"] <= tree["x"] + tree["width"]


def test_what_is_chosen_is_seen_in_forced_colours(opened: Open) -> None:
    page = opened(grown(["96", "90"], 6).to_html(), forced_colors="active")
    styles = """(name) => { const style = getComputedStyle(document.querySelector(name));
        return [style.borderTopColor, style.outlineStyle, style.backgroundColor]; }"""
    chosen = page.evaluate(styles, "[role=tab][aria-selected=true]")
    other = page.evaluate(styles, "[role=tab][aria-selected=false]")
    assert (chosen[1], other[1]) == ("solid", "none")
    letter = page.evaluate(styles, ".card .letter")
    assert letter[2] == "rgb(40, 80, 176)"  # a letter keeps its colour


@pytest.mark.parametrize("width", [1360, 390])
def test_every_control_has_a_name_and_is_large_enough(opened: Open, width: int) -> None:
    page = opened(
        recorded(grown(ANSWERS[1:], 14)).to_html(), viewport={"width": width, "height": 844}
    )
    script = """() => [...document.querySelectorAll("button, select, input, summary")].flatMap(
      (one) => {
        const { width, height } = one.getBoundingClientRect();
        const name = one.getAttribute("aria-label") ?? one.textContent.trim();
        return one.checkVisibility() && (width < 24 || height < 23.5 || !name)
            ? [`${width} ${height} ${one.outerHTML.slice(0, 80)}`] : [];
    })"""
    for tab in ("how", "node", "answers", "rollouts", "cost"):
        page.click(f"#tab-{tab}")
        assert page.evaluate(script) == [], tab
    assert page.locator("h1").count() == 1
    assert page.locator("h1").text_content().endswith("MCTSr")


@pytest.mark.parametrize(
    "sign", [{}, {"truncated": True}, {"duplicate_of": "7"}, {"verdict": "wrong"}]
)
def test_the_sign_of_a_node_is_not_cut_off(opened: Open, sign: dict[str, Any]) -> None:
    names = {"0": "7", "1": "42", "2": "999"}
    solution = asdict(grown(["96", "90"], 3))
    tree = {}
    for node_id, node in solution["tree"].items():
        above = names[node["parent"]] if node["parent"] else None
        below = [names[child] for child in node["children"]]
        node.pop("duplicate_of", None)
        told = {"id": names[node_id], "parent": above, "children": below, **sign}
        tree[names[node_id]] = {**node, **told}
    cut = (
        "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"
    )
    for best in names.values():
        page = opened(render_html({**solution, "tree": tree, "best": best}))
        assert page.locator(".card .id:visible").count() == 3
        assert page.locator(".card .id").evaluate_all(cut) == []


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("nodes", [1, 14, 76])
def test_what_is_named_says_what_it_shows(opened: Open, nodes: int, width: int) -> None:
    """WCAG 2.5.3: who speaks to the page says what is seen. Only letters and digits count."""
    solution = recorded(grown([*ANSWERS[1:], "96", "96"], nodes))
    solution.tree["0"] |= {"pruned": True, "truncated": True}
    page = opened(solution.to_html(), viewport={"width": width, "height": 844})
    script = """() => [...document.querySelectorAll("[aria-label]")].flatMap((one) => {
        const role = one.getAttribute("role") ?? one.localName;
        const isNamed = /^(button|select|summary|a|tab|treeitem)$/.test(role);
        if (!isNamed || !one.checkVisibility()) return [];
        const bare = (text) => text.toLowerCase().replace(/[^\\p{L}\\p{N}]+/gu, "");
        const named = bare(one.getAttribute("aria-label"));
        const shown = bare(one.localName === "select" ? "" : one.innerText);
        return named.includes(shown) ? [] : [`${one.innerText} is named ${one.ariaLabel}`];
    })"""
    page.click("#as-tree")
    for tab in ("how", "node", "answers", "rollouts", "cost"):
        page.click(f"#tab-{tab}")
        assert page.evaluate(script) == [], tab
    for control in ("#expand", "#zoom-in", "#fit", "#zoom-in"):
        page.click(control)
        assert page.evaluate(script) == [], control


def test_one_is_told_of_a_frame_that_escape_is_meant_to_close(opened: Open) -> None:
    shown = grown(["96"], 3)._repr_html_()
    page = opened(f"<!doctype html><meta charset=utf-8>{shown}", ready="summary")
    page.click("summary")
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector("html[data-ready]", state="attached")
    page.evaluate("window.addEventListener('message', (event) => (window.heard = event.data))")
    frame.focus("#plane")
    page.keyboard.press("Escape")
    page.wait_for_function("window.heard === 'mctsr.escape'")
