"""What of this package's metadata depends on where it is published: README's links, addresses.

The address of the repository comes from MCTSR_REPOSITORY, or from what GitHub tells its workflows.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")
_PAPER = "https://arxiv.org/abs/2406.07394"


class WhereHook(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Make README's links work anywhere, and name the addresses that are known."""
        repository = address()
        text = Path(self.root, "README.md").read_text("utf-8")
        text = outside(text, repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(repository)


def address() -> str:
    """Of the repository, without a slash at the end; "" where it is not known."""
    given = os.environ.get("MCTSR_REPOSITORY", "")
    if not given and "GITHUB_REPOSITORY" in os.environ:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        given = f"{server}/{os.environ['GITHUB_REPOSITORY']}"
    return given.rstrip("/")


def urls(repository: str) -> dict[str, str]:
    """The addresses that an index shows."""
    if not repository:
        return {"Paper": _PAPER}
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/main/docs",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Paper": _PAPER,
    }


def outside(text: str, repository: str) -> str:
    """A page of the repository's root with links that work anywhere.

    Where the address is not known, a link becomes its words and a picture is left out.
    """

    def link(found: re.Match[str]) -> str:
        is_picture, words, path = found.groups()
        if not repository:
            return "" if is_picture else words
        kind = "raw" if is_picture else "tree" if "." not in Path(path).name else "blob"
        return f"{is_picture}[{words}]({repository}/{kind}/main/{path})"

    return _LINK.sub(link, text)
