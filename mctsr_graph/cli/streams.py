"""What the command `mctsr` writes to: streams that stay harmless and whole whatever is written.

A text of a model or a server may hold what a terminal obeys, the stream may know few characters,
and whoever reads it may stop. None of it is an error of the search.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mctsr_graph.text.printable import printable

_NARROWEST = 80  # columns; what is narrower would cut off the cells of a table
# Of trees, verdicts and numbers, where the stream cannot hold them
_LINES = str.maketrans("│├└─┬┼…✓✗–−▲▼○·\u202f", "||`-++~+x--^vo. ")


class OutputError(Exception):
    """A stream cannot be written to."""


class SafeConsole(Console):
    """Writes texts without what a terminal obeys, in the characters that the stream can hold."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self.room = self.width
        """Columns that there are, which for tables are taken for 80 at least."""
        # Where no terminal wraps it, a line stays one
        self.soft_wrap = soft_wrap or not self.is_terminal
        if self.width < _NARROWEST and not (stderr and self.is_terminal):
            self.width = _NARROWEST

    @property
    def encoding(self) -> str:
        """The stream's own, which rich takes for UTF-8 where it has opened it itself."""
        return encoding_of(self.file)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, but for what no reader is to see."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=self._fitting(segment.text))

    def _fitting(self, text: str) -> str:
        return fitting(printable(text, keep="\n\t"), self.encoding)

    def on_broken_pipe(self) -> None:
        """Whoever read has read enough; the search goes on, and its exit code stays its own."""
        self.quiet = True
        drop(self.file)

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            del self._buffer[:]
            drop(self.file)
            name = "stderr" if self.stderr else "stdout"
            raise OutputError(f"{name} cannot be written to: {error.strerror or error}") from None


def stderr() -> SafeConsole:
    """For progress and notes."""
    return SafeConsole(stderr=True)


def stdout() -> SafeConsole:
    """For results. Model text is never taken for markup."""
    return SafeConsole(soft_wrap=True)


def raw(text: str) -> None:
    """Write JSON to stdout, as it is.

    What the stream cannot hold is escaped.

    Raises:
        OutputError: stdout cannot be written to.
    """
    try:
        text.encode(encoding_of(sys.stdout))
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text)) + "\n"
    _write(lambda: sys.stdout.write(text))


def raw_page(text: str) -> None:
    """Write a page to stdout, which says of itself that it is UTF-8.

    Raises:
        OutputError: stdout cannot be written to.
    """
    buffer: Any = getattr(sys.stdout, "buffer", None)
    data = text.encode("utf-8", "replace")
    _write(lambda: buffer.write(data) if buffer is not None else sys.stdout.write(text))


def _write(write: Any) -> None:
    try:
        sys.stdout.flush()
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        raise OutputError(f"stdout cannot be written to: {error.strerror or error}") from None


def encoding_of(stream: IO[str]) -> str:
    """Name of the encoding of a stream, in small letters."""
    return (getattr(stream, "encoding", None) or "utf-8").lower()


def fitting(text: str, encoding: str) -> str:
    """A text in the characters of an encoding; what it has not becomes "?"."""
    if text.isascii() or encoding.startswith("utf"):
        return text
    return text.translate(_LINES).encode(encoding, "replace").decode(encoding)


def drop(stream: IO[str]) -> None:
    """Let what is still written to a stream that is gone go nowhere, at the exit, too."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except OSError:  # a stream without a file, or no more descriptors
        pass
