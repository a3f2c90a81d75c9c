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
    "arguments": {"errors"},
    "answers": set(),
    "benchmark._stated": {"answers"},
    "benchmark.equality.expressions": set(),
    "benchmark.equality.logic": set(),
    "benchmark.equality.exact": {"benchmark.equality.expressions"},
    "benchmark.equality.number_words": set(),
    "benchmark.equality.units": set(),
    "benchmark.equality.quantities": {
        "benchmark.equality.exact",
        "benchmark.equality.expressions",
        "benchmark.equality.number_words",
        "benchmark.equality.units",
    },
    "benchmark.equality.values": {"benchmark.equality.exact", "benchmark.equality.expressions"},
    "benchmark.equality.amounts": {
        "benchmark.equality.expressions",
        "benchmark.equality.logic",
        "benchmark.equality.quantities",
        "benchmark.equality.values",
    },
    "benchmark.equality.words": set(),
    "benchmark.equality.forms": {
        "benchmark.equality.expressions",
        "benchmark.equality.quantities",
        "benchmark.equality.words",
    },
    "benchmark.equality.merging": {"benchmark.equality.forms", "benchmark.equality.quantities"},
    "benchmark.equality.compare": {
        "benchmark.equality.amounts",
        "benchmark.equality.expressions",
        "benchmark.equality.forms",
        "benchmark.equality.logic",
        "benchmark.equality.merging",
        "benchmark.equality.quantities",
        "benchmark.equality.values",
        "benchmark.equality.words",
    },
    "benchmark.equality.plain": set(),
    "benchmark.equality.names": set(),
    "benchmark.equality.splitting": set(),
    "benchmark.equality.regions": {
        "benchmark.equality.forms",
        "benchmark.equality.names",
        "benchmark.equality.quantities",
        "benchmark.equality.splitting",
    },
    "benchmark.equality.reading": {
        "benchmark.equality.expressions",
        "benchmark.equality.forms",
        "benchmark.equality.names",
        "benchmark.equality.number_words",
        "benchmark.equality.plain",
        "benchmark.equality.quantities",
        "benchmark.equality.regions",
        "benchmark.equality.splitting",
        "benchmark.equality.words",
    },
    "benchmark._worker_pool": {"errors"},
    "benchmark.worker": {"benchmark._worker_pool", "errors"},
    "benchmark.grading": {
        "benchmark._stated",
        "benchmark.equality.compare",
        "benchmark.equality.plain",
        "benchmark.equality.reading",
        "benchmark.worker",
    },
    "benchmark.problems": {"errors"},
    "prior": {"errors"},
    "config": {"answers", "errors", "prior"},
    "usage": set(),
    "calls": {"config", "errors", "usage"},
    "branches": set(),
    "tree": {"branches"},
    "benchmark.records": {"calls", "tree", "usage"},
    "benchmark.plan": {"benchmark.records", "config", "errors"},
    "_hostile_text": set(),
    "defuse": {"_hostile_text"},
    "endings": set(),
    "sqlite_file": {"errors"},
    "journal": {"endings", "errors", "sqlite_file"},
    "retries": {"errors"},
    "ways": {"calls", "retries"},
    "several": {"calls", "journal", "retries", "ways"},
    "asking": {
        "calls",
        "config",
        "defuse",
        "endings",
        "errors",
        "journal",
        "retries",
        "several",
        "usage",
        "ways",
    },
    "benchmark.ledger": {"journal", "usage"},
    "_score_text": {"errors"},
    "scores": {"_score_text", "errors"},
    "prompts": {"answers", "config", "defuse", "errors", "scores"},
    "fingerprint": {"calls", "config", "errors", "prompts"},
    "judges.base": {"asking", "calls", "config", "errors", "prompts", "several", "usage", "ways"},
    "values": {"branches", "config", "tree"},
    "judges.self_evaluation": {"calls", "judges.base", "prompts", "values"},
    "judges.logits": {"calls", "judges.base", "judges.self_evaluation", "values", "ways"},
    "judges.pairwise": {"answers", "calls", "defuse", "errors", "judges.base"},
    "judges.rubric": {"answers", "calls", "errors", "judges.base", "prompts", "values"},
    "judges.verifier": {"judges.base"},
    "models.scripted": {"errors"},
    "models.demo": {"models.scripted"},
    "models.load": {"errors", "models.demo", "models.embedded", "models.huggingface"},
    "judges.court": {
        "asking",
        "calls",
        "config",
        "errors",
        "judges.base",
        "judges.logits",
        "judges.pairwise",
        "judges.rubric",
        "judges.self_evaluation",
        "judges.verifier",
        "models.load",
        "prompts",
        "ways",
    },
    "judges.process": {"calls", "errors", "judges.base", "ways"},
    "judges": {
        "judges.base",
        "judges.court",
        "judges.logits",
        "judges.pairwise",
        "judges.process",
        "judges.rubric",
        "judges.self_evaluation",
        "judges.verifier",
    },
    "one_level": {"branches", "config", "tree", "values"},
    "search": {"branches", "config", "one_level", "tree", "values"},
    "tasks": {"config", "tree"},
    "leaves": {
        "answers",
        "branches",
        "calls",
        "config",
        "defuse",
        "search",
        "tasks",
        "tree",
        "usage",
    },
    "evidence": {"answers", "branches", "tree"},
    "standing": {"evidence", "prior"},
    "likelihood": {"evidence", "prior", "standing"},
    "belief": {"evidence", "likelihood", "prior", "standing"},
    "choice": {"belief", "branches", "config", "evidence", "tree"},
    "state": {"calls", "choice", "leaves", "tree", "usage"},
    "events": {"calls", "config", "leaves", "tasks", "tree", "usage"},
    "step": {"config", "events", "state", "ways"},
    "strategy": {"choice", "config", "errors", "tasks", "tree"},
    "desk": {
        "answers",
        "asking",
        "calls",
        "fingerprint",
        "journal",
        "judges",
        "leaves",
        "prompts",
        "state",
        "step",
        "strategy",
        "usage",
        "ways",
    },
    "benchmark.drafts": {
        "answers",
        "asking",
        "benchmark.ledger",
        "benchmark.records",
        "calls",
        "config",
        "defuse",
        "desk",
        "fingerprint",
        "judges",
        "leaves",
        "prompts",
        "strategy",
        "usage",
        "ways",
    },
    "benchmark.votes": {"answers", "benchmark.records"},
    "benchmark.baselines": {
        "benchmark.drafts",
        "benchmark.plan",
        "benchmark.records",
        "benchmark.votes",
        "calls",
        "leaves",
        "usage",
    },
    "benchmark.unfinished": {"errors"},
    "benchmark.persistent": {
        "benchmark.unfinished",
        "calls",
        "config",
        "errors",
        "retries",
        "ways",
    },
    "costing": {"config", "tasks"},
    "finals": {
        "branches",
        "desk",
        "judges",
        "leaves",
        "search",
        "state",
        "step",
        "tree",
        "usage",
    },
    "roots": {
        "answers",
        "calls",
        "config",
        "defuse",
        "desk",
        "judges",
        "leaves",
        "prompts",
        "search",
        "state",
        "step",
        "tree",
        "usage",
    },
    "information": {
        "belief",
        "branches",
        "evidence",
        "likelihood",
        "prior",
        "standing",
        "tasks",
        "tree",
    },
    "deciding": {"belief", "config", "evidence", "tree"},
    "stopping": {"calls", "config", "costing", "deciding", "errors", "state", "tasks", "usage"},
    "selection": {
        "branches",
        "calls",
        "config",
        "errors",
        "information",
        "search",
        "state",
        "stopping",
        "tasks",
        "tree",
    },
    "nodes": {
        "answers",
        "asking",
        "calls",
        "choice",
        "config",
        "desk",
        "events",
        "finals",
        "judges",
        "leaves",
        "prompts",
        "roots",
        "selection",
        "state",
        "step",
        "stopping",
        "tree",
        "usage",
        "ways",
    },
    "graph": {
        "calls",
        "choice",
        "config",
        "desk",
        "journal",
        "judges",
        "models.load",
        "nodes",
        "prompts",
        "state",
        "step",
        "strategy",
        "tasks",
    },
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
    "benchmark.solving": {
        "benchmark.baselines",
        "benchmark.drafts",
        "benchmark.ledger",
        "benchmark.persistent",
        "benchmark.plan",
        "benchmark.records",
        "benchmark.searches",
        "calls",
        "journal",
        "prompts",
    },
    "benchmark.stand_in": {"calls", "errors", "ways"},
    "benchmark.store": {"benchmark.records", "errors"},
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
        "ways",
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
    "benchmark.data_sets": {"answers", "benchmark.problems", "errors"},
    "benchmark.export": {"benchmark.records", "benchmark.store", "prompts"},
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
    "benchmark.outcomes": {"benchmark.records", "usage"},
    "benchmark.statistics": set(),
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
    "benchmark.report.drawing": {"benchmark.statistics"},
    "benchmark.published": set(),
    "benchmark.report.words": {
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.records",
        "benchmark.statistics",
    },
    "benchmark.report.tables": {
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.published",
        "benchmark.report.words",
        "benchmark.statistics",
    },
    "benchmark.report.text": {
        "benchmark.metrics",
        "benchmark.report.drawing",
        "benchmark.report.tables",
        "benchmark.report.words",
    },
    "benchmark.report.problems": {"benchmark.outcomes", "benchmark.records", "usage"},
    "viewers.html": {"answers", "tree"},
    "benchmark.report.page": {
        "benchmark.metrics",
        "benchmark.report.drawing",
        "benchmark.report.problems",
        "benchmark.report.tables",
        "benchmark.report.words",
        "viewers.html",
    },
    "benchmark.report.plots": {
        "benchmark.judge",
        "benchmark.metrics",
        "benchmark.outcomes",
        "benchmark.published",
        "benchmark.report.drawing",
        "benchmark.report.words",
        "benchmark.statistics",
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
    "savers": {"errors", "sqlite_file"},
    "solution": {"calls", "choice", "tree", "usage", "viewers.html"},
    "running": {
        "answers",
        "calls",
        "choice",
        "config",
        "errors",
        "events",
        "fingerprint",
        "graph",
        "journal",
        "judges",
        "models.load",
        "prompts",
        "savers",
        "solution",
        "state",
        "stopping",
        "strategy",
        "usage",
    },
    "viewers.text": {"tree"},
    "viewers.mermaid": {"tree", "viewers.text"},
    "viewers.rich_tree": {"tree", "viewers.text"},
    "terminal": {
        "choice",
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
    "terminal_bench": {"benchmark.records", "benchmark.statistics"},
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
    "acts": {"answers", "branches", "config", "errors", "leaves", "search", "tree"},
    "steering": {
        "acts",
        "branches",
        "config",
        "errors",
        "fingerprint",
        "leaves",
        "strategy",
        "tree",
    },
    "cli_steer": {
        "branches",
        "cli",
        "fingerprint",
        "graph",
        "journal",
        "running",
        "savers",
        "steering",
        "terminal",
        "viewers.text",
    },
    "learning": {"belief", "evidence", "likelihood", "prior", "solution", "standing"},
    "solve": {
        "calls",
        "choice",
        "config",
        "errors",
        "journal",
        "judges",
        "prompts",
        "running",
        "solution",
        "strategy",
        "tasks",
    },
    "stored": {
        "config",
        "errors",
        "fingerprint",
        "graph",
        "models.scripted",
        "running",
        "savers",
        "solution",
    },
    "cli": {
        "",
        "arguments",
        "cli_bench",
        "cli_steer",
        "config",
        "errors",
        "fingerprint",
        "learning",
        "running",
        "solve",
        "stored",
        "terminal",
        "usage",
    },
    "__main__": {"cli"},
    "agent": {"calls", "config", "errors", "graph", "state", "usage"},
    "benchmark": set(),
    "benchmark._worker_main": set(),
    "benchmark.equality": set(),
    "benchmark.report": set(),
    "benchmark.simulation": {"calls", "models.scripted"},
    "benchmark.simulated_search": {
        "answers",
        "benchmark.simulation",
        "calls",
        "config",
        "leaves",
        "prompts",
        "search",
        "selection",
        "state",
        "tasks",
        "tree",
        "usage",
        "values",
    },
    "many": {
        "calls",
        "config",
        "errors",
        "judges",
        "learning",
        "models.load",
        "prior",
        "running",
        "solution",
        "solve",
        "usage",
        "ways",
    },
    "middleware": {"agent", "config", "errors", "fingerprint", "solution", "solve"},
    "tool": {
        "calls",
        "config",
        "errors",
        "events",
        "fingerprint",
        "models.load",
        "running",
        "solution",
        "solve",
    },
    "viewers": set(),
}
# package -> modules that may import it
OUTSIDE = {
    "langgraph": {
        "many",
        "state",
        "step",
        "nodes",
        "graph",
        "running",
        "savers",
        "steering",
        "stored",
        "agent",
        "tool",
        "middleware",
    },
    "langchain": {"middleware"},
    "matplotlib": {"benchmark.report.drawing", "benchmark.report.plots"},
    "numpy": {"benchmark.statistics"},
    "typer": {"cli", "cli_bench", "cli_steer"},
    "rich": {
        "cli",
        "cli_bench",
        "terminal",
        "benchmark.report.text",
        "terminal_bench",
        "viewers.rich_tree",
    },
    "jinja2": {"benchmark.report.page", "models.template"},
    "mpmath": {"benchmark.equality.values"},
}
STANDARD_LIBRARY_ONLY = {
    "belief",
    "branches",
    "choice",
    "information",
    "one_level",
    "tasks",
    "tree",
    "values",
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
    heart = ("tree", "values", "search", "state", "nodes", "graph", "prompts")
    lines = {m: len((PACKAGE / f"{m}.py").read_text("utf-8").splitlines()) for m in heart}
    assert sum(lines.values()) < 1000
    assert max(lines.values()) <= 300


def test_the_import_loads_nothing_heavy() -> None:
    """`python -m benchmarks.import_cost` says what it costs in time."""
    heavy = {*TORCH, *NEVER, "filelock", "langchain", "langgraph.prebuilt", "typer"}
    code = f"import mctsr_graph, mctsr_graph.models, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
