"""A run for other programs: CSV, LaTeX, logs of inspect_ai, results of lm-evaluation-harness."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mctsr_graph.calls.usage import no_cost
from mctsr_graph.errors import ConfigError
from mctsr_graph.text.printable import printable

from .metrics import RunMetrics, keys_of
from .other_logs import inspect_logs, lm_eval_files
from .outcomes import Key, outcomes, point_at
from .records import Line
from .report.table import Table
from .report.tables import tables
from .report.write import RunLines, measure_runs

_WHICH = ("id", "seed", "level", "subject", "method", "budget", "rollouts", "against")
_WHAT = ("verdict", "measured", "final_answer", "gold", "oracle", "first", "truncated")
_HOW = ("confidence", "stop_reason", *no_cost(), "seconds", "failures")
_FIELDS = (*_WHICH, *_WHAT, *_HOW)
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def convert(run: Path, to: str, out: Path) -> list[Path]:
    """Write a run in another form; returns the files.

    Args:
        run: The run's folder.
        to: "csv", "latex", "inspect" or "lm-eval".
        out: Where to; made if need be.

    Raises:
        ConfigError: there is no such form, or the folder is no run.
    """
    if to not in _FORMS:
        raise ConfigError(f"--to is {to!r}, allowed {', '.join(_FORMS)}")
    [(lines, metrics)] = measure_runs([run])
    out.mkdir(parents=True, exist_ok=True)
    return list(_FORMS[to](lines, metrics, out))


def _csv(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    rows = (row for line in lines for row in outcome_rows(line, keys_of(lines, lines.settings)))
    yield _write_csv(out / "outcomes.csv", _FIELDS, ([row[n] for n in _FIELDS] for row in rows))
    for table in tables(metrics):
        yield _write_csv(out / f"{table.name}.csv", table.head, table.rows)


def outcome_rows(line: Line, keys: Sequence[Key]) -> Iterator[dict[str, Any]]:
    """What one line says of each method and budget."""
    for key, found in zip(keys, outcomes(line, keys), strict=True):
        point = point_at(line, key)
        selected = None if point is None else point["selected"]
        attempts = line["methods"][key.method]["attempts"] if selected is not None else []
        yield {
            **key._asdict(),
            **{name: getattr(found, name) for name in _FIELDS if hasattr(found, name)},
            **found.cost,
            "gold": line["gold"],
            "final_answer": None if selected is None else attempts[selected]["final_answer"],
            "stop_reason": None if point is None else point.get("stop_reason"),
        }


def _write_csv(path: Path, head: Sequence[str], rows: Any) -> Path:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(map(_harmless, rows))
    return path


def _harmless(row: Any) -> Iterator[Any]:
    """Cells of which no spreadsheet makes a formula."""
    for cell in row:
        is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
        is_number = is_formula and re.fullmatch(r"[+-]?[\d.,]+", cell) is not None
        yield f"'{cell}" if is_formula and not is_number else cell


def _latex(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    for table in tables(metrics):
        path = out / f"{table.name}.tex"
        path.write_text(latex_table(table), "utf-8", "replace")
        yield path


def latex_table(table: Table) -> str:
    """Write a table for LaTeX with the package booktabs. No cell is taken for a command."""
    rows = [" & ".join(map(_escaped, row)) + r" \\\\" for row in [table.head, *table.rows]]
    rows = [row.replace(r" \\\\", r" \\") for row in rows]
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


def _inspect(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    return inspect_logs(lines, metrics, out)


def _lm_eval(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    return lm_eval_files(lines, metrics, out)


_FORMS: dict[str, Callable[[RunLines, RunMetrics, Path], Iterator[Path]]] = {
    "csv": _csv,
    "latex": _latex,
    "inspect": _inspect,
    "lm-eval": _lm_eval,
}
