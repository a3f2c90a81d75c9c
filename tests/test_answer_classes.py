r"""Classes of equal final answers: what shares one, whatever the order, and kept in the tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.answer_classes import main, measure
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.benchmark.votes import majority
from mctsr_graph.text.equality import calculator
from mctsr_graph.text.equality.classes import are_equal, classes_of
from mctsr_graph.tree.classes import class_of, classified
from mctsr_graph.tree.tree import Node, add_child, merge, new_node
from mctsr_graph.viewers.html import render_html

from .growth import MOST, growth
from .test_grading import LONG, PAIRS, TEXTS

# As models spell one answer in one search
TOGETHER: dict[str, list[str]] = {
    "roots": ["1, -3", "-3, 1", r"x=1 \text{ or } x=-3", r"\{1,-3\}", "1 and -3"],
    "unit": ["10", r"10 \text{ cm}", "10 centimetres"],
    "other unit": ["10 cm", "100 mm", "0.1 m"],
    "percent": ["50%", "50", r"50 \text{ percent}"],
    "root": [r"5\sqrt2", r"\sqrt{50}", "5√2", r"5\sqrt{2}", r"\frac{10}{\sqrt2}"],
    "choice": ["(C) 42", "C", r"\text{(C)}", "C) 42"],
    "choice and its text": ["(C) 42", "C", "42"],
    "nothing": [
        "no solution",
        r"\emptyset",
        r"\varnothing",
        r"\{\}",
        "There are no real solutions",
    ],
    "powers of ten": [r"4.5\times10^6", "4500000", "4,500,000", "4.5 million", "4.5e6"],
    "interval": [r"-2\le x<7", "[-2,7)", r"x \in [-2, 7)", "[-2,7["],
    "fraction": [r"\displaystyle\frac94", r"\frac{9}{4}", "2.25", "9/4", r"2\frac14"],
    "digits": ["42", "４２", "٤٢", "४२", "42.0", r"\boxed{42}", r"\mathbf{42}"],
    "signs": ["½", "1/2", "0.5"],
    "power": ["x²", "x^2", r"x \cdot x"],
    "spaces": ["(1,2)", r"\left( 1, 2 \right)", r"(1 ,\, 2)"],
    "formula": [r"\frac{n(n+1)}{2}", "(n^2+n)/2", r"1+2+\cdots+n", r"\dfrac{n^2+n}{2}"],
    "equation": ["x^2+y^2=25", "x^2+y^2-25=0"],
    "time": ["3:45 p.m.", "15:45", "3:45 PM"],
}
APART: dict[str, tuple[str, str]] = {
    "letter's size": ("m", "M"),
    "other letter's size": ("n", "N"),
    "product": ("AB", "ab"),
    "list that goes on": ("12", r"12,\ldots"),
    "units": ("5 km", "5 m"),
    "order": ("(1,2)", "(2,1)"),
    "ends": ("[1,2]", "[1,2)"),
    "rounded": (r"\pi", "3.14"),
    "list and interval": ("1, 2", "1<x<2"),
    "sign": (r"\pm 3", "3"),
    "choices": ("(A) 5", "(B) 5"),
    "nothing and zero": (r"\emptyset", "0"),
}
AMBIGUOUS = ["50%", "50", "0.5", "10 cm", "10", "10 m", "1, 2", "(1,2)", "1<x<2", "x=5", "5", "y=5"]
ANSWERS = [*AMBIGUOUS, *(answer for answers in TOGETHER.values() for answer in answers)]


def grouped(answers: list[str]) -> set[frozenset[str]]:
    """The classes as sets."""
    names = classes_of(answers)
    return {frozenset(one for one in names if names[one] == name) for name in set(names.values())}


@pytest.mark.parametrize("name", TOGETHER)
def test_spellings_of_one_answer_share_a_class(name: str) -> None:
    assert grouped(TOGETHER[name]) == {frozenset(TOGETHER[name])}


@pytest.mark.parametrize("name", TOGETHER)
def test_they_do_so_without_mpmath(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mctsr_graph.text.equality import classes, handles

    for cached in (classes._relation, classes.key_of, handles.handles):
        cached.cache_clear()
    monkeypatch.setattr(calculator, "_mpmath", lambda: None)
    assert grouped(TOGETHER[name]) == {frozenset(TOGETHER[name])}


@pytest.mark.parametrize("name", APART)
def test_different_answers_do_not(name: str) -> None:
    assert len(grouped(list(APART[name]))) == 2


def test_an_answer_between_two_belongs_to_one_of_them() -> None:
    assert grouped(["10 cm", "10", "10 m"]) == {frozenset(["10", "10 m"]), frozenset(["10 cm"])}
    assert grouped(["50%", "50", "0.5"]) == {frozenset(["50%", "50"]), frozenset(["0.5"])}


def test_a_class_goes_by_its_first_answer() -> None:
    assert classes_of(["0.5", "3", "1/2"]) == {"0.5": "0.5", "3": "3", "1/2": "0.5"}


@pytest.mark.parametrize("answers", list(combinations(AMBIGUOUS[:6], 4)))
def test_the_order_of_arrival_changes_no_class(answers: tuple[str, ...]) -> None:
    assert len({frozenset(grouped(list(order))) for order in permutations(answers)}) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*ANSWERS, *TEXTS]), max_size=12), st.randoms())
def test_any_order_of_any_answers_gives_the_same_classes(answers: list[str], rng: Any) -> None:
    other = list(answers)
    rng.shuffle(other)
    assert grouped(answers) == grouped(other)
    assert set(classes_of(answers)) == set(answers)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ANSWERS), st.sampled_from(ANSWERS), st.sampled_from(ANSWERS))
def test_equality_is_an_equivalence_within_a_search(a: str, b: str, c: str) -> None:
    assert are_equal(a, a)
    assert are_equal(a, b) == are_equal(b, a)
    names = classes_of([a, b, c])
    if names[a] == names[b] == names[c]:
        assert len({names[c], names[a]}) == 1
    if len({a, b}) == 2 and names[a] == names[b] and are_equal(b, c) and names[b] != names[c]:
        assert not are_equal(a, c)  # b is equal to both, which are not


SPELT = {
    "spaces": lambda text: f" {text}  ",
    "left and right": lambda text: text.replace("(", r"\left(").replace(")", r"\right)"),
    "dfrac": lambda text: text.replace(r"\frac", r"\dfrac"),
    "a box": lambda text: rf"\boxed{{{text}}}",
    "braces": lambda text: f"{{{text}}}",
}


@pytest.mark.parametrize("how", SPELT)
def test_how_an_answer_is_set_changes_nothing(how: str) -> None:
    # Without those to be read only as a whole line
    texts = [text for text in TEXTS if "$" not in text and text[-1:] not in "\\,.;"]
    changed = [text for text in texts if not are_equal(text, SPELT[how](text))]
    assert [text for text in changed if len(text) < 200] == []


def stated(file: Path) -> Iterator[str]:
    from mctsr_graph.text.final_answer import extract_final_answer

    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        yield row["gold"].strip()
        yield extract_final_answer(row["prediction_text"]) or ""


def test_no_class_of_a_file_holds_answers_that_differ(test_data: Path) -> None:
    for file in ("grading_pairs.jsonl", "grading_pairs_2.jsonl"):
        answers = sorted({answer for answer in stated(test_data / file) if answer})
        for group in grouped(answers):
            for a, b in combinations(sorted(group)[:12], 2):
                assert len(grouped([a, b, *group])) == 1, (a, b)


def test_the_shared_pairs_are_put_together(test_data: Path) -> None:
    for file in ("grading_pairs.jsonl", "grading_pairs_2.jsonl"):
        result = measure(test_data / file)
        assert result["together"] >= 0.95, result["disagree"]
        assert result["false_merges"] <= 1
        assert result["cpu_ms"]["mean"] < 4


def test_the_benchmark_prints_one_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"gold": "1/2", "prediction_text": r"\boxed{0.5}", "equal": True},
        {"gold": "1/2", "prediction_text": r"\boxed{0.6}", "equal": True},
        {"gold": "1/2", "prediction_text": r"\boxed{0.50}", "equal": False},
        {"gold": "1/2", "prediction_text": r"\boxed{2}", "equal": False},
        {"gold": "1/2", "prediction_text": "I do not know.", "equal": False},
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    main([str(file)])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    result = json.loads(out)
    assert (result["together"], result["false_merges"]) == (0.5, 1)
    assert (result["equal"], result["different"]) == (2, 2)


@pytest.mark.parametrize("name", sorted(LONG))
def test_classing_a_text_grows_no_faster_than_the_text(name: str) -> None:
    def put(text: str) -> None:
        classes_of([text, text + "x", "5"])

    text = (LONG[name] * (200_000 // len(LONG[name]) + 1))[:200_000]
    assert growth(put, text) <= MOST
    assert growth(put, LONG[name][:1990]) <= 2 * MOST


# ------------------------------------------------------------------ in the tree
def grown(answers: list[str | None]) -> dict[str, Node]:
    """A tree with one root for each answer."""
    tree: dict[str, Node] = {}
    for number, answer in enumerate(answers):
        node = new_node(
            tree, parent=None, answer=f"text {number}", final_answer=answer, rewards=[0.0]
        )
        tree = merge(tree, [add_child(tree, node)])
        tree = merge(tree, [classified(tree, node["id"])])
    return tree


def test_a_tree_keeps_the_class_of_each_node() -> None:
    tree = grown(["1/2", None, "3", "0.5", "3", "50%"])
    assert [class_of(node) for node in tree.values()] == ["1/2", None, "3", "1/2", "3", "1/2"]


@pytest.mark.parametrize("answers", [AMBIGUOUS[:6], AMBIGUOUS[6:], ANSWERS[20:40]])
def test_node_by_node_the_classes_are_those_of_all(answers: list[str]) -> None:
    for order in (answers, answers[::-1], sorted(answers)):
        tree = grown(list(order))
        found = {str(node["final_answer"]): class_of(node) for node in tree.values()}
        assert found == classes_of(order)


def test_a_tree_of_before_keeps_its_classes_until_an_answer_is_added() -> None:
    tree = grown([r"5\sqrt2", r"\sqrt{50}", "1/2", "0.5"])
    for node in tree.values():
        del node["answer_class"]
    assert len({class_of(node) for node in tree.values()}) == 3  # the roots were apart
    node = new_node(tree, parent=None, answer="new", final_answer="7", rewards=[0.0])
    tree = merge(tree, [add_child(tree, node)])
    tree = merge(tree, [classified(tree, node["id"])])
    assert [class_of(node) for node in tree.values()] == [
        *([r"5\sqrt2"] * 2),
        *(["1/2"] * 2),
        "7",
    ]


def test_a_search_votes_by_what_answers_say() -> None:
    answers = iter(["7", r"5\sqrt2", r"\sqrt{50}", "x = 7", "5√2"])
    model = ScriptedChatModel(
        replies=lambda call: (
            "Score: 0" if call.role == "evaluate" else rf"It is \boxed{{{next(answers)}}}."
        )
    )
    context = MCTSrContext(profile="tuned", drafts=5, max_calls=5, choice="majority", agree=None)
    found = solve("What is it?", model, context=context)
    assert found.final_answer in (r"5\sqrt2", r"\sqrt{50}", "5√2")
    assert found.choice is not None
    assert [one["votes"] for one in found.choice["classes"]] == [3, 2]
    page = render_html(json.loads(found.to_json()))
    assert sorted(page.count(f'"class":{number}') for number in range(3)) == [0, 2, 3]


def test_baselines_vote_by_what_answers_say() -> None:
    def attempt(answer: str) -> Any:
        return {"final_answer": answer, "dummy": False, "rewards": [], "text": answer}

    drafts = [attempt(answer) for answer in ("3", "1/2", "2", "0.5")]
    assert majority(drafts) == 1


def test_the_pairs_of_the_grader_share_a_class_as_a_person_says() -> None:
    known_apart = 0
    for gold, answer, equal in PAIRS:
        together = len(grouped([gold, answer])) == 1
        assert not together or equal, (gold, answer)
        known_apart += equal and not together
    assert known_apart < 0.06 * len(PAIRS)  # rounded references, and what only math-verify reads
