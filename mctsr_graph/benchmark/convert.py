"""A run for other programs: CSV, LaTeX, logs of inspect_ai, results of lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mctsr_graph.calls.usage import no_cost
from mctsr_graph.errors import ConfigError

from .metrics import RunMetrics
from .other_logs import inspect_logs, lm_eval_files
from .outcomes import Key, keys_of, outcomes, point_at
from .records import Line
from .report.table_files import latex_table, write_csv
from .report.tables import tables
from .report.write import RunLines, measure_runs

_WHICH = ("id", "seed", "level", "subject", "method", "budget", "rollouts", "against")
_WHAT = ("verdict", "measured", "final_answer", "gold", "oracle", "first", "truncated")
_HOW = ("confidence", "stop_reason", *no_cost(), "seconds", "failures")
_FIELDS = (*_WHICH, *_WHAT, *_HOW)


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


def _write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        write_csv(file, head, rows)
    return path


def _latex(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    for table in tables(metrics):
        path = out / f"{table.name}.tex"
        path.write_text(latex_table(table), "utf-8", "replace")
        yield path


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
