"""What the pages list is all there is: errors, stop reasons, codes of failures, public names."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import mctsr_graph
from mctsr_graph.benchmark.unfinished import TooManyFailedError
from mctsr_graph.cli.common import EXIT_CODES
from mctsr_graph.models.engine.protocol import EngineError
from mctsr_graph.settings.context import EFFORTS
from mctsr_graph.text._score_patterns import FAULTS
from mctsr_graph.tree.stop_reasons import STOP_REASONS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mctsr_graph"
DOCS = ROOT / "docs"
MODULES = {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def table(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by what their first cells hold."""
    text = (DOCS / page).read_text("utf-8").partition(f"\n## {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", text, re.M)
    assert lines is not None
    rows = [line.strip("| ").split(" | ") for line in lines[0].splitlines()[2:]]
    return {row[0]: row[1:] for row in rows}


# --------------------------------------------------------------------------- errors
def ours(error: type[BaseException]) -> set[type[BaseException]]:
    found = {error} if error.__module__.startswith("mctsr_graph") else set()
    return found.union(*map(ours, error.__subclasses__()))


def test_every_error_is_listed_below_what_it_is_a_kind_of() -> None:
    assert issubclass(EngineError, mctsr_graph.MCTSrError)  # where others may be is imported
    assert issubclass(TooManyFailedError, mctsr_graph.MCTSrError)
    known = {error.__name__: error for error in ours(mctsr_graph.MCTSrError)}
    known["SearchInterrupted"] = mctsr_graph.SearchInterrupted
    listed = [re.findall(r"`(\w+)`", first) for first in table("errors.md", "Errors")]
    assert sorted(names[0] for names in listed) == sorted(known)
    for name, *parents in listed:
        bases = [base.__name__ for base in known[name].__bases__]
        kind = [base for base in bases if base not in ("MCTSrError", "Exception")]
        if parents:
            assert parents == kind
        else:
            assert not set(kind) & set(known)


def test_the_exit_codes_are_those_of_the_help() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    for code in "0123":
        assert f"| {code} | {EXIT_CODES[code]} |" in page


# --------------------------------------------------------------------------- stop reasons
def test_every_stop_reason_is_listed_with_its_words() -> None:
    told = {f"`{name}`": [*one] for name, one in STOP_REASONS.items()}
    assert table("errors.md", "Stop reasons") == told


def returned(path: str, *names: str) -> set[str]:
    """The texts that functions of a module return."""
    functions = [
        node
        for node in ast.walk(MODULES[PACKAGE / path])
        if isinstance(node, ast.FunctionDef) and node.name in names
    ]
    returns = [node for one in functions for node in ast.walk(one) if isinstance(node, ast.Return)]
    values = [node for one in returns for node in ast.walk(one)]
    texts = [node.value for node in values if isinstance(node, ast.Constant)]
    return {text for text in texts if isinstance(text, str)}


def test_no_stop_reason_of_the_code_is_missing() -> None:
    from mctsr_graph.graph.finalize import _SPENT

    given = returned("graph/stop.py", "why_stop") | returned("strategies/enough.py", "why_enough")
    assert {"max_rollouts", "failed", "patience", "agreed", "settled"} <= given
    assert given | {*_SPENT, "exhausted", "interrupted"} == {*STOP_REASONS}


# --------------------------------------------------------------------------- failures
def test_every_code_of_a_failure_is_listed() -> None:
    """Each text that an error of a reply is made with, and those that a variable stands for."""
    calls = [
        node
        for path, tree in MODULES.items()
        if "benchmark" not in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in ("ReplyError", "ScoreError")
    ]
    given = {one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)}
    of_variables = {"unavailable", "model_error", "context", "judge_error", "logprobs", *FAULTS}
    assert "empty" in given
    listed = {name.strip("`") for name in table("errors.md", "Failures")}
    assert listed == (given | of_variables) - {"unasked"}  # which never leaves the search


# --------------------------------------------------------------------------- cost
def test_the_calls_of_each_effort_are_those_of_the_code() -> None:
    rows = table("cost.md", "How many calls")
    found = {re.findall(r'effort="(\w+)"', name)[0]: int(row[0]) for name, row in rows.items()
             if "effort" in name}  # fmt: skip
    assert found == EFFORTS
    for name in ("paper", "official"):
        [row] = [row for first, row in rows.items() if f'profile "{name}"' in first]
        context = mctsr_graph.MCTSrContext(profile=name)
        assert mctsr_graph.estimate("How many?", context=context).calls == int(row[0])


def test_every_limit_is_a_setting_and_every_setting_that_limits_is_there() -> None:
    named = [name for first in table("cost.md", "Limits") for name in re.findall(r"`(\w+)`", first)]
    known = mctsr_graph.MCTSrContext.model_fields
    limits = {name for name in known if name.startswith("max_") or name.endswith("_max_tokens")}
    shape = {"max_children", "max_depth", "max_failures", "max_failure_share"}
    again = {"max_retries", "max_attempts"}
    assert {*named} == (limits - shape - again) | {"effort", "call_seconds"}


# --------------------------------------------------------------------------- API
@pytest.mark.parametrize(
    "module",
    ["mctsr_graph", "mctsr_graph.models", "mctsr_graph.strategies", "mctsr_graph.judges",
     "mctsr_graph.run.steering"],
)  # fmt: skip
def test_every_public_name_has_its_entry(module: str) -> None:
    found: Any = import_module(module)
    page = (DOCS / "api.md").read_text("utf-8")
    listed = {*re.findall(r"^\.\. auto\w+:: ([\w.]+)$", page, re.M)}
    ours = {name for name in found.__all__ if not name.endswith(("Error", "Interrupted"))}
    elsewhere = {"ScriptedChatModel", "load_model"} if module == "mctsr_graph.models" else set()
    assert {f"{module}.{name}" for name in ours - elsewhere} <= listed
    assert not [name for name in listed if not hasattr(*_parts(name))]


def _parts(name: str) -> tuple[Any, str]:
    place, _, last = name.rpartition(".")
    return import_module(place), last
