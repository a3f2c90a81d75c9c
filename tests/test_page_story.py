"""What the page tells: how a search got there, its evidence, and two beside each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.cli.main import app
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.text.figures import percent
from mctsr_graph.viewers.html import render_html, render_pair
from mctsr_graph.viewers.pair import differing, lanes, parting, shared_classes

from .hostile_texts import TEXTS
from .test_page import card, grown

Open = Callable[..., Any]
REWARDS = {0: 10, 1: 60, 2: 20, 3: 90}


def reply(call: ScriptedCall) -> str:
    """Node 0 says 7; node 1 says 8 and is better; node 2 says 7; node 3 says 9 and is best."""
    if call.role == "evaluate":
        return f"The sum is not checked. Score: {REWARDS[call.rollout]}"
    if call.role == "critique":
        return f"Flaw number {call.rollout}: the $5$ is wrong."
    answer = {0: 7, 1: 8, 2: 7, 3: 9}[call.rollout]
    return f"We add five and ${answer - 5}$ and get the sum, \\boxed{{{answer}}}."


def search(**settings: Any) -> Any:
    context = MCTSrContext(profile="paper", **{"max_rollouts": 3, "max_children": 1, **settings})
    return solve("Add $5$.", ScriptedChatModel(replies=reply), context=context)


def test_the_first_tab_tells_which_rollouts_changed_the_answer(opened: Open) -> None:
    found = search()
    leaders = [found.tree[row["leader"]]["final_answer"] for row in found.record]
    assert leaders == ["7", "8", "8", "9"]
    # A is the answer; 7, which two nodes say, is likelier than 8
    page = opened(found.to_html())
    heads = page.locator("#how .step h3").all_inner_texts()
    assert [head.lower() for head in heads] == [
        "first drafts: the first answer",
        "rollout 1: b gives way to c",
        "rollout 3: c gives way to a",
    ]
    # The critique stands above what it changed
    step = page.locator("#how .step").nth(1)
    assert step.locator("h4").all_inner_texts() == ["Critique of node 0", "What it changed"]
    assert "Flaw number 1" in step.locator(".critique").inner_text()
    gone = [" ".join(text.split()) for text in step.locator("del").all_text_contents()]
    new = [" ".join(text.split()) for text in step.locator("ins").all_text_contents()]
    assert (len(gone), len(new)) == (2, 2)  # the formula, and the answer
    assert step.locator("del .katex, ins .katex").count() == 4
    folded = page.locator("#how .meanwhile summary").all_inner_texts()
    assert folded == ["1 rollout that did not change the answer: 0 agree with C, 1 do not"]
    # At rollout 2 no more is told than was known
    page.locator("#slider").fill("2")
    assert page.locator("#how .step").count() == 2


def test_words_that_are_gone_and_new_make_both_texts(opened: Open) -> None:
    long = "word " * 60
    texts = {
        "a": f"{long}one two three. {long}",
        "b": f"{long}one 2 three, and four. {long}",
    }
    solution = grown([texts["a"], texts["b"]], 2)
    page = opened(solution.to_html())
    page.click(card("1"))
    page.click("#node .picks >> text='What it changed'")
    shown = page.locator("#node .prose:visible").last
    assert [one.strip() for one in shown.locator("del").all_text_contents()] == ["two three."]
    assert [one.strip() for one in shown.locator("ins").all_text_contents()] == [
        "2 three, and four."
    ]
    folds = shown.locator(".fold").all_inner_texts()
    assert folds == ["… 47 words as before …", "… 46 words as before …"]
    for _ in folds:
        shown.locator(".fold").first.click()
    kept = shown.evaluate(
        """(all) => ["del", "ins"].map((name) => [...all.children].map((one) =>
            one.localName === name ? "" : one.textContent).join(""))"""
    )
    assert [" ".join(text.split()) for text in kept] == [
        " ".join(texts["b"].split()),
        " ".join(texts["a"].split()),
    ]


def test_a_formula_that_is_gone_is_struck_through(opened: Open) -> None:
    texts = ["So \\[x = 1\\] and $y = 2$ hold.", "So \\[x = 3\\] and $y = 4$ hold."]
    page = opened(grown(texts, 2).to_html(), forced_colors="active")
    page.click(card("1"))
    page.click("#node .picks >> text='What it changed'")
    page.wait_for_selector("#node del .drawn.block:visible")
    drawn = page.locator("#node del .drawn:visible")
    assert drawn.count() == 2
    for formula in drawn.all():
        line = formula.evaluate("""(one) => {
            const style = getComputedStyle(one, "::after");
            return [parseFloat(style.borderTopWidth), parseFloat(style.top), one.clientWidth];
        }""")
        box = formula.bounding_box()
        assert line[0] >= 1
        assert 0.3 * box["height"] < line[1] < 0.7 * box["height"]


def test_a_search_of_before_there_was_a_record_shows_where_the_answer_comes_from(
    opened: Open,
) -> None:
    page = opened(render_html({**asdict(search()), "record": []}))
    assert "not known" in page.inner_text("#how .note >> nth=0")
    path = page.locator("#how .step h3").all_inner_texts()
    assert [name.lower() for name in path][-1] == "node 3"


def test_hostile_texts_can_be_compared(opened: Open) -> None:
    page = opened(grown(TEXTS, len(TEXTS) + 1).to_html())
    for place in range(1, len(TEXTS) + 1):
        page.evaluate(f"location.hash = '#node-{place}'")
        page.wait_for_function(
            f"document.querySelector('#node h2').textContent.startsWith('Node {place}')"
        )
        if page.locator("#node .picks").count():
            page.click("#node .picks >> text='What it changed'")
    assert page.evaluate("[window.pwned, document.scripts.length]") == [None, 2]


def test_the_chart_ends_where_the_verdict_does(opened: Open) -> None:
    """While a large tree grows nobody weighs its chances; at its end they are weighed."""
    found = search()
    rows = [{**row, "chance": row["chance"] if row["index"] == 0 else None} for row in found.record]
    page = opened(render_html({**asdict(found), "record": rows}))
    told = page.get_attribute(".chart", "aria-label")
    assert told.endswith(f", {percent(found.confidence)} at the end")
    assert page.get_attribute("#line", "d").count("h0") == 2  # a point without neighbours


def test_a_node_tells_what_its_rollout_has_cost(opened: Open) -> None:
    found = search()
    page = opened(found.to_html())
    page.click(card("1"))
    figures = page.inner_text("#node .figures").lower().split()
    told = dict(zip(figures[::2], figures[1::2], strict=True))
    first, second = found.record[:2]
    # A critique, a refinement, and a reward of the new and of the old answer
    assert (told["calls"], told["tokens"]) == ("4", str(second["tokens"] - first["tokens"]))
    assert "price" not in told  # it is not known


def test_an_address_names_a_node_and_a_text_can_be_copied(opened: Open) -> None:
    page = opened(search().to_html(), permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("location.hash = '#node-2'")
    page.wait_for_selector("#tab-node[aria-selected=true]")
    assert page.inner_text("#node h2").startswith("Node 2")
    page.click(card("1"))
    assert page.url.endswith("#node-1")
    page.click("#node [aria-label='Copy the critique']")
    page.wait_for_selector("#node .copy >> text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "Flaw number 1: the $5$ is wrong."


def test_the_calls_and_the_settings_are_one_click_away(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, drawn = tmp_path / "search.db", tmp_path / "search.html"
    context = MCTSrContext(profile="paper", max_rollouts=2, seed=5)
    solve("Add $5$.", ScriptedChatModel(replies=reply), context=context, checkpointer=file)
    told = CliRunner().invoke(app, ["view", str(file), "-o", str(drawn)])
    assert told.exit_code == 0, told.output
    page = opened(drawn.read_text(encoding="utf-8"))
    page.click("#open-about")
    about = dict(
        zip(
            page.locator("#about-list dt").all_inner_texts(),
            page.locator("#about-list dd").all_inner_texts(),
            strict=True,
        )
    )
    assert {name: about[name] for name in ("Profile", "Seed", "max_rollouts")} == {
        "Profile": "paper",
        "Seed": "5",
        "max_rollouts": "2",
    }
    assert {"Model", "Version", "Begun", "Last step"} <= set(about)
    left = page.locator("#about-defaults dt").all_inner_texts()
    assert sorted([*left, "profile", "seed", "max_rollouts"]) == sorted(MCTSrContext.model_fields)
    assert page.is_visible("#about-default")
    page.keyboard.press("Escape")
    assert not page.is_visible("#about")
    page.click(card("1"))
    names = page.locator("#node .call summary b").all_inner_texts()
    assert names[:3] == ["Critique", "Refinement", "Judge"]
    page.locator("#node .call summary").nth(2).click()
    page.wait_for_selector("#node .call[open] h4")
    judged = page.locator("#node .call").nth(2).inner_text()
    assert "grade the solution above" in judged
    assert "The sum is not checked. Score: 60" in judged
    # One that was kept before prompts were
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE mctsr_prompts")
    connection.close()
    CliRunner().invoke(app, ["view", str(file), "-o", str(drawn)])
    page = opened(drawn.read_text(encoding="utf-8"))
    page.click(card("1"))
    page.locator("#node .call summary").first.click()
    page.wait_for_selector("#node .call[open] h4")
    assert "not kept" in page.locator("#node .call").first.inner_text()


def test_two_searches_tell_where_they_part() -> None:
    first, second = asdict(search()), asdict(search(max_rollouts=2))
    # Calls: 2 for the draft and its reward, then 4 a rollout; the first goes on to 9 at call 14
    assert parting(first, second, ["one", "two"]) == [
        "They end apart: one says 9, two says 8.",
        "They part at call 14: one says 9, two says 8.",
    ]
    assert parting(first, first, ["one", "two"]) == [
        "Both say 9.",
        "The same answer led in both throughout.",
    ]
    assert parting(first, {**first, "record": []}, ["one", "two"]) == [
        "Both say 9.",
        "When each answer led is not known of two.",
    ]
    classes = shared_classes(first, second)
    assert classes == {"9": 0, "8": 1, "7": 2}
    assert [(turn["from"], turn["to"], turn["rank"]) for turn in lanes(first, classes, 14)] == [
        *[(2, 6, 2), (6, 14, 1), (14, 14, 0)]
    ]
    assert differing(first, second) == [["max_rollouts", "3", "2"]]
    # What one search has by its profile and the other by name is beside each other
    named = asdict(search(choice="weighted"))
    assert differing(first, named) == [["choice", "max_q", "weighted"]]


def test_two_searches_agree_again() -> None:
    """Equal answers that are written otherwise are one, in both searches."""
    first = asdict(search())
    tree = {key: {**node} for key, node in first["tree"].items()}
    tree["3"]["final_answer"], tree["1"]["final_answer"] = "9.0", "5"
    second = {**first, "tree": tree, "final_answer": "9.0"}
    assert parting(first, second, ["one", "two"]) == [
        "Both say 9.",
        "They part at call 6: one says 8, two says 5.",
        "From call 14 on they agree.",
    ]


def test_the_page_of_two_searches_shows_either(opened: Open) -> None:
    first, second = search(), search(max_rollouts=2)
    page = opened(render_pair([asdict(first), asdict(second)], ["long", "short"]))
    assert page.inner_text("#versus h2") == "They end apart: long says 9, short says 8."
    assert page.locator(".lane").count() == 2
    assert page.inner_text("#found") == "9"
    page.click("#versus >> text='Show short'")
    assert page.inner_text("#found") == "8"
    assert page.inner_text("#found-letter") == "B"  # 8 has one letter in both
    assert page.locator(".card").count() == 3
    page.click(card("2"))  # each listener is there once
    assert page.inner_text("#node h2").startswith("Node 2")


def test_view_refuses_searches_for_two_problems(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{name}.db") for name in "ab"]
    context = MCTSrContext(profile="paper", max_rollouts=1)
    for file, problem in zip(files, ["Add 5.", "Add 6."], strict=True):
        solve(problem, ScriptedChatModel(replies=reply), context=context, checkpointer=Path(file))
    refused = CliRunner().invoke(app, ["view", *files])
    assert refused.exit_code == 2
    assert "the searches are for 'Add 5.' and 'Add 6.', allowed two for one problem" in " ".join(
        refused.output.split()
    )
    same = CliRunner().invoke(app, ["view", files[0], files[0]])
    assert same.output.splitlines()[:2] == [
        "Both say 8.",
        "The same answer led in both throughout.",
    ]
    lost = CliRunner().invoke(app, ["view", files[0], "--other-search", "ab"])
    assert lost.exit_code == 2


def test_a_person_is_seen_on_the_cards(opened: Open) -> None:
    found = search()
    tree = {key: {**node} for key, node in found.tree.items()}
    done: Any = {"action": "prune", "by": "Ann", "at": "2026-11-22T18:00:00Z"}
    tree["1"] |= {"pruned": True, "steering": [done]}
    page = opened(replace(found, tree=tree).to_html())
    assert page.locator(card("1")).locator(".id").inner_text() == "node 1 · pruned"
    below = tree["1"]["children"][0]
    assert "out of play" in page.locator(card(below)).locator(".id").inner_text()
    assert page.locator(".card.out").count() >= 2
    page.select_option("#kind", "person")
    assert page.inner_text("#matches") == "1 of 4"
