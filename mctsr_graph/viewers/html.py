"""A search as one HTML page that needs nothing else: no file, no network.

Texts of a model are hostile. They travel as JSON in which nothing can end the script element,
and the page's own script puts them in place as text. TeX is drawn by KaTeX 0.19.1, which is told
to trust nothing. A content security policy lets nothing run but the scripts of this package, and
lets no request leave.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from mctsr_graph.text.final_answer import clean_text
from mctsr_graph.text.printable import escaped
from mctsr_graph.text.reward_scale import HIGHEST, LOWEST
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.record import replay
from mctsr_graph.tree.tree import Node
from mctsr_graph.viewers.pair import differing, lanes, parting, shared_classes
from mctsr_graph.viewers.text import classes_in_words, one_line

_SCRIPTS = (
    *("search.js", "classes.js", "layout.js", "text.js", "words.js", "diff.js", "story.js"),
    *("evidence.js", "panels.js", "overview.js", "tree.js", "head.js", "pair.js", "main.js"),
)
_FONT = re.compile(r"src:url\(fonts/([\w-]+\.woff2)\)[^;}]*")
MARK = "<!-- data -->"
"""Where a `blank_page` takes its data."""
_MARKUP = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


def render_html(solution: Mapping[str, Any], calls: Sequence[Mapping[str, Any]] = ()) -> str:
    """Draw a search as a page: how it got there, its tree, texts, rollouts, answers and cost.

    Args:
        solution: The fields of a `Solution`, as its `to_json` gives them.
        calls: What the model was asked and replied, as `CallJournal.recorded` gives it.

    Returns:
        The whole page, about 0.7 MB beyond its texts.
    """
    return blank_page().replace(MARK, page_data(solution, calls))


def render_pair(
    solutions: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    calls: Sequence[Sequence[Mapping[str, Any]]] = ((), ()),
) -> str:
    """Draw two searches of one problem as a page that says where they part.

    Args:
        solutions: The fields of both.
        names: What to call them.
        calls: Of each, as `render_html` takes them.
    """
    first, second = solutions
    shared = shared_classes(first, second)
    made = [sum(cost["calls"] for cost in one["usage"].values()) for one in solutions]
    told = {
        "searches": [_data(one, own, shared) for one, own in zip(solutions, calls, strict=True)],
        "names": list(names),
        "parting": parting(first, second, names, for_page=True),
        "differing": differing(first, second),
        "lanes": [lanes(one, shared, own) for one, own in zip(solutions, made, strict=True)],
        "calls": max(1, *made),
    }
    return blank_page().replace(MARK, _json(told))


def blank_page() -> str:
    """The page of any search: with `page_data` in the place of MARK it shows that one."""
    style = _fonts_inside(_asset("katex/katex.min.css")) + grammar() + _asset("page/page.css")
    own = "\n".join(_asset(f"page/{name}") for name in _SCRIPTS)
    script = f'{_asset("katex/katex.min.js")}\n(() => {{\n"use strict";\n{own}}})();'
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "font-src data:; img-src data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = _asset("page/page.html")
    for mark, part in {"policy": policy, "style": style, "script": script}.items():
        page = page.replace(f"<!-- {mark} -->", part)
    return page


def grammar() -> str:
    """The style sheet that every page shares: colours, tables, controls, print. Put it first."""
    return _asset("page/grammar.css")


def page_data(solution: Mapping[str, Any], calls: Sequence[Mapping[str, Any]] = ()) -> str:
    """A search as JSON for a `blank_page`. It has no "<", so it stays where it is put."""
    return _json(_data(solution, calls))


def _data(
    solution: Mapping[str, Any],
    calls: Sequence[Mapping[str, Any]] = (),
    shared: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What the page's script is given; `shared` numbers classes that another search has, too."""
    shown = ("problem", "final_answer", "best", "rollouts", "usage", "stop_reason", "failures")
    classes: dict[str, int] = {}
    nodes = [_node(node, classes) for node in solution["tree"].values()]
    return {
        **{key: solution[key] for key in shown},
        **_replayed(solution),
        "scale": [LOWEST, HIGHEST],
        "more": _sureness(solution.get("choice")),
        "nodes": nodes,
        "about": about(solution.get("made_with") or {}),
        **_pooled(calls, nodes),
        **({} if shared is None else {"letters": [shared.get(name) for name in classes]}),
    }


