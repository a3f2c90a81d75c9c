"""What is said of packages that are missing can be typed as it stands, wherever we came from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from mctsr_graph.text import packages

REQUIRES = [
    "langgraph>=1.2.22",
    'rich>=13.8.1; extra == "cli"',
    "typer>=0.26 ; extra == 'cli'",
    'uvloop>=1; python_version < "4" and extra == "fast"',
    'langsmith[otel]>=0.15; extra == "dev"',
]


def test_a_line_names_the_packages_of_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: REQUIRES)
    assert packages.extras() == {"cli": ["rich>=13.8.1", "typer>=0.26"], "fast": ["uvloop>=1"]}
    line = 'pip install "rich>=13.8.1" "typer>=0.26" (the extra "cli" of mctsr-graph)'
    assert packages.install_line("cli") == line


def test_files_that_are_not_installed_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "requires", missing)
    assert packages.install_line("cli") == 'pip install "mctsr-graph[cli]"'


def test_a_version_is_found_by_a_requirement() -> None:
    assert packages.version_of("pytest>=8.4") == pytest.__version__
    assert packages.version_of("langsmith[otel]>=0.15") is not None
    assert packages.version_of("no-such-package>=1") is None
