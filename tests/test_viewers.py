"""Trees as text, as Mermaid and in a terminal; the page of a search, without a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mctsr_graph.calls.usage import no_usage
from mctsr_graph.text.final_answer import clean_text
from mctsr_graph.tree.tree import Node, Tree
from mctsr_graph.viewers.html import render_html
from mctsr_graph.viewers.mermaid import render_mermaid
from mctsr_graph.viewers.rich_tree import rich_tree
from mctsr_graph.viewers.text import render_text

from .hostile_texts import TEXTS


def node(node_id: str, parent: str | None, children: list[str], **fields: Any) -> Node:
    known: dict[str, Any] = {
        "id": node_id,
        "parent": parent,
        "children": children,
        "depth": 0,
        "rollout": 0,
        "dummy": False,
        "answer": "",
        "final_answer": None,
        "critique": None,
        "rewards": [0.0],
        "q": 0.0,
        "duplicate_of": None,
        "truncated": False,
        "suspicious": False,
    }
    return Node(**{**known, **fields})  # type: ignore[typeddict-item]


def test_a_tree_is_drawn_with_its_values_and_its_best() -> None:
    tree: Tree = {
        "0": node("0", None, ["2", "3"], rewards=[10.0, 20.0], q=36.25),
        "1": node("1", None, [], dummy=True, rewards=[-100.0], q=-100.0),
        "2": node("2", "0", ["4"], final_answer="24", rewards=[40.0], q=60.0),
        "3": node("3", "0", [], final_answer="7", rewards=[-30.0], q=-30.0),
        "4": node("4", "2", [], final_answer="24", rewards=[80.5], q=80.5, duplicate_of="2"),
    }
    assert render_text(tree, "4") == "\n".join(
        [
            "0  no final answer  q 36.3  [10, 20]",
            "├─ 2  24  q 60.0  [40]",
            "│  └─ 4  24 (same text as 2)  *best*  q 80.5  [80.5]",
            "└─ 3  7  q -30.0  [-30]",
            "1  no final answer (dummy)  q -100.0  [-100]",
        ]
    )


def test_an_answer_cannot_break_the_drawing() -> None:
    hostile = "\x1b[2J\nline two\r" + "x" * 500
    [line] = render_text({"0": node("0", None, [], final_answer=hostile)}).split("\n")
    assert "\x1b" not in line
    assert len(line) < 100


def test_a_chain_may_be_deep() -> None:
    last = 3000
    tree = {
        str(n): node(str(n), str(n - 1) if n else None, [str(n + 1)] if n < last else [])
        for n in range(last + 1)
    }
    assert render_text(tree).count("\n") == last


SMALL: Tree = {
    "0": node("0", None, ["1", "2"], final_answer='7 "or" `8`', q=-3.5),
    "1": node("1", "0", [], final_answer="$x<y$", q=60.25),
    "2": node("2", "0", [], q=0.0),
}


def test_a_tree_is_drawn_for_mermaid() -> None:
    assert render_mermaid(SMALL, "1") == (
        "flowchart LR\n"
        '    n0["0: 7 #34;or#34; #96;8#96;<br/>q -3.5"]\n'
        '    n1["1: #36;x#60;y#36;<br/>q 60.3"]\n'
        '    n2["2: no final answer<br/>q 0.0"]\n'
        "    n0 ==> n1\n"
        "    n0 --> n2\n"
        "    style n1 stroke:#3d5bd9,stroke-width:4px\n"
    )


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_is_markup_for_mermaid(text: str) -> None:
    drawn = render_mermaid({"0": node("0", None, [], final_answer=text)})
    label = re.fullmatch(r'flowchart LR\n    n0\["0: (.*)<br/>q 0\.0"\]\n', drawn)
    assert label is not None
    assert all(c.isalnum() or c in " .,+-=()/#;" for c in label[1])


def in_terminal(tree: Tree, best: str | None, lines: int | None, width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(rich_tree(tree, best, lines))
    return captured.get().splitlines()


def test_a_terminal_shows_all_or_what_has_room() -> None:
    assert in_terminal(SMALL, "1", None) == [
        '0  7 "or" `8`  q -3.5  [0]',
        "├── 1  $x<y$  *best*  q 60.3  [0]",
        "└── 2  no final answer  q 0.0  [0]",
    ]
    assert in_terminal(SMALL, "1", 3) == [
        "… 1 more node",
        '└── 0  7 "or" `8`  q -3.5  [0]',
        "    └── 1  $x<y$  *best*  q 60.3  [0]",
    ]


def test_a_node_that_was_never_judged_says_so() -> None:
    tree: Tree = {"0": node("0", None, [], final_answer="7", rewards=[], q=None)}
    assert render_text(tree, "0") == "0  7  *best*  not judged"


@pytest.mark.parametrize("lines", [2, 5, 24])
def test_a_deep_tree_takes_no_more_lines_than_there_are(lines: int) -> None:
    chain = {
        str(n): node(str(n), str(n - 1) if n else None, [str(n + 1)] if n < 500 else [])
        for n in range(501)
    }
    drawn = in_terminal(chain, "400", lines)
    assert len(drawn) <= lines
    assert any("*best*" in line for line in drawn)
    assert all(len(line) <= 80 for line in drawn)


def solution_of(text: str) -> dict[str, Any]:
    tree = {"0": node("0", None, [], answer=text, critique=text, final_answer=text)}
    return {
        "problem": text,
        "answer": text,
        "final_answer": text,
        "best": "0",
        "rollouts": 0,
        "usage": no_usage(),
        "stop_reason": None,
        "tree": tree,
        "failures": [],
    }


class Elements(HTMLParser):
    """Counts elements, and keeps what the JSON script holds."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.inside, self.data = 0, False, ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.count += 1
        self.inside = dict(attrs).get("id") == "search"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.data += data if self.inside else ""


def read(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    elements.close()
    return elements


PLAIN = read(render_html(solution_of("24"))).count


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from([*"<>/!-&\"'", "script"])).map("".join)))
def test_no_text_adds_an_element_and_each_arrives_whole(text: str) -> None:
    elements = read(render_html(solution_of(text)))
    assert elements.count == PLAIN
    data = json.loads(elements.data)
    assert data["nodes"][0]["answer"].replace("\0", "") == clean_text(text)


def test_nothing_in_the_package_ends_the_script_or_names_another_place() -> None:
    page = render_html(solution_of("24"))
    assert page.count("</script") == 2
    assert page.count("</style") == 1
    assert "<!-- " not in page
    places = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}", page))
    assert places == {"http://www.w3.org"}  # names of SVG and MathML, which nobody asks for
    assert not re.search(r"url\((?!data:|#)", page)


def test_the_renderer_of_tex_brings_its_licence() -> None:
    licence = files("mctsr_graph.viewers").joinpath("katex", "LICENSE").read_text("utf-8")
    assert "Khan Academy" in licence