def _pooled(
    calls: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Calls as rows in which a text is told by its place in a pool, or by the node that has it."""
    if not calls:
        return {}
    known = {node["answer"]: f"a{place}" for place, node in enumerate(nodes)}
    known |= {node["critique"]: f"c{i}" for i, node in enumerate(nodes) if "critique" in node}
    pool: dict[str, int] = {}

    def place(text: str) -> int | str:
        return known.get(text) or pool.setdefault(text, len(pool))

    rows = [
        [
            *(call["rollout"], call["role"], call["sample"], call["attempt"], place(call["text"])),
            [[who, place(words)] for who, words in call["asked"]],
        ]
        for call in calls
    ]
    return {"calls": rows, "texts": list(pool)}


_ABOUT = {
    "model": "Model",
    "judge_model": "Judge",
    "critic_model": "Critic",
    "profile": "Profile",
    "seed": "Seed",
    "version": "Version",
    "begun": "Begun",
    "ended": "Last step",
}


def about(made_with: Mapping[str, Any]) -> list[list[str]]:
    """What a search was made with, in words: name and value, the known names first."""
    names = [*(name for name in _ABOUT if name in made_with), *sorted(made_with.keys() - _ABOUT)]
    return [[_ABOUT.get(name, name), one_line(_told(made_with[name]), 300)] for name in names]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _replayed(solution: Mapping[str, Any]) -> dict[str, Any]:
    """What was when, and the classes that the search itself has counted at its end."""
    choice, tree, record = solution.get("choice"), solution["tree"], solution.get("record") or []
    chance = choice["confidence"] if choice is not None else None
    steps = replay(tree, record, solution["rollouts"], solution["best"], chance)
    ended = {"classes": choice["classes"], "chosen": choice["node"]} if choice is not None else {}
    return {"steps": list(_packed(steps)), **ended}


_SHORT = {
    **{"index": "i", "task": "t", "act": "a", "node": "n", "parent": "p", "leader": "l"},
    **{"leader_q": "q", "chance": "c", "price": "d"},
}
_COUNTED = {"calls": "k", "tokens": "o", "seconds": "s"}


def _packed(steps: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Steps in few bytes; `unpacked` of classes.js gives them their names back."""
    known, before = set[str](), dict.fromkeys(_COUNTED, 0)  # nodes whose q is known
    for step in steps:
        packed = {short: step[name] for name, short in _SHORT.items() if step.get(name) is not None}
        if step["made"] != [step["node"]] and (step["made"] or step["node"] is not None):
            packed["m"] = step["made"]
        if step["rewards"]:
            packed["r"] = {one: len(points) for one, points in step["rewards"].items()}
        # In a deep tree most values have been unknown for long
        values = {i: q for i, q in step["values"].items() if q is not None or i in known}
        known = (known | values.keys()) - {i for i, q in values.items() if q is None}
        if values:
            packed["v"] = {i: q if q is None else round(q, 5) for i, q in values.items()}
        if not step["known"]:
            packed["z"] = 1
        for name, short in _COUNTED.items():
            now = step[name] or before[name]
            if now != before[name]:
                packed[short], before[name] = round(now - before[name], 3), now
        yield packed


_RULES = {
    "max_q": "the highest q",
    "majority": "most votes",
    "weighted": "votes, refinements and rewards",
    "rsa": "most votes in the last population",
}


def _sureness(choice: Mapping[str, Any] | None) -> dict[str, str]:
    """How sure the search is of its answer, and why it is this one, in words."""
    if choice is None:
        return {}
    sure = choice["confidence"]
    return {
        **({"confidence": f"{100 * sure:.0f} %"} if sure is not None else {}),
        "chosen by": _RULES.get(choice["rule"], choice["rule"]),
        "answers": classes_in_words(choice),
    }


def _node(node: Node, classes: dict[str, int]) -> dict[str, Any]:
    """A node without what is empty, and with the number of its class of equal answers."""
    fields = {k: v for k, v in node.items() if v is not None and v is not False}
    fields["rewards"] = [round(reward, 4) for reward in node["rewards"]]
    if node["q"] is not None:
        fields["q"] = round(node["q"], 5)
    del fields["children"]  # the other side of parent
    fields.pop("answer_class", None)  # told as a number
    if (name := class_of(node)) is not None:
        fields["class"] = classes.setdefault(name, len(classes))
    return fields


def _json(value: Any) -> str:
    """JSON for a script element: nothing in it ends the element or begins markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return escaped(clean_text(text)).translate(_MARKUP)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _fonts_inside(css: str) -> str:
    """KaTeX's style sheet with its fonts as data URIs."""

    def inside(source: re.Match[str]) -> str:
        font = files(__package__).joinpath("katex", "fonts", source[1]).read_bytes()
        return f"src:url(data:font/woff2;base64,{base64.b64encode(font).decode()})"

    return _FONT.sub(inside, css)


def _asset(name: str) -> str:
    return files(__package__).joinpath(*name.split("/")).read_text(encoding="utf-8")
