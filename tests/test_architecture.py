"""The walls of the house: which module may import which. The tables are the document."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mctsr_graph"

# module -> modules of this package that it may import; nothing else
INSIDE = {
    "errors": set(),
    "tree": set(),
    "usage": set(),
    "answers": set(),
    "_score_text": {"errors"},
    "_hostile_text": set(),
    "defuse": {"_hostile_text"},
    "endings": set(),
    "scores": {"errors", "_score_text"},
    "config": {"errors"},
    "search": {"tree", "config"},
    "prompts": {"answers", "config", "defuse", "errors", "scores"},
    "calls": {"config", "errors", "usage"},
    "retries": {"errors"},
    "ways": {"calls", "retries"},
    "journal": {"endings", "errors"},
    "fingerprint": {"calls", "config", "prompts"},
    "asking": {
        "calls",
        "config",
        "defuse",
        "endings",
        "errors",
        "journal",
        "retries",
        "usage",
        "ways",
    },
    "leaves": {"answers", "calls", "config", "defuse", "search", "tree", "usage"},
    "events": {"calls", "config", "leaves", "tree", "usage"},
    "state": {"calls", "leaves", "tree", "usage"},
    "step": {"config", "events", "state", "ways"},
    "stopping": {"calls", "config", "errors", "state", "usage"},
    "nodes": {
        "answers",
        "asking",
        "calls",
        "config",
        "defuse",
        "errors",
        "events",
        "fingerprint",
        "journal",
        "leaves",
        "prompts",
        "search",
        "state",
        "step",
        "stopping",
        "tree",
        "usage",
    },
    "graph": {
        "calls",
        "config",
        "journal",
        "models.load",
        "nodes",
        "prompts",
        "state",
        "step",
    },
    "savers": {"errors"},
    "stored": {
        "config",
        "errors",
        "graph",
        "models.scripted",
        "running",
        "savers",
        "solution",
        "tree",
    },
    "solution": {"calls", "tree", "usage", "viewers.html"},
    "running": {
        "answers",
        "calls",
        "config",
        "errors",
        "events",
        "fingerprint",
        "graph",
        "journal",
        "models.load",
        "prompts",
        "savers",
        "solution",
        "state",
        "stopping",
        "tree",
        "usage",
    },
    "solve": {"calls", "config", "journal", "prompts", "running", "solution"},
    "terminal": {
        "config",
        "errors",
        "events",
        "running",
        "solution",
        "usage",
        "viewers.mermaid",
        "viewers.rich_tree",
        "viewers.text",
    },
    "arguments": {"errors"},
    "cli": {
        "",
        "arguments",
        "cli_bench",
        "config",
        "errors",
        "running",
        "solve",
        "stored",
        "terminal",
        "usage",
    },
    "cli_bench": {
        "arguments",
        "benchmark.again",
        "benchmark.data_sets",
        "benchmark.export",
        "benchmark.plan",
        "benchmark.problems",
        "benchmark.ray_engine",
        "benchmark.report.text",
        "benchmark.report.write",
        "benchmark.run",
        "benchmark.stand_in",
        "benchmark.store",
        "errors",
        "models.load",
        "terminal",
        "terminal_bench",
        "usage",
    },
    "terminal_bench": {"benchmark.records", "benchmark.statistics"},
    "__main__": {"cli"},
    "models.load": {"errors", "models.embedded", "models.huggingface"},
    "models.scripted": {"errors"},
    "benchmark": set(),
    "benchmark.records": {"calls", "tree", "usage"},
    "benchmark.store": {"benchmark.records", "errors"},
    "benchmark.grading": {"answers", "benchmark.worker"},
    "benchmark.published": set(),
    "benchmark.statistics": set(),
    "benchmark.unfinished": {"errors"},
    "benchmark.problems": {"errors"},
    "benchmark.data_sets": {"answers", "benchmark.problems", "errors"},
    "benchmark.votes": {"answers", "benchmark.records"},
    "benchmark.ledger": {"journal", "usage"},
    "benchmark.plan": {"benchmark.records", "config", "errors"},
    "benchmark.searches": {
        "benchmark.ledger",
        "benchmark.plan",
        "benchmark.records",
        "benchmark.votes",
        "calls",
        "config",
        "graph",
        "journal",
        "prompts",
        "tree",
        "usage",
    },
    "benchmark.drafts": {
        "answers",
        "asking",
        "benchmark.ledger",
        "benchmark.records",
        "benchmark.unfinished",
        "calls",
        "config",
        "defuse",
        "fingerprint",
        "leaves",
        "prompts",
        "usage",
        "ways",
    },
    "benchmark.baselines": {
        "benchmark.drafts",
        "benchmark.plan",
        "benchmark.records",
        "benchmark.votes",
        "calls",
        "leaves",
        "usage",
    },
    "benchmark.persistent": {
        "benchmark.unfinished",
        "calls",
        "config",
        "errors",
        "retries",
        "ways",
    },
    "benchmark.solving": {
        "benchmark.persistent",
        "benchmark.baselines",
        "benchmark.drafts",
        "benchmark.ledger",
        "benchmark.plan",
        "benchmark.records",
        "benchmark.searches",
        "calls",
        "journal",
        "prompts",
    },
    "benchmark.stand_in": {"calls", "errors", "fingerprint", "ways"},
    "benchmark.run": {
        "",
        "benchmark.grading",
        "benchmark.plan",
        "benchmark.problems",
        "benchmark.records",
        "benchmark.solving",
        "benchmark.stand_in",
        "benchmark.store",
        "benchmark.unfinished",
        "calls",
        "errors",
        "journal",
        "prompts",
    },
    "benchmark.ray_engine": {
        "benchmark.plan",
        "benchmark.records",
        "benchmark.run",
        "benchmark.solving",
        "benchmark.stand_in",
        "benchmark.store",
        "benchmark.unfinished",
        "calls",
        "errors",
        "journal",
        "models.load",
    },
    "benchmark.again": {
        "benchmark.grading",
        "benchmark.problems",
        "benchmark.records",
        "benchmark.run",
        "benchmark.stand_in",
        "benchmark.store",
        "errors",
    },
    "benchmark.export": {"benchmark.records", "benchmark.store", "prompts"},
    "benchmark.comparisons": {"benchmark.outcomes", "benchmark.statistics"},
    "benchmark.judge": {"benchmark.outcomes", "benchmark.statistics"},
    "benchmark.metrics": {
        "benchmark.comparisons",
        "benchmark.judge",
        "benchmark.outcomes",
        "benchmark.records",
        "benchmark.statistics",
        "errors",
        "usage",
    },
    "benchmark.outcomes": {"benchmark.records", "usage"},
    "benchmark.report": set(),
    "benchmark.report.page": {
        "benchmark.metrics",
        "benchmark.report.drawing",
        "benchmark.report.problems",
        "benchmark.report.tables",
        "benchmark.report.words",
        "viewers.html",
    },
    "benchmark.report.problems": {"benchmark.outcomes", "benchmark.records", "usage"},
    "benchmark.report.text": {
        "benchmark.metrics",
        "benchmark.report.drawing",
        "benchmark.report.tables",
        "benchmark.report.words",
    },
    "benchmark.report.write": {
        "benchmark.comparisons",
        "benchmark.judge",
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.records",
        "benchmark.report.drawing",
        "benchmark.report.page",
        "benchmark.report.plots",
        "benchmark.report.problems",
        "benchmark.report.text",
        "benchmark.store",
    },
    "benchmark.report.drawing": {"benchmark.statistics"},
    "benchmark.report.plots": {
        "benchmark.judge",
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.published",
        "benchmark.report.drawing",
        "benchmark.report.words",
        "benchmark.statistics",
    },
    "benchmark.report.tables": {
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.published",
        "benchmark.report.words",
        "benchmark.statistics",
    },
    "benchmark.report.words": {
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.records",
        "benchmark.statistics",
    },
    "benchmark.worker": {"errors", "benchmark._worker_pool"},
    "benchmark._worker_pool": {"errors"},
    "benchmark._worker_main": set(),
    "viewers": set(),
    "viewers.text": {"tree"},
    "viewers.mermaid": {"tree", "viewers.text"},
    "viewers.rich_tree": {"tree", "viewers.text"},
    "viewers.html": {"answers", "tree"},
}
# package -> modules that may import it
OUTSIDE = {
    "langgraph": {"state", "step", "nodes", "graph", "running", "savers", "stored"},
    "matplotlib": {"benchmark.report.drawing", "benchmark.report.plots"},
    "numpy": {"benchmark.statistics"},
    "typer": {"cli", "cli_bench"},
    "rich": {
        "cli",
        "cli_bench",
        "terminal",
        "benchmark.report.text",
        "terminal_bench",
        "viewers.rich_tree",
    },
    "jinja2": {"benchmark.report.page", "models.template"},
}
STANDARD_LIBRARY_ONLY = {
    "tree",
    "search",
    "answers",
    "scores",
    "_score_text",
    "defuse",
    "_hostile_text",
    "usage",
    "errors",
}
TORCH = ("torch", "transformers")
NEVER = {"sympy", "math_verify", "latex2sympy2_extended"}  # a grader's, which needs the truth


def modules() -> list[str]:
    """Every module by its dotted name inside the package; a package by its own name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names.append(".".join(part for part in parts if part != "__init__"))
    return names


