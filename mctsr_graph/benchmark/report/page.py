"""The report as one HTML page that needs nothing else: no file, no network.

Model text is hostile. The template escapes every text; trees travel compressed in base64, are
shown by the viewer's own page in a sandboxed frame, and a content security policy lets run what
is in this package only.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.viewers.html import blank_page, grammar, page_data

from . import words
from .conclusions import (
    FINDING_SIGNS,
    across_conclusions,
    across_sure,
    conclusions,
    how_sure,
)
from .drawing import Plot
from .findings import across_table
from .order import by_search
from .problems import Problem
from .rows import across
from .table import Table
from .table_files import csv_table, latex_table
from .tables import facts, tables

_SCRIPT_SOURCE = re.compile(r"script-src ('sha256-[^']+')")


@dataclass(frozen=True)
class Part:
    """A run on the page."""

    number: int
    """Different from that of the other parts."""
    metrics: RunMetrics
    plots: Sequence[tuple[Plot, Plot]]
    """Each for a wide page and for a phone."""
    problems: Iterable[Problem]


def write_page(path: Path, parts: Sequence[Part]) -> None:
    """Write the page, problem by problem, so that memory stays flat."""
    viewer = blank_page()
    script = _asset("report.js")
    names = ", ".join(dict.fromkeys(part.metrics.settings["dataset"] for part in parts))
    told = dict(
        title=f"MCTSr benchmark: {names}",
        policy=_policy(script, viewer),
        script=script,
        viewer=viewer,
        runs=parts,
        words=words,
        conclusions=conclusions,
        how_sure=how_sure,
        by_search=by_search,
        facts=facts,
        tables=tables,
        packed=packed,
        page_data=page_data,
    )
    _write(path, "report.html", told)


def write_across(path: Path, found: Sequence[AcrossRuns]) -> None:
    """Write the page of a comparison of runs."""
    told = dict(
        that=found[0].that,
        conclusions=across_conclusions(found),
        how_sure=across_sure(found),
        plot=(across(found, narrow=False), across(found, narrow=True)),
        table=across_table(found),
    )
    _write(path, "across.html", told)


def _write(path: Path, template: str, told: Mapping[str, Any]) -> None:
    environment = Environment(
        loader=PackageLoader("mctsr_graph.benchmark.report", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    shared = dict(signs=FINDING_SIGNS, files=_files, split=_split)
    style = grammar() + _asset("report.css")
    stream = environment.get_template(template).stream(style=style, **shared, **told)
    stream.enable_buffering(50)
    with path.open("wb") as file:
        stream.dump(file, encoding="utf-8", errors="replace")  # half a surrogate pair


def _split(cell: str) -> tuple[str, str]:
    """A number and its interval, if the cell is both."""
    value, opening, rest = cell.partition(" (")
    return (value, rest.removesuffix(")")) if opening and " to " in rest else (cell, "")


def _files(table: Table) -> list[tuple[str, str, str]]:
    """A table to take along: kind, name of the file, and the file as an address."""
    forms = (("CSV", "csv", csv_table(table)), ("LaTeX", "tex", latex_table(table)))
    return [
        (kind, f"{table.name}.{end}", f"data:text/plain;base64,{_base64(text)}")
        for kind, end, text in forms
    ]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def packed(text: str) -> str:
    """Text compressed and in base64, in which nothing is markup; the same every time."""
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), mtime=0)).decode()


def _policy(script: str, viewer: str) -> str:
    """A content security policy; the frame with the viewer is under it and its own."""
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    found = _SCRIPT_SOURCE.search(viewer)
    assert found is not None, "the viewer has no policy of its own"
    return (
        f"default-src 'none'; script-src 'sha256-{own}' {found[1]}; style-src 'unsafe-inline'; "
        "font-src data:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
