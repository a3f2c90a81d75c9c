"""Failures of a run that are no results."""

from __future__ import annotations

from mctsr_graph.errors import MCTSrError


class Unfinished(MCTSrError):  # noqa: N818
    """The model's server failed, so the problem is left to the run's next start."""


class TooManyFailedError(MCTSrError):
    """More problems have failed than `max_failed` allows. What is done is kept."""