def tree_of(module: str) -> ast.Module:
    path = PACKAGE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Absolute dotted names of everything that a module imports, wherever it does so."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            folder = module.rpartition(".")[0]  # of a module; none of the packages imports so
            base = ["mctsr_graph", folder] if node.level else []
            name = ".".join(part for part in (*base, node.module) if part)
            if node.level and node.module is None:  # from . import x
                found |= {f"{name}.{alias.name}" for alias in node.names}
            else:
                found.add(name)
    return found


def inside(module: str) -> set[str]:
    own = {name for name in imports(module) if name.split(".")[0] == "mctsr_graph"}
    names = {name.removeprefix("mctsr_graph").lstrip(".") for name in own}
    return {"" if name == "__version__" else name for name in names}


@pytest.mark.parametrize("module", sorted(INSIDE))
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    assert inside(module) <= INSIDE[module]


def test_every_module_of_the_search_is_in_the_table() -> None:
    outside_the_table = {name for name in modules() if name not in INSIDE}
    others = {name for name in outside_the_table if not name.startswith("models")}
    assert others == {""}


@pytest.mark.parametrize("package", sorted(OUTSIDE))
def test_a_package_is_imported_only_where_the_table_allows(package: str) -> None:
    users = {m for m in modules() if package in {name.split(".")[0] for name in imports(m)}}
    assert users <= OUTSIDE[package]


