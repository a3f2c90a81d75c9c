"""The one failure that is no result."""

from __future__ import annotations

from mctsr_graph.errors import MCTSrError


class Unfinished(MCTSrError):  # noqa: N818
    """The model's server failed, so the problem is left to the run's next start."""
