"""The lock: `make lock` writes it, `make install` installs it."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
OWN = "mctsr-graph"
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = [
    *PACKAGE["build-system"]["requires"],
    *PACKAGE["project"]["dependencies"],
    *(
        text
        for name, extra in PACKAGE["project"]["optional-dependencies"].items()
        # These bring a torch of their own and want a GPU, or take a compiler and minutes
        if name not in ("llamacpp", "sglang", "vllm")
        for text in extra
    ),
]


def locked() -> dict[str, Version]:
    """The version of each package that the lock fixes for this Python and platform."""
    fixed = {}
    for requirement in map(Requirement, LINES):
        if requirement.marker is None or requirement.marker.evaluate():
            (specifier,) = requirement.specifier
            name = canonicalize_name(requirement.name)
            assert name not in fixed, f"{name} is fixed twice"
            fixed[name] = Version(specifier.version)
    return fixed


def test_a_line_fixes_one_release_and_names_no_place():
    assert [line for line in LINES if "==" not in line or "/" in line or "@" in line] == []


@pytest.mark.parametrize("text", sorted(set(DECLARED)))
def test_the_lock_is_of_the_ranges_that_the_package_declares(text):
    requirement = Requirement(text)
    if requirement.name != OWN:
        assert locked()[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="only `make install` into .venv installs the lock"
)
def test_what_is_installed_is_what_the_lock_fixes():
    brought = {canonicalize_name(each.name): Version(each.version) for each in distributions()}
    for not_locked in (OWN, "pip"):
        brought.pop(not_locked, None)
    fixed = locked()
    # A build of torch for one kind of processor has a name of its own behind the "+"
    strangers = {
        name: str(version)
        for name, version in brought.items()
        if name not in fixed or version.public != fixed[name].public
    }
    assert strangers == {}