@pytest.mark.parametrize("module", sorted(STANDARD_LIBRARY_ONLY))
def test_the_maths_needs_only_the_standard_library(module: str) -> None:
    roots = {name.split(".")[0] for name in imports(module)}
    assert roots <= sys.stdlib_module_names | {"mctsr_graph", "typing_extensions"}


def test_torch_stays_inside_models_and_is_imported_late() -> None:
    for module in modules():
        if any(name.split(".")[0] in TORCH for name in imports(module)):
            assert module.startswith("models.")
            at_import = {
                name
                for node in tree_of(module).body
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in [getattr(node, "module", None) or node.names[0].name]
            }
            assert not {name.split(".")[0] for name in at_import} & set(TORCH)


def test_only_the_benchmark_imports_a_grader_and_nothing_imports_the_benchmark() -> None:
    for module in modules():
        if module != "benchmark._worker_main":
            assert not {name.split(".")[0] for name in imports(module)} & NEVER
        if not module.startswith("benchmark") and module not in ("cli_bench", "terminal_bench"):
            assert not {name for name in inside(module) if name.startswith("benchmark")}


def test_what_solves_a_problem_never_meets_the_truth() -> None:
    reached, left = set(), {"benchmark.solving"}
    while left:
        reached |= left
        left = {name for module in left for name in inside(module) if name} - reached
    assert not reached & {"benchmark.problems", "benchmark.grading", "benchmark.run"}
    ours = {name for name in reached if name.startswith("benchmark")} - {"benchmark.records"}
    assert "gold" not in "".join((PACKAGE / f"{m.replace('.', '/')}.py").read_text() for m in ours)


def test_the_truth_has_no_way_in() -> None:
    forbidden = {"truth", "ground_truth", "gold", "target", "expected", "label", "reference"}
    for module in modules():
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = {argument.arg for argument in arguments}
                if not module.startswith(("scores", "_score_text", "answers", "benchmark")):
                    assert not names & forbidden, f"{module}.{node.name}"


def test_print_is_for_the_command_line_only() -> None:
    for module in modules():
        calls = [n for n in ast.walk(tree_of(module)) if isinstance(n, ast.Call)]
        prints = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not prints or module == "cli"


def test_the_heart_can_be_read_in_one_sitting() -> None:
    heart = ("tree", "search", "state", "nodes", "graph", "prompts")
    lines = {m: len((PACKAGE / f"{m}.py").read_text("utf-8").splitlines()) for m in heart}
    assert sum(lines.values()) < 1000
    assert max(lines.values()) <= 300


def test_the_import_needs_neither_torch_nor_transformers_nor_sympy() -> None:
    code = (
        "import mctsr_graph, mctsr_graph.models, sys; "
        "assert not {'torch', 'transformers', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
