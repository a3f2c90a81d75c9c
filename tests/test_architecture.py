"""The walls of the house: which folder may import which. The table is the document."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mctsr_graph"
ROOT = {"__init__.py", "__main__.py", "errors.py", "prompts.py"}
# folder, or module of the root -> what it may import of the package, besides itself
WALLS = {
    "errors": "",
    "text": "errors",
    "tree": "text",
    "settings": "errors text",
    "prompts": "errors text settings",
    "strategies": "errors text tree settings",
    "calls": "errors text settings",
    "models": "errors text",
    "cluster": "errors text calls",
    "judges": "errors text settings prompts strategies calls models",
    "graph": "errors text tree settings prompts strategies calls models judges",
    "viewers": "text tree",
    "run": "errors text tree settings prompts strategies calls models judges graph viewers cluster",
    "integrations": "errors text settings calls models graph run strategies",
    "benchmark": "errors text tree settings prompts strategies calls models judges graph viewers "
    "cluster",
    "cli": "errors text tree settings strategies calls models graph viewers run benchmark",
}
FACE = {
    "benchmark": {"benchmark.run"},
    "cli": {"cli.main", "cli.doctor"},
}  # may ask the package its version
# package -> folders that may import it
OUTSIDE = {
    "langgraph": {"graph", "run", "integrations"},
    "langchain": {"integrations"},
    "matplotlib": {"benchmark"},
    "numpy": {"benchmark"},
    "mpmath": {"text"},
    "jinja2": {"benchmark", "models"},
    "llama_cpp": {"models"},
    "typer": {"cli"},
    "rich": {"benchmark", "cli", "viewers"},
    "torch": {"models"},
    "transformers": {"models"},
    "sglang": {"models"},
    "vllm": {"models"},
}
STANDARD_LIBRARY_ONLY = {"errors", "text", "tree", "strategies"}
OPTIONAL = {"mpmath"}  # imported late, and only if it is there
LATE = {"llama_cpp", "mpmath", "sglang", "torch", "transformers", "vllm"}
NEVER = {"sympy", "math_verify", "latex2sympy2_extended"}  # a grader's, which needs the truth


@cache
def trees() -> dict[str, ast.Module]:
    """Every module by its dotted name inside the package; a package by its own name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def named(module: str, node: ast.AST) -> Iterator[str]:
    """Absolute dotted names that an import takes, those of modules of ours without the package."""
    if isinstance(node, ast.Import):
        yield from (alias.name.removeprefix("mctsr_graph.") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = ["mctsr_graph", *module.split(".")[: -node.level]] if node.level else []
        path = ".".join([*base, *filter(None, [node.module])])
        inside = path.removeprefix("mctsr_graph").removeprefix(".")
        for alias in node.names if path.startswith("mctsr_graph") else []:
            whole = f"{inside}.{alias.name}".removeprefix(".")
            yield whole if whole in trees() else inside
        if not path.startswith("mctsr_graph"):
            yield path


@cache
def imports() -> dict[str, set[str]]:
    """What each module imports, wherever it does so: lazily and for types, too."""
    return {
        module: {name for node in ast.walk(tree) for name in named(module, node)}
        for module, tree in trees().items()
    }


def inside(module: str) -> set[str]:
    return imports()[module] & trees().keys()


def top(name: str) -> str:
    return name.split(".")[0]


def test_the_root_holds_no_rooms_but_folders() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == ROOT
    assert {top(module) for module in trees()} == {"", "__main__", *WALLS}


@pytest.mark.parametrize("folder", WALLS)
def test_a_folder_imports_only_what_the_table_allows(folder: str) -> None:
    own = [module for module in trees() if top(module) == folder]
    used = {top(name) for module in own for name in inside(module)}
    assert used - {folder, ""} <= set(WALLS[folder].split())
    assert {module for module in own if "" in inside(module)} == FACE.get(folder, set())


def test_no_modules_import_each_other_in_a_circle_not_even_late() -> None:
    TopologicalSorter({module: inside(module) for module in trees()}).prepare()


@pytest.mark.parametrize("package", OUTSIDE)
def test_a_package_is_imported_only_where_the_table_allows(package: str) -> None:
    users = {m for m, names in imports().items() if package in map(top, names - trees().keys())}
    assert set(map(top, users)) <= OUTSIDE[package]


@pytest.mark.parametrize("folder", sorted(STANDARD_LIBRARY_ONLY))
def test_the_maths_needs_only_the_standard_library(folder: str) -> None:
    names = set().union(*(imports()[m] - trees().keys() for m in trees() if top(m) == folder))
    assert set(map(top, names)) <= sys.stdlib_module_names | {"typing_extensions"} | OPTIONAL


def test_what_is_heavy_is_imported_late() -> None:
    for module, tree in trees().items():
        at_import = {top(name) for node in tree.body for name in named(module, node)}
        assert not at_import & LATE, module


def test_only_the_benchmark_imports_a_grader() -> None:
    graders = {m for m, names in imports().items() if set(map(top, names)) & NEVER}
    assert graders == {"benchmark._worker_main"}


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
    for module, tree in trees().items():
        for node in ast.walk(tree) if top(module) not in ("text", "benchmark") else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = {argument.arg for argument in arguments}
                assert not names & forbidden, f"{module}.{node.name}"


def test_print_is_for_the_command_line_only() -> None:
    for module, tree in trees().items():
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        prints = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not prints or module == "cli.main"


def test_the_heart_can_be_read_in_one_sitting() -> None:
    heart = ("tree/tree", "strategies/uct", "strategies/paper", "graph/state", "graph/nodes")
    files = [PACKAGE / f"{name}.py" for name in (*heart, "graph/graph", "prompts")]
    lines = [len(file.read_text("utf-8").splitlines()) for file in files]
    assert sum(lines) < 1000
    assert max(lines) <= 300


def test_the_import_loads_nothing_heavy() -> None:
    """`python -m benchmarks.import_cost` says what it costs in time."""
    heavy = {*LATE, *NEVER, "filelock", "langchain", "langgraph.prebuilt", "typer"}
    code = f"import mctsr_graph, mctsr_graph.models, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
