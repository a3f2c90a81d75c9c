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
    "branches": set(),
    "tree": {"branches"},
    "values": {"branches", "config", "tree"},
    "one_level": {"branches", "config", "tree", "values"},
    "usage": set(),
    "answers": set(),
    "_score_text": {"errors"},
    "_hostile_text": set(),
    "defuse": {"_hostile_text"},
    "endings": set(),
    "scores": {"_score_text", "errors"},
    "belief": {"answers", "branches", "errors", "tree"},
    "config": {"belief", "errors"},
    "tasks": {"config", "tree"},
    "costing": {"config", "tasks"},
    "search": {"branches", "config", "one_level", "tree", "values"},
    "information": {"belief", "branches", "tasks", "tree"},
    "thompson": {"branches", "config", "search", "tasks", "tree", "values"},
    "selection": {
        "branches",
        "config",
        "errors",
        "information",
        "search",
        "tasks",
        "thompson",
        "tree",
    },
    "choice": {"belief", "branches", "config", "tree"},
    "deciding": {"belief", "config", "tree"},
    "strategy": {"choice", "config", "errors", "tasks", "tree"},
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
    "judges.base": {"asking", "calls", "config", "errors", "prompts", "usage", "ways"},
    "judges.self_evaluation": {"calls", "judges.base", "prompts", "values"},
    "judges.logits": {"calls", "judges.base", "judges.self_evaluation", "values", "ways"},
    "judges.rubric": {"answers", "calls", "errors", "judges.base", "prompts", "values"},
    "judges.pairwise": {"answers", "calls", "defuse", "errors", "judges.base", "usage"},
    "judges.process": {"calls", "errors", "judges.base", "ways"},
    "judges.verifier": {"judges.base"},
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
    "finals": {
        "calls",
        "choice",
        "config",
        "costing",
        "desk",
        "judges",
        "leaves",
        "search",
        "state",
        "step",
        "tree",
        "usage",
        "values",
    },
    "acts": {"answers", "branches", "config", "errors", "leaves", "search", "tree"},
    "steering": {"acts", "branches", "config", "errors", "leaves", "tree"},
    "events": {"calls", "config", "leaves", "tasks", "tree", "usage"},
    "state": {"calls", "choice", "leaves", "tree", "usage"},
    "step": {"config", "events", "state", "ways"},
    "stopping": {"calls", "config", "costing", "deciding", "errors", "state", "tasks", "usage"},
    "nodes": {
        "answers",
        "asking",
        "calls",
        "choice",
        "config",
        "desk",
        "errors",
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
    "savers": {"errors"},
    "stored": {"errors", "graph", "models.scripted", "savers", "tree"},
    "solution": {"calls", "choice", "tree", "usage"},
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
    "solve": {
        "calls",
        "choice",
        "config",
        "journal",
        "judges",
        "prompts",
        "running",
        "solution",
        "strategy",
        "tasks",
    },
    "terminal": {"config", "events", "running", "solution", "usage", "viewers.text"},
    "cli": {"", "config", "errors", "running", "solve", "stored", "terminal", "usage"},
    "__main__": {"cli"},
    "models.load": {"errors", "models.embedded", "models.huggingface"},
    "models.scripted": {"errors"},
    "benchmark": set(),
    "benchmark.worker": {"benchmark._worker_pool", "errors"},
    "benchmark._worker_pool": {"errors"},
    "benchmark._worker_main": set(),
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
        "tree",
        "usage",
        "values",
    },
    "viewers": set(),
    "viewers.text": {"tree"},
}
# package -> modules that may import it
OUTSIDE = {
    "langgraph": {"state", "step", "nodes", "graph", "running", "savers", "steering", "stored"},
    "typer": {"cli"},
    "rich": {"cli", "terminal"},
}
STANDARD_LIBRARY_ONLY = {
    "branches",
    "tree",
    "values",
    "one_level",
    "search",
    "belief",
    "tasks",
    "information",
    "thompson",
    "choice",
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
        if not module.startswith("benchmark"):
            assert not {name for name in inside(module) if name.startswith("benchmark")}


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


def test_the_import_needs_neither_torch_nor_transformers_nor_sympy() -> None:
    code = (
        "import mctsr_graph, mctsr_graph.models, sys; "
        "assert not {'torch', 'transformers', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
