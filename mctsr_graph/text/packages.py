"""Which packages an extra of this package needs, and how to install them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

NAME = "mctsr-graph"
_EXTRA = re.compile(r"""^\s*([^;]*[^;\s])\s*;.*\bextra\s*==\s*["']([\w-]+)["']""")


def extras() -> dict[str, list[str]]:
    """The requirements of each extra; {} where this package is not installed, but only lies there.

    Those of "dev" are left out: they are for work on this package.
    """
    try:
        lines = requires(NAME) or []
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        match = _EXTRA.match(line)
        if match and match[2] != "dev":
            found.setdefault(match[2], []).append(match[1])
    return found


def version_of(requirement: str) -> str | None:
    """The version of a package that is installed, by its name or a requirement; None: it is not."""
    name = re.split(r"[\s\[<>=!~;]", requirement.strip(), maxsplit=1)[0]
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def install_line(extra: str) -> str:
    """A command that installs what an extra needs, and the name of the extra.

    It names the packages themselves, so that it works wherever this package was installed from:
    an index, a checkout or a URL.
    """
    needed = extras().get(extra)
    if needed is None:
        return f'pip install "{NAME}[{extra}]"'
    packages = " ".join(f'"{one}"' for one in needed)
    return f'pip install {packages} (the extra "{extra}" of {NAME})'
