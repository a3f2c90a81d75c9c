"""Makes a report of runs: from their lines alone, without a model and without grading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.judge import Judge
from mctsr_graph.benchmark.metrics import RunMetrics, measure
from mctsr_graph.benchmark.outcomes import Key, distinct
from mctsr_graph.benchmark.reading import counts_of_files
from mctsr_graph.benchmark.records import Line, RunSettings, all_planned
from mctsr_graph.benchmark.store import RunFolder, read_run
from mctsr_graph.errors import ConfigError

from .conclusions import conclusions
from .drawing import Plot
from .page import Part, write_page
from .plots import plots
from .problems import problems
from .table_files import csv_table, latex_table
from .tables import tables
from .text import markdown

PAGE, MARKDOWN, FIGURES, TABLES = "report.html", "report.md", "metrics.json", "tables"
_MOST_SHOWN = 2_000  # problems on the page, which a browser has to open
_OF_JUDGE = ("auc", "pairwise", "pairs", "answers")  # not each single reward


@dataclass(frozen=True)
class RunLines:
    """The lines of one run, which may lie in several folders; can be read again and again."""

    settings: RunSettings
    folders: Sequence[Path]

    def attempted(self) -> dict[tuple[str, int], list[str]]:
        """Why starts could not finish a problem, by id and seed."""
        found: dict[tuple[str, int], list[str]] = {}
        for folder in self.folders:
            for key, reasons in RunFolder(folder).unfinished().items():
                found.setdefault(key, []).extend(reasons)
        return found

    def __iter__(self) -> Iterator[Line]:
        yield from distinct(line for folder in self.folders for line in read_run(folder)[1])


def measure_runs(
    folders: Sequence[Path], baseline: str | None = None
) -> list[tuple[RunLines, RunMetrics]]:
    """Read and measure runs; with a baseline all other methods are compared with it."""
    found = []
    for one in read_runs(folders):
        lines = counts_of_files(one.folders, one.settings) or one
        found.append((one, measure(one.settings, lines, one.attempted(), baseline)))
    return found


def each_run(folders: Sequence[Path]) -> list[RunLines]:
    """Read runs, each folder as one of its own, whatever its settings.

    Raises:
        ConfigError: A folder is no run, or given twice.
    """
    seen = [folder.resolve() for folder in folders]
    if len(set(seen)) < len(seen):
        raise ConfigError("a run is given twice, allowed folders that differ")
    return [RunLines(read_run(folder)[0], [folder]) for folder in folders]


def read_runs(folders: Sequence[Path]) -> list[RunLines]:
    """Read runs. Folders of the same run, as from several machines, are one.

    Raises:
        ConfigError: A folder is no run, its lines are damaged, or it has none.
    """
    found: dict[str, RunLines] = {}
    for folder in folders:
        settings, _ = read_run(folder)
        before = found.get(settings["run"])
        if before is not None:
            settings = {**settings, "planned": all_planned([before.settings, settings])}
        others = before.folders if before is not None else ()
        found[settings["run"]] = RunLines(settings, [*others, folder])
    return list(found.values())


def write_report(measured: Sequence[tuple[RunLines, RunMetrics]], folder: Path) -> list[Path]:
    """Write a page, Markdown, figures as JSON, plots as SVG and PNG, tables as CSV and LaTeX.

    The page shows the first 2,000 problems of a run with their trees; the figures are of all.

    Args:
        measured: What `measure_runs` returned.
        folder: Where to; made if need be. Files of an earlier report are replaced.

    Returns:
        The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts, texts, pictures, kept = [], [], [], []
    for number, (lines, metrics) in enumerate(measured, 1):
        drawn = plots(metrics)
        saved = [(plot, _save_plot(plot, number, folder)) for plot in drawn]
        pictures += [folder / name for _, names in saved for name in names]
        texts.append(markdown(metrics, [(plot, names[0]) for plot, names in saved]))
        kept += _save_tables(metrics, number, folder)
        shown = problems(islice(lines, _MOST_SHOWN), metrics.at_most())
        both = list(zip(drawn, plots(metrics, narrow=True), strict=True))
        parts.append(Part(number, metrics, both, shown))
    (folder / MARKDOWN).write_text("# MCTSr benchmark\n\n" + "\n".join(texts), "utf-8", "replace")
    figures = [
        {"conclusions": _plain(conclusions(metrics)), **_plain(metrics)} for _, metrics in measured
    ]
    (folder / FIGURES).write_text(json.dumps(figures, indent=1), "utf-8")
    write_page(folder / PAGE, parts)
    return [folder / PAGE, folder / MARKDOWN, folder / FIGURES, *pictures, *kept]


def _save_plot(plot: Plot, number: int, folder: Path) -> tuple[str, str]:
    """Save a plot, and return the names of its files."""
    name = f"{plot.name}-{number}"
    (folder / f"{name}.svg").write_text(plot.svg, "utf-8")
    (folder / f"{name}.png").write_bytes(plot.png())
    return f"{name}.svg", f"{name}.png"


def _save_tables(metrics: RunMetrics, number: int, folder: Path) -> list[Path]:
    """Save each table as CSV and LaTeX."""
    under = folder / TABLES
    under.mkdir(exist_ok=True)
    found = []
    for table in tables(metrics):
        for end, text in (("csv", csv_table(table)), ("tex", latex_table(table))):
            path = under / f"{table.name}-{number}.{end}"
            path.write_bytes(text.encode("utf-8", "replace"))
            found.append(path)
    return found


def _plain(value: Any) -> Any:
    """Figures as plain JSON. What is kept by method and budget becomes a list."""
    if isinstance(value, Judge):
        kept = {name: figure for name, figure in vars(value).items() if name in _OF_JUDGE}
    elif isinstance(value, Comparison):
        kept = {**vars(value), "finding": value.finding}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        kept = value._asdict()
    elif is_dataclass(value):
        kept = vars(value)
    elif isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    elif isinstance(value, dict) and any(isinstance(key, Key) for key in value):
        return [{"key": key._asdict(), "value": _plain(one)} for key, one in value.items()]
    elif isinstance(value, dict):
        kept = value
    else:
        return value
    return {str(name): _plain(one) for name, one in kept.items()}
