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
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from mctsr_graph.text.final_answer import clean_text
from mctsr_graph.text.printable import escaped
from mctsr_graph.viewers.page_data import data_of
from mctsr_graph.viewers.pair import differing, lanes, parting, shared_classes

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
        "searches": [data_of(one, own, shared) for one, own in zip(solutions, calls, strict=True)],
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
    return _json(data_of(solution, calls))


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
