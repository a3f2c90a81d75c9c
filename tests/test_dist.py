"""What is published of this package: addresses, README's links, and that each extra is tried."""

from __future__ import annotations

import re
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (
    "[docs](docs/a.md#b), [web](https://x.org), [here](#there), [code](examples)\n"
    "![a](docs/a.png)\n"
)


def loaded(path: str) -> ModuleType:
    """A program of this repository, as a module that is not run."""
    loader = SourceFileLoader("program", str(ROOT / path))
    spec = spec_from_loader("program", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return loaded("hatch_build.py")


def test_links_lead_to_the_repository(build: ModuleType) -> None:
    assert build.outside(PAGE, "https://h.org/o/n") == (
        "[docs](https://h.org/o/n/blob/main/docs/a.md#b), [web](https://x.org), [here](#there), "
        "[code](https://h.org/o/n/tree/main/examples)\n![a](https://h.org/o/n/raw/main/docs/a.png)\n"
    )


def test_without_an_address_no_link_is_left_that_leads_nowhere(build: ModuleType) -> None:
    assert build.outside(PAGE, "") == "docs, [web](https://x.org), [here](#there), code\n\n"
    left = re.findall(r"\]\((?!https:|#)", build.outside((ROOT / "README.md").read_text(), ""))
    assert left == []


def test_the_address_is_given_or_that_of_the_workflow(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MCTSR_REPOSITORY", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    assert (build.address(), list(build.urls(""))) == ("", ["Paper"])
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/n")
    assert build.address() == "https://github.com/o/n"
    monkeypatch.setenv("MCTSR_REPOSITORY", "https://h.org/o/n/")
    assert build.address() == "https://h.org/o/n"
    assert build.urls("https://h.org/o/n")["Issues"] == "https://h.org/o/n/issues"


def test_each_extra_has_a_program_that_tries_it() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {*package["optional-dependencies"]} - {"dev"}
    programs = loaded(".ci/dist").PROGRAMS
    assert {*programs} == {"", *extras}
    assert all(programs.values())
