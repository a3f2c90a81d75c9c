"""A table as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from mctsr_graph.text.printable import printable

from .table import Table

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def csv_table(table: Table) -> str:
    """Write a table as CSV, cell by cell as it is shown."""
    text = io.StringIO()
    write_csv(text, table.head, table.rows)
    return text.getvalue()


def write_csv(file: IO[str], head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows into a file that was opened with newline=""."""
    writer = csv.writer(file)
    writer.writerow(head)
    writer.writerows(map(_harmless, rows))


def _harmless(row: Iterable[Any]) -> Iterator[Any]:
    """Cells of which no spreadsheet makes a formula."""
    for cell in row:
        is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
        is_number = is_formula and re.fullmatch(r"[+-]?[\d.,]+", cell) is not None
        yield f"'{cell}" if is_formula and not is_number else cell


def latex_table(table: Table) -> str:
    """Write a table for LaTeX with the package booktabs. No cell is taken for a command."""
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in [table.head, *table.rows]]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escaped(table.title)}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.head)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _escaped(text: str) -> str:
    plain = printable(" ".join(text.split())).replace("\u2212", "-").replace("\u2013", "--")
    found = (_LATEX.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in plain)
    return "".join(found).replace("\u202f", r"\,")
