"""The HTML page of a search, in a headless browser."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, solve
from mctsr_graph.calls.usage import no_usage
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies import PaperStrategy, Search, Task
from mctsr_graph.tree.tree import Tree, add_child, best_node, merge, new_node
from mctsr_graph.viewers.html import render_html
from mctsr_graph.viewers.text import points

from .conftest import keyed_reply
from .hostile_texts import TEXTS

Open = Callable[..., Any]


def reply(call: ScriptedCall) -> str:
    """Answers with TeX; evaluations of rollout 3 have no score, so that it fails."""
    if call.role == "evaluate" and call.rollout == 3:
        return "no score"
    if call.role in ("draft", "refine"):
        half = "\\frac{1}{2}" if call.rollout % 2 else "0.5"
        short = half if call.rollout < 4 else str(call.rollout)
        return f"From \\[x^2 = {call.rollout}\\] it is \\boxed{{{short}}}, for $5 and $6."
    return keyed_reply(call)


def searched(rollouts: int = 8, **settings: Any) -> tuple[Solution, list[Any]]:
    events: list[Any] = []
    context = MCTSrContext(
        **{"profile": "paper", "max_rollouts": rollouts, "max_retries": 0, **settings}
    )
    model = ScriptedChatModel(replies=reply)
    solution = solve("Halve $x^2$.", model, context=context, on_event=events.append)
    return solution, [event for event in events if event["type"] == "mctsr.rollout"]


def grown(texts: list[str], nodes: int) -> Solution:
    """A search of so many nodes, with the texts in turn."""
    rng = random.Random(5)
    context = MCTSrContext(profile="paper", max_rollouts=4096)
    tree: Tree = {}
    for index in range(nodes):
        parent = str(max(rng.randrange(index), rng.randrange(index))) if index else None
        child = new_node(
            tree,
            parent=parent,
            answer=texts[index % len(texts)],
            final_answer=texts[index % len(texts)][:500],
            rewards=[rng.uniform(-100, 95) for _ in range(3)],
            critique=texts[(index + 1) % len(texts)],
            rollout=index,
        )
        tree = merge(tree, [add_child(tree, child)])
        tree = merge(tree, [PaperStrategy().backpropagate(tree, child["id"], context)])
    best = best_node(tree)
    assert best is not None
    return Solution(
        problem=texts[0],
        answer=tree[best]["answer"],
        final_answer=tree[best]["final_answer"],
        best=best,
        rollouts=nodes - 1,
        usage=no_usage(),
        stop_reason="max_rollouts",
        tree=tree,
        failures=[
            {"rollout": 1, "node": None, "role": "refine", "code": text[:9], "message": text}
            for text in texts
        ],
    )


def drawn(page: Any) -> int:
    """How many nodes the cards stand for, folded ones included."""
    count = "(card) => (card.item.nodes ?? [card.item]).filter((node) => node.shown).length"
    cards = "[...document.querySelectorAll('.card')]"
    return int(page.evaluate(f"{cards}.map({count}).reduce((sum, own) => sum + own, 0)"))


def card(node_id: str) -> str:
    # "node" is left out where signs leave no room for it
    return f".card:is([aria-label*=', node {node_id},'], [aria-label*=', {node_id},'])"


def focused(page: Any) -> str:
    """What a screen reader says of the node that the arrow keys have reached."""
    name = page.get_attribute("#plane", "aria-activedescendant")
    return str(page.get_attribute(f"#{name}", "aria-label"))


def test_a_click_shows_answer_critique_and_rewards(opened: Open) -> None:
    solution, _ = searched()
    page = opened(solution.to_html())
    node = solution.tree["2"]
    page.click(card("2"))
    assert page.inner_text("#node h2").startswith("Node 2")
    assert page.inner_text("#node .critique") == node["critique"]
    rewards = ", ".join(f"{reward:g}" for reward in node["rewards"])
    assert page.get_attribute("#node .axis", "aria-label") == f"Rewards: {rewards}".replace(
        "-", "−"
    )
    annotations = page.locator("#node .answer annotation").all_text_contents()
    assert annotations == ["x^2 = 2", "\\boxed{0.5}"]
    assert ", for $5 and $6." in page.inner_text("#node .answer")
    page.click("#node .family button >> nth=0")
    assert page.inner_text("#node h2").startswith(f"Node {node['parent']}")


@pytest.mark.parametrize(
    "settings",
    [
        *({}, {"width": 3}, {"reward_samples": 2}, {"init": "both"}, {"select": "majority"}),
        {"profile": "official"},
        {"profile": "tuned", "confidence": None, "lead": None, "max_calls": 30},
    ],
)
def test_the_slider_shows_the_search_as_it_was(opened: Open, settings: dict[str, Any]) -> None:
    solution, events = searched(12, **settings)
    page = opened(solution.to_html())
    for event in [*reversed(events), *events]:
        page.locator("#slider").fill(str(event["index"]))
        best = event["best"]
        q = "–" if best["q"] is None else f"{best['q']:.1f}".replace("-", "−")
        assert page.get_attribute(".card.best", "aria-label").endswith(f", best, q {q}")
        marked = page.locator(".card.best").locator(".id").inner_text()
        assert re.findall(r"\d+", marked) == [best["node"]]
        assert drawn(page) == sum(
            node["rollout"] <= event["index"] for node in solution.tree.values()
        )


class MergingNow(PaperStrategy):
    """Every second rollout merges the newest three answers, the newest first."""

    kinds = ("refine", "merge")

    def next_tasks(self, search: Search) -> Sequence[Task]:
        newest, *others = list(search.tree)[:-4:-1]
        even = search.rollouts % 2 == 1
        return [Task("merge", newest, tuple(others))] if even else super().next_tasks(search)


def test_what_was_merged_is_linked_and_its_further_lines_are_dotted(opened: Open) -> None:
    events: list[Any] = []
    context = MCTSrContext(profile="paper", max_rollouts=4)
    model = ScriptedChatModel(replies=keyed_reply)
    solution = solve("p", model, context=context, strategy=MergingNow(), on_event=events.append)
    # Rollout 2 merges nodes 1 and 0 into 2; rollout 4 merges 3, 2 and 1 into 4
    page = opened(solution.to_html())
    lines = page.get_attribute("#merge-edges", "d")
    assert lines.count("M") == 1 + 2
    assert (
        page.evaluate("getComputedStyle(document.getElementById('merge-edges')).strokeDasharray")
        == "1.6px, 4px"
    )
    page.click(card("4"))
    assert page.inner_text("#node .family").startswith("merges 321")  # a button each
    page.click("#node .family button >> nth=2")
    assert "merged into 24" in page.inner_text("#node .family")
    page.click("#tab-rollouts")
    assert "3 + 2 + 1 → 4" in page.inner_text("#rollouts")
    for event in [one for one in events if one["type"] == "mctsr.rollout"]:
        page.locator("#slider").fill(str(event["index"]))
        told = page.get_attribute(card(event["node"]), "aria-label")
        assert told.endswith(f", q {event['q']:.1f}".replace("-", "−"))
        best = page.locator(card(event["best"]["node"]))
        assert ", best," in best.get_attribute("aria-label")


def test_values_of_other_rules_are_shown_as_they_were(opened: Open) -> None:
    trees: dict[int, Any] = {}

    def on_change(solution: Solution) -> None:
        trees[solution.rollouts] = solution.tree

    context = MCTSrContext(profile="official", max_rollouts=8)
    model = ScriptedChatModel(replies=keyed_reply)
    page = opened(solve("p", model, context=context, on_change=on_change).to_html())
    for rollout, tree in trees.items():
        page.locator("#slider").fill(str(rollout))
        cards = page.locator(".card").all()
        assert len(cards) == len(tree)
        for shown in cards:
            label = shown.get_attribute("aria-label")
            [node_id] = re.findall(r", node (\d+),", label)
            assert label.endswith(f", q {points(tree[node_id]['q'])}".replace("-", "−"))


def test_the_replay_runs_to_its_end(opened: Open) -> None:
    page = opened(searched(3)[0].to_html())
    page.click("#play")
    assert page.inner_text("#moment") == "roots\nof 3"
    page.wait_for_selector("#moment:has-text('rollout 3')")
    page.wait_for_selector("#play[aria-label='Replay the search']")


def test_the_keyboard_is_enough(opened: Open) -> None:
    solution, _ = searched()
    page = opened(solution.to_html())
    best = solution.tree[str(solution.best)]
    page.focus("#plane")
    page.keyboard.press("Home")
    assert ", node 0," in focused(page)
    page.keyboard.press("ArrowRight")
    child = solution.tree["0"]["children"][0]
    assert f", node {child}," in focused(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator(".card").count() == 1
    assert page.get_attribute(".card", "aria-expanded") == "false"
    assert page.inner_text(".card .toggle") == f"+{len(solution.tree) - 1}"
    page.keyboard.press("Enter")
    assert drawn(page) == len(solution.tree)
    page.keyboard.press("End")
    assert f", node {best['id']}, best," in focused(page)
    first, second, *_ = next(n["children"] for n in solution.tree.values() if n["children"][1:])
    page.click(card(first))
    page.keyboard.press("ArrowDown")
    assert f", node {second}," in focused(page)
    page.keyboard.press("ArrowUp")
    assert f", node {first}," in focused(page)
    page.click("#tab-how")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#tab-rollouts", "aria-selected") == "true"
    assert page.is_visible("#rollouts")
    page.focus("#slider")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#moment") == f"rollout 7\nof {solution.rollouts}"


def test_the_tables_show_rollouts_votes_and_cost(opened: Open) -> None:
    solution, events = searched()
    page = opened(solution.to_html())
    page.click("#tab-rollouts")
    rows = page.locator("#rollouts tbody tr")
    assert rows.count() == solution.rollouts + 1
    failed = rows.nth(5).inner_text().split("\t")
    refined = next(one for one in solution.record if one["index"] == 3)["parent"]
    assert failed[1:3] == [f"{refined} → ×", "evaluate: missing, evaluate: missing"]
    assert rows.nth(0).inner_text().split("\t")[3].strip() == points(events[-1]["q"]).replace(
        "-", "−"
    )
    page.click("#rollouts th >> text='2'")
    assert page.inner_text("#moment") == "rollout 2\nof 8"
    page.locator("#slider").fill("8")
    page.click("#tab-answers")
    # \frac{1}{2} and 0.5 of the draft and the rollouts 1 and 2 are one class; 3 has failed
    votes = page.locator("#answers .bar").all_inner_texts()
    letters = page.locator("#answers .bare .letter").all_inner_texts()
    assert letters == sorted(letters)
    assert sorted(votes) == ["1", "1", "1", "1", "1", "3"]
    page.click("#tab-cost")
    total = page.locator("#cost tr.total").inner_text().split("\t")
    assert total[1] == str(sum(cost["calls"] for cost in solution.usage.values()))
    assert "evaluate, missing" in page.inner_text("#cost .failures")


def test_the_plane_moves_and_zooms(opened: Open) -> None:
    page = opened(searched()[0].to_html(), viewport={"width": 1200, "height": 800})

    def box() -> dict[str, float]:
        return dict(page.locator(".card").nth(0).bounding_box())

    before = box()
    page.click("#zoom-in")
    assert box()["width"] == pytest.approx(1.25 * before["width"], rel=0.01)
    page.click("#fit")
    plane = page.locator("#plane").bounding_box()
    corner = (plane["x"] + 5, plane["y"] + plane["height"] - 5)
    before = box()
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] + 60, corner[1] - 30, steps=3)
    page.mouse.up()
    assert (box()["x"], box()["y"]) == pytest.approx((before["x"] + 60, before["y"] - 30), abs=1)
    page.mouse.wheel(0, -200)
    assert box()["width"] > before["width"]


def test_hostile_texts_stay_text_and_take_little_time(opened: Open) -> None:
    solution = grown(TEXTS, len(TEXTS) + 1)
    frame = opened(solution.to_html())
    for tab in ("rollouts", "answers", "cost"):
        frame.click(f"#tab-{tab}")
    title = frame.title()
    for node in solution.tree.values():
        began = time.monotonic()
        frame.evaluate(f"location.hash = '#node-{node['id']}'")
        frame.wait_for_selector(f"#node h2:has-text('Node {node['id']}')")
        frame.evaluate("document.getElementById('node').offsetHeight")
        assert time.monotonic() - began < 10, node["answer"][:40]  # 1.0 s where it was measured
        assert frame.inner_text("#node h2").startswith(f"Node {node['id']}")
        found = frame.evaluate(
            """() => [...document.querySelectorAll("body *")].flatMap((e) => [
                ...(/^(a|img|iframe|object|embed|base|link|meta|style|form)$/i.test(e.localName)
                    ? [e.outerHTML] : []),
                ...[...e.attributes].filter((a) => !/^data-(class|of|level)$/.test(a.name)
                    && /^(on|href|src|data-|formaction)/i.test(a.name))
                    .map((a) => a.name + "=" + a.value)])"""
        )
        assert found == []
        text = frame.locator("#node .answer").text_content()
        if "$" not in node["answer"] and "\\" not in node["answer"]:
            assert text == re.sub("[\ud800-\udfff]", "\ufffd", node["answer"])
    assert frame.evaluate("[window.pwned, document.scripts.length]") == [None, 2]
    assert frame.title() == title


def test_a_notebook_shows_the_page_and_is_out_of_its_reach(opened: Open) -> None:
    shown = grown(TEXTS[:6], 7)._repr_html_()
    page = opened(f"<!doctype html><meta charset=utf-8>{shown}", ready="summary")
    page.click("summary")
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector("html[data-ready]", state="attached")
    frame.click("#tab-answers")
    assert frame.locator("#answers tbody tr").count() == 6
    assert page.evaluate("[window.pwned, document.title]") == [None, ""]
    assert frame.evaluate("(() => { try { return parent.document } catch { return 0 } })()") == 0


@pytest.mark.parametrize("texts", [["It is \\boxed{24}."], TEXTS])
def test_a_phone_needs_no_sideways_scroll(opened: Open, texts: list[str]) -> None:
    solution = grown(texts, 30)
    page = opened(
        solution.to_html(), viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    for tab in ("how", "node", "rollouts", "answers", "cost"):
        page.tap(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.tap("#fit")
    page.tap("#go-best")
    assert page.inner_text("#node h2").startswith(f"Node {solution.best}")


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_search_that_found_little_can_be_looked_at(opened: Open, nodes: int) -> None:
    solution = asdict(grown(["It is \\boxed{24}."], 1))
    if nodes == 0:
        solution |= {"tree": {}, "best": None, "answer": None, "final_answer": None, "rollouts": 0}
        what = {"rollout": 0, "node": None, "role": "draft", "code": "empty", "message": "no text"}
        solution |= {"failures": [what], "stop_reason": "failed", "choice": None}
    page = opened(render_html(solution))
    assert page.locator(".card").count() == nodes
    if nodes == 0:
        assert page.inner_text("#how").startswith("No answer was found.")
        assert "no text" in page.inner_text("#how")
        assert "no first draft could be used" in page.inner_text("#says")
    for tab in ("rollouts", "answers", "cost"):
        page.click(f"#tab-{tab}")


def test_what_people_did_and_what_was_never_judged_is_shown(opened: Open) -> None:
    solution = asdict(grown(["It is \\boxed{24}.", "It is \\boxed{12}."], 4))
    tree = solution["tree"]
    tree["2"] |= {"q": None, "rewards": []}
    done = {"action": "prune", "by": "<b>Ann</b>", "at": "2026-11-22T18:00:00Z"}
    tree["3"] |= {"pruned": True, "steering": [done]}
    page = opened(render_html(solution))
    assert page.get_attribute(card("2"), "aria-label").endswith(", node 2, repeat, q –")
    page.click(card("2"))
    assert "mean\n–" in page.inner_text("#node .figures").lower()
    page.click(card("3"))
    assert page.inner_text("#node .badge.warn") == "pruned"
    assert "prune: <b>Ann</b>, 2026-11-22T18:00:00Z" in page.inner_text("#node")
    for tab in ("rollouts", "answers"):
        page.click(f"#tab-{tab}")


@pytest.mark.parametrize(
    ("formula", "drawn", "slower"),
    [
        ("\\[\\begin{array}{c}" + "&" * 900 + "x\\end{array}\\]", False, 1),  # too many cells
        ("$" + "\\sqrt{x}" * 200 + "$", True, 4),
        ("$" + "\\overbrace{x}" * 150 + "$", True, 1),
    ],
)
def test_formulas_that_take_long_do_not_hold_the_page(
    opened: Open, formula: str, drawn: bool, slower: int
) -> None:
    """90 of them took half a minute or more before a click was answered."""
    page = opened(grown(["\n\n".join([formula] * 90), "Easy: $x^2$."], 4).to_html())
    processor = page.context.new_cdp_session(page)
    processor.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    for node in ("1", "2", "3", "0"):
        page.click(card(node))
        assert page.inner_text("#node h2").startswith(f"Node {node}")
    # Some are drawn as they are seen, and none of the many that are not
    if drawn:
        show_a_formula(page)
    page.wait_for_timeout(1500)
    shown = page.locator("#node .answer .katex").count()
    assert (0 < shown < 60) if drawn else shown == 0
    assert "\\" in page.inner_text("#node .answer")  # the others show their source
    page.click(card("1"))
    show_a_formula(page)  # below a critique whose formulas are still being drawn
    assert page.locator("#node .answer .katex").count() == 1


def show_a_formula(page: Any) -> None:
    """Scroll to a node's answer until a formula of it is drawn, as a slow page may do it late."""
    for _ in range(300):
        page.locator("#node .answer").evaluate("element => element.scrollIntoView()")
        if page.locator("#node .answer .katex").count():
            return
        page.wait_for_timeout(100)
    pytest.fail("no formula was drawn")


def test_a_formula_is_drawn_when_it_is_seen(opened: Open) -> None:
    text = "\n\n".join(
        f"Line {i}: \\[x_{{{i}}} = \\sqrt{{\\frac{{a}}{{b}}}}\\]" for i in range(400)
    )
    page = opened(grown([text], 1).to_html())
    page.click("#tab-node")
    end = page.locator("#node .answer")
    last = end.locator("span.drawn", has_text="399")
    assert last.count() == 0
    for _ in range(100):  # what is drawn above takes more room, and pushes it down
        end.evaluate("element => element.scrollIntoView({ block: 'end' })")
        page.wait_for_timeout(100)
        if last.count():
            break
    assert last.count() == 1
    assert end.locator("span.drawn", has_text="200").count() == 0  # nobody has seen it
