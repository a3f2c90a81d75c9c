"""What is asked: a problem in words, with pictures and files beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mctsr_graph.errors import ConfigError
from mctsr_graph.text.final_answer import clean_text
from mctsr_graph.text.printable import is_blank

Block = dict[str, Any]
"""A content block of a LangChain message: {"type": "image", ...}."""
KINDS = {
    **dict.fromkeys(("image", "image_url", "input_image"), "image"),
    **dict.fromkeys(("audio", "input_audio"), "audio"),
    "video": "video",
    **dict.fromkeys(("file", "input_file", "document", "media"), "file"),
}
"""What a block shows, by its type."""


class Question(NamedTuple):
    """A problem as a search holds it."""

    text: str
    """The words, not blank."""
    blocks: Sequence[Block] = ()
    """Pictures and files, as LangChain's messages have them."""

    @property
    def key(self) -> str:
        """What tells it from other problems: the words, and a digest of what is beside them."""
        if not self.blocks:
            return self.text
        written = json.dumps(list(self.blocks), sort_keys=True)
        return f"{self.text}\n[content {hashlib.sha256(written.encode()).hexdigest()[:32]}]"

    @property
    def content(self) -> str | list[Block]:
        """As a user gives it."""
        if not self.blocks:
            return self.text
        return [{"type": "text", "text": self.text}, *self.blocks]


def as_question(problem: Any) -> Question:
    """The problem that is meant.

    Raises:
        ConfigError: it is neither a text nor a list of content blocks, or says nothing.
    """
    if isinstance(problem, Question):
        return problem
    if isinstance(problem, str):
        words, blocks = [problem], []
    elif isinstance(problem, list) and all(isinstance(one, str | dict) for one in problem):
        words = [text for one in problem if (text := _words(one)) is not None]
        blocks = [_checked(one) for one in problem if isinstance(one, dict) and _words(one) is None]
    else:
        raise ConfigError(
            f"problem is {problem!r:.200}, allowed a text that is not blank, or content blocks"
        )
    text = clean_text("\n\n".join(words))
    if is_blank(text):
        given = text if not blocks else problem
        raise ConfigError(f"problem is {given!r:.200}, allowed a text that is not blank")
    return Question(text, blocks)


def kind_of(block: Block) -> str:
    """What a block shows: "image", "audio", "video", "pdf" or "file"."""
    kind = KINDS[block["type"]]
    return "pdf" if kind == "file" and "pdf" in json.dumps(_about(block)).lower() else kind


def _about(block: Block) -> list[Any]:
    """Type and name of a file, without its content."""
    inner = [block, *(one for one in block.values() if isinstance(one, dict))]
    names = ("mime_type", "media_type", "filename", "name")
    data = [str(one.get(key, ""))[:40] for one in inner for key in ("file_data", "url")]
    return [*data, *(one.get(name) for one in inner for name in names)]


def _words(block: str | Block) -> str | None:
    """The words of a block that is nothing else."""
    if isinstance(block, str):
        return block
    is_text = block.get("type") in ("text", "input_text", "text-plain")
    return str(block["text"]) if is_text and isinstance(block.get("text"), str) else None


def _checked(block: Block) -> Block:
    if block.get("type") not in KINDS:
        raise ConfigError(
            f"problem holds a content block of type {block.get('type')!r}, allowed "
            f"text, {', '.join(KINDS)}"
        )
    try:
        json.dumps(block)
    except (TypeError, ValueError):
        raise ConfigError(
            f"problem holds an {block['type']} block that is no JSON; give bytes as base64"
        ) from None
    return block
