"""The names that users may rely on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import mctsr_graph

PUBLIC = [
    "CallJournal",
    "CheckpointError",
    "ClusterError",
    "ConfigError",
    "Estimate",
    "FinalAnswer",
    "FingerprintMismatchError",
    "JournalMismatchError",
    "MCTSrContext",
    "MCTSrError",
    "MCTSrInput",
    "MCTSrMiddleware",
    "MCTSrOutput",
    "MCTSrState",
    "MissingExtraError",
    "Node",
    "PauseError",
    "Prior",
    "Prompts",
    "ReplyError",
    "ScoreError",
    "ScriptExhaustedError",
    "ScriptedChatModel",
    "SearchFailedError",
    "SearchInterrupted",
    "SearchLockedError",
    "Solution",
    "UnknownModelError",
    "asolve",
    "asolve_many",
    "create_mctsr",
    "create_mctsr_agent",
    "create_mctsr_tool",
    "estimate",
    "learn_prior",
    "load_model",
    "read_prices",
    "solve",
    "solve_many",
]


def test_the_public_names_are_these_and_sorted() -> None:
    assert mctsr_graph.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    for name in PUBLIC:
        assert getattr(mctsr_graph, name).__doc__


def test_the_models_have_names_of_their_own() -> None:
    from mctsr_graph import models

    names = ["ChatTransformers", "ScriptedChatModel", "embedded_model", "load_model"]
    assert models.__all__ == names


def test_the_version_stands_in_one_place_and_has_its_section_of_changes() -> None:
    root = Path(__file__).parent.parent
    built = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert built["project"]["dynamic"] == ["version", "readme", "urls"]
    assert built["tool"]["hatch"]["version"]["path"] == "mctsr_graph/__init__.py"
    released = re.search(r"^## \[(\d.*?)\]", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert released is not None
    assert released[1] == mctsr_graph.__version__


def test_every_error_has_one_of_two_roots() -> None:
    for name in PUBLIC:
        if name.endswith("Error"):
            assert issubclass(getattr(mctsr_graph, name), mctsr_graph.MCTSrError)
    assert issubclass(mctsr_graph.SearchInterrupted, KeyboardInterrupt)
